"""What can hold a person: one file per kind of store, each with its class as `HOLDER`. See `erasure.holder`."""
