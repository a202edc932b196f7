"""A dataset's asset on BigQuery: load, check, tell, and give the lake what it may have (`lending`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery import quality
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.lending import lend
from platform_assets.engines.bigquery.load import load_dataset
from platform_assets.engines.bigquery.tables import BigTables
from platform_assets.ingest.loaded import Loaded
from platform_assets.ingest.neighbours import Neighbours
from resources.bigquery import BigQuery
from resources.environment import Platform
from resources.warehouse import TableState

SHOWN_PARTITIONS = 12


def load(
    contract: Contract, platform: Platform, run_id: str, log: Callable[[str], None], neighbours: Neighbours
) -> Loaded:
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
        neighbours=neighbours,
        run_id=run_id,
        log=log,
        settle_seconds=platform.settings.settle_seconds,
    )
    tables, books = BigTables(contract), BigBooks(engine, contract.name, platform.warehouse)
    names = {"raw": tables.raw, "validated": tables.validated, "quarantine": tables.quarantine}
    states = {layer: TableState(table, engine.changed(table), engine.rows(table)) for layer, table in names.items()}
    now = dt.datetime.now(dt.UTC)
    outcomes = list(quality.evaluate(engine, contract, platform.warehouse, now))
    most = platform.settings.copied_rows
    parts = (contract, engine, platform.warehouse, platform.store, platform.keys)
    log(f"{contract.name}: {lend(*parts, most=most, neighbours=neighbours)}")
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


def _partitions(contract: Contract, engine: BigQuery, tables: BigTables) -> list[tuple[str, int]]:
    if not contract.partition:
        return []
    found = engine.query(
        f"SELECT _period, COUNT(*) AS n FROM {engine.name(tables.validated)} GROUP BY _period ORDER BY _period DESC "
        f"LIMIT {SHOWN_PARTITIONS}"
    )
    return [(r["_period"], r["n"]) for r in found]
