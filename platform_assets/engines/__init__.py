"""What executes loads: the lake, or BigQuery."""
