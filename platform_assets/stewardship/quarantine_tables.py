"""What is written down about quarantined rows: the acts on them, and the fixes that wait. Ingest reads from here which deliveries are
fixes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from platform_assets.ingest import ledger
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


def fixes_in_time(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, dataset: str
) -> dict[str, dt.datetime | None]:
    """For ingest: deliveries that are stewards' fixes -> the place in time of what they mend."""
    if not warehouse.columns(connection, ACTIONS):
        return {}
    found = connection.execute(
        f"SELECT a.fix_delivery, max(l.as_of) FROM {ACTIONS} a LEFT JOIN {ledger.TABLE} l "
        "ON l.dataset = a.dataset AND l.delivery = a.delivery "
        "WHERE a.dataset = ? AND a.action = 'resubmitted' GROUP BY 1",
        [dataset],
    ).fetchall()
    return dict(found)


def sent_on(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, dataset: str) -> set[str]:
    """For ingest: deliveries of which rows were sent as fixes already; where rows have no key, they may not come in twice."""
    if not warehouse.columns(connection, ACTIONS):
        return set()
    found = connection.execute(
        f"SELECT DISTINCT delivery FROM {ACTIONS} WHERE dataset = ? AND action = 'resubmitted'", [dataset]
    ).fetchall()
    return {r[0] for r in found}


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]]
) -> None:
    """Add `rows` (values in the order of `columns`) in one statement."""
    if rows:
        listed = ", ".join(f"unnest(?::{kind}[]) AS {quoted(name)}" for name, kind in columns.items())
        connection.execute(f"INSERT INTO {table} BY NAME SELECT {listed}", [list(c) for c in zip(*rows, strict=True)])
