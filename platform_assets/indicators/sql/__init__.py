"""Indicators and tables that are one SQL query: the file, the names in it, and how it runs."""
