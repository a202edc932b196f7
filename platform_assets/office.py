"""One place where stewards' work meets the platform: contracts, stores, keys and log together. The console, the commands and the
Dagster jobs all go through it, so that they all do the same."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets import engines
from platform_assets.access.audit.anchors import Anchors
from platform_assets.access.audit.entry import Head
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.audit.tape import StoreTape
from platform_assets.access.roles import User
from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.model import Contract
from platform_assets.engines import Engine
from platform_assets.erasure import naming, tombstones
from platform_assets.erasure.eraser import Eraser
from platform_assets.erasure.holder import Parts, all_holders
from platform_assets.erasure.holders.tables.rows import keys_of
from platform_assets.erasure.naming import Names
from platform_assets.erasure.redaction import put_away_without_erased
from platform_assets.erasure.targets import PURPOSE
from platform_assets.ingest.neighbours import Neighbours
from platform_assets.quarantine.aliases import Aliases
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.tables import BOOKKEEPERS
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore, ObjectStore

if TYPE_CHECKING:
    import dagster as dg
    import duckdb

    from resources.environment import Platform
    from resources.gcp.bigquery import BigQuery


HEADS = "PLATFORM_AUDIT_HEADS"
NEIGHBOURS = Neighbours(
    leave_out=tombstones.leave_out,
    leave_out_of=tombstones.leave_out_of,
    put_away=put_away_without_erased,
    mendings=BOOKKEEPERS.mendings,
    sent_on=BOOKKEEPERS.sent_on,
)
"""What a load asks of others: who was erased stays out, and what stewards have mended is known as such."""


def engine_of(platform: Platform) -> Engine:
    """The engine of `platform`, whose loads know who was erased and what stewards have mended."""
    return engines.engine_of(platform, NEIGHBOURS)


@dataclass(frozen=True)
class Office:
    """Everything that stewards' work needs. It acts for a user only through `desk` and `eraser`, which check what the user may."""

    contracts: Mapping[str, Contract]
    warehouse: Warehouse
    store: ObjectStore
    keys: IdentityKeys
    home: Path
    engine: Engine
    """What loads datasets. What stewards mend is in the lake, whichever it is."""
    published: BigQuery | None = None
    """A BigQuery that has tables of the platform, as engine or with copies: an erasure reaches them."""
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    """Archives that hold files of several datasets, by name."""

    @classmethod
    def of(cls, platform: Platform) -> Office:
        """The office of a platform, with the contracts under `platform_assets/defs`."""
        from platform_assets.contracts.bundle import read_bundles
        from platform_assets.contracts.files import read_contracts

        return cls(
            read_contracts(),
            platform.warehouse,
            platform.store,
            platform.keys,
            platform.settings.home,
            engine_of(platform),
            platform.published,
            read_bundles(),
        )

    @classmethod
    def here(cls) -> Office:
        """The office of this environment (PLATFORM_ENV, DATA_HOME)."""
        from resources.environment import resources_for

        return cls.of(resources_for(os.environ.get("PLATFORM_ENV", "laptop")))

    @property
    def audit(self) -> AuditLog:
        """The audit log: files below DATA_HOME, or, where files are in a bucket, objects in it."""
        anchors = anchors_of(os.environ)
        if isinstance(self.store, LocalStore):
            return AuditLog(self.home / "audit", self.keys, anchors=anchors)
        return AuditLog(StoreTape(self.store, lambda: self.warehouse.lock("audit")), self.keys, _note_head, anchors)

    def desk(self, dataset: str, user: User) -> Desk:
        """The quarantine of `dataset`, as `user` works on it."""
        contract = self.contracts[dataset]
        return Desk(contract, self.warehouse, self.store, self.audit, user, self.engine, self.refuse, self.told)

    def aliases(self, dataset: str, user: User) -> Aliases:
        """Other names of the columns of `dataset`, as `user` sees to them."""
        return Aliases(
            self.contracts[dataset],
            self.store,
            self.audit,
            user,
            self.refuse,
            lambda: self.warehouse.lock(f"aliases-{dataset}"),
        )

    def refuse(self, text: str) -> None:
        """Raise NamesSomeone where a text that is kept for good (a reason, the name of a file) names somebody."""
        Names(self.contracts, self.warehouse, self._keys_of).refuse(text)

    def told(self, name: str) -> str:
        """The name of a file as the audit log may keep it."""
        return naming.told(name, self.refuse)

    def purposes_of_erasure(self, contract: Contract) -> set[str]:
        """Keys that a load of the dataset needs to keep out who was erased."""
        return {PURPOSE} if any(stone.matches(contract) for stone in tombstones.read(self.store)) else set()

    def _keys_of(self, connection: duckdb.DuckDBPyConnection, dataset: str) -> IdentityKeys:
        return keys_of(self.warehouse, connection, self.keys, dataset)

    def eraser(
        self,
        on_step: Callable[[str], None] = lambda _: None,
        on_change: Callable[[Sequence[str], str], None] = lambda _datasets, _request: None,
        dagster: Callable[[], AbstractContextManager[dg.DagsterInstance | None]] = lambda: nullcontext(None),
    ) -> Eraser:
        """What carries erasures out; see there for what it tells. `dagster` gives Dagster's instance, whose records are a holder too."""
        parts = Parts(
            contracts=self.contracts,
            warehouse=self.warehouse,
            store=self.store,
            keys=self.keys,
            audit=self.audit,
            home=self.home,
            bundles=self.bundles,
            lake=self._lake(),
            bigquery=self.published,
            dagster=dagster,
        )

        return Eraser(parts, all_holders(parts), self._keys_of, on_step, on_change)

    def _lake(self) -> ObjectStore | None:
        """The lake's bucket."""
        if not self.warehouse.in_bucket:
            return None
        from resources.gcp.gcs_store import GCSStore

        bucket, _, folder = self.warehouse.data.removeprefix("gs://").partition("/")
        return GCSStore(bucket, folder)


def anchors_of(environment: Mapping[str, str]) -> Anchors | None:
    """Where heads of the audit log are kept, by PLATFORM_AUDIT_HEADS: ``gs://bucket`` or a folder; None where it is not set."""
    place = environment.get(HEADS, "")
    if not place:
        return None
    if not place.startswith("gs://"):
        return Anchors(LocalStore(Path(place)))
    from resources.gcp.gcs_store import GCSStore

    bucket, _, folder = place.removeprefix("gs://").partition("/")
    return Anchors(GCSStore(bucket, folder))


def _note_head(head: Head) -> None:
    """Where machines come and go, what a process prints is kept by another service (Cloud Logging), out of reach of who writes the bucket."""
    sys.stderr.write(json.dumps({"severity": "INFO", "event": "audit_head", "head": str(head)}) + "\n")
