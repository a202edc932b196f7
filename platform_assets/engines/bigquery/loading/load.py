"""The whole way of one dataset into BigQuery. As `platform_assets.ingest.load`, which it shares files, order and ledger with.

A crash at any point leaves the old state or the new one. Until the transaction, everything lies in tables of this load alone. The
transaction begins by asking whether the ledger is what it was when the rows were judged, so a load that was believed dead, or one that
ran beside this one, changes nothing twice. After it, moving files out of landing is repeated by the next run.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.loading import rejected, rules, sending
from platform_assets.engines.bigquery.loading.statements import CHANGED, Statements
from platform_assets.engines.bigquery.tables import BigTables, StagingTables
from platform_assets.ingest import accounts
from platform_assets.ingest.deliveries import Delivery
from platform_assets.ingest.ledger import Entry, row_of
from platform_assets.ingest.load import Load, LoadFailed, LoadReport, Log, waiting_files
from platform_assets.ingest.loading.batch import (
    Batch,
    choose,
    count,
    count_decided,
    count_valid,
    hold,
    tell_absent,
    weigh,
)
from platform_assets.ingest.loading.publish import register
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.staging import Drift
from resources.gcp.bigquery import BigQuery, Done
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse, scalar
from resources.object_store import ObjectStore

WRITING = "bigquery-ledger"
"""The lock of the transaction: BigQuery cancels one of two that change the same table, and all datasets share the ledger."""


@dataclass
class BigLoadReport(LoadReport):
    """What one load did, and what BigQuery read for it."""

    estimated_bytes: int = 0
    """What judging and deciding were going to scan, by dry run."""
    scanned_bytes: int = 0
    """What all statements have scanned."""


def load_dataset(
    contract: Contract,
    engine: BigQuery,
    warehouse: Warehouse,
    store: ObjectStore,
    keys: IdentityKeys,
    *,
    bucket: str = "",
    neighbours: Neighbours = ALONE,
    run_id: str = "",
    log: Log = lambda _: None,
    settle_seconds: float = 2.0,
    only: Collection[str] | None = None,
) -> BigLoadReport:
    """Load all that waits for `contract`, or `only` some of it, as on the lake. One at a time per dataset. `warehouse` lends locks and scratch, and gets the rejected rows.

    `bucket` is that of `store`: rows go through it; without one they are uploaded. `neighbours` as for the lake. Raises MissingIdentityKey, BigQueryError,
    BigLoadFailed, LoadFailed.
    """
    import duckdb
    import requests
    from google.api_core.exceptions import GoogleAPICallError

    started = time.monotonic()
    report = BigLoadReport(contract.name)
    with warehouse.lock(f"load-{contract.name}"):
        sending.Road(engine, store, bucket).clear(contract)
        BigTables(contract).ensure(engine)
        rejected.settle(contract, engine, warehouse, store)
        books = BigBooks(engine, contract.name, warehouse, neighbours)
        waiting = waiting_files(books, store, contract, settle_seconds, only)
        if waiting:
            folder = warehouse.wait_for_scratch()
            config: dict[str, Any] = {"memory_limit": warehouse.memory_limit, "temp_directory": str(folder / "spill")}
            try:
                with duckdb.connect(config=config) as connection:
                    parts = (contract, warehouse, store, connection, books, folder, run_id, log, report, neighbours)
                    BigLoad(*parts, engine=engine, bucket=bucket).run(waiting, keys)
            except duckdb.Error as error:
                raise LoadFailed(contract.name, error) from None
            except (GoogleAPICallError, requests.RequestException) as error:
                raise BigLoadFailed(contract.name, error) from None
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            rejected.settle(contract, engine, warehouse, store)
    report.seconds = time.monotonic() - started
    return report


class BigLoadFailed(RuntimeError):
    """BigQuery gave up. What it said is not repeated, as it may quote a value of a row; the console shows it with the job."""

    def __init__(self, dataset: str, error: Exception) -> None:
        reasons = {e.get("reason", "") for e in getattr(error, "errors", [])} - {""}
        what = f"{type(error).__name__}{': ' if reasons else ''}{', '.join(sorted(reasons))}"
        if CHANGED in str(error):
            what = f"{CHANGED}, another load was quicker"
        super().__init__(
            f"{dataset}: BigQuery gave up ({what}). The tables are as they were, or hold the whole load; run it again, the ledger "
            "knows. If it happens again, look the job up in BigQuery's console (label system: health-data-platform)"
        )


@dataclass
class BigLoad(Load):
    """One load at work. Files are read as ever; the rows go to BigQuery."""

    report: BigLoadReport
    engine: BigQuery = field(kw_only=True)
    bucket: str = field(kw_only=True)
    sql: Statements = field(init=False)
    hidden: Mapping[int, tuple[int, int]] = field(init=False)
    """Member -> rows and broken lines of erased people that were left out."""

    def write(
        self, batch: Batch, deliveries: list[Delivery], drift: Drift, keys: IdentityKeys, clock: float
    ) -> list[Entry]:
        """Send, judge, decide, count; then change all tables in one transaction."""
        staging = StagingTables(self.contract, uuid.uuid4().hex[:12])
        road = sending.Road(self.engine, self.store, self.bucket)
        folder = self.warehouse.home / "expressions"
        compiled = rules.for_bigquery(self.contract, self.contract.today(), folder)
        lacked = batch.lacked(self.contract.kept_where_absent)
        self.sql = Statements(self.engine, self.contract, staging, compiled, lacked)
        try:
            self._send(batch, staging, road, keys)
            if batch.entries:
                self._judge(batch, staging)
                rejected.keep(
                    self.connection, self.sql.rules, self.engine, self.store, batch, staging, self._scratch(staging)
                )
            else:  # every file was rejected: the ledger says so
                self._table(staging, staging.names.members, [])
            entries = self.complete(batch, deliveries, drift, clock)
            self._table(staging, "entries", [row_of(e) for e in entries])
            with self.warehouse.lock(WRITING):
                self.warehouse.catalog.check_locks()
                # named by the load: sent twice because an answer was lost, it runs once
                self._scan(self.engine.transaction(self.sql.write(), job=f"load-{self.contract.name}-{staging.load}"))
        finally:
            road.clear(self.contract)
            for table in staging.columns:
                self.engine.drop(staging[table])
        return entries

    # ------------------------------------------------------------------------------------------------ this machine

    def _send(self, batch: Batch, staging: StagingTables, road: sending.Road, keys: IdentityKeys) -> None:
        """Rows and broken lines, what the ledger was, and which file belongs to which delivery."""
        connection, contract = self.connection, self.contract
        names = staging.names
        register(connection, batch, self.sql.rules)
        self.hidden = self.neighbours.leave_out(self.warehouse, connection, contract, keys, self.store) or {}
        folder = self.warehouse.home / "expressions"
        here = compiled(contract, contract.today(), folder) if contract.identifiers else None
        rows, broken = sending.write_rows(connection, contract, here, names, self._scratch(staging))
        for table, files in ((names.staged, rows), (names.broken, broken)):
            number = int(scalar(connection, f"SELECT count(*) FROM {table}"))
            road.send(staging, table, files, number)
        assert isinstance(self.books, BigBooks)
        self._table(staging, "seen", [self.books.seen()])
        self._table(staging, names.files, [{"_file": n, "_delivery": d} for n, (d, _) in batch.members.items()])
        gone = accounts.brought(batch.members, self.hidden)
        self._table(staging, "erased", [accounts.account(d, contract.name, n) for d, n in gone.items()])
        sent = {names.staged, names.broken, names.files, names.members, "seen", "erased", "entries"}
        for table in staging.columns.keys() - sent:
            self.engine.create_staging(staging[table], staging.columns[table])

    def _scratch(self, staging: StagingTables) -> Path:
        """A folder of this transaction: a load may need several."""
        folder = self.folder / staging.load
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _table(self, staging: StagingTables, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.engine.load_rows(staging[table], staging.columns[table], rows)

    # ------------------------------------------------------------------------------------------------ BigQuery

    def _judge(self, batch: Batch, staging: StagingTables) -> None:
        """Everything that the entries tell, worked out before anything is changed."""
        sql, contract = self.sql, self.contract
        # typed rows and reasons: the rows that were sent are read twice
        self.report.estimated_bytes += 2 * self.engine.estimate(f"SELECT * FROM {sql.s[staging.names.staged]}")
        wrong = {r["_file"]: r["rows"] for r in self._run(sql.judge())}
        count(batch, wrong, self.hidden)
        hold(batch, contract)
        tell_absent(batch, contract, self._valued)
        sql.chosen = choose(batch, contract, self._newest_rows, self.books)
        self._table(staging, staging.names.members, _members(batch))
        for row in self._run(sql.adopt()) if sql.derived_key else []:
            batch.entries[row["_delivery"]].merged += row["rows"]
        if contract.load.key:
            self.report.estimated_bytes += self.engine.estimate(sql.decisions())
        decided = self._run(sql.decide())
        by_arrival = Counter[str]()
        for row in decided:
            by_arrival[row["_delivery"]] += row["by_arrival"]
        leaving = {r["_delivery"]: r["rows"] for r in self._run([sql.removed()])} if sql.leaving else {}
        if sql.chosen.whole_of and not contract.load.terms.dated:
            by_arrival.update(leaving)
        if weigh(batch, contract, by_arrival):  # it was judged alone: nothing of it is published
            names, decided, leaving = staging.names, [], {}
            for table in (names.members, names.keyed, names.adopted, names.valid, names.decided):
                self.engine.drop(staging[table])
                self._table(staging, table, _members(batch) if table == names.members else [])
        count_valid(batch.entries)
        count_decided([(r["_delivery"], r["_action"], r["rows"]) for r in decided], batch.entries)
        for delivery, rows in leaving.items():
            batch.entries[delivery].removed += rows
        for row in self._run([sql.retired()]) if sql.derived_key else []:
            batch.entries[row["_delivery"]].removed += row["rows"]
            batch.entries[row["_delivery"]].merged += row["rows"]
        for row in self._run([sql.periods()]) if contract.partition else []:
            batch.entries[row["_delivery"]].partitions = row["periods"]
        for row in self._run([sql.reasons()]):
            batch.entries[row["_delivery"]].add_reason(row["reason"], row["rows"], row["file"], row["row"])

    def _valued(self, columns: Sequence[str]) -> set[str]:
        """Those of `columns` that have a value in the table."""
        found = self._run([self.sql.valued(columns)])[0] if columns else {}
        return {c for c, n in found.items() if n}

    def _newest_rows(self) -> dict[str, dt.datetime | None]:
        asked = self.sql.newest_rows()
        return {r["_delivery"]: r["moment"] for r in self._run([asked])} if asked else {}

    def _run(self, script: list[str]) -> list[dict[str, Any]]:
        return self._scan(self.engine.script(";\n".join(script)))

    def _scan(self, done: Done) -> list[dict[str, Any]]:
        self.report.scanned_bytes += done.bytes
        return done.rows


def _members(batch: Batch) -> list[Mapping[str, Any]]:
    """For every file of the batch, what all its rows share."""
    order = {d.id: n for n, d in enumerate(batch.deliveries)}
    again = {d.id for d in batch.deliveries if d.held_before}
    rows: list[Mapping[str, Any]] = []
    for number, (delivery, label) in batch.members.items():
        entry = batch.entries[delivery]
        rows.append(
            {
                "_file": number,
                "_label": label,
                "_delivery": delivery,
                "_seq": order[delivery],
                "_as_of": entry.as_of,
                "_status": entry.status,
                "_why": entry.reason,
                "_again": delivery in again,
                "_at": entry.loaded_at,
            }
        )
    return rows
