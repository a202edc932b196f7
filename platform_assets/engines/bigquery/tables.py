"""The tables of a dataset in BigQuery, those that a load passes through, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_assets.contracts.model import Contract
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.loading.relations import Relations
from platform_assets.ingest.tables import Tables, duckdb_type
from resources.gcp.bigquery import STAGING, BigQuery

DATASETS = ("raw", "validated", "quarantine", "indicators", "platform", STAGING)
LINEAGE = {"_file": "VARCHAR", "_delivery": "VARCHAR", "_row": "BIGINT"}
"""Identify a row: BigQuery has no row id. `_file` is the member's name, since an archive is one delivery of several files."""
PERIOD = {"_period": "VARCHAR", "_period_start": "DATE"}
"""The week or month of a row: its label (``2024-W18``), and its first day, by which the table is partitioned. BigQuery has no
partitions by ISO week, and refuses columns whose name begins with ``_partition``."""
CLUSTERS = 4  # BigQuery's limit of columns
FENCE = "platform.fences"
"""A row for each dataset, which every load's transaction changes. A transaction sees the tables as they were when it began, so of two
that run at once neither would see the other's ledger entry; but BigQuery cancels one of two that change the same row."""
FENCE_COLUMNS = {"dataset": "VARCHAR", "loads": "BIGINT"}


class BigTables:
    """The three tables of a dataset. Columns are name -> DuckDB type, as everywhere."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        lake = Tables(contract)
        self.raw, self.validated, self.quarantine = lake.raw, lake.validated, lake.quarantine
        self.texts = lake.texts
        self.typed = {name: duckdb_type(c) for name, c in contract.columns.items()}
        self.raw_columns = lake.raw_columns
        self.quarantine_columns = lake.quarantine_columns
        period = PERIOD if contract.partition else {}
        self.validated_columns = {**self.typed, **period, **LINEAGE, "_as_of": "TIMESTAMP"}

    def ensure(self, engine: BigQuery) -> None:
        """Create datasets, tables and ledger, or add columns that the contract has gained."""
        for dataset in DATASETS:
            engine.ensure_dataset(dataset)
        key = [k for k in self._contract.load.key if self._contract.columns[k].type.value != "float"][:CLUSTERS]
        period = "_period_start" if self._contract.partition else None
        engine.ensure_table(self.raw, self.raw_columns, clustered_by=["_delivery"])
        engine.ensure_table(self.quarantine, self.quarantine_columns, clustered_by=["_delivery"])
        engine.ensure_table(self.validated, self.validated_columns, partitioned_by=period, clustered_by=key)
        engine.ensure_table(ledger.TABLE, ledger.COLUMNS, clustered_by=["dataset"])
        engine.ensure_table(accounts.TABLE, accounts.COLUMNS, clustered_by=["dataset"])
        engine.ensure_table(FENCE, FENCE_COLUMNS)
        fence, given = engine.name(FENCE), {"dataset": self._contract.name}
        if not engine.query(f"SELECT 1 FROM {fence} WHERE dataset = @dataset LIMIT 1", given):
            engine.query(f"INSERT INTO {fence} (dataset, loads) SELECT @dataset, 0", given)


@dataclass(frozen=True)
class StagingTables:
    """The tables that one load passes through. They remove themselves after a day, whatever becomes of the load.

    They are tables rather than temporary ones so that each has declared types: a value in the staging table is written as it is in
    the table that it is compared with.
    """

    contract: Contract
    load: str
    """Name of the load."""
    names: Relations = field(default_factory=Relations)
    columns: Mapping[str, Mapping[str, str]] = field(init=False)
    """Relation -> its columns; beside those of `names` what only BigQuery needs: the ledger as it was seen, new entries, accounts."""

    def __post_init__(self) -> None:
        tables, n = BigTables(self.contract), self.names
        member = {"_file": "BIGINT", "_row": "BIGINT"}
        sources = {s: tables.typed[s] for c in self.contract.derived.values() for s in c.derived_from}
        columns = {
            # what this machine sends
            n.staged: {**dict.fromkeys(tables.texts, "VARCHAR"), **member, "_wrong": "VARCHAR[]"},
            n.broken: {**member, "_text": "VARCHAR", "_reason": "VARCHAR"},
            "seen": {"dataset": "VARCHAR", "entries": "BIGINT", "newest": "TIMESTAMP"},
            n.files: {"_file": "BIGINT", "_delivery": "VARCHAR"},
            n.members: {
                "_file": "BIGINT",
                "_label": "VARCHAR",
                "_delivery": "VARCHAR",
                "_seq": "BIGINT",
                "_as_of": "TIMESTAMP",
                "_status": "VARCHAR",
                "_why": "VARCHAR",
                "_again": "BOOLEAN",
                "_at": "TIMESTAMP",
            },
            "entries": ledger.COLUMNS,
            "erased": accounts.COLUMNS,
            # what BigQuery makes of it
            n.typed: {**tables.typed, **member},
            n.wrong: {**member, "_reasons": "VARCHAR[]"},
            n.keyed: {**sources, **member, "_delivery": "VARCHAR", "_seq": "BIGINT", "_value": "VARCHAR", "_derived": "VARCHAR"},
            n.adopted: {**member, "_delivery": "VARCHAR", "_own": "VARCHAR"},
            n.valid: {
                **tables.validated_columns,
                "_member": "BIGINT",
                "_seq": "BIGINT",
                "_k": "VARCHAR",
            },
            n.decided: {
                "_member": "BIGINT",
                "_row": "BIGINT",
                "_delivery": "VARCHAR",
                "_k": "VARCHAR",
                "_action": "VARCHAR",
                "_written": "BOOLEAN",
                "_arrival": "BOOLEAN",
                **{c: tables.typed[c] for c in self.contract.kept_where_absent},
            },
        }  # fmt: skip
        object.__setattr__(self, "columns", columns)

    def __getitem__(self, table: str) -> str:
        """Dataset and name of one of the tables."""
        assert table in self.columns
        return f"{STAGING}.{self.contract.name}__{self.load}__{table}"
