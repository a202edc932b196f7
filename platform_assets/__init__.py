"""The platform: contracts, ingest, indicators and products, and their Dagster definitions."""
