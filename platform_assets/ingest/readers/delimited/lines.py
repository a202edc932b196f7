"""Delimited files line by line, for files that the engine cannot prove complete. Every line is accounted for.

A record is one line, or several where a quoted cell holds line breaks. A quote that does not close, or that makes a record of the
wrong width, spoils its own first line only: reading goes on with the next line, so a stray quote never swallows the file.
Blank lines are no rows.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.delimited.encodings import is_other, spoken, told, utf_16
from platform_assets.ingest.readers.rows import FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.cells import cells_of, is_without_values
from platform_assets.ingest.readers.shape.columns import Found
from platform_assets.ingest.readers.shape.header import header_names
from platform_assets.ingest.readers.shape.layout import BEFORE, COMMENT, EMPTY, SEP, Line, Table
from platform_assets.ingest.readers.typed.values import NUL

MAX_RECORD_LINES = 200
MAX_RECORD_TEXT = 1 << 20
MAX_LINE = 64 << 20
CHUNK = 1 << 20
csv.field_size_limit(1 << 30)  # longer ones than the usual 128 KiB are cells too, whoever goes through the file
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # what errors="surrogateescape" makes of bytes that are no text (PEP 383)


_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""The first line of files that Excel is to open: it names the delimiter."""


def stage(path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter) -> Header:
    """Write the rows of the file at `path`. Raises FileRejected where nothing in it can be judged."""
    whole = table(path, contract, fmt)
    header = whole.write(writer)
    return replace(header, drift={**header.drift, **told(whole.fmt.encoding, fmt.encoding)})


def table(path: Path, contract: Contract, fmt: FileFormat) -> Table:
    """The table in the file at `path`, in the encoding in which it is written. Raises FileRejected where it has no header that the contract knows."""
    encoding = spoken(path, fmt.encoding)
    if encoding != fmt.encoding:
        fmt = fmt.model_copy(update={"encoding": encoding})
    return Table(Records(path, fmt), contract, fmt, lambda text: header_names(text, fmt))


class Records:
    """The records of a file, the lines that are skipped before the header and comments among them. Blank lines are none.

    Numbered from 1; lines that are skipped count, blank or not.
    """

    def __init__(self, path: Path, fmt: FileFormat) -> None:
        self.width: int | None = None
        self._fmt = fmt
        self._lines = _Lines(path, fmt.encoding)

    def below(self, found: Found) -> None:
        """See `Grid`."""
        self.width = found.header.width

    def __iter__(self) -> Iterator[Line]:
        number = 0
        for line in self._lines:
            sep = None if number else _SEP.fullmatch(line)
            if sep and sep[1] != self._fmt.separator:
                raise FileRejected(
                    f"its first line says that the delimiter is {sep[1]!r}, the contract says {self._fmt.separator!r}: "
                    "correct the contract, or ask for the other"
                )
            number += 1
            if number <= self._fmt.skip_rows:
                yield Line(number, (), line, left=BEFORE)
            elif sep:
                yield Line(number, (), line, left=SEP)
            elif not line.strip("\r"):
                number -= 1
            elif self._fmt.comment and line.lstrip().startswith(self._fmt.comment):
                yield Line(number, (), line, left=COMMENT)
            else:
                yield self._record(number, line)

    def _record(self, number: int, line: str) -> Line:
        cells, reason = split(line, self._fmt, self.width)
        if reason and is_open(line, self._fmt):
            text, joined = _join(line, self._lines, self._fmt, self.width)
            if joined:
                return Line(number, joined, text)
        if reason and is_without_values(cells_of(line, self._fmt)):  # whatever its width
            return Line(number, (), line, left=EMPTY)
        return Line(number, () if reason else cells, line, reason)


