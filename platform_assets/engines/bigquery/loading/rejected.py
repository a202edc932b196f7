"""Rejected rows on their way to the lake's quarantine, where stewards see and mend them, as the file had them.

BigQuery has the rows with pseudonyms in the place of identifiers; nobody could mend those. This machine has the text when it loads,
so it writes the rows of a load into a file of the store first. Once BigQuery has committed the load, the file's rows come into
the lake and the file goes; if it has not, the file goes. What a crash leaves is settled by the next load, or by an erasure.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.tables import StagingTables
from platform_assets.ingest.loading.batch import Batch
from platform_assets.ingest.loading.publish import mark
from platform_assets.ingest.loading.rules import Rules
from platform_assets.ingest.tables import Tables
from resources.gcp.bigquery import BigQuery
from resources.lake.warehouse import Warehouse, literal, quoted
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb


def rejected_folder(contract: Contract) -> str:
    """Where in the store rejected rows wait for the end of their load. They hold identifiers in clear, as archived files do."""
    return f"quarantine/{contract.name}"


def keep(
    connection: duckdb.DuckDBPyConnection,
    rules: Rules,
    engine: BigQuery,
    store: ObjectStore,
    batch: Batch,
    staging: StagingTables,
    folder: Path,
) -> None:
    """Write down the rows of the judged `batch` that BigQuery is going to quarantine.

    Reads `Relations.staged` and `broken`; which rows are wrong is read from BigQuery. A delivery has one row more than it has wrong
    ones, with no `_row`: it says what the rows replace (a held delivery that is judged again, a load that is repeated).
    """
    if not any(e.quarantined for e in batch.entries.values()) and not any(d.held_before for d in batch.deliveries):
        return
    names, wrong = rules.names, folder / "wrong.parquet"
    engine.read(staging[names.wrong], wrong)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.wrong} AS FROM read_parquet({literal(str(wrong))})")
    mark(connection, batch, names)
    path = folder / "quarantined.parquet"
    deliveries = "SELECT unnest($deliveries::VARCHAR[]) AS _delivery, unnest($times::TIMESTAMP[]) AS _quarantined_at, NULL::VARCHAR AS _text"
    # BigQuery has pseudonyms in the place of identifiers: the same rule, of the rows as the file had them
    connection.execute(
        f"COPY (({Rules(rules.contract, names).quarantined()}) UNION ALL BY NAME {deliveries}) "
        f"TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)",
        {"deliveries": list(batch.entries), "times": [e.loaded_at for e in batch.entries.values()]},
    )
    store.write(f"{rejected_folder(rules.contract)}/{staging.load}.parquet", path)


def settle(contract: Contract, engine: BigQuery, warehouse: Warehouse, store: ObjectStore) -> None:
    """Bring what `keep` has written into the lake, where BigQuery has committed the load. The caller holds ``load-<name>``."""
    for found in list(store.list(rejected_folder(contract))):
        folder = warehouse.wait_for_scratch()
        try:
            rows = f"read_parquet({literal(str(store.local_copy(found.name, folder)))})"
            with warehouse.connect() as connection:
                _settle(connection, contract, engine, warehouse, rows)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        store.delete(found.name)


def _settle(
    connection: duckdb.DuckDBPyConnection, contract: Contract, engine: BigQuery, warehouse: Warehouse, rows: str
) -> None:
    sent = connection.execute(f"SELECT _delivery, _quarantined_at FROM {rows} WHERE _row IS NULL").fetchall()
    known = {e.delivery: e.loaded_at for e in BigBooks(engine, contract.name, warehouse).entries(deliveries=dict(sent))}
    committed = [delivery for delivery, at in sent if known.get(delivery) == at]
    if not committed:
        return
    tables = Tables(contract)
    columns = ", ".join(map(quoted, tables.quarantine_columns))
    theirs = "_delivery IN (SELECT unnest(?::VARCHAR[]))"
    with warehouse.write(connection):
        tables.ensure_quarantine(warehouse, connection)
        connection.execute(f"DELETE FROM {tables.quarantine} WHERE {theirs}", [committed])
        connection.execute(
            f"INSERT INTO {tables.quarantine} BY NAME SELECT {columns} FROM {rows} WHERE _row IS NOT NULL AND {theirs}",
            [committed],
        )
