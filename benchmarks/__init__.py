"""Measurements. Each module has `main()`, which prints a small table in Markdown and returns it."""
