"""A dataset's asset on BigQuery: load, check, tell; and, where it is small enough, lend the lake a copy.

R, the console and the explorer read the lake. PLATFORM_BIGQUERY_COPY_ROWS says up to how many rows a validated table is copied there
after a load, so that they go on working; what is larger stays in BigQuery alone.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping

from platform_assets.bigquery_engine import quality
from platform_assets.bigquery_engine.books import BigBooks
from platform_assets.bigquery_engine.load import load_dataset
from platform_assets.bigquery_engine.tables import BigTables
from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.books import origins
from platform_assets.ingest.loaded import Loaded
from platform_assets.ingest.tables import Tables
from platform_assets.stewardship import tombstones
from platform_assets.stewardship.tombstones import Marks
from resources.bigquery import BigQuery
from resources.environment import Platform
from resources.identity import IdentityKeys
from resources.object_store import ObjectStore
from resources.warehouse import TableState, Warehouse, literal, quoted, scalar

SHOWN_PARTITIONS = 12


def load(contract: Contract, platform: Platform, run_id: str, log: Callable[[str], None]) -> Loaded:
    """Load what waits, and judge the tables. Raises what `load_dataset` raises."""
    engine = platform.bigquery
    assert engine is not None
    report = load_dataset(
        contract,
        engine,
        platform.warehouse,
        platform.store,
        platform.keys,
        bucket=platform.bucket,
        run_id=run_id,
        log=log,
        settle_seconds=platform.settings.settle_seconds,
    )
    tables, books = BigTables(contract), BigBooks(engine, contract.name, platform.warehouse)
    names = {"raw": tables.raw, "validated": tables.validated, "quarantine": tables.quarantine}
    states = {layer: TableState(table, engine.changed(table), engine.rows(table)) for layer, table in names.items()}
    now = dt.datetime.now(dt.UTC)
    outcomes = list(quality.evaluate(engine, contract, platform.warehouse, now))
    rows = states["validated"].rows
    if rows > platform.settings.copied_rows:
        log(f"{contract.name}: {rows:,} rows stay in BigQuery; R and the console do not see them")
    else:
        log(f"{contract.name}: {lend(contract, engine, platform.warehouse, platform.store, platform.keys)}")
    return Loaded(
        report,
        outcomes,
        states,
        _partitions(contract, engine, tables),
        books.entries(status="held"),
        {
            "bytes BigQuery would scan (dry run)": report.estimated_bytes,
            "bytes BigQuery has scanned": report.scanned_bytes,
        },
    )


def lend(contract: Contract, engine: BigQuery, warehouse: Warehouse, store: ObjectStore, keys: IdentityKeys) -> str:
    """Copy the validated table and its ledger to the lake, in one commit; returns what was done, for people.

    Nothing is copied where the lake has this state already, or knows deliveries that BigQuery does not: it was the engine before, and
    its table would be lost. Rows of people who were erased are left out, should BigQuery still have them.
    """
    books, lake = BigBooks(engine, contract.name, warehouse), Tables(contract)
    with warehouse.lock(f"lend-{contract.name}"), warehouse.connect() as connection:
        with warehouse.write(connection):
            ledger.ensure(warehouse, connection)
            lake.ensure(warehouse, connection)
        ours, theirs = ledger.read(connection, contract.name), books.entries()
        if ours == theirs:
            return "the lake's copy is up to date"
        missing = {e.delivery for e in ours if e.status != "rejected"} - {e.delivery for e in theirs}
        if missing:
            return (
                f"not copied: the lake holds {len(missing)} deliveries that BigQuery does not. Put their files from "
                f"archive/{contract.name}/ into landing/{contract.name}/; once they are loaded, the lake gets its copy"
            )
        folder = warehouse.wait_for_scratch()
        try:
            path = folder / "table.parquet"
            engine.read(BigTables(contract).validated, path)
            connection.execute(f"CREATE OR REPLACE TEMP TABLE lent AS FROM read_parquet({literal(str(path))})")
            chosen = keys.for_files(origins(books))
            marks = Marks(warehouse, connection, contract, chosen, tombstones.read(store))
            if marks:
                erased = marks.in_table("lent", contract.file_columns)
                connection.execute(f"DELETE FROM lent WHERE rowid IN ({erased})")
            rows = scalar(connection, "SELECT count(*) FROM lent")
            listed = ", ".join(
                f"CAST({quoted('_period' if c == '_partition' else c)} AS {kind}) AS {quoted(c)}"
                for c, kind in lake.validated_columns.items()
            )
            with warehouse.write(connection):
                connection.execute(f"DELETE FROM {lake.validated}")
                connection.execute(f"INSERT INTO {lake.validated} BY NAME SELECT {listed} FROM lent")
                connection.execute(f"DELETE FROM {ledger.TABLE} WHERE dataset = ?", [contract.name])
                ledger.write(connection, theirs)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return f"{rows:,} rows copied to the lake"


def lend_table(table: str, columns: Mapping[str, str], engine: BigQuery, warehouse: Warehouse) -> None:
    """Put a copy of a computed table into the lake, in one commit. `columns`: name -> DuckDB type, a decimal of any precision."""
    folder = warehouse.wait_for_scratch()
    try:
        path = folder / "table.parquet"
        engine.read(table, path)
        listed = ", ".join(
            quoted(c) if kind == "DECIMAL" else f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}"
            for c, kind in columns.items()
        )
        with warehouse.connect() as connection, warehouse.write(connection):
            connection.execute(
                f"CREATE OR REPLACE TABLE {table} AS SELECT {listed} FROM read_parquet({literal(str(path))})"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _partitions(contract: Contract, engine: BigQuery, tables: BigTables) -> list[tuple[str, int]]:
    if not contract.partition:
        return []
    found = engine.query(
        f"SELECT _period, COUNT(*) AS n FROM {engine.name(tables.validated)} GROUP BY _period ORDER BY _period DESC "
        f"LIMIT {SHOWN_PARTITIONS}"
    )
    return [(r["_period"], r["n"]) for r in found]
