"""Excel workbooks (xlsx): one sheet of a workbook, its dates and numbers as text.

Where rows of it are edited, a workbook is written anew as one sheet of texts, each as ingest reads it. What else it may hold (formulas,
formats, comments, other sheets, caches of pivot tables) does not come along: nobody could say whom it tells of. ECMA-376, Office Open
XML, part 1, is the format; texts stand in the cells themselves (`inlineStr`).
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from platform_assets.contracts.columns import TEMPORAL
from platform_assets.contracts.dates import DateFormat, written
from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.header import match_header, positional_header
from platform_assets.ingest.readers.interface import Edits, Format
from platform_assets.ingest.readers.limits import Limits, setting
from platform_assets.ingest.readers.records import text_of
from platform_assets.ingest.readers.staged import BATCH, FileRejected, Header, RowWriter

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_RUNS = re.compile(rb"</(?:\w+:)?t>\s*(?:</(?:\w+:)?r>\s*<(?:\w+:)?r>.*?)?<(?:\w+:)?t(?:\s[^>]*)?>", re.DOTALL)
"""Between two runs of one cell."""
_CELL_END = re.compile(rb"</(?:\w+:)?(?:si|c|comment|row)>")
_CHUNK, _LONGEST_CELL = 1 << 20, 64 << 20
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Xlsx(Format):
    """A sheet of a workbook: the first, or the one that the contract names."""

    kind = "xlsx"
    words = "Excel: the first sheet of a workbook, or the one that `sheet` names"
    example = "a sheet with the names in its first row and A-1, POS in the next"
    ending = "xlsx"
    magic = b"PK\x03\x04"
    lost = "workbooks hold texts only now, one sheet each"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`."""
        sheet = open_sheet(path, contract, fmt, limits)
        places = [sheet.header.positions.get(c) for c in contract.file_columns]
        numbers: list[int] = []
        rows: list[list[str | None]] = []
        for number, cells in sheet.rows:
            if number < sheet.start or all(c == "" for c in cells):
                continue
            numbers.append(number)
            texts = sheet.texts(cells)
            rows.append([None if place is None or place >= len(texts) else texts[place] for place in places])
            if len(rows) >= BATCH:
                writer.write(numbers, list(zip(*rows, strict=True)))
                numbers, rows = [], []
        if rows:
            writer.write(numbers, list(zip(*rows, strict=True)))
        return sheet.header

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        buffer = io.BytesIO()
        write_workbook(buffer, fmt.sheet or "Sheet1", [headers, *rows] if fmt.header else rows)
        return buffer.getvalue()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. The sheet that `fmt` names, all cells as text."""
        sheet = open_sheet(path, contract, fmt, limits)
        kept = (
            [text if text is None else edits.cell(number, text) for text in sheet.texts(cells)]
            for number, cells in sheet.rows
            if number not in edits.out
        )
        with target.open("wb") as out:
            write_workbook(out, sheet.name, kept)

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """See `Format`. A cell may be written in runs (one word of it is bold), which people read as one text."""
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.filename.startswith("xl/") and info.filename.endswith(".xml"):
                    with archive.open(info) as part:
                        yield from _joined(part)


# ------------------------------------------------------------------ reading


@dataclass(frozen=True)
class Sheet:
    """The one sheet of a workbook that holds the rows."""

    name: str
    rows: Iterator[tuple[int, list[Any]]]
    """Every row of the sheet with its number, from its first; can be gone through once."""
    start: int
    """Number of the first row below the header."""
    header: Header
    formats: dict[int, tuple[DateFormat, ...]]
    """Index of a column of dates -> the formats in which its dates may be written."""
    digits: int
    """A number may have so many."""

    def texts(self, cells: Sequence[Any]) -> list[str | None]:
        """A row as text."""
        return [_text(value, self.formats.get(place), self.digits) for place, value in enumerate(cells)]


def open_sheet(path: Path, contract: Contract, fmt: FileFormat, limits: Limits) -> Sheet:
    """The sheet of the workbook at `path` that `fmt` names. Raises FileRejected.

    A cell far outside the table makes calamine ask for room for all cells before it, and die: its process has no more than that.
    """
    import python_calamine

    if path.stat().st_size > limits.whole_mb << 20:
        raise FileRejected(f"a workbook may be {limits.whole_mb} MB at most, as it is read whole: deliver CSV")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > 4 * limits.whole_mb << 20:
            raise FileRejected(
                f"the workbook unpacks to {unpacked >> 20} MB, more than {4 * limits.whole_mb}: deliver CSV"
            )
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        if fmt.sheet and fmt.sheet not in workbook.sheet_names:
            raise FileRejected(
                f"there is no sheet {fmt.sheet!r}; the workbook has {len(workbook.sheet_names)} other sheet(s)"
            )
        sheet = workbook.get_sheet_by_name(fmt.sheet) if fmt.sheet else workbook.get_sheet_by_index(0)
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError, IndexError) as error:
        raise FileRejected(f"the file is not a readable Excel workbook ({type(error).__name__})") from None
    last_row, last_column = sheet.end or (0, 0)
    if (last_row + 1) * (last_column + 1) > limits.cells:
        raise FileRejected(
            f"the sheet reaches to row {last_row + 1:,} and column {last_column + 1:,}: delete what stands far outside the table, "
            f"or deliver CSV. For a sheet of more than {limits.cells:,} cells raise {setting('cells')}"
        )
    before = [""] * (sheet.start or (0, 0))[1]  # calamine leaves out empty columns on the left, and no rows
    rows = enumerate(([*before, *cells] for cells in sheet.iter_rows()), start=1)
    header, start, seen = positional_header(contract), 1, []
    if fmt.header:
        for number, cells in rows:
            seen.append((number, cells))
            if any(c != "" for c in cells):
                break
        else:
            raise FileRejected("the sheet is empty: not even a header")
        header, start = match_header([str(c).strip() for c in cells], contract, fmt), number + 1
    formats = {
        header.positions[c]: spec.date_formats(contract.zone)
        for c, spec in contract.file_columns.items()
        if spec.type in TEMPORAL and spec.format and c in header.positions
    }
    return Sheet(sheet.name, chain(seen, rows), start, header, formats, limits.digits)


def _joined(part: IO[bytes]) -> Iterator[bytes]:
    """The content of a part of a workbook in pieces that end where a cell ends, with the runs of each cell joined."""
    rest = b""
    while chunk := part.read(_CHUNK):
        rest += chunk
        end = max((found.end() for found in _CELL_END.finditer(rest)), default=0)
        if end:
            yield _RUNS.sub(b"", rest[:end])
            rest = rest[end:]
        elif len(rest) > _LONGEST_CELL:
            raise ValueError("a cell of a workbook does not end")
    yield _RUNS.sub(b"", rest)


def _text(value: Any, formats: Sequence[DateFormat] | None, digits: int) -> str | None:
    """A cell as text. A real date is written in a format of its column: its meaning is not in doubt."""
    if value == "":
        return None
    if isinstance(value, dt.datetime | dt.date):
        moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        return written(formats or (), moment)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return text_of(value, digits)


# ------------------------------------------------------------------ writing


def write_workbook(target: IO[bytes], sheet: str, rows: Iterable[Sequence[str | None]]) -> None:
    """Write a workbook of one sheet of texts."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/></Types>',
        "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>'
        f'<sheet name={quoteattr(sheet)} sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, _HEAD + content)
        with archive.open("xl/worksheets/sheet1.xml", "w") as out:
            out.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for number, texts in enumerate(rows, start=1):
                cells = "".join(_cell(f"{_letters(n)}{number}", t) for n, t in enumerate(texts) if t is not None)
                out.write(f'<row r="{number}">{cells}</row>'.encode())
            out.write(b"</sheetData></worksheet>")


def _cell(place: str, text: str) -> str:
    clean = escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{clean}</t></is></c>'


def _relation(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_LINKS}/{kind}" Target="{target}"/></Relationships>'
    )


def _letters(column: int) -> str:
    """0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
