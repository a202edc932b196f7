"""What the platform stands on: warehouse, object store, R runtime, identity keys, notifiers. One place per system."""
