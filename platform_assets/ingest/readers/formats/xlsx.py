"""Excel workbooks (xlsx): sheets of a workbook, their dates and numbers as text.

What is in the file is read by `typed.workbook`; here it becomes rows. The first sheet that people see is taken, or those that the
contract names; others that hold rows are named as not taken.

Where rows of it are edited, a workbook is written anew with the sheets that are read, as texts, each as ingest reads it. What else it may hold (formulas,
formats, comments, other sheets, caches of pivot tables) does not come along: nobody could say whom it tells of. ECMA-376, Office Open
XML, part 1, is the format; texts stand in the cells themselves (`inlineStr`). Reading and writing are one module, somewhat long, as what
is written must read back as the same.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import NOT_TAKEN, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.columns import Found
from platform_assets.ingest.readers.shape.layout import BEFORE, Line, NothingThere, Table, around
from platform_assets.ingest.readers.shape.names import part_name, told_names
from platform_assets.ingest.readers.typed.number_formats import in_digits
from platform_assets.ingest.readers.typed.values import Texts, Unsure, duration
from platform_assets.ingest.readers.typed.workbook import (
    Book,
    Cell,
    Number,
    SheetPart,
    Uncomputed,
    opened,
)
from resources.text.spelling import has_ink

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
    """Sheets of a workbook: the first that is not hidden, or those that the contract names."""

    kind = "xlsx"
    words = "Excel: the first sheet of a workbook that is not hidden, or those that `sheet` names"
    example = "a sheet with the names in its first row and A-1, POS in the next"
    ending = "xlsx"
    magic = b"PK\x03\x04"
    opened: Callable[[Path, Limits], AbstractContextManager[Book]] = staticmethod(opened)
    lost = "workbooks hold texts only now, of the sheets that are read"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`. A row of which a cell cannot be told (`values.Unsure`) is a broken row."""
        with self.opened(path, limits) as book:
            headers = []
            for sheet in sheets_of(book, contract, fmt, limits):
                header = _table(sheet, contract, fmt).write(writer)
                if sheet.beyond:
                    names = told_names([(place + 1, "") for place in sorted(sheet.beyond)], contract)
                    header.drift.setdefault("extra", []).extend(names)
                headers.append(header)
            return _together(headers, _others(book, fmt), fmt)

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`."""
        if fmt.wide:
            raise CannotWrite("single rows cannot be written as a table that has a column for each of them")
        buffer = io.BytesIO()
        write_workbook(buffer, {_name_for(fmt): enumerate(around(fmt, headers, rows), start=1)})
        return buffer.getvalue()

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. The sheets that are read, all cells as text; what cannot be told stays as it is."""
        with self.opened(path, limits) as book, target.open("wb") as out:
            sheets = {}
            for sheet in sheets_of(book, contract, fmt, limits):
                sheets[sheet.part.name] = list(_edited(_table(sheet, contract, fmt), sheet, edits))
            write_workbook(out, sheets)

    def unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        """See `Format`. A cell may be written in runs (one word of it is bold), which people read as one text."""
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.filename.startswith("xl/") and info.filename.endswith(".xml"):
                    with archive.open(info) as part:
                        yield from _joined(part)


# ------------------------------------------------------------------ reading


class Sheet:
    """The rows of one sheet. Numbered from the first row of the first sheet that is read, one sheet after the other."""

    def __init__(
        self, book: Book, part: SheetPart, before: int, contract: Contract, fmt: FileFormat, limits: Limits
    ) -> None:
        self.part = part
        self.before = before
        """Rows of the sheets before this one."""
        self.last = before
        """Number of the last row so far."""
        self.beyond: set[int] = set()
        """Places right of the header's last name where something stands."""
        self.raw: dict[int, Sequence[Cell]] = {}
        """Number -> cells of the row as they stand, of the row that was given last."""
        self.book, self._contract, self._fmt, self._limits = book, contract, fmt, limits
        self._texts: dict[int, Texts] | None = None
        self._width = 0

    def below(self, found: Found) -> None:
        """See `Grid`."""
        self._width = found.header.width
        columns = self._contract.file_columns
        places = {place: name for name, place in found.header.positions.items()}
        if self._fmt.wide:
            places |= {place: self._fmt.wide.value for place, _ in found.wide}
        self._texts = {p: Texts(columns[n], self._limits.digits, self._contract.zone) for p, n in places.items()}

    def __iter__(self) -> Iterator[Line]:
        for row, cells in self.book.rows(self.part):
            self.last = number = self.before + row
            self.raw = {number: cells}
            if row <= self._fmt.skip_rows:
                yield Line(number, [self.text(cell) for cell in cells], left=BEFORE)
            elif self._texts is None:
                yield Line(number, [self.text(cell) for cell in cells])
            else:
                yield self._line(number, cells, self._texts)

    def _line(self, number: int, cells: Sequence[Cell], columns: Mapping[int, Texts]) -> Line:
        texts: list[str | None] = []
        if not _is_empty(cells):
            self.beyond.update(n for n in range(self._width, len(cells)) if cells[n] is not None)
        for place, cell in enumerate(cells):
            if place not in columns:
                texts.append(self.text(cell))
                continue
            try:
                texts.append(_text(cell, columns[place], self.book.date_1904))
            except Unsure as unsure:
                return Line(number, (), "\t".join(map(_as_it_stands, cells)), str(unsure))
        return Line(number, texts)

    def text(self, cell: Cell) -> str | None:
        """A cell of a column that is not taken, or of the header, as text. A year is a number there, and a day is a date."""
        try:
            return _text(cell, _ANY, self.book.date_1904)
        except Unsure:
            return ""


_ANY = Texts()


def sheets_of(book: Book, contract: Contract, fmt: FileFormat, limits: Limits) -> Iterator[Sheet]:
    """The sheets that are read, one after the other: each is to be gone through before the next is asked for."""
    before = 0
    for part in _chosen(book, fmt):
        sheet = Sheet(book, part, before, contract, fmt, limits)
        yield sheet
        before = sheet.last


def _table(sheet: Sheet, contract: Contract, fmt: FileFormat) -> Table:
    """The table of a sheet. Raises FileRejected where it has no header that the contract knows."""
    try:
        return Table(sheet, contract, fmt)
    except NothingThere:
        full = [name for name, rows in _others(sheet.book, fmt).items() if rows]
        raise FileRejected(
            f"the sheet {part_name(sheet.part.name)!r} is empty: not even a header"
            + (f". The workbook has rows in {', '.join(full[:5])}: say which is meant with `sheet`" if full else "")
        ) from None


def _chosen(book: Book, fmt: FileFormat) -> list[SheetPart]:
    """The sheets that `fmt` names; where it names none the first that is not hidden. Raises FileRejected."""
    if fmt.sheets:
        exact = [s for s in book.sheets if s.name in fmt.sheets]
        found = exact or [s for s in book.sheets if any(fnmatch.fnmatchcase(s.name, p) for p in fmt.sheets)]
        if len(fmt.sheets) > 1:
            found = [s for s in book.sheets if any(s.name == p or fnmatch.fnmatchcase(s.name, p) for p in fmt.sheets)]
        if not found:
            named = ", ".join(repr(part_name(s.name)) for s in book.sheets[:_MOST_NAMED])
            raise FileRejected(
                f"there is no sheet {' or '.join(map(repr, fmt.sheets))}; the workbook has {named or 'none'}"
            )
        return found
    tables = [s for s in book.sheets if s.kind == "worksheet"]
    if not tables:
        raise FileRejected("the workbook has no sheet with cells")
    return [next((s for s in tables if not s.hidden), tables[0])]


def _together(headers: Sequence[Header], others: dict[str, int], fmt: FileFormat) -> Header:
    """What the headers of all sheets say."""
    drift: dict[str, list[str]] = {}
    left: dict[str, int] = {}
    for header in headers:
        for kind, names in header.drift.items():
            drift.setdefault(kind, []).extend(n for n in names if n not in drift[kind])
        for what, count in header.not_taken.items():
            left[what] = left.get(what, 0) + count
    unforeseen = [name for name, count in others.items() if count] if not fmt.sheets else []
    if unforeseen:
        drift[NOT_TAKEN] = unforeseen
    positions = {c: p for header in reversed(headers) for c, p in header.positions.items()}
    return Header(positions, headers[0].width, drift, {**left, **others})


def _name_for(fmt: FileFormat) -> str:
    """A name for a sheet that is written, which the format accepts. Raises CannotWrite."""
    for pattern in fmt.sheets:
        name = pattern.replace("*", "").replace("?", "x")
        if name == pattern or (name and fnmatch.fnmatchcase(name, pattern)):
            return name
    if fmt.sheets:
        raise CannotWrite(
            f"no name of a sheet can be made of {', '.join(fmt.sheets)}: add one without a pattern to `sheet`"
        )
    return "Sheet1"


def _others(book: Book, fmt: FileFormat) -> dict[str, int]:
    """Sheets that are not read, by name -> rows in them. Sheets without anything in them (Sheet2, Sheet3) are not named."""
    found: dict[str, int] = {}
    chosen = _chosen(book, fmt)
    for sheet in book.sheets:
        if any(sheet is each for each in chosen):
            continue
        rows = book.count(sheet)
        if rows or sheet.kind != "worksheet":
            what = [*(["hidden"] if sheet.hidden else []), *([sheet.kind] if sheet.kind != "worksheet" else [])]
            name = f"sheet {part_name(sheet.name)!r}" + (f" ({', '.join(what)})" if what else "")
            found[name] = found.get(name, 0) + rows
    return found


def _is_empty(cells: Sequence[Cell]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not has_ink(cell)) for cell in cells)


def _text(cell: Cell, texts: Texts, date_1904: bool) -> str | None:
    """A cell as text. Raises Unsure."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return texts.truth(cell)
    if isinstance(cell, dt.date | dt.time | dt.timedelta):
        return texts.of(cell)
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
    return ("" if cell is None else str(cell)).replace("\t", " ")


def _edited(table: Table, sheet: Sheet, edits: Edits) -> Iterator[tuple[int, Sequence[Cell]]]:
    """(row, cells) of a sheet as texts, edited. A row that cannot be told stays what it is, or becomes the line that `edits` make of it."""
    for line in table.above:
        yield line.number - sheet.before, line.cells
    for line in table.lines():
        row, raw = line.number - sheet.before, sheet.raw[line.number]
        number = table.numbers(line)[0]
        if line.left:
            yield row, raw
        elif line.reason:
            now = edits.line(number, line.text)
            if number not in edits.out:
                yield row, raw if now is None else now.split("\t")
        else:
            cells = table.edited(line, edits)
            if cells is not None:
                yield row, cells


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


def write_workbook(target: IO[bytes], sheets: Mapping[str, Iterable[tuple[int, Sequence[Cell]]]]) -> None:
    """Write a workbook. Rows stand where their numbers say; all are texts but what could not be told."""
    names = list(enumerate(sheets, start=1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPES}.worksheet+xml"/>' for n, _ in names
        )
        + "</Types>",
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>'
        + "".join(f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>' for n, name in names)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(("worksheet", f"worksheets/sheet{n}.xml") for n, _ in names),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, _HEAD + content)
        for place, name in names:
            with archive.open(f"xl/worksheets/sheet{place}.xml", "w") as out:
                out.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                for number, texts in sheets[name]:
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


def _relations(links: Iterable[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{n}" Type="{_LINKS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(links, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _letters(column: int) -> str:
    """0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
