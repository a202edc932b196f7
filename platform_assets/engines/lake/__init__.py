"""DuckDB over DuckLake: the engine of a laptop, and of most clusters. The work itself is in `ingest` and `indicators`."""
