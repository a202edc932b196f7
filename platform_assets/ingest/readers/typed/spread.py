"""Records that are more than one row: the entries of a list in them (`explode`), or their names (`wide`).

Such rows are counted through the file, from 1. What is said of rows (`Edits`) is turned here into what is said of records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platform_assets.contracts.file_format import FileFormat
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.shape.columns import Found
from platform_assets.ingest.readers.typed.paths import NOTHING, at, put
from platform_assets.ingest.readers.typed.values import says_something
from resources.spelling import bare

if TYPE_CHECKING:
    from platform_assets.ingest.readers.typed.records import Record


@dataclass(frozen=True)
class Part:
    """One row of a record."""

    view: Mapping[str, Any]
    """The record as this row sees it: with one entry in the place of the list."""
    place: int | str | None = None
    """Which entry of the list, or which name, is the row; None where the record is."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """Column -> value, of columns that are told by a name that became a row."""


@dataclass(frozen=True)
class RecordEdits(Edits):
    """What becomes of records, by their numbers."""

    gone: Mapping[int, frozenset[int | str | None]] = field(default_factory=dict)
    """Record -> its entries, or names, whose rows go."""


@dataclass(frozen=True)
class Spread:
    """The rows of records, as a format says it."""

    fmt: FileFormat

    def __bool__(self) -> bool:
        """Whether a record may be more than one row."""
        return bool(self.fmt.explode or self.fmt.wide)

    def parts(self, record: Any) -> list[Part]:
        """The rows of a record. One without entries in its list, or without names that are rows, is a row without them, unless the format
        leaves it out."""
        if not isinstance(record, Mapping):
            return [Part({})]
        if self.fmt.explode is not None:
            entries = self._entries(record, self.fmt.explode)
            return [Part(put(record, self.fmt.explode, e), n) for n, e in enumerate(entries)] or [Part(record)]
        if (wide := self.fmt.wide) is not None:
            names = [(name, called) for name in record if (called := wide.name_of(bare(name))) is not None]
            parts = [Part(record, n, {wide.name: called, wide.value: record[n]}) for n, called in names]
            if wide.empty == "keep":
                return parts or [Part(record, None, {wide.name: None, wide.value: None})]
            return [p for p in parts if says_something(p.told[wide.value])]
        return [Part(record)]

    def left_out(self, record: Any) -> int:
        """Names without a value that the format leaves out; a record without any such name counts as one."""
        if self.fmt.wide is None or self.fmt.wide.empty == "keep" or not isinstance(record, Mapping):
            return 0
        return max(1, sum(map(self.is_row, record))) - len(self.parts(record))

    def is_row(self, name: str) -> bool:
        """Whether a name of records becomes a row."""
        return self.fmt.wide is not None and self.fmt.wide.name_of(bare(name)) is not None

    def of_records(self, records: Iterable[Record], edits: Edits) -> Edits:
        """What `edits` say of rows, said of the records whose rows they are."""
        if not self:
            return edits
        out: set[int] = set()
        cells: dict[int, dict[str, str]] = {}
        gone: dict[int, frozenset[int | str | None]] = {}
        last = 0
        for record in records:
            places = [None] if record.broken else [part.place for part in self.parts(record.value)]
            numbers = range(last + 1, last + 1 + len(places))
            last += len(places)
            go = [n in edits.out for n in numbers]
            if numbers and all(go):
                out.add(record.row)
            elif any(go) or any(n in edits.cells for n in numbers):
                cells[record.row] = {old: new for n in numbers for old, new in edits.cells.get(n, {}).items()}
                gone[record.row] = frozenset(p for p, goes in zip(places, go, strict=True) if goes)
        return RecordEdits(frozenset(out), cells, gone)

    def without(self, record: Any, edits: Edits, row: int) -> Any:
        """The record without the entries, or the values of the names, whose rows go."""
        gone = edits.gone.get(row, frozenset()) if isinstance(edits, RecordEdits) else frozenset()
        if not gone or not isinstance(record, Mapping):
            return record
        if self.fmt.explode is not None:
            entries = self._entries(record, self.fmt.explode)
            return put(record, self.fmt.explode, [e for n, e in enumerate(entries) if n not in gone])
        return {name: None if name in gone else value for name, value in record.items()}

    def _entries(self, record: Mapping[str, Any], path: str) -> list[Any]:
        found = at(record, path)
        if found is NOTHING or found is None:
            return []
        return found if isinstance(found, list) else [found]


def of_table_rows(edits: Edits, found: Found) -> tuple[Edits, dict[int, set[int]]]:
    """`edits` of a file whose columns become rows, said of its own rows; and place of a column -> rows in which nothing is left of it."""
    each = len(found.wide)
    if not each:
        return edits, {}
    cells: dict[int, dict[str, str]] = {}
    for number, said in edits.cells.items():
        cells.setdefault((number - 1) // each + 1, {}).update(said)
    counted = Counter((number - 1) // each + 1 for number in edits.out)
    out = frozenset(row for row, count in counted.items() if count == each)
    emptied: dict[int, set[int]] = {}
    for number in edits.out:
        row, block = divmod(number - 1, each)
        if row + 1 not in out:
            emptied.setdefault(found.wide[block][0], set()).add(row + 1)
    return Edits(out, cells), emptied
