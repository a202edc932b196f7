"""What stands in a workbook (xlsx, ECMA-376 part 1, Office Open XML), cell by cell, as a stream.

Read here and not by a library: the libraries that there are give the same empty cell for an error, for a formula that was never
computed and for nothing at all, and a number without the zeros that its format puts before it. Nothing of that may be lost, so cells are
taken as they are written: text, truth value, number with its format, error, formula without a result. Rows come in the order of the file and
are never all in memory; texts that cells share are. What its number formats
mean is in `number_formats`, what a contract makes of it in `formats.xlsx`.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol
from xml.parsers import expat

from platform_assets.ingest.readers.apart.limits import Limits, setting
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.typed.number_formats import BUILT_IN, PLAIN, Shown, shown_by

CHUNK = 1 << 18
LONGEST_TEXT = 1 << 20
"""Of a cell; Excel itself keeps 32,767 characters."""
LAST_COLUMN = 16_384
_PLACE = re.compile(r"([A-Za-z]{1,3})(\d{1,9})?")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_NO_TEXT = re.compile("[\ud800-\udfff]")


class Number(NamedTuple):
    """A number as it is written in the file, and the format in which it is shown."""

    raw: str
    shown: Shown


class Uncomputed(NamedTuple):
    """A formula that has no result: a program wrote it, and no Excel has opened the file since."""


Cell = str | bool | Number | Uncomputed | dt.date | dt.time | dt.timedelta | None
"""Moments only of workbooks that another reader reads; those of xlsx are numbers with a format."""


@dataclass(frozen=True)
class SheetPart:
    """A sheet of the workbook."""

    name: str
    kind: str
    """worksheet, chartsheet, dialogsheet or macrosheet."""
    hidden: bool
    part: str


class Book(Protocol):
    """What readers of rows ask of a workbook, whoever reads it."""

    sheets: list[SheetPart]
    date_1904: bool

    def rows(self, sheet: SheetPart) -> Iterator[tuple[int, list[Cell]]]:
        """See `Workbook.rows`."""
        ...

    def count(self, sheet: SheetPart) -> int:
        """See `Workbook.count`."""
        ...


@dataclass
class Workbook:
    """A workbook's sheets. Use `opened`."""

    archive: zipfile.ZipFile
    limits: Limits
    sheets: list[SheetPart] = field(default_factory=list)
    date_1904: bool = False
    """Days are counted from 1904-01-01, as old Macintosh Excel did."""
    stale: bool = False
    """Who wrote it asks that every formula be computed when it is opened: what stands there now may be a stand-in."""
    _names: dict[str, str] = field(default_factory=dict)
    _texts: list[str] | None = None
    _formats: list[Shown] = field(default_factory=list)
    _strings_part: str = ""

    def __post_init__(self) -> None:
        self._names = {_plain(name): name for name in self.archive.namelist()}
        book = next((t for k, t in self._links("_rels/.rels", "").values() if k == "officeDocument"), "xl/workbook.xml")
        folder, name = posixpath.split(book)
        links = self._links(f"{folder}/_rels/{name}.rels", folder)
        found: list[tuple[str, str, str]] = []

        def start(tag: str, given: Mapping[str, str]) -> None:
            if tag == "workbookPr":
                self.date_1904 = given.get("date1904", "") in ("1", "true", "on")
            elif tag == "calcPr":
                self.stale = given.get("fullCalcOnLoad", "") in ("1", "true", "on")
            elif tag == "sheet":
                link = next((v for k, v in given.items() if k.endswith(":id") or k == "id"), "")
                found.append((given.get("name", ""), given.get("state", "visible"), link))

        self._walk(book, start)
        for name, state, link in found:
            kind, part = links.get(link, ("worksheet", ""))
            self.sheets.append(SheetPart(name, kind, state != "visible", part))
        self._strings_part = next((t for k, t in links.values() if k == "sharedStrings"), "")
        styles = next((t for k, t in links.values() if k == "styles"), "")
        if _plain(styles) in self._names:
            self._formats = self._read_formats(styles)

    # ------------------------------------------------------------------ rows

    def rows(self, sheet: SheetPart) -> Iterator[tuple[int, list[Cell]]]:
        """(number, cells from column A on) of the sheet's rows in which anything stands. Raises FileRejected."""
        reader = _Rows(self)
        for _ in self._pieces(sheet.part, reader.start, reader.end, reader.text):
            yield from reader.done
            reader.done.clear()
        yield from reader.done

    def count(self, sheet: SheetPart) -> int:
        """Rows of a sheet in which anything stands; 0 for one that is no table."""
        return sum(1 for _ in self.rows(sheet)) if sheet.kind == "worksheet" else 0

    def shared(self, place: int) -> str:
        """The text of this number among those that cells share."""
        if self._texts is None:
            self._texts = self._read_texts()
        return self._texts[place]

    def format_of(self, style: str) -> Shown:
        """The number format of a cell's style."""
        place = int(style) if style.isdecimal() else 0
        return self._formats[place] if place < len(self._formats) else PLAIN

    # ------------------------------------------------------------------ parts

    def _links(self, part: str, folder: str) -> dict[str, tuple[str, str]]:
        """Id -> (last word of the type, part) of what a part refers to."""
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, given: Mapping[str, str]) -> None:
            if tag == "Relationship" and given.get("TargetMode") != "External":
                target = given.get("Target", "").replace("\\", "/")
                whole = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
                found[given.get("Id", "")] = (given.get("Type", "").rpartition("/")[2], whole.lstrip("/"))

        if _plain(part) in self._names:
            self._walk(part, start)
        return found

    def _read_texts(self) -> list[str]:
        texts: list[str] = []
        if not self._strings_part:
            return texts
        parts: list[str] = []
        state = {"t": False, "phonetic": False}

        def start(tag: str, _: Mapping[str, str]) -> None:
            if tag == "si":
                parts.clear()
            elif tag == "rPh":  # how a Japanese name is pronounced stands beside it, and is no part of it
                state["phonetic"] = True
            elif tag == "t":
                state["t"] = not state["phonetic"]

        def end(tag: str) -> None:
            if tag == "si":
                texts.append(_unescaped("".join(parts)))
            elif tag == "rPh":
                state["phonetic"] = False
            elif tag == "t":
                state["t"] = False

        self._walk(self._strings_part, start, end, lambda text: parts.append(text) if state["t"] else None)
        return texts

    def _read_formats(self, part: str) -> list[Shown]:
        codes: dict[str, str] = {}
        formats: list[Shown] = []
        inside = [False]

        def start(tag: str, given: Mapping[str, str]) -> None:
            if tag == "numFmt":
                codes[given.get("numFmtId", "")] = given.get("formatCode", "")
            elif tag == "cellXfs":
                inside[0] = True
            elif tag == "xf" and inside[0]:
                number = given.get("numFmtId", "0")
                code = codes.get(number)
                formats.append(shown_by(BUILT_IN.get(int(number), "") if code is None else code))

        def end(tag: str) -> None:
            if tag == "cellXfs":
                inside[0] = False

        self._walk(part, start, end)
        return formats

    def _walk(
        self,
        part: str,
        start: Callable[[str, Mapping[str, str]], None],
        end: Callable[[str], None] = lambda _: None,
        text: Callable[[str], object] = lambda _: None,
    ) -> None:
        for _ in self._pieces(part, start, end, text):
            pass

    def _pieces(
        self,
        part: str,
        start: Callable[[str, Mapping[str, str]], None],
        end: Callable[[str], None],
        text: Callable[[str], object],
    ) -> Iterator[None]:
        """Goes through a part of XML piece by piece, telling of elements by their names without prefix."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, given: start(name.rpartition(":")[2], given)
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _no_doctype
        with self.archive.open(self._names[_plain(part)]) as source:
            while piece := source.read(CHUNK):
                parser.Parse(piece, False)
                yield
            parser.Parse(b"", True)
            yield


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Workbook]:
    """The workbook at `path`. Raises FileRejected where it is none, also later, while its rows are read."""
    if path.stat().st_size > limits.whole_mb << 20:
        raise FileRejected(f"a workbook may be {limits.whole_mb} MB at most: deliver CSV")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > 4 * limits.whole_mb << 20:
                raise FileRejected(
                    f"the workbook unpacks to {unpacked >> 20} MB, more than {4 * limits.whole_mb}: deliver CSV"
                )
            yield Workbook(archive, limits)
    except _DAMAGED as error:
        raise FileRejected(
            f"the file is not a readable Excel workbook ({type(error).__name__}): was it cut off? Open it in Excel and save it anew "
            "as .xlsx"
        ) from None


_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    OSError,
    EOFError,
    KeyError,
    IndexError,
    NotImplementedError,
    OverflowError,
    UnicodeError,
    RuntimeError,
)


# ------------------------------------------------------------------ cells


class _Rows:
    """Gathers the rows of a sheet from its XML."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self.done: list[tuple[int, list[Cell]]] = []
        self._cells: dict[int, Cell] = {}
        self._row = self._column = 0
        self._wide = 0
        self._kind = self._style = ""
        self._in_cell = self._taking = self._phonetic = self._formula = self._has_value = False
        self._parts: list[str] = []
        self._size = 0

    def start(self, tag: str, given: Mapping[str, str]) -> None:
        if tag == "c":
            place = _PLACE.match(given.get("r", ""))
            if place and place[2] and int(place[2]) != self._row:
                self._flush()
                self._row = int(place[2])
            self._column = _number_of(place[1]) if place else self._column + 1
            self._kind, self._style = given.get("t", "n"), given.get("s", "")
            self._in_cell, self._formula, self._has_value = True, False, False
            self._parts, self._size = [], 0
        elif tag == "row":
            self._flush()
            number = given.get("r", "")
            self._row, self._column = (int(number) if number.isdecimal() else self._row + 1), 0
        elif not self._in_cell:
            return
        elif tag == "v" or (tag == "t" and not self._phonetic):
            self._taking = True
        elif tag == "f":
            self._formula = True
        elif tag == "rPh":
            self._phonetic = True

    def text(self, piece: str) -> None:
        if self._taking:
            self._parts.append(piece)
            self._size += len(piece)
            if self._size > LONGEST_TEXT:
                raise FileRejected(f"a cell holds more than {LONGEST_TEXT:,} characters: this is no table")

    def end(self, tag: str) -> None:
        if tag == "c" and self._in_cell:
            self._in_cell = False
            value = self._value()
            if value is not None:
                self._keep(value)
        elif tag in ("v", "t"):
            self._has_value = self._has_value or self._taking
            self._taking = False
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "sheetData":
            self._flush()

    def _keep(self, value: Cell) -> None:
        self._cells[self._column] = value
        self._wide = max(self._wide, self._column)
        if self._column > LAST_COLUMN or max(self._row, 1) * self._wide > self.book.limits.cells:
            raise FileRejected(
                f"the sheet reaches to row {self._row:,} and column {self._wide:,}: delete what stands far outside the table "
                "(Ctrl+End shows the last cell), or deliver CSV. For a sheet of more than "
                f"{self.book.limits.cells:,} cells raise {setting('cells')}"
            )

    def _flush(self) -> None:
        if self._cells:
            row: list[Cell] = [None] * max(self._cells)
            for column, value in self._cells.items():
                row[column - 1] = value
            self.done.append((max(self._row, 1), row))
            self._cells = {}

    def _value(self) -> Cell:
        text, kind = "".join(self._parts), self._kind
        if self._formula and not self._computed(text):
            return Uncomputed()
        if not text:
            return None
        if kind == "s":
            return self.book.shared(int(text)) or None if text.strip().isdecimal() else text
        if kind in ("str", "inlineStr"):
            return _unescaped(text)
        if kind == "b":
            return text.strip() in ("1", "true")
        if kind in ("e", "d"):  # what people see of an error; a date as ISO text
            return text
        return Number(text.strip(), self.book.format_of(self._style))

    def _computed(self, text: str) -> bool:
        """Whether a formula has a result. One that is an empty text has: Excel says so by its kind. Programs that compute nothing
        leave it out, or write 0 and ask Excel to compute all."""
        if self._kind == "str":
            return self._has_value
        return bool(text) and not (self.book.stale and self._kind == "n" and text.strip() in ("0", "0.0"))


def _number_of(letters: str) -> int:
    """A is 1, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number


def _unescaped(text: str) -> str:
    """`text` with what Excel writes as ``_x000D_`` (ST_Xstring)."""
    if "_x" not in text:
        return text
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace("\r\n", "\n")
    return plain if plain.isascii() or not _NO_TEXT.search(plain) else text


def _plain(name: str) -> str:
    """A part's name as parts are compared."""
    return name.replace("\\", "/").lstrip("/").casefold()


def _no_doctype(*_: object) -> None:
    raise FileRejected("the file is not a readable Excel workbook: it declares entities, which no Excel writes")
