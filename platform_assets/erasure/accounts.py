"""How erased rows are accounted for: the ledger's counts stay as they were at the time, `platform.erased` says what has left since.

For every delivery: rows in the tables + rows erased = rows that the ledger counts. Rows that are erased at the door (a later delivery
brings them again) are `superseded` in the ledger, and counted here as well because they never reach the raw table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from resources.warehouse import Warehouse

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
    layer, _, name = TABLE.partition(".")
    there = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?", [layer, name]
    ).fetchone()
    if not there:
        return {}
    found = connection.execute(
        f"SELECT delivery, sum(raw)::BIGINT, sum(quarantine)::BIGINT, sum(validated)::BIGINT FROM {TABLE} "
        "WHERE dataset = ? GROUP BY 1",
        [dataset],
    ).fetchall()
    return {delivery: Erased(*rest) for delivery, *rest in found}
