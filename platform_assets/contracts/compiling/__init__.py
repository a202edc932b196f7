"""A contract becomes queries by which an engine cleans, reads and judges rows."""
