"""Old Excel (.xls), by its values: sheets as in xlsx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from platform_assets.ingest.readers.formats.xlsx import Xlsx
from platform_assets.ingest.readers.typed import calamine_book


class Xls(Xlsx):
    """See `typed.calamine_book`."""

    kind = "xls"
    words = "old Excel (.xls), by its values: sheets as in xlsx"
    example = "a sheet as in xlsx, saved by Excel 97 to 2003"
    ending = "xls"
    magic = b"\xd0\xcf\x11\xe0"
    opened = staticmethod(calamine_book.opened)

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """See `Format`."""
        yield from calamine_book.unpacked(file)
