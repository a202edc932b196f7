"""SPSS: columns with types, values by their codes."""

from __future__ import annotations

from platform_assets.ingest.readers.typed.statistics import Statistics


class Spss(Statistics):
    """See `typed.statistics`."""

    kind = "spss"
    words = "SPSS: columns with types, values by their codes"
    example = "sample_id: A-1, result: POS (a file of SPSS)"
    ending = "sav"
    magic = b"$FL"
    program = "SPSS"
    reads = "read_sav"
    writes = "write_sav"
    longest = 32_767
