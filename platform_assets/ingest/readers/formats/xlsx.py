"""Excel workbooks (xlsx): one sheet of a workbook, its dates and numbers as text.

What is in the file is read by `readers.workbook`; here it becomes rows. The first sheet that people see is taken, or the one that the
contract names; others that hold rows are named as not taken.

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
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.header import match_header, positional_header
from platform_assets.ingest.readers.interface import Edits, Format
from platform_assets.ingest.readers.limits import Limits
from platform_assets.ingest.readers.names import part_name, told_names
from platform_assets.ingest.readers.staged import BATCH, NO_VALUES, NOT_TAKEN, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.values import Texts, Unsure, duration
from platform_assets.ingest.readers.workbook import (
    Cell,
    Number,
    SheetPart,
    Uncomputed,
    Workbook,
    in_digits,
    opened,
)

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
_LIKE_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_LAST_DAY = 2_958_466
"""The day after 9999-12-31, the last that Excel knows."""
_MOST_NAMED = 20


class Xlsx(Format):
    """A sheet of a workbook: the first that is not hidden, or the one that the contract names."""

    kind = "xlsx"
    words = "Excel: the first sheet of a workbook that is not hidden, or the one that `sheet` names"
    example = "a sheet with the names in its first row and A-1, POS in the next"
    ending = "xlsx"
    magic = b"PK\x03\x04"
    lost = "workbooks hold texts only now, one sheet each"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`. A row of which a cell cannot be told (`values.Unsure`) is a broken row."""
        with open_sheet(path, contract, fmt, limits) as sheet:
            columns = list(contract.file_columns)
            places = [sheet.header.positions.get(c) for c in columns]
            numbers: list[int] = []
            rows: list[list[str | None]] = []
            beyond: set[int] = set()
            for number, cells in sheet.rows:
                if number < sheet.start:
                    continue
                if _is_empty(cells):
                    sheet.header.not_taken[NO_VALUES] = sheet.header.not_taken.get(NO_VALUES, 0) + 1
                    continue
                beyond.update(n for n in range(sheet.header.width, len(cells)) if cells[n] is not None)
                try:
                    row = [
                        None if place is None or place >= len(cells) else sheet.text(cells[place], place)
                        for place in places
                    ]
                except Unsure as unsure:
                    writer.write_broken(number, sheet.line(cells), str(unsure))
                    continue
                numbers.append(number)
                rows.append(row)
                if len(rows) >= BATCH:
                    writer.write(numbers, list(zip(*rows, strict=True)))
                    numbers, rows = [], []
            if rows:
                writer.write(numbers, list(zip(*rows, strict=True)))
            if beyond:
                names = told_names([(place + 1, "") for place in sorted(beyond)], contract)
                sheet.header.drift.setdefault("extra", []).extend(names)
            return sheet.header

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        buffer = io.BytesIO()
        write_workbook(buffer, fmt.sheet or "Sheet1", enumerate([headers, *rows] if fmt.header else rows, start=1))
        return buffer.getvalue()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. The sheet that `fmt` names, all cells as text; what cannot be told stays as it is."""
        with open_sheet(path, contract, fmt, limits) as sheet, target.open("wb") as out:
            write_workbook(
                out,
                sheet.name,
                (
                    (number, _edited(sheet, number, cells, edits))
                    for number, cells in sheet.rows
                    if number not in edits.out
                ),
            )

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
    rows: Iterator[tuple[int, list[Cell]]]
    """Every row of the sheet in which anything stands, with its number; can be gone through once."""
    start: int
    """Number of the first row below the header."""
    header: Header
    columns: dict[int, Texts]
    """Index of a column that is taken -> how its values become text."""
    date_1904: bool

    def text(self, cell: Cell, place: int | None = None) -> str | None:
        """A cell as text. Raises Unsure."""
        return _text(cell, self.columns.get(place, _ANY) if place is not None else _ANY, self.date_1904)

    def texts(self, cells: Sequence[Cell]) -> list[str | None]:
        """A row as text. Raises Unsure."""
        return [self.text(cell, place) for place, cell in enumerate(cells)]

    def line(self, cells: Sequence[Cell]) -> str:
        """A row that cannot be told, as it may be shown to people: its cells with tabs between them."""
        return "\t".join(_as_it_stands(cell) for cell in cells)


_ANY = Texts()


@contextmanager
def open_sheet(path: Path, contract: Contract, fmt: FileFormat, limits: Limits) -> Iterator[Sheet]:
    """The sheet of the workbook at `path` that `fmt` names. Raises FileRejected."""
    with opened(path, limits) as book:
        chosen = _chosen(book, fmt)
        others = _others(book, chosen)
        rows = book.rows(chosen)
        header, start, seen = positional_header(contract), 1, []
        if fmt.header:
            for number, cells in rows:
                seen.append((number, cells))
                if not _is_empty(cells):
                    break
            else:
                raise FileRejected(_empty(chosen, others))
            names = [_name(cell, book.date_1904) for cell in cells]
            header, start = match_header(names, contract, fmt), number + 1
        unforeseen = [name for name, count in others.items() if count] if not fmt.sheet else []
        if unforeseen:
            header.drift[NOT_TAKEN] = unforeseen
        header.not_taken.update(others)
        columns = {
            header.positions[c]: Texts(spec, limits.digits, contract.zone)
            for c, spec in contract.file_columns.items()
            if c in header.positions
        }
        yield Sheet(chosen.name, chain(seen, rows), start, header, columns, book.date_1904)


def _chosen(book: Workbook, fmt: FileFormat) -> SheetPart:
    if fmt.sheet:
        found = next((s for s in book.sheets if s.name == fmt.sheet), None)
        if found is None:
            named = ", ".join(repr(part_name(s.name)) for s in book.sheets[:_MOST_NAMED])
            raise FileRejected(f"there is no sheet {fmt.sheet!r}; the workbook has {named or 'none'}")
        return found
    tables = [s for s in book.sheets if s.kind == "worksheet"]
    if not tables:
        raise FileRejected("the workbook has no sheet with cells")
    return next((s for s in tables if not s.hidden), tables[0])


def _others(book: Workbook, chosen: SheetPart) -> dict[str, int]:
    """Sheets that are not read, by name -> rows in them. Sheets without anything in them (Sheet2, Sheet3) are not named."""
    found: dict[str, int] = {}
    for sheet in book.sheets:
        if sheet is chosen:
            continue
        rows = book.count(sheet)
        if rows or sheet.kind != "worksheet":
            what = [*(["hidden"] if sheet.hidden else []), *([sheet.kind] if sheet.kind != "worksheet" else [])]
            name = f"sheet {part_name(sheet.name)!r}" + (f" ({', '.join(what)})" if what else "")
            found[name] = found.get(name, 0) + rows
    return found


def _empty(chosen: SheetPart, others: dict[str, int]) -> str:
    said = f"the sheet {part_name(chosen.name)!r} is empty: not even a header"
    full = [name for name, rows in others.items() if rows]
    return said + (f". The workbook has rows in {', '.join(full[:5])}: say which is meant with `sheet`" if full else "")


def _is_empty(cells: Sequence[Cell]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def _name(cell: Cell, date_1904: bool) -> str:
    """A cell of the header. A year is a number there, and a day is a date."""
    try:
        return (_text(cell, _ANY, date_1904) or "").strip()
    except Unsure:
        return ""


def _text(cell: Cell, texts: Texts, date_1904: bool) -> str | None:
    """A cell as text. Raises Unsure."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return texts.truth(cell)
    if isinstance(cell, Uncomputed):
        raise Unsure("holds a formula that was never computed: open the file in Excel, save it, and deliver it again")
    kind = cell.shown.kind
    if kind in ("date", "time", "duration"):
        return _moment(cell, texts, date_1904)
    if kind == "digits" and texts.is_text:
        with_zeros = _whole(cell.raw)
        if with_zeros is not None:
            return in_digits(with_zeros, cell.shown)
    return texts.excel(cell.raw)


