"""From a landed file to published rows: take apart, stage as text, judge, publish, keep the ledger. No Dagster here.

The order in which data meets the modules: `deliveries` (what waits), `readers` (bytes into rows of text, each file in a process of its own
where it is not plain delimited text), `arrivals` (what each means, given what came before), `staging` (which reader takes what), `loading` (one transaction), `ledger`, `load` (the whole
way), `quality` (what the checks say).
"""
