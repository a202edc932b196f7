"""Drugs in the medical literature: mentions in titles, the graph of them, its questions, its explorer.

Nothing is imported here: the modules below load Arrow and DuckDB, which a code location must not pay for.
All modules but `steps` take tables and give tables; `steps` takes them from the warehouse and publishes what comes out.
"""
