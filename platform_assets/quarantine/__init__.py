"""Rejected rows and held deliveries: the stewards' desk on which rows are mended, sent again and dismissed, and the door for uploads."""