def _whole(raw: str) -> int | None:
    """The whole number that Excel shows for `raw`; None where it shows no whole one."""
    text = _ANY.excel(raw)
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _moment(cell: Number, texts: Texts, date_1904: bool) -> str:
    """A number in a format of dates. What is no day of the calendar (Excel counts a 29 February 1900) stays a number."""
    try:
        days = Decimal(cell.raw)
    except ArithmeticError:
        return cell.raw
    if not days.is_finite() or days < 0 or days >= _LAST_DAY:
        return texts.excel(cell.raw)
    milliseconds = int((days * 86_400_000).to_integral_value())
    if cell.shown.kind == "duration":
        return duration(dt.timedelta(milliseconds=milliseconds))
    day, rest = divmod(milliseconds, 86_400_000)
    time = dt.timedelta(milliseconds=rest)
    if day == 0 and (cell.shown.kind == "time" or not date_1904):
        moment = (dt.datetime.min + time).time()
        return moment.isoformat("milliseconds" if moment.microsecond else "seconds")
    if date_1904:
        return texts.moment(dt.datetime(1904, 1, 1) + dt.timedelta(days=day) + time)
    if day == 60:
        return texts.excel(cell.raw)
    return texts.moment(dt.datetime(1899, 12, 31 if day < 60 else 30) + dt.timedelta(days=day) + time)


def _as_it_stands(cell: Cell) -> str:
    if isinstance(cell, Uncomputed):
        return "=?"
    if isinstance(cell, Number):
        return cell.raw
    if isinstance(cell, bool):
        return _ANY.truth(cell)
    return (cell or "").replace("\t", " ")


def _edited(sheet: Sheet, number: int, cells: list[Cell], edits: Edits) -> list[Cell]:
    """A row as texts, edited. A row that cannot be told stays what it is, or becomes the line that `edits` make of it."""
    taken = set(sheet.header.positions.values())
    try:
        for place in taken:
            if place < len(cells) and number >= sheet.start:
                sheet.text(cells[place], place)
    except Unsure:
        line = edits.line(number, sheet.line(cells))
        if line is not None:
            return list(line.split("\t"))
    edited: list[Cell] = []
    for place, cell in enumerate(cells):
        try:
            text = sheet.text(cell, place if number >= sheet.start else None)
        except Unsure:
            edited.append(cell)
        else:
            edited.append(text if text is None else edits.cell(number, text))
    return edited


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


# ------------------------------------------------------------------ writing


def write_workbook(target: IO[bytes], sheet: str, rows: Iterable[tuple[int, Sequence[Cell]]]) -> None:
    """Write a workbook of one sheet. Rows stand where their numbers say; all are texts but what could not be told."""
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
            for number, texts in rows:
                cells = "".join(_cell(f"{_letters(n)}{number}", t) for n, t in enumerate(texts) if t is not None)
                out.write(f'<row r="{number}">{cells}</row>'.encode())
            out.write(b"</sheetData></worksheet>")


def _cell(place: str, cell: Cell) -> str:
    if isinstance(cell, Uncomputed):
        return f'<c r="{place}"><f>NA()</f></c>'
    if isinstance(cell, Number):
        return f'<c r="{place}"><v>{escape(cell.raw)}</v></c>'
    text = _LIKE_ESCAPED.sub("_x005F_", str(cell))
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
