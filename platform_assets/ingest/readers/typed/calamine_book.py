"""Workbooks of the old Excel (xls) and of OpenDocument (ods), read by calamine, as `workbook.Workbook` gives those of xlsx.

Calamine gives values, not what is written: a formula that was never computed and an error may be nothing there, and zeros that a number's format shows
before it are lost. So xlsx is read by our own reader, and senders who can should send that.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.typed import workbook
from platform_assets.ingest.readers.typed.number_formats import PLAIN
from platform_assets.ingest.readers.typed.workbook import Book, Cell, Number, SheetPart


@dataclass
class CalamineBook:
    """See `workbook.Workbook`."""

    book: Any
    sheets: list[SheetPart]
    date_1904: bool = False

    def rows(self, sheet: SheetPart) -> Iterator[tuple[int, list[Cell]]]:
        """(number, cells from column A on) of the sheet's rows in which anything stands."""
        for number, values in enumerate(
            self.book.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False), start=1
        ):
            cells = [_cell(value) for value in values]
            if any(cell is not None for cell in cells):
                yield number, cells

    def count(self, sheet: SheetPart) -> int:
        """Rows of a sheet in which anything stands; 0 for one that is no table."""
        return sum(1 for _ in self.rows(sheet)) if sheet.kind == "worksheet" else 0


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Book]:
    """The workbook at `path`. One whose rows were edited is of xlsx, whatever its name. Raises FileRejected where it is none."""
    if _is_xlsx(path):
        with workbook.opened(path, limits) as book:
            yield book
        return
    if path.stat().st_size > limits.whole_mb << 20:
        raise FileRejected(f"a workbook may be {limits.whole_mb} MB at most: deliver CSV")
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        with CalamineWorkbook.from_path(str(path)) as read:
            sheets = [
                SheetPart(
                    meta.name,
                    "worksheet" if meta.typ == SheetTypeEnum.WorkSheet else "chartsheet",
                    meta.visible != SheetVisibleEnum.Visible,
                    meta.name,
                )
                for meta in read.sheets_metadata
            ]
            yield CalamineBook(read, sheets)
    except (CalamineError, OSError, ValueError, OverflowError) as error:
        raise FileRejected(
            f"the file is not a readable workbook ({type(error).__name__}): was it cut off? Open it and save it anew as .xlsx"
        ) from None


def unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """All that stands in cells of a workbook that calamine reads; nothing of another. Raises ValueError."""
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        path = Path(copy.name)
        if zipfile.is_zipfile(path) and not _is_ods(path):
            return
        try:
            with opened(path, Limits()) as book:
                for sheet in book.sheets:
                    for _, cells in book.rows(sheet) if sheet.kind == "worksheet" else ():
                        for cell in cells:
                            if cell is not None:
                                yield (cell.raw if isinstance(cell, Number) else str(cell)).encode("utf-8", "replace")
        except FileRejected as error:
            raise ValueError(str(error)) from None


def _cell(value: Any) -> Cell:
    if value is None or value == "":
        return None
    if isinstance(value, bool | str | dt.date | dt.time | dt.timedelta):
        return value
    return Number(repr(value), PLAIN)


def _is_ods(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return "content.xml" in archive.namelist()


def _is_xlsx(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "xl/workbook.xml" in archive.namelist()
