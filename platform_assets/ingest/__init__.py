"""From a landed file to published rows: scan, stage as text, judge, publish, keep the ledger. No Dagster here.

The order in which data meets the modules: `deliveries` (what waits), `scan` (one pass over the bytes), `csv_engine` / `csv_lines` /
`documents` (text rows into Parquet), `staging` (which reader takes what), `publish` (one transaction), `ledger`, `load` (the whole
way), `quality` (what the checks say).
"""
