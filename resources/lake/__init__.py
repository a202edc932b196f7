"""The lake: DuckDB with DuckLake, its catalog, and an engine that holds only the tables that a query names."""
