"""Stata, from version 13 on: columns with types, values by their codes."""

from __future__ import annotations

from platform_assets.ingest.readers.typed.statistics import Statistics


class Stata(Statistics):
    """See `typed.statistics`."""

    kind = "stata"
    words = "Stata, from version 13 on: columns with types, values by their codes"
    example = "sample_id: A-1, result: POS (a file of Stata)"
    ending = "dta"
    magic = b"<stata_dta"
    program = "Stata"
    reads = "read_dta"
    writes = "write_dta"
    longest = 2_045
