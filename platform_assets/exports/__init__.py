"""What leaves as files for partners: made window by window, delivered, acknowledged. What was sent to whom stands in one ledger."""

GROUP = "exports"
"""Dagster's group of their assets. Their windows are partitions, so they run in runs of their own."""
