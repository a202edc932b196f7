"""BigQuery as an engine: it holds the datasets, and lends the lake what that may have (`lending`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.model import Contract
from platform_assets.engines import LAYERS, Engine, bundle_refusal
from platform_assets.engines.bigquery import quality
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.loading import lending
from platform_assets.engines.bigquery.loading.load import load_dataset
from platform_assets.engines.bigquery.products import Copies
from platform_assets.engines.bigquery.respelling import respell
from platform_assets.engines.bigquery.sqlrun import run_sql
from platform_assets.engines.bigquery.tables import BigTables
from platform_assets.engines.results import Loaded, MadeBySql, MadeTable
from platform_assets.indicators import receipts
from platform_assets.indicators.sql.file import ENGINE_TYPES
from platform_assets.ingest import ledger
from platform_assets.ingest.books import Books
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.quality import Outcome
from platform_assets.ingest.tables import Tables
from resources.gcp.bigquery import BigQuery
from resources.identity import IdentityKeys
from resources.lake.warehouse import TableState, Warehouse
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

    from platform_assets.indicators.sql.file import SqlIndicator
    from platform_assets.releases.reading import Release
    from resources.environment import Platform

SHOWN_PARTITIONS = 12


def engine(platform: Platform, neighbours: Neighbours) -> BigQueryEngine:
    """The BigQuery of `platform`, beside its lake."""
    assert platform.bigquery is not None
    return BigQueryEngine(
        platform.bigquery,
        platform.warehouse,
        platform.store,
        platform.keys,
        platform.bucket,
        platform.settings.settle_seconds,
        platform.settings.copied_rows,
        neighbours=neighbours,
    )


@dataclass(frozen=True)
class BigQueryEngine(Engine):
    """See `Engine`, which says what its functions do."""

    bigquery: BigQuery
    warehouse: Warehouse
    """The lake, where stewards work and R reads."""
    store: ObjectStore
    keys: IdentityKeys
    bucket: str = ""
    """The bucket of `store`, by which rows come to BigQuery; empty: they are uploaded."""
    settle_seconds: float = 2.0
    copied_rows: int = 5_000_000
    """Tables of up to so many rows are copied to the lake."""
    elsewhere: str = "BigQuery"
    neighbours: Neighbours = ALONE

    @override
    def load(
        self, contract: Contract, *, run_id: str, log: Callable[[str], None], only: Collection[str] | None = None
    ) -> Loaded:
        report = load_dataset(
            contract,
            self.bigquery,
            self.warehouse,
            self.store,
            self.keys,
            bucket=self.bucket,
            neighbours=self.neighbours,
            run_id=run_id,
            log=log,
            settle_seconds=self.settle_seconds,
            only=only,
        )
        states, outcomes = self.states(contract), self.checks(contract, dt.datetime.now(dt.UTC))
        log(f"{contract.name}: {self.lend(contract)}")
        return Loaded(
            report,
            outcomes,
            states,
            self._last_partitions(contract),
            self._books(contract).entries(status="held"),
            {
                "bytes BigQuery would scan (dry run)": report.estimated_bytes,
                "bytes BigQuery has scanned": report.scanned_bytes,
            },
        )

    @override
    def load_bundle(
        self, bundle: Bundle, contracts: Mapping[str, Contract], *, run_id: str, log: Callable[[str], None]
    ) -> None:
        raise ValueError(bundle_refusal("bigquery", bundle))  # refused when definitions load, too

    @override
    def respell(self, contract: Contract, log: Callable[[str], None]) -> str:
        moved = respell(
            contract, self.bigquery, self.warehouse, self.store, self.keys, neighbours=self.neighbours, log=log
        )
        return f"{moved.text}; {self.lend(contract)}"

    @override
    def checks(self, contract: Contract, now: dt.datetime) -> list[Outcome]:
        return list(quality.evaluate(self.bigquery, contract, self.warehouse, now))

    @override
    def states(self, contract: Contract) -> dict[str, TableState]:
        tables = {layer: f"{layer}.{contract.name}" for layer in LAYERS}
        return {
            layer: TableState(table, self.bigquery.changed(table), self.bigquery.rows(table))
            for layer, table in tables.items()
        }

    @override
    def has_books(self, lake: duckdb.DuckDBPyConnection) -> bool:
        return bool(self.bigquery.columns(ledger.TABLE))

    @override
    def books(self, contract: Contract, lake: duckdb.DuckDBPyConnection) -> Books:
        return self._books(contract)

    @override
    def with_rejected_rows(self, contracts: Mapping[str, Contract], lake: duckdb.DuckDBPyConnection) -> set[str]:
        # the lake's ledger lags behind, or knows nothing of tables that stay here
        tables = {name: Tables(contract).quarantine for name, contract in contracts.items()}
        return {name for name, table in tables.items() if self.warehouse.columns(lake, table)}

    @override
    def run_sql(
        self, indicator: SqlIndicator, params: Mapping[str, object] | None, *, run_id: str, public: bool = False
    ) -> MadeBySql:
        # here `indicators` is inside, as `validated` is: readers are given `products` (docs/cloud.md)
        made = run_sql(indicator, self.bigquery, params)
        columns = {name: ENGINE_TYPES[o.type][0] for name, o in indicator.outputs.items()}
        lending.lend_table(made.table, made.version, columns, self.bigquery, self.warehouse, most=self.copied_rows)
        cost = {"bytes BigQuery would scan (dry run)": made.estimated_bytes}
        return MadeBySql(made.rows, made.version, made.fresh, made.params, "computed by BigQuery", cost=cost)

    @override
    def publish_release(self, release: Release) -> Mapping[str, str]:
        return self._copies.publish_release(release)

    @override
    def drop_indicator(self, name: str) -> list[str]:
        return self._copies.drop(name)

    @override
    def computed(self, lake: duckdb.DuckDBPyConnection) -> Iterable[MadeTable]:
        made = receipts.newest(self.warehouse, lake) + lending.lent_tables(self.warehouse, lake)
        return [MadeTable(*row) for row in made]

    # ------------------------------------------------------------------------------------------------ its own

    def lend(self, contract: Contract) -> str:
        """Bring the lake's copy of the dataset up to date; see `lending.lend`."""
        parts = (contract, self.bigquery, self.warehouse, self.store, self.keys)
        return lending.lend(*parts, most=self.copied_rows, neighbours=self.neighbours)

    @property
    def _copies(self) -> Copies:
        return Copies(self.bigquery, self.warehouse, self.store)

    def _books(self, contract: Contract) -> BigBooks:
        return BigBooks(self.bigquery, contract.name, self.warehouse, self.neighbours)

    def _last_partitions(self, contract: Contract) -> list[tuple[str, int]]:
        if not contract.partition:
            return []
        found = self.bigquery.query(
            f"SELECT _period, COUNT(*) AS n FROM {self.bigquery.name(BigTables(contract).validated)} GROUP BY _period "
            f"ORDER BY _period DESC LIMIT {SHOWN_PARTITIONS}"
        )
        return [(r["_period"], r["n"]) for r in found]
