"""A load in BigQuery: what is judged here, what is sent, and the one transaction there."""
