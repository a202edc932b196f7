"""SAS: a table of columns with types, values as they are stored."""

from __future__ import annotations

from platform_assets.ingest.readers.typed.statistics import Statistics


class Sas(Statistics):
    """See `typed.statistics`."""

    kind = "sas"
    words = "SAS: a table of columns with types, values as they are stored"
    example = "sample_id: A-1, result: POS (a file of SAS)"
    ending = "sas7bdat"
    magic = bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\x00"
    program = "SAS"
    reads = "read_sas7bdat"
    writes = "write_xport"
    longest = 32_767
