"""The ledger: one row per delivery, written in the transaction that writes its data.

A delivery is an event: the same content that arrives again has a row of its own, which names the one before (`same_as`).
Its law: rows in = valid + quarantined + superseded. `valid` = inserted + updated + unchanged.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from resources.lake.warehouse import Warehouse

TABLE = "platform.ledger"
OLDEST_FIRST = "loaded_at, as_of NULLS FIRST, delivery"
"""Those that were loaded together have one `loaded_at`: they were taken in the order of `as_of`."""
COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "file": "VARCHAR",
    "bytes": "BIGINT",
    "sha256": "VARCHAR",
    "delivered_at": "TIMESTAMP",
    "loaded_at": "TIMESTAMP",
    "as_of": "TIMESTAMP",
    "status": "VARCHAR",
    "reason": "VARCHAR",
    "rows_in": "BIGINT",
    "valid": "BIGINT",
    "quarantined": "BIGINT",
    "superseded": "BIGINT",
    "malformed": "BIGINT",
    "inserted": "BIGINT",
    "updated": "BIGINT",
    "unchanged": "BIGINT",
    "removed": "BIGINT",
    "merged": "BIGINT",
    "partitions": "BIGINT",
    "drift": "VARCHAR",
    "not_taken": "VARCHAR",
    "reasons": "VARCHAR",
    "first_rows": "VARCHAR",
    "contract": "VARCHAR",
    "run": "VARCHAR",
    "seconds": "DOUBLE",
    "version": "VARCHAR",
    "same_as": "VARCHAR",
}
LATER = ("version", "same_as")
"""Columns that the first ledgers do not have; NULL in their rows."""
BUNDLE = "bundle-"
"""How the version of a file begins that came in an archive with others, with which it is committed."""
HELD_WITH = "held with its bundle"
"""How the reason begins of one that nothing is wrong with but its bundle."""
JSON = ("drift", "not_taken", "reasons", "first_rows")
"""Columns that hold an object as text; empty where there is nothing in it."""


@dataclass
class Entry:
    """What became of one arrival. Counts are rows; times are UTC."""

    dataset: str
    delivery: str
    file: str
    bytes: int
    sha256: str
    delivered_at: dt.datetime
    """When the file arrived, whatever its own time says."""
    loaded_at: dt.datetime
    as_of: dt.datetime | None = None
    status: str = "published"
    """published; held: a quality limit is broken, or only a person can say what it means, nothing of it is published; superseded: a
    snapshot older than the table; repeated: the content that came last came again, nothing changes; rejected: nothing in it can be
    judged."""
    reason: str = ""
    rows_in: int = 0
    valid: int = 0
    quarantined: int = 0
    superseded: int = 0
    malformed: int = 0
    """Part of `quarantined`: lines that could not be split into columns."""
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    """Rows that left the table because a snapshot no longer has them, or because they came again with an id of their own."""
    merged: int = 0
    """Rows without an id that were recognised as a copy of one with; they are among the counts above, none is lost."""
    partitions: int = 0
    """Weeks or months of the table that the delivery's rows lie in."""
    drift: dict[str, list[str]] = field(default_factory=dict)
    not_taken: dict[str, int] = field(default_factory=dict)
    """What the delivery holds and was not read, by name (``sheet 'Codes' (hidden)``, ``README.txt``) -> rows in it, 0 where it has none
    or nobody can tell. None of it is in `rows_in`. What the contract did not foresee stands in `drift` too."""
    reasons: dict[str, int] = field(default_factory=dict)
    """The most frequent reasons of quarantine and their rows; no values."""
    first_rows: dict[str, str] = field(default_factory=dict)
    """Where each of these reasons occurs first: ``row 17``, or ``lab.csv row 17`` in an archive."""
    contract: str = ""
    run: str = ""
    seconds: float = 0.0
    version: str = ""
    """That of the file in landing (`StoredObject.version`), by which it is known again where it was not put away; '' where it was loaded
    before this was kept."""
    same_as: str = ""
    """The latest delivery before it with the same content; '' where the content came for the first time."""

    @property
    def is_fix(self) -> bool:
        """Whether it holds rows that a steward has mended: these are not named by their content (see `deliveries.Mending`)."""
        return not self.same_as and self.delivery != self.sha256[: len(self.delivery)]

    @property
    def bundle(self) -> str:
        """The archive that it came in together with files of other datasets (`ingest.bundles`); '' where it came alone."""
        return self.version.split(" ", 1)[0] if self.version.startswith(BUNDLE) else ""

    def add_reason(self, reason: str, rows: int, file: str, row: int) -> None:
        """Note a reason of quarantine, its rows, and the file and row where it occurs first."""
        self.reasons[reason] = rows
        self.first_rows[reason] = f"row {row}" if file == self.file else f"{file} row {row}"

    @property
    def conserved(self) -> bool:
        """The law of the ledger."""
        return (
            self.rows_in == self.valid + self.quarantined + self.superseded
            and self.valid == self.inserted + self.updated + self.unchanged
        )


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger where there is none yet."""
    warehouse.ensure_table(connection, TABLE, COLUMNS)


def write(connection: duckdb.DuckDBPyConnection, entries: Iterable[Entry]) -> None:
    """Write `entries`, each in place of an earlier one of the same delivery (held and judged again, rejected and sent again)."""
    rows = [[row[name] for name in COLUMNS] for row in map(row_of, entries)]
    if not rows:
        return
    connection.execute(
        f"DELETE FROM {TABLE} WHERE dataset = ? AND delivery IN (SELECT unnest(?::VARCHAR[]))",
        [rows[0][0], [row[1] for row in rows]],
    )
    # column by column: binding a thousand rows one by one takes as long as loading them
    listed = ", ".join(f"unnest(?::{kind}[]) AS {name}" for name, kind in COLUMNS.items())
    connection.execute(f"INSERT INTO {TABLE} BY NAME SELECT {listed}", [list(c) for c in zip(*rows, strict=True)])


def read(
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    *,
    deliveries: Iterable[str] | None = None,
    status: str | None = None,
    contents: Iterable[str] | None = None,
) -> list[Entry]:
    """Entries of `dataset`, oldest first; only `deliveries`, those of one `status`, or of `contents` (hashes) where given."""
    conditions, parameters = ["dataset = ?"], [dataset]
    if deliveries is not None:
        conditions.append("delivery IN (SELECT unnest(?::VARCHAR[]))")
        parameters.append(list(deliveries))  # type: ignore[arg-type]
    if contents is not None:
        conditions.append("sha256 IN (SELECT unnest(?::VARCHAR[]))")
        parameters.append(list(contents))  # type: ignore[arg-type]
    if status is not None:
        conditions.append("status = ?")
        parameters.append(status)
    return _read(connection, f"{' AND '.join(conditions)} ORDER BY {OLDEST_FIRST}", parameters)


def of_run(connection: duckdb.DuckDBPyConnection, run: str) -> list[Entry]:
    """What one run of Dagster made of the files that it loaded, oldest first."""
    return _read(connection, f"run = ? ORDER BY {OLDEST_FIRST}", [run])


def newest(connection: duckdb.DuckDBPyConnection, dataset: str) -> Entry | None:
    """The newest published delivery of `dataset`."""
    asked = "dataset = ? AND status = 'published' ORDER BY as_of DESC NULLS LAST, loaded_at DESC LIMIT 1"
    return next(iter(_read(connection, asked, [dataset])), None)


def _read(connection: duckdb.DuckDBPyConnection, asked: str, parameters: list[Any]) -> list[Entry]:
    found = connection.execute(f"SELECT * FROM {TABLE} WHERE {asked}", parameters)
    names = [column[0] for column in found.description]
    return [entry_of(dict(zip(names, row, strict=True))) for row in found.fetchall()]


def row_of(entry: Entry) -> dict[str, Any]:
    """An entry as a row of the ledger: column -> value."""
    values = asdict(entry)
    for name in JSON:
        values[name] = json.dumps(values[name]) if values[name] else ""
    return values


def entry_of(row: Mapping[str, Any]) -> Entry:
    """A row of the ledger as an entry. A ledger that was written before there was a column lacks it until the next load."""
    values = {f.name: row[f.name] for f in fields(Entry) if f.name in row}
    told = {name: json.loads(values.get(name) or "{}") for name in JSON}
    return Entry(**{**values, **told, **{name: values.get(name) or "" for name in LATER}})
