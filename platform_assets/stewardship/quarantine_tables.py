"""What is written down about quarantined rows: the acts on them, and the fixes that wait. Ingest reads from here which deliveries are
fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from platform_assets.ingest import ledger
from platform_assets.ingest.deliveries import Mending
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


def mendings(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, Mending]:
    """For ingest: the files of fixed rows that stewards have sent, by name."""
    if not warehouse.columns(connection, ACTIONS):
        return {}
    found = connection.execute(
        "SELECT a.fix_file, a.fix_delivery, max(a.delivery), max(l.as_of), bool_or(a.action = ?) "
        f"FROM {ACTIONS} a LEFT JOIN {ledger.TABLE} l ON l.dataset = a.dataset AND l.delivery = a.delivery "
        "WHERE a.dataset = ? AND a.fix_delivery IS NOT NULL GROUP BY 1, 2",
        [RELEASED, dataset],
    ).fetchall()
    hashes = dict(
        connection.execute(f"SELECT delivery, sha256 FROM {ledger.TABLE} WHERE dataset = ?", [dataset]).fetchall()
    )
    mended = {delivery: mends for _, delivery, mends, *_ in found}

    def origin(delivery: str) -> str:
        while delivery in mended:
            delivery = mended[delivery]
        return delivery

    return {
        file: Mending(fix, origin(fix), as_of, released, hashes.get(origin(fix), ""))
        for file, fix, _, as_of, released in found
    }


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
