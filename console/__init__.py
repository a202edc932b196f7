"""The console: stewards' work in the browser. No Dagster import; Dagster is talked to by GraphQL, data go through the office."""
