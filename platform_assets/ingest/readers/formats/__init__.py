"""A file format per module. A new one is a module here, and its line in `contracts.file_kinds`."""
