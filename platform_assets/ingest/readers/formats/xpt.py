"""SAS transport: what SAS writes for other programs."""

from __future__ import annotations

from platform_assets.ingest.readers.typed.statistics import Statistics


class Xpt(Statistics):
    """See `typed.statistics`."""

    kind = "xpt"
    words = "SAS transport: what SAS writes for other programs"
    example = "sample_id: A-1, result: POS (a transport file of SAS)"
    ending = "xpt"
    magic = b"HEADER RECORD"
    program = "SAS (transport)"
    reads = "read_xport"
    writes = "write_xport"
    longest = 32_767
