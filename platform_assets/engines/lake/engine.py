"""The lake as an engine. Indicators and products may be copied to BigQuery for readers there; the datasets themselves stay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.contracts.model import Contract
from platform_assets.engines import LAYERS, Engine
from platform_assets.engines.results import Loaded, MadeBySql, MadeTable
from platform_assets.indicators import receipts
from platform_assets.indicators.sql.run import run_sql
from platform_assets.ingest import ledger, quality
from platform_assets.ingest.books import Books, LakeBooks
from platform_assets.ingest.bundles import load_bundle
from platform_assets.ingest.load import load_dataset
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.quality import Outcome
from platform_assets.ingest.respelling import respell
from platform_assets.ingest.tables import Tables
from platform_assets.ingest.worked_out import worked_out
from resources.identity import IdentityKeys
from resources.lake.warehouse import TableState, Warehouse
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

    from platform_assets.engines.bigquery.products import Copies
    from platform_assets.indicators.sql.file import SqlIndicator
    from platform_assets.releases.reading import Release
    from resources.environment import Platform

SHOWN_PARTITIONS = 12


def engine(platform: Platform, neighbours: Neighbours) -> LakeEngine:
    """The lake of `platform`, and its copies where it has some."""
    copies = None
    if platform.copies is not None:
        from platform_assets.engines.bigquery.products import Copies

        copies = Copies(platform.copies, platform.warehouse, platform.store)
    return LakeEngine(
        platform.warehouse,
        platform.store,
        platform.keys,
        platform.settings.settle_seconds,
        copies,
        neighbours=neighbours,
    )


@dataclass(frozen=True)
class LakeEngine(Engine):
    """See `Engine`, which says what its functions do."""

    warehouse: Warehouse
    store: ObjectStore
    keys: IdentityKeys
    settle_seconds: float = 2.0
    copies: Copies | None = None
    """Where indicators and products are published to; None: nowhere."""
    elsewhere: str = ""
    neighbours: Neighbours = ALONE

    @override
    def load(
        self, contract: Contract, *, run_id: str, log: Callable[[str], None], only: Collection[str] | None = None
    ) -> Loaded:
        report = load_dataset(
            contract,
            self.warehouse,
            self.store,
            self.keys,
            neighbours=self.neighbours,
            run_id=run_id,
            log=log,
            settle_seconds=self.settle_seconds,
            only=only,
        )
        with self._tables_of(contract) as lake:
            if run_id:  # what came in a bundle was loaded by the first of its datasets whose turn came
                together = [e for e in ledger.of_run(lake, run_id) if e.dataset == contract.name and e.bundle]
                report.entries = [*together, *report.entries]
            return Loaded(
                report,
                self._checks(contract, lake, dt.datetime.now(dt.UTC)),
                self._states(contract, lake),
                _last_partitions(contract, lake),
                ledger.read(lake, contract.name, status="held"),
                beside={t.name: s for t in worked_out(contract) if (s := self.warehouse.state(lake, t.name))},
            )

    @override
    def load_bundle(
        self, bundle: Bundle, contracts: Mapping[str, Contract], *, run_id: str, log: Callable[[str], None]
    ) -> None:
        load_bundle(
            bundle,
            contracts,
            self.warehouse,
            self.store,
            self.keys,
            neighbours=self.neighbours,
            run_id=run_id,
            log=log,
            settle_seconds=self.settle_seconds,
        )

    @override
    def respell(self, contract: Contract, log: Callable[[str], None]) -> str:
        moved = respell(contract, self.warehouse, self.store, self.keys, neighbours=self.neighbours, log=log)
        return moved.text

    @override
    def checks(self, contract: Contract, now: dt.datetime) -> list[Outcome]:
        with self._tables_of(contract) as lake:
            return self._checks(contract, lake, now)

    @override
    def states(self, contract: Contract) -> dict[str, TableState]:
        with self._tables_of(contract) as lake:
            return self._states(contract, lake)

    @override
    def has_books(self, lake: duckdb.DuckDBPyConnection) -> bool:
        return bool(self.warehouse.columns(lake, ledger.TABLE))

    @override
    def books(self, contract: Contract, lake: duckdb.DuckDBPyConnection) -> Books:
        return LakeBooks(self.warehouse, lake, contract.name, self.neighbours)

    @override
    def with_rejected_rows(self, contracts: Mapping[str, Contract], lake: duckdb.DuckDBPyConnection) -> set[str]:
        known = lake.execute(f"SELECT DISTINCT dataset FROM {ledger.TABLE} WHERE quarantined > 0").fetchall()
        return {name for (name,) in known} & set(contracts)

    @override
    def run_sql(
        self, indicator: SqlIndicator, params: Mapping[str, object] | None, *, run_id: str, public: bool = False
    ) -> MadeBySql:
        made = run_sql(indicator, self.warehouse, params, run_id=run_id)
        receipt = made.receipt
        published = {}
        if self.copies:
            published = (
                self.copies.publish_sql(indicator, receipt.data_version)
                if public
                else self.copies.withdraw_sql(indicator)
            )
        return MadeBySql(receipt.rows, receipt.data_version, made.fresh, receipt.params, "computed", receipt, published)

    @override
    def publish_release(self, release: Release) -> Mapping[str, str]:
        return self.copies.publish_release(release) if self.copies else {}

    @override
    def drop_indicator(self, name: str) -> list[str]:
        return self.copies.drop(name) if self.copies else []

    @override
    def computed(self, lake: duckdb.DuckDBPyConnection) -> Iterable[MadeTable]:
        return [MadeTable(*row) for row in receipts.newest(self.warehouse, lake)]

    # ------------------------------------------------------------------------------------------------ on one connection

    @contextmanager
    def _tables_of(self, contract: Contract) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the lake, in which the dataset has its tables, perhaps empty ones."""
        with self.warehouse.connect() as lake:
            with self.warehouse.write(lake):
                Tables(contract).ensure(self.warehouse, lake)
            yield lake

    def _checks(self, contract: Contract, lake: duckdb.DuckDBPyConnection, now: dt.datetime) -> list[Outcome]:
        expression = compiled(contract, contract.today(), self.warehouse.home / "expressions")
        return list(quality.evaluate(lake, contract, expression, now))

    def _states(self, contract: Contract, lake: duckdb.DuckDBPyConnection) -> dict[str, TableState]:
        states = {}
        for layer in LAYERS:
            state = self.warehouse.state(lake, f"{layer}.{contract.name}")
            assert state is not None
            states[layer] = state
        return states


def _last_partitions(contract: Contract, lake: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    if not contract.partition:
        return []
    return lake.execute(
        f"SELECT _partition, count(*) FROM {Tables(contract).validated} GROUP BY 1 ORDER BY 1 DESC LIMIT {SHOWN_PARTITIONS}"
    ).fetchall()
