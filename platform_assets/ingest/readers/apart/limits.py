"""How much one file may take while it is read: memory, time, rows, bytes. What goes beyond is refused, with the way out."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace

PREFIX = "PLATFORM_READER_"
SECONDS_PER_MB = 4
"""Time that a file gets for each MB beside `Limits.seconds`: the slowest reader takes half a second for one."""


@dataclass(frozen=True)
class Limits:
    """Limits of one file. Each has an environment variable: ``PLATFORM_READER_ROWS`` is `rows`."""

    memory_mb: int = 768
    """Memory that reading may take, beside that of the reader itself."""
    seconds: int = 120
    """Processor time; a file gets `SECONDS_PER_MB` more for each of its MB, and three times as long by the clock."""
    unpacked_mb: int = 51_200
    """MB that come out: of an archive, or as text of the rows. Never more than half of the disk space that is free."""
    ratio: int = 1_000
    """Bytes that come out of an archive for each that went in: a well-compressed CSV shrinks 10 to 100 times, more is a bomb."""
    rows: int = 20_000_000
    """Rows of a JSON, Parquet or Excel file. Delimited text has no limit: there a row cannot be smaller than its bytes."""
    cells: int = 50_000_000
    """Cells of a sheet, from its first to the farthest that has anything in it, the empty ones between them too."""
    whole_mb: int = 256
    """Size of a file of a kind that must be read as a whole (json5, xlsx); a workbook may unpack to four times as much."""
    depth: int = 64
    """How deep JSON may be nested."""
    digits: int = 4_300
    """Digits of a number."""
    members: int = 10_000
    """Files in an archive."""

    @classmethod
    def from_environment(cls) -> Limits:
        """The limits of this installation. Raises ValueError for one that is no positive whole number."""
        found = {}
        for field in fields(cls):
            text = os.environ.get(PREFIX + field.name.upper())
            if text is not None:
                if not text.isdecimal() or not int(text):
                    raise ValueError(f"{PREFIX}{field.name.upper()}={text!r}: write a whole number of at least 1")
                found[field.name] = int(text)
        return cls(**found)

    def within(self, free: int) -> Limits:
        """These limits on a disk with `free` bytes."""
        return replace(self, unpacked_mb=max(1, min(self.unpacked_mb, free >> 21)))

    def unpacked_from(self, packed: int) -> int:
        """Bytes that may come out of a file of `packed` bytes."""
        return min(self.unpacked_mb << 20, self.ratio * max(packed, 10_000))

    def seconds_for(self, size: int) -> int:
        """Processor time for a file of `size` bytes."""
        return self.seconds + SECONDS_PER_MB * (size >> 20)


def setting(field: str) -> str:
    """The environment variable of a limit, for messages."""
    return PREFIX + field.upper()
