"""How erased rows are accounted for: the ledger's counts stay as they were at the time, `platform.erased` says what has left since.

For every delivery: rows in the tables + rows erased = rows that the ledger counts. Rows that are erased at the door (a later delivery
brings them again) are `superseded` in the ledger, and counted here as well because they never reach the raw table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.lake.warehouse import columns_of

if TYPE_CHECKING:
    import duckdb

    from resources.lake.warehouse import Warehouse

TABLE = "platform.erased"
COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "request": "VARCHAR",
    "raw": "BIGINT",
    "quarantine": "BIGINT",
    "validated": "BIGINT",
}


@dataclass(frozen=True)
class Erased:
    """Rows of one delivery that have left each layer."""

    raw: int = 0
    quarantine: int = 0
    validated: int = 0


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table where there is none yet."""
    warehouse.ensure_table(connection, TABLE, COLUMNS)


def counts(connection: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, Erased]:
    """Delivery -> rows erased."""
    if not columns_of(connection, TABLE):
        return {}
    found = connection.execute(
        f"SELECT delivery, sum(raw)::BIGINT, sum(quarantine)::BIGINT, sum(validated)::BIGINT FROM {TABLE} "
        "WHERE dataset = ? GROUP BY 1",
        [dataset],
    ).fetchall()
    return {delivery: Erased(*rest) for delivery, *rest in found}


def brought(members: Mapping[int, tuple[str, str]], left_out: Mapping[int, tuple[int, int]]) -> dict[str, int]:
    """Delivery -> rows and broken lines that were left out at the door. `left_out` is by number of the member."""
    found: dict[str, int] = {}
    for number, (rows, broken) in left_out.items():
        delivery = members[number][0]
        found[delivery] = found.get(delivery, 0) + rows + broken
    return found


def account(delivery: str, dataset: str, rows: int) -> dict[str, object]:
    """What a delivery brought of people who were erased before: they never reached any table. A row of TABLE."""
    zero = dict.fromkeys(("quarantine", "validated"), 0)
    return {"dataset": dataset, "delivery": delivery, "request": "", "raw": rows, **zero}


def replace(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    members: Mapping[int, tuple[str, str]],
    left_out: Mapping[int, tuple[int, int]],
) -> None:
    """Account for what the deliveries of `members` brought of people who were erased, in place of what was said of them before."""
    ensure(warehouse, connection)
    connection.execute(
        f"DELETE FROM {TABLE} WHERE dataset = ? AND delivery IN (SELECT unnest(?::VARCHAR[]))",
        [dataset, sorted({delivery for delivery, _ in members.values()})],
    )
    for delivery, rows in brought(members, left_out).items():
        row = account(delivery, dataset, rows)
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {TABLE} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
