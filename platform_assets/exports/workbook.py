"""An Excel workbook of one sheet, written row by row and read back.

Excel has limits that a file must not go beyond, and shows only 15 digits of a number: what it could not keep as it is is written as text, or refused.
Texts are never formulas. Days and moments are texts as in other files (2026-01-31).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.formats.xlsx import write_workbook
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.typed.workbook import PLAIN, Cell, Number, opened

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 1_048_576
"""Of a sheet, the header among them."""
MOST_COLUMNS = 16_384
LONGEST = 32_767
"""Characters of a cell, as UTF-16 counts them."""
MOST_DIGITS = 15
"""Of a number, as Excel keeps them."""
SHEET = "Sheet1"
ROWS = 2_000
"""Read at a time."""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "DECIMAL")  # fmt: skip
_FLOATS = ("DOUBLE", "FLOAT")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_UNSAID = "[^\\t\\n\\r\\x20-\\x{D7FF}\\x{E000}-\\x{FFFD}\\x{10000}-\\x{10FFFF}]"
"""What XML cannot say."""
_OURS = Limits(whole_mb=1 << 20, cells=1 << 40)
"""What we wrote ourselves has only the limits of a sheet."""


class NotInAWorkbook(ValueError):
    """The rows do not fit into a sheet; the message names columns, no values."""


def write_sheet(
    engine: duckdb.DuckDBPyConnection, source: str, columns: Sequence[tuple[str, str]], rows: int, out: Path
) -> int:
    """Write the `rows` that stand in `source` (SQL; `columns` are its names and types) to `out`. Returns how many are read back. Raises NotInAWorkbook."""
    if rows + 1 > MOST_ROWS or len(columns) > MOST_COLUMNS:
        raise NotInAWorkbook(
            f"a sheet holds {MOST_ROWS - 1:,} rows below its header and {MOST_COLUMNS:,} columns, and there are {rows:,} and {len(columns):,}: write "
            "kind: csv or parquet, or shorter windows"
        )
    unsaid = [name for name, _ in columns if not name.isprintable() or len(name) > LONGEST]
    if unsaid:
        raise NotInAWorkbook(f"a name of a column holds what a cell cannot say: {unsaid[0][:50]!r}")
    places = [f"c{number}" for number in range(1, len(columns) + 1)]
    numbered = f"{source} AS t({', '.join(places)})"
    blank = _demand_sayable(engine, numbered, places, columns)
    found = engine.execute(f"SELECT {', '.join(f'CAST({place} AS VARCHAR)' for place in places)} FROM {numbered}")
    header: list[Cell] = [name for name, _ in columns]
    cells = _cells(found, [kind for _, kind in columns])
    with out.open("wb") as file:
        write_workbook(file, {SHEET: enumerate(chain([header], cells), start=1)})
    try:
        with opened(out, _OURS) as book:
            return book.count(book.sheets[0]) - 1 + blank
    except FileRejected:
        raise NotInAWorkbook("the workbook cannot be read back as it was written: write kind: csv or parquet") from None


def _cells(found: duckdb.DuckDBPyConnection, kinds: Sequence[str]) -> Iterator[list[Cell]]:
    while batch := found.fetchmany(ROWS):
        for row in batch:
            yield [_cell(text, kind) for text, kind in zip(row, kinds, strict=True)]


def _cell(text: str | None, kind: str) -> Cell:
    """A number where Excel keeps all of it, else the text."""
    if text is None or not kind.startswith((*_NUMBERS, *_FLOATS)) or not _NUMBER.fullmatch(text):
        return text
    digits = len(text.lstrip("-").replace(".", "").lstrip("0"))
    return Number(text, PLAIN) if kind in _FLOATS or digits <= MOST_DIGITS else text


def _demand_sayable(
    engine: duckdb.DuckDBPyConnection, numbered: str, places: Sequence[str], columns: Sequence[tuple[str, str]]
) -> int:
    """Raises NotInAWorkbook where a value does not fit into a cell. Returns how many rows are empty: a reader tells nothing of these."""
    looks = [f"count(*) FILTER (coalesce({', '.join(f'CAST({p} AS VARCHAR)' for p in places)}) IS NULL)"]
    for place in places:
        text = f"CAST({place} AS VARCHAR)"
        beyond = f"length(regexp_replace({text}, '[\\x00-\\x{{FFFF}}]', '', 'g'))"  # each is two in UTF-16
        looks += [
            f"count(*) FILTER (length({text}) + {beyond} > {LONGEST})",
            f"count(*) FILTER (regexp_matches({text}, $signs))",
        ]
    blank, *counts = engine.execute(f"SELECT {', '.join(looks)} FROM {numbered}", {"signs": _UNSAID}).fetchone() or ()
    for (name, _), long, unsaid in zip(columns, counts[::2], counts[1::2], strict=True):
        if long:
            raise NotInAWorkbook(f"a cell holds {LONGEST:,} characters at most: look at {name} ({long:,} rows)")
        if unsaid:
            raise NotInAWorkbook(
                f"a workbook cannot say control characters: look at {name} ({unsaid:,} rows); write kind: csv, or replace them in a query"
            )
    return int(blank)