class _Lines:
    """Lines of a file without their ends; bytes that cannot be decoded stay visible as surrogates. Bounded memory per chunk.

    A line ends at \\n or \\r\\n; where the file has no \\n in its first chunk but has \\r, at \\r (old Macintosh files).
    """

    def __init__(self, path: Path, encoding: str) -> None:
        name = {"utf-8": "utf-8-sig", "utf-16": utf_16(path)}.get(encoding, encoding)
        self._stream = io.TextIOWrapper(path.open("rb"), encoding=name, errors="surrogateescape", newline="")
        self._pushed: deque[str] = deque()
        self._source = self._read()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        return self._pushed.popleft() if self._pushed else next(self._source)

    def push(self, lines: list[str]) -> None:
        """Give lines back: they come next, in this order."""
        self._pushed.extendleft(reversed(lines))

    def _read(self) -> Iterator[str]:
        with self._stream:
            try:
                rest = self._stream.read(CHUNK)
                end = "\r" if "\n" not in rest and "\r" in rest else "\n"
                parts: list[str] = []
                while rest:
                    *whole, last = rest.split(end)
                    for line in whole:
                        parts.append(line)
                        yield "".join(parts).removesuffix("\r")
                        parts = []
                    parts.append(last)
                    if sum(map(len, parts)) > MAX_LINE:
                        raise FileRejected(f"a line is longer than {MAX_LINE >> 20} MiB: this is not a table")
                    rest = self._stream.read(CHUNK)
                if any(parts):
                    yield "".join(parts).removesuffix("\r")
            except UnicodeError:
                # only UTF-16 can fail here (an odd byte, a bad order mark): there are no lines to speak of
                raise FileRejected("the file is not UTF-16 text: save it as UTF-8, or declare its encoding") from None


def _join(line: str, lines: _Lines, fmt: FileFormat, width: int | None) -> tuple[str, list[str]]:
    """`line` with the lines that follow it up to the closing quote, as one record; no fields where that makes none."""
    taken, size, odd = [line], len(line), True
    while odd and len(taken) < MAX_RECORD_LINES and size < MAX_RECORD_TEXT:
        more = next(lines, None)
        if more is None:
            break
        taken.append(more)
        size += len(more)
        odd ^= is_open(more, fmt)
    text = "\n".join(taken)
    fields, reason = ([], "open") if odd else split(text, fmt, width)
    if reason:
        lines.push(taken[1:])
    return text, fields


def is_open(line: str, fmt: FileFormat) -> bool:
    """Whether a quote that begins in `line` may go on in the next."""
    if fmt.escape:
        line = re.sub(re.escape(fmt.escape) + ".", "", line, flags=re.DOTALL)
    return line.count(fmt.quote) % 2 == 1


def split(text: str, fmt: FileFormat, width: int | None) -> tuple[list[str], str]:
    """The cells of a record, or why it is no row of `width` cells (None: of any number)."""
    if not text.isascii() and _UNDECODABLE.search(text):
        return [], f"is not {fmt.encoding} text"
    if is_other(text, fmt.encoding):
        return [], f"is UTF-8 text, though the file is {fmt.encoding}"
    if "\0" in text:
        return [], NUL
    if "\r" in text:
        return [], "contains a stray carriage return"
    cells: list[str] | None
    cells = _unescaped(text, fmt) if fmt.escape and fmt.escape in text else cells_of(text, fmt)
    if cells is None:
        return [], f"a quote ({fmt.quote}) is not closed, or stands in the wrong place"
    if width is None or len(cells) == width:
        return cells, ""
    if fmt.short_rows == "pad" and len(cells) < width:
        return [*cells, *[""] * (width - len(cells))], ""
    return [], f"has {len(cells)} fields, the header has {width}"


def _unescaped(text: str, fmt: FileFormat) -> list[str] | None:
    """The cells of a record with escapes; None where a quote is not closed, or stands in the wrong place.

    Python's csv drops every escape character, also where it is a text of its own (MySQL's \\N, a path of Windows).
    """
    special = {fmt.quote, fmt.separator, fmt.escape, "\n"}
    cells: list[str] = []
    cell: list[str] = []
    place, quoted, closed = 0, False, False
    while place < len(text):
        character, after = text[place], text[place + 1 : place + 2]
        place += 1
        if character == fmt.escape and after in special:
            cell.append(after)
            place += 1
        elif character == fmt.quote and quoted and after == fmt.quote:
            cell.append(character)
            place += 1
        elif character == fmt.quote and quoted:
            quoted, closed = False, True
        elif character == fmt.quote and not cell and not closed:
            quoted = True
        elif character == fmt.separator and not quoted:
            cells.append("".join(cell))
            cell, closed = [], False
        elif closed or character == fmt.quote:
            return None
        else:
            cell.append(character)
    return None if quoted else [*cells, "".join(cell)]
