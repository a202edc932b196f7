"""Drugs in the medical literature: mentions in titles, the graph of them, its questions, its explorer.

Nothing is imported here: the modules below load Arrow and DuckDB, which a code location must not pay for.
What knows datasets or runs on a schedule lives elsewhere; this package takes tables and gives tables.
"""
