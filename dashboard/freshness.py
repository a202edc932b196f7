"""How old what stands behind a figure is: when the last delivery of each dataset came, and whether it should have come since."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from platform_assets.ingest import ledger
from platform_assets.ingest.quality import last_due
from platform_assets.office import Office

LOOK = 30.0
"""Seconds for which an answer stands."""


@dataclass(frozen=True)
class Age:
    """How old the data of one dataset are."""

    dataset: str
    last: dt.datetime | None
    """When the last delivery of which anything was taken came (UTC)."""
    due: dt.datetime | None = None
    """When one was due that has not come."""


class Freshness:
    """Asks the ledger, now and then."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._lock = threading.Lock()
        self._known: dict[str, dt.datetime] = {}
        self._looked = -LOOK

    def of(self, tables: Sequence[str]) -> list[Age]:
        """The ages of the datasets among `tables` (``validated.lab_results``)."""
        names = [name.removeprefix("validated.") for name in tables if name.startswith("validated.")]
        names = [name for name in names if name in self._office.contracts]
        if not names:
            return []
        with self._lock:
            if time.monotonic() - self._looked >= LOOK:
                self._known, self._looked = self._deliveries(), time.monotonic()
            known = self._known
        return [self._age(name, known.get(name)) for name in names]

    def _deliveries(self) -> dict[str, dt.datetime]:
        warehouse = self._office.warehouse
        with warehouse.connect(read_only=True) as connection:
            if not warehouse.columns(connection, ledger.TABLE):
                return {}
            rows = connection.execute(
                f"SELECT dataset, max(delivered_at) FROM {ledger.TABLE} WHERE status IN ('published', 'repeated') GROUP BY dataset"
            ).fetchall()
        return {name: at.replace(tzinfo=dt.UTC) for name, at in rows}

    def _age(self, name: str, last: dt.datetime | None) -> Age:
        contract = self._office.contracts[name]
        if last is None or contract.quality.freshness is None:
            return Age(name, last)
        due, before = last_due(contract.quality.freshness, dt.datetime.now(dt.UTC), contract.timezone)
        return Age(name, last, None if last > before else due)
