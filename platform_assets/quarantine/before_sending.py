"""A file mended before it is sent: columns that were renamed, and values that are written otherwise.

What is sent is the file with these changes: lines that nothing changes stay as they are, to the byte. It is done for plain delimited text, a record
a line; other files are mended in quarantine, after they were loaded. What came out is judged like any file, so nothing passes a rule here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.deliveries import format_of
from platform_assets.ingest.readers.packing import is_packed
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.scan import BOM
from platform_assets.ingest.readers.shape.cells import cells_of
from platform_assets.ingest.readers.shape.header import match_header
from resources.text.spelling import folded


class CannotMend(ValueError):
    """The file cannot be changed here; the message says why and what to do."""


@dataclass(frozen=True)
class Mends:
    """What is changed in one file."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Name in the file's header -> the dataset's name of that column."""
    values: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """Column of the dataset -> text -> what it becomes."""
    cells: Mapping[int, Mapping[str, str | None]] = field(default_factory=dict)
    """Row of the file, as readers count them (the header is 1, empty lines are none) -> column of the dataset -> its text, after `values`."""

    def __bool__(self) -> bool:
        return bool(self.names or self.values or self.cells)

    def told(self) -> dict[str, object]:
        """The same for the audit log: which columns, and how many values; no values."""
        said: dict[str, object] = {"renamed": sorted(self.names.values())}
        said["mended"] = {c: len(v) for c, v in sorted(self.values.items())}
        if self.cells:
            said["cells"] = sum(map(len, self.cells.values()))
        return said


@dataclass(frozen=True)
class Headings:
    """The file's header against the dataset's columns."""

    lacking: tuple[str, ...]
    """Names that the dataset asks for and the file does not have."""
    unknown: tuple[str, ...]
    """Names of the file that the dataset does not know."""


def headings(contract: Contract, name: str, data: bytes) -> Headings | None:
    """What does not fit in the header; None where the file is none whose header could be changed."""
    try:
        fmt, lines = _opened(contract, name, data)
    except CannotMend:
        return None
    names = [n.strip() for n in cells_of(lines[0], fmt) or []]
    known = {folded(n): c for c, spec in contract.file_columns.items() for n in spec.header or (c,)}
    there = {known[folded(n)] for n in names if folded(n) in known}
    lacking = [
        (spec.header or (c,))[0]
        for c, spec in contract.file_columns.items()
        if c not in there and not spec.optional and not spec.from_matching and not spec.from_file_name
    ]
    ignored = set(map(folded, contract.ignore))
    unknown = [n for n in names if n and folded(n) not in known and folded(n) not in ignored]
    return Headings(tuple(lacking), tuple(dict.fromkeys(unknown)))


def mended(contract: Contract, name: str, data: bytes, mends: Mends) -> bytes:
    """The file with `mends` in it. Raises CannotMend."""
    if not mends:
        return data
    fmt, lines = _opened(contract, name, data)
    header = [n.strip() for n in _cells(lines[0], fmt, 1)]
    twice = {new for new in mends.names.values() if list(mends.names.values()).count(new) > 1}
    if twice:
        raise CannotMend(f"Two columns of the file cannot both be {min(twice)}: choose one of them")
    renamed = [mends.names.get(n, n) for n in header]
    out = [lines[0] if renamed == header else _line(renamed, lines[0], fmt)]
    if not (mends.values or mends.cells):
        return _bytes([*out, *lines[1:]], data, fmt)
    places = _places(contract, renamed, fmt)
    changes = {places[c]: values for c, values in mends.values.items() if c in places}
    row = 1
    for number, line in enumerate(lines[1:], start=2):
        row += bool(line.rstrip("\r\n"))
        cells = _cells(line, fmt, number) if line.strip() else []
        changed = [_changed(cell, changes.get(place)) for place, cell in enumerate(cells)]
        for column, text in mends.cells.get(row, {}).items() if cells else ():
            if places.get(column, len(cells)) < len(cells):  # a line that lacks cells is mended after it was loaded
                changed[places[column]] = text or ""
        out.append(line if changed == cells else _line(changed, line, fmt))
    return _bytes(out, data, fmt)


def _opened(contract: Contract, name: str, data: bytes) -> tuple[FileFormat, list[str]]:
    """The file's format, and its lines with their ends."""
    try:
        fmt = format_of(name, contract.format)
    except FileRejected as error:
        raise CannotMend(str(error)) from None
    plain = (
        format_named(fmt.kind).delimited and fmt.header and not fmt.laid_out and not is_packed(name) and not fmt.wide
    )
    if not plain or fmt.encoding == "utf-16":
        raise CannotMend("A file of this kind is mended after it was loaded, on the page Quarantine")
    try:
        text = data.removeprefix(BOM).decode(fmt.encoding)
    except UnicodeDecodeError:
        raise CannotMend("The file is not text in the encoding of the dataset: save it as such first") from None
    lines = io.StringIO(text, newline="").readlines()
    if not lines:
        raise CannotMend("The file is empty")
    return fmt, lines


def _places(contract: Contract, names: Sequence[str], fmt: FileFormat) -> dict[str, int]:
    try:
        return dict(match_header(names, contract, fmt).positions)
    except FileRejected as error:
        raise CannotMend(str(error)) from None


def _cells(line: str, fmt: FileFormat, number: int) -> list[str]:
    cells = cells_of(line.rstrip("\r\n"), fmt)
    if cells is None:
        raise CannotMend(
            f"Line {number:,} is no record of its own (a quote, or a line break in a cell): send the file, and mend it on the page Quarantine"
        )
    return cells


def _changed(cell: str, values: Mapping[str, str | None] | None) -> str:
    if values is None:
        return cell
    key = cell if cell in values else cell.strip()
    return values[key] or "" if key in values else cell


def _line(cells: Sequence[str], before: str, fmt: FileFormat) -> str:
    out = io.StringIO(newline="")
    end = before[len(before.rstrip("\r\n")) :]
    csv.writer(out, delimiter=fmt.separator, quotechar=fmt.quote, lineterminator=end).writerow(cells)
    return out.getvalue()


def _bytes(lines: Sequence[str], before: bytes, fmt: FileFormat) -> bytes:
    mark = BOM if before.startswith(BOM) else b""
    try:
        return mark + "".join(lines).encode(fmt.encoding)
    except UnicodeEncodeError:
        raise CannotMend(f"A new value cannot be written as {fmt.encoding}: choose another") from None
