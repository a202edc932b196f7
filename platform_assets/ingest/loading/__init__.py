"""How staged rows become the table: the rules of each load mode, and the one transaction that follows them.

`derived` (values that are derived where they are missing), `snapshots` (which delivery is the table), `merge` (upsert), `publish` (all of it).
"""
