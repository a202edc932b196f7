"""Texts that people and machines read: one spelling, what may be shown of a message, and no markup or control characters of data."""
