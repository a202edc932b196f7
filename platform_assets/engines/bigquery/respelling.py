"""One spelling of identifiers for tables in BigQuery: as `ingest.respelling`, which finds the pairs of pseudonyms on this machine."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.loading.load import WRITING
from platform_assets.engines.bigquery.loading.rules import json_of, q
from platform_assets.engines.bigquery.tables import LINEAGE, BigTables
from platform_assets.ingest import ledger
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.respelling import PAIRS, Moved, find_pairs
from platform_assets.ingest.tables import Tables
from resources.gcp.bigquery import STAGING, BigQuery
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import ObjectStore


def respell(
    contract: Contract,
    engine: BigQuery,
    warehouse: Warehouse,
    store: ObjectStore,
    keys: IdentityKeys,
    *,
    neighbours: Neighbours = ALONE,
    log: Callable[[str], None] = lambda _: None,
) -> Moved:
    """Move the tables of `contract` in BigQuery over, in one transaction; the lake loses its copy, which is made anew."""
    if not contract.identifiers or not engine.columns(ledger.TABLE):
        return Moved()
    import duckdb

    staging = f"{STAGING}.{PAIRS}__{contract.name}__{uuid.uuid4().hex[:12]}"
    folder = warehouse.wait_for_scratch()
    with warehouse.lock(f"load-{contract.name}"):
        BigTables(contract).ensure(engine)
        books = BigBooks(engine, contract.name, warehouse, neighbours)
        config: dict[str, Any] = {"memory_limit": warehouse.memory_limit, "temp_directory": str(folder / "spill")}
        try:
            with duckdb.connect(config=config) as connection:
                moved = find_pairs(contract, warehouse, store, connection, books, keys, log)
                found = connection.execute(f"SELECT name, was, now FROM {PAIRS}").fetchall()
            columns = dict.fromkeys(("name", "was", "now"), "VARCHAR")
            engine.load_rows(staging, columns, [dict(zip(columns, pair, strict=True)) for pair in found])
            before = engine.rows(BigTables(contract).validated)
            with warehouse.lock(WRITING):
                engine.transaction(_statements(contract, engine, engine.name(staging)))
            moved.merged = before - engine.rows(BigTables(contract).validated)
        finally:
            engine.drop(staging)
            shutil.rmtree(folder, ignore_errors=True)
        with warehouse.connect() as lake, warehouse.write(lake):
            lake.execute(f"DROP TABLE IF EXISTS {Tables(contract).validated}")
    return moved


def _statements(contract: Contract, engine: BigQuery, pairs: str) -> Sequence[str]:
    tables = BigTables(contract)
    raw, validated, quarantine = map(engine.name, (tables.raw, tables.validated, tables.quarantine))
    script = [
        f"UPDATE {table} t SET {q(name)} = p.now FROM {pairs} p WHERE p.name = '{name}' AND t.{q(name)} = p.was"
        for table in (raw, validated, quarantine)
        for name in contract.identifiers
    ]
    row = json_of(f"v.{q(c)}" for c in LINEAGE)
    if set(contract.load.key) & set(contract.identifiers):
        key = json_of(f"v.{q(k)}" for k in contract.load.key)
        ranked = (
            f"SELECT {row} AS _id, v._delivery, ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY v._as_of DESC, l.loaded_at DESC, v._row DESC) "
            f"AS n FROM {validated} v LEFT JOIN {engine.name(ledger.TABLE)} l ON l.dataset = '{contract.name}' AND l.delivery = v._delivery"
        )
        counted = f"SELECT _delivery, COUNT(*) AS n FROM ({ranked}) WHERE n > 1 GROUP BY _delivery"
        script += [
            f"UPDATE {engine.name(ledger.TABLE)} e SET removed = e.removed + g.n FROM ({counted}) g "
            f"WHERE e.dataset = '{contract.name}' AND e.delivery = g._delivery",
            f"DELETE FROM {validated} v WHERE {row} IN (SELECT _id FROM ({ranked}) WHERE n > 1)",
        ]
    texts = [c for c in tables.texts if c not in contract.identifiers and c not in contract.load.key]
    if texts:
        cleared = ", ".join(f"{q(c)} = NULL" for c in texts)
        wrong = (
            f"SELECT {row} FROM {quarantine} v WHERE v._text IS NULL AND "
            "EXISTS (SELECT 1 FROM UNNEST(v._reasons) AS reason WHERE NOT STARTS_WITH(reason, 'delivery: '))"
        )
        script += [f"UPDATE {table} v SET {cleared} WHERE {row} IN ({wrong})" for table in (raw, quarantine)]
    return script
