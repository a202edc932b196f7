"""What the platform stands on: warehouse, object store, identity keys, R runtime. One place per system."""
