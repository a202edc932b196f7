"""What can hold a person: one file per kind of store."""
