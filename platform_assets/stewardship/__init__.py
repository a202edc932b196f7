"""What stewards do: fix what waits in quarantine, erase records, make reports, with roles and a log of who did what. No Dagster here.

`access` (who may do what), `audit` (the chained log), `quarantine` (fix, resubmit, dismiss), `erasure` and its parts (`targets`,
`tombstones`, `redaction`, `scan`, `certificate`), `reports`.
"""
