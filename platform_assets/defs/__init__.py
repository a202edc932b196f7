"""One folder per domain, one below it per dataset: its `defs.yaml` is its contract."""
