"""What the checks of a dataset ask, asked of BigQuery. What they make of the answers is said once, in `ingest.quality`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from typing_extensions import override

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.loading import rules
from platform_assets.engines.bigquery.loading.rules import json_of, q
from platform_assets.engines.bigquery.tables import BigTables
from platform_assets.ingest.accounts import Erased
from platform_assets.ingest.quality import Facts, Outcome, cumulative_columns, falls_sql, outcomes
from resources.gcp.bigquery import BigQuery
from resources.lake.warehouse import Warehouse


def evaluate(engine: BigQuery, contract: Contract, warehouse: Warehouse, now: dt.datetime) -> Iterator[Outcome]:
    """Every check of `contract`, on BigQuery; `warehouse` is the lake beside it."""
    facts = BigFacts(engine, contract, warehouse)
    return outcomes(facts.books.entries(), facts, contract, now)


@dataclass(frozen=True)
class BigFacts(Facts):
    """The facts, asked of BigQuery."""

    engine: BigQuery
    contract: Contract
    warehouse: Warehouse

    @property
    def books(self) -> BigBooks:
        """The dataset's ledger."""
        return BigBooks(self.engine, self.contract.name, self.warehouse)

    @property
    def _validated(self) -> str:
        return self.engine.name(BigTables(self.contract).validated)

    @override
    def rows(self) -> int:
        return int(self.engine.query(f"SELECT COUNT(*) AS n FROM {self._validated}")[0]["n"])

    @override
    def per_delivery(self, layer: str, deliveries: Collection[str]) -> dict[str, int]:
        table = self.engine.name(f"{layer}.{self.contract.name}")
        sql = f"SELECT _delivery, COUNT(*) AS n FROM {table} WHERE _delivery IN UNNEST(@ids) GROUP BY _delivery"
        return {r["_delivery"]: r["n"] for r in self.engine.query(sql, {"ids": list(deliveries)})}

    @override
    def erased(self) -> dict[str, Erased]:
        return self.books.erased()

    @override
    def repeated_keys(self) -> int:
        keys = f"SELECT {json_of(map(q, self.contract.load.key))} AS _k FROM {self._validated}"
        repeated = f"SELECT _k FROM ({keys}) GROUP BY _k HAVING COUNT(*) > 1"
        return int(self.engine.query(f"SELECT COUNT(*) AS n FROM ({repeated})")[0]["n"])

    @override
    def falls(self) -> dict[str, int]:
        found = self.engine.query(falls_sql(self.contract, self._validated, "`"))[0]
        return {c: int(found[c] or 0) for c in cumulative_columns(self.contract)}

    @override
    def tree(self) -> dict[str, int]:
        return {}  # definitions refuse contracts with a tree on this engine (`engines.refusal`)

    @override
    def broken_rules(self) -> dict[str, int]:
        warned = rules.for_bigquery(self.contract, self.contract.today(), self.warehouse.home / "expressions").warned
        found = self.engine.query(f"WITH typed AS (SELECT * FROM {self._validated}) SELECT * FROM ({warned})")[0]
        return {name: int(count or 0) for name, count in found.items()}
