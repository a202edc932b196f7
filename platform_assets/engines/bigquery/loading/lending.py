"""What the lake gets of what BigQuery holds: the ledger of every dataset, and copies of the tables that are small enough.

R, the console and the explorer read the lake. PLATFORM_BIGQUERY_COPY_ROWS says up to how many rows a table is copied there, so that
they go on working. What is larger stays in BigQuery alone: the lake then has no table of that name, not one that grows old.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.tables import BigTables
from platform_assets.ingest import ledger
from platform_assets.ingest.books import origins
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.tables import Tables
from resources.gcp.bigquery import BigQuery
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse, literal, quoted, scalar
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

LENT = "platform.lent"
"""Of which version of a computed table the lake has a copy."""
LENT_COLUMNS = {"name": "VARCHAR", "version": "VARCHAR", "rows": "BIGINT", "lent_at": "TIMESTAMP"}


def lend(
    contract: Contract,
    engine: BigQuery,
    warehouse: Warehouse,
    store: ObjectStore,
    keys: IdentityKeys,
    *,
    most: int,
    neighbours: Neighbours = ALONE,
) -> str:
    """Copy the dataset's ledger, and its validated table where that has at most `most` rows, to the lake, in one commit.

    Returns what was done, for people. Nothing is copied where the lake has this state already, or knows deliveries that BigQuery does
    not: it was the engine before, and its table would be lost. Rows that may not be kept (`neighbours`) are left out, should BigQuery
    still have them.
    """
    books, lake = BigBooks(engine, contract.name, warehouse, neighbours), Tables(contract)
    with warehouse.lock(f"lend-{contract.name}"), warehouse.connect() as connection:
        with warehouse.write(connection):
            ledger.ensure(warehouse, connection)
        ours, theirs = ledger.read(connection, contract.name), books.entries()
        rows = engine.rows(BigTables(contract).validated)
        if ours == theirs and bool(warehouse.columns(connection, lake.validated)) == (rows <= most):
            return "the lake's copy is up to date" if rows <= most else _stays(rows)
        missing = {e.sha256 for e in ours if e.status != "rejected"} - {e.sha256 for e in theirs}
        if missing:
            return (
                f"not copied: the lake holds {len(missing)} deliveries that BigQuery does not. Put their files from "
                f"archive/{contract.name}/ into landing/{contract.name}/; once they are loaded, the lake gets its copy"
            )
        if rows > most:
            with warehouse.write(connection):
                connection.execute(f"DROP TABLE IF EXISTS {lake.validated}")
                _replace_ledger(connection, contract, theirs)
            return _stays(rows)
        with _copied(engine, warehouse, BigTables(contract).validated) as path:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE lent AS FROM read_parquet({literal(str(path))})")
            neighbours.leave_out_of(warehouse, connection, contract, keys.for_files(origins(books)), store, "lent")
            copied = scalar(connection, "SELECT count(*) FROM lent")
            listed = ", ".join(
                f"CAST({quoted('_period' if c == '_partition' else c)} AS {kind}) AS {quoted(c)}"
                for c, kind in lake.validated_columns.items()
            )
            with warehouse.write(connection):
                lake.ensure(warehouse, connection)
                connection.execute(f"DELETE FROM {lake.validated}")
                connection.execute(f"INSERT INTO {lake.validated} BY NAME SELECT {listed} FROM lent")
                _replace_ledger(connection, contract, theirs)
    return f"{copied:,} rows copied to the lake"


def lend_table(
    table: str, version: str, columns: Mapping[str, str], engine: BigQuery, warehouse: Warehouse, *, most: int
) -> None:
    """Put a copy of a computed table into the lake, in one commit, unless it has this version of it; none of more than `most` rows.

    `columns`: name -> DuckDB type, a decimal of any precision.
    """
    with warehouse.connect() as connection:
        with warehouse.write(connection):
            warehouse.ensure_table(connection, LENT, LENT_COLUMNS)
        number = engine.rows(table)
        if number > most:
            with warehouse.write(connection):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
                connection.execute(f"DELETE FROM {LENT} WHERE name = ?", [table])
            return
        known = connection.execute(f"SELECT 1 FROM {LENT} WHERE name = ? AND version = ?", [table, version]).fetchone()
        if known and warehouse.columns(connection, table):
            return
        listed = ", ".join(
            quoted(c) if kind == "DECIMAL" else f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}"
            for c, kind in columns.items()
        )
        with _copied(engine, warehouse, table) as path, warehouse.write(connection):
            rows = f"read_parquet({literal(str(path))})"
            connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {listed} FROM {rows}")
            connection.execute(f"DELETE FROM {LENT} WHERE name = ?", [table])
            at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            connection.execute(f"INSERT INTO {LENT} VALUES (?, ?, ?, ?)", [table, version, number, at])


def lent_tables(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, dt.datetime]]:
    """Indicator, rows and moment (UTC) of every computed table that the lake has a copy of."""
    if not warehouse.columns(connection, LENT):
        return []
    return connection.execute(f"SELECT replace(name, 'indicators.', ''), rows, lent_at FROM {LENT}").fetchall()


def _replace_ledger(connection: duckdb.DuckDBPyConnection, contract: Contract, entries: list[Entry]) -> None:
    connection.execute(f"DELETE FROM {ledger.TABLE} WHERE dataset = ?", [contract.name])
    ledger.write(connection, entries)


@contextmanager
def _copied(engine: BigQuery, warehouse: Warehouse, table: str) -> Iterator[Path]:
    """The table as a Parquet file, for as long as it is needed."""
    folder = warehouse.wait_for_scratch()
    try:
        path = folder / "table.parquet"
        engine.read(table, path)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stays(rows: int) -> str:
    return (
        f"{rows:,} rows stay in BigQuery: R does not see them. Aggregate them in an SQL indicator, and let R read that"
    )
