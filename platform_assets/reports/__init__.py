"""Row-level and aggregated reports, and the logs that people find in Dagster, the warehouse and spreadsheets."""
