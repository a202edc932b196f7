"""The ledger in BigQuery, and the accounts of what was erased: read as rows, written by the transaction of a load. What stewards
have sent is written down in the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.accounts import Erased
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import Mending
from platform_assets.ingest.ledger import OLDEST_FIRST, Entry, entry_of
from platform_assets.ingest.neighbours import ALONE, Neighbours
from resources.gcp.bigquery import BigQuery
from resources.lake.warehouse import Warehouse


@dataclass(frozen=True)
class BigBooks(Books):
    """What BigQuery knows of a dataset's deliveries."""

    engine: BigQuery
    dataset: str
    warehouse: Warehouse
    """The lake, where stewards work."""
    neighbours: Neighbours = ALONE

    @override
    def entries(
        self,
        *,
        deliveries: Iterable[str] | None = None,
        status: str | None = None,
        contents: Iterable[str] | None = None,
    ) -> list[Entry]:
        conditions, given = ["dataset = @dataset"], {"dataset": self.dataset}
        if deliveries is not None:
            conditions.append("delivery IN UNNEST(@deliveries)")
            given["deliveries"] = list(deliveries)  # type: ignore[assignment]
        if contents is not None:
            conditions.append("sha256 IN UNNEST(@contents)")
            given["contents"] = list(contents)  # type: ignore[assignment]
        if status is not None:
            conditions.append("status = @status")
            given["status"] = status
        return self._read(f"{' AND '.join(conditions)} ORDER BY {OLDEST_FIRST}", given)

    @override
    def newest(self) -> Entry | None:
        asked = (
            "dataset = @dataset AND status = 'published' ORDER BY as_of DESC, loaded_at DESC LIMIT 1"  # NULLs come last
        )
        return next(iter(self._read(asked, {"dataset": self.dataset})), None)

    def _read(self, asked: str, given: Mapping[str, Any]) -> list[Entry]:
        sql = f"SELECT * FROM {self.engine.name(ledger.TABLE)} WHERE {asked}"
        return [entry_of(row) for row in self.engine.query(sql, given)]

    @override
    def mendings(self) -> Mapping[str, Mending]:
        with self.warehouse.connect() as connection:
            return self.neighbours.mendings(self.warehouse, connection, self.dataset, self.entries)

    @override
    def sent_on(self) -> set[str]:
        with self.warehouse.connect() as connection:
            return self.neighbours.sent_on(self.warehouse, connection, self.dataset)

    def seen(self) -> dict[str, Any]:
        """The state of the ledger, by which a load notices that another was quicker."""
        sql = f"SELECT COUNT(*) AS entries, MAX(loaded_at) AS newest FROM {self.engine.name(ledger.TABLE)} WHERE dataset = @dataset"
        return {"dataset": self.dataset, **self.engine.query(sql, {"dataset": self.dataset})[0]}

    def erased(self) -> dict[str, Erased]:
        """Delivery -> rows erased."""
        sums = ", ".join(f"SUM(`{c}`) AS `{c}`" for c in ("raw", "quarantine", "validated"))
        sql = f"SELECT delivery, {sums} FROM {self.engine.name(accounts.TABLE)} WHERE dataset = @dataset GROUP BY delivery"
        found = self.engine.query(sql, {"dataset": self.dataset})
        return {r["delivery"]: Erased(r["raw"], r["quarantine"], r["validated"]) for r in found}
