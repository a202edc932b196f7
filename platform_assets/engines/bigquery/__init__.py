"""BigQuery as the engine of whole loads: what `platform_assets.ingest` does on the lake, for data that outgrow a machine.

Files are read, identifiers pseudonymised and erased people left out on this machine; rows are judged, merged and counted by
BigQuery, with the same compiled contract; raw, quarantine, validated and ledger change in one transaction. Nothing here is
imported where DuckDB is the engine.
"""
