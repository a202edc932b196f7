"""Tables that are worked out of a dataset's own: lists taken apart, a tree walked, the history of rows. They hold nothing else.

They are made anew, whole, in the transaction that changes what they are made of: by a load, by an erasure, by a new spelling. So they never
tell of another state than the dataset's tables, and who was erased is not in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.model import Contract
from platform_assets.contracts.worked_out import lists
from platform_assets.ingest.books import Books
from platform_assets.ingest.tables import Tables
from platform_assets.ingest.worked_out.history import history_of
from platform_assets.ingest.worked_out.items import tables_of_list
from platform_assets.ingest.worked_out.table import WorkedOut
from platform_assets.ingest.worked_out.tree import tree_of
from resources.lake.warehouse import LAKE, Warehouse, quoted

if TYPE_CHECKING:
    import duckdb

HISTORY = "history"
"""The layer of histories."""


def worked_out(contract: Contract) -> list[WorkedOut]:
    """The tables that are worked out for `contract`."""
    tables = [table for name in lists(contract) for table in tables_of_list(contract, name)]
    if contract.tree:
        tables.append(tree_of(contract, contract.tree))
    if contract.load.history:
        tables.append(history_of(contract))
    return tables


def work_out(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    books: Books,
    compiled: CompiledContract | None,
) -> None:
    """Make them anew, inside the caller's transaction, from what the dataset's tables and the ledger say in it. Those that the contract no
    longer asks for go. `compiled` is needed for a history."""
    wanted = worked_out(contract)
    names = {table.name for table in wanted}
    for name in _present(connection, contract):
        if name not in names:
            connection.execute(f"DROP TABLE {name}")
    if not wanted or not warehouse.columns(connection, Tables(contract).validated):
        return
    if contract.load.history:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {LAKE}.{HISTORY}")
    for table in wanted:
        present = warehouse.columns(connection, table.name)
        if present and present != dict(table.columns):
            connection.execute(f"DROP TABLE {table.name}")
        warehouse.ensure_table(connection, table.name, table.columns)
        connection.execute(f"DELETE FROM {table.name}")
        if table.prepare:
            table.prepare(connection, books, compiled)
        listed = ", ".join(map(quoted, table.columns))
        connection.execute(f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM ({table.sql})")


def _present(connection: duckdb.DuckDBPyConnection, contract: Contract) -> list[str]:
    """The tables of the dataset that were worked out so far."""
    found = connection.execute(
        # by its columns: `duckdb_tables` counts the rows of each
        "SELECT DISTINCT schema_name || '.' || table_name FROM duckdb_columns() WHERE database_name = ? AND "
        "((schema_name = 'validated' AND starts_with(table_name, ?)) OR (schema_name = ? AND table_name = ?)) ORDER BY 1",
        [LAKE, f"{contract.name}__", HISTORY, contract.name],
    ).fetchall()
    return [name for (name,) in found]
