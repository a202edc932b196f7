"""OpenDocument spreadsheets (LibreOffice), by their values: sheets as in xlsx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from platform_assets.ingest.readers.formats.xlsx import Xlsx
from platform_assets.ingest.readers.typed import calamine_book


class Ods(Xlsx):
    """See `typed.calamine_book`."""

    kind = "ods"
    words = "OpenDocument spreadsheets (LibreOffice), by their values: sheets as in xlsx"
    example = "a sheet as in xlsx, saved by LibreOffice"
    ending = "ods"
    magic = b"PK\x03\x04"
    opened = staticmethod(calamine_book.opened)

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """See `Format`."""
        yield from calamine_book.unpacked(file)
