"""What is written down about quarantined rows: the acts on them, and the fixes that wait. Ingest reads from here which deliveries are
fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from platform_assets.ingest import ledger
from platform_assets.ingest.deliveries import Mending
from platform_assets.ingest.ledger import Entry
from resources.warehouse import Warehouse, quoted

if TYPE_CHECKING:
    import duckdb

ACTIONS = "platform.quarantine_actions"
ACTION_COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "file": "VARCHAR",
    "row": "BIGINT",
    "action": "VARCHAR",
    "reason": "VARCHAR",
    "acted_by": "VARCHAR",
    "acted_at": "TIMESTAMP",
    "fix_file": "VARCHAR",
    "fix_delivery": "VARCHAR",
    "fix_row": "BIGINT",
}
STAGED = "platform.staged_fixes"
STAGED_COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "file": "VARCHAR",
    "row": "BIGINT",
    "fixed": "VARCHAR",
    "acted_by": "VARCHAR",
    "acted_at": "TIMESTAMP",
}


RESUBMITTED, RELEASED, DISMISSED = "resubmitted", "released", "dismissed"
"""Actions that close a row. Released: sent together with all right rows of a delivery that was held."""


class RowKey(NamedTuple):
    """A quarantined row."""

    delivery: str
    file: str
    row: int


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of this module where they are not there yet."""
    ledger.ensure(warehouse, connection)
    warehouse.ensure_table(connection, ACTIONS, ACTION_COLUMNS)
    warehouse.ensure_table(connection, STAGED, STAGED_COLUMNS)


def mendings(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    entries: Callable[..., Iterable[Entry]],
) -> dict[str, Mending]:
    """For ingest: the files of fixed rows that stewards have sent, by name. `entries` is that of the dataset's `Books`."""
    if not warehouse.columns(connection, ACTIONS):
        return {}
    found = connection.execute(
        f"SELECT fix_file, fix_delivery, max(delivery), bool_or(action = ?) FROM {ACTIONS} "
        "WHERE dataset = ? AND fix_delivery IS NOT NULL GROUP BY 1, 2",
        [RELEASED, dataset],
    ).fetchall()
    mended = {fix: delivery for _, fix, delivery, _ in found}
    known = {e.delivery: e for e in entries(deliveries=set(mended.values()))} if mended else {}

    def origin(delivery: str) -> str:
        while delivery in mended:
            delivery = mended[delivery]
        return delivery

    def mending(fix: str, delivery: str, released: bool) -> Mending:
        now, first = known.get(delivery), known.get(origin(fix))
        return Mending(fix, origin(fix), now.as_of if now else None, released, first.sha256 if first else "")

    return {file: mending(fix, delivery, released) for file, fix, delivery, released in found}


def sent_on(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, dataset: str) -> set[str]:
    """For ingest: deliveries of which rows were sent as fixes already; where rows have no key, they may not come in twice."""
    if not warehouse.columns(connection, ACTIONS):
        return set()
    found = connection.execute(
        f"SELECT DISTINCT delivery FROM {ACTIONS} WHERE dataset = ? AND fix_delivery IS NOT NULL", [dataset]
    ).fetchall()
    return {r[0] for r in found}


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]]
) -> None:
    """Add `rows` (values in the order of `columns`) in one statement."""
    if rows:
        listed = ", ".join(f"unnest(?::{kind}[]) AS {quoted(name)}" for name, kind in columns.items())
        connection.execute(f"INSERT INTO {table} BY NAME SELECT {listed}", [list(c) for c in zip(*rows, strict=True)])
