"""Delimited files line by line, for files that the engine cannot prove complete. Every line is accounted for.

A record is one line, or several where a quoted cell holds line breaks. A quote that does not close, or that makes a record of the
wrong width, spoils its own first line only: reading goes on with the next line, so a stray quote never swallows the file.
Blank lines are no rows; rows in which every cell is empty are not taken, and counted.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.readers.delimited.cells import cells_of, is_without_values
from platform_assets.ingest.readers.header import header_names, match_header, positional_header
from platform_assets.ingest.readers.staged import BATCH, NO_VALUES, FileRejected, Header, RowWriter

MAX_RECORD_LINES = 200
MAX_RECORD_TEXT = 1 << 20
MAX_LINE = 64 << 20
CHUNK = 1 << 20
csv.field_size_limit(1 << 30)  # longer ones than the usual 128 KiB are cells too, whoever goes through the file
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # what errors="surrogateescape" makes of bytes that are no text (PEP 383)


def stage(path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter) -> Header:
    """Write the rows of the file at `path`. Raises FileRejected where nothing in it can be judged."""
    lines = _Lines(path, fmt.encoding)
    if fmt.header:
        first = _header(lines, fmt)
        if not first:
            raise FileRejected("the file is empty: not even a header")
        header = match_header(header_names(first, fmt), contract, fmt)
        row = 1
    else:
        header, row = positional_header(contract), 0
    columns = list(contract.file_columns)
    places = [header.positions.get(c) for c in columns]
    numbers: list[int] = []
    records: list[list[str]] = []

    def flush() -> None:
        if records:
            turned = list(zip(*records, strict=True))
            nothing = [None] * len(records)
            writer.write(numbers, [nothing if p is None else turned[p] for p in places])
            numbers.clear()
            records.clear()

    for text, fields, reason in _records(lines, fmt, header.width):
        row += 1
        if is_without_values(fields or cells_of(text, fmt)):
            header.not_taken[NO_VALUES] = header.not_taken.get(NO_VALUES, 0) + 1
        elif reason:
            writer.write_broken(row, text, reason)
        else:
            numbers.append(row)
            records.append(fields)
            if len(records) >= BATCH:
                flush()
    flush()
    return header


def rows_as_written(path: Path, fmt: FileFormat, width: int) -> Iterator[tuple[int, str]]:
    """(row, text without its line end) of every row of a file, the header too, numbered as `stage` numbers them."""
    lines = _Lines(path, fmt.encoding)
    if fmt.header:
        yield 1, _header(lines, fmt)
    for row, (text, _, _) in enumerate(_records(lines, fmt, width), start=2 if fmt.header else 1):
        yield row, text


class _Lines:
    """Lines of a file without their ends; bytes that cannot be decoded stay visible as surrogates. Bounded memory per chunk.

    A line ends at \\n or \\r\\n; where the file has no \\n in its first chunk but has \\r, at \\r (old Macintosh files).
    """

    def __init__(self, path: Path, encoding: str) -> None:
        name = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
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


def _header(lines: _Lines, fmt: FileFormat) -> str:
    """The first line that is not blank, with those that follow where a name in it holds line breaks; '' where there is none."""
    first = next((line for line in lines if line.strip()), "")
    if first.count(fmt.quote) % 2 == 0:
        return first
    return _join(first, lines, fmt, None)[0] or first


def _records(lines: _Lines, fmt: FileFormat, width: int) -> Iterator[tuple[str, list[str], str]]:
    """Records as (original text, fields, reason why it is no row or '')."""
    for line in lines:
        if not line.strip("\r"):
            continue
        fields, reason = split(line, fmt, width)
        if reason and line.count(fmt.quote) % 2 == 1:
            text, joined = _join(line, lines, fmt, width)
            if joined:
                yield text, joined, ""
                continue
        yield line, fields, reason


def _join(line: str, lines: _Lines, fmt: FileFormat, width: int | None) -> tuple[str, list[str]]:
    """`line` with the lines that follow it up to the closing quote, as one record; nothing where that makes none."""
    taken, size, odd = [line], len(line), True
    while odd and len(taken) < MAX_RECORD_LINES and size < MAX_RECORD_TEXT:
        more = next(lines, None)
        if more is None:
            break
        taken.append(more)
        size += len(more)
        odd ^= more.count(fmt.quote) % 2 == 1
    text = "\n".join(taken)
    fields, reason = ([], "open") if odd else split(text, fmt, width)
    if reason:
        lines.push(taken[1:])
        return "", []
    return text, fields


def split(text: str, fmt: FileFormat, width: int | None) -> tuple[list[str], str]:
    """The cells of a record, or why it is no row of `width` cells (None: of any number)."""
    if not text.isascii() and _UNDECODABLE.search(text):
        return [], f"is not {fmt.encoding} text"
    if "\0" in text:
        return [], "contains a NUL byte"
    if "\r" in text:
        return [], "contains a stray carriage return"
    cells = cells_of(text, fmt)
    if cells is None:
        return [], f"a quote ({fmt.quote}) is not closed, or stands in the wrong place"
    if width is not None and len(cells) != width:
        return [], f"has {len(cells)} fields, the header has {width}"
    return cells, ""
