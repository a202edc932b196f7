"""A small platform of one dataset, for the stewards' tests: real warehouse, real folders, real ingest."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Role, User
from platform_assets.contracts import Contract
from platform_assets.engines.lake.engine import LakeEngine
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.load import LoadReport, load_dataset
from platform_assets.office import NEIGHBOURS, Office
from platform_assets.quarantine.desk import Desk
from resources.identity import EnvironmentKeys, IdentityKeys, pseudonym
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore, ObjectStore
from tests.environments import compiled_before

KEYS = {
    f"PLATFORM_IDENTITY_KEY_{purpose}": f"{n:02x}" * 32 for n, purpose in enumerate(("PATIENT", "ERASURE", "AUDIT"), 1)
}
STEWARD = User("steward@example.org", frozenset({Role.STEWARD}))
SECOND = User("second@example.org", frozenset({Role.STEWARD}))
ANALYST = User("analyst@example.org", frozenset({Role.ANALYST}))


def lab_contract(**changes: Any) -> Contract:
    """Laboratory results of the tests; `changes` replace parts of the document."""
    document: dict[str, Any] = {
        "name": "lab_results",
        "description": "One laboratory test per row.",
        "owner": "team:surveillance",
        "format": {"kind": "csv"},
        "load": {"mode": "upsert", "key": ["sample_id"]},
        "partition": {"by": "test_date"},
        "columns": {
            "sample_id": {"type": "string", "matches": "^[A-Z0-9-]{3,40}$"},
            "patient_id": {"type": "string", "role": "identifier", "purpose": "patient", "required": False},
            "lab": {"type": "string", "role": "organisation", "required": False},
            "test_date": {"type": "date", "format": "%Y-%m-%d", "le": "today"},
            "result": {"type": "categorical", "in": ["POS", "NEG", "N/A"]},
            "viral_load": {"type": "integer", "ge": 0, "required": False},
        },
        "quality": {"max_quarantined": 1.0},
    }
    return Contract.model_validate({**document, **changes})


class Place:
    """One DATA_HOME."""

    def __init__(self, home: Path, contract: Contract | None = None) -> None:
        self.home = home
        self.contract = contract or lab_contract()
        self.store: ObjectStore = LocalStore(home)
        compiled_before(home / "lake")
        self.warehouse = Warehouse(home / "lake")
        self.keys: IdentityKeys = EnvironmentKeys(KEYS)
        self.audit = AuditLog(home / "audit", self.keys)

    def drop(self, name: str, text: str | bytes) -> None:
        """Put a file into landing."""
        self.store.write(f"landing/{self.contract.name}/{name}", text.encode() if isinstance(text, str) else text)

    def load(self) -> LoadReport:
        """What the sensor's run would do."""
        return load_dataset(
            self.contract, self.warehouse, self.store, self.keys, neighbours=NEIGHBOURS, settle_seconds=0
        )

    def deliver(
        self, name: str, *rows: str, header: str = "sample_id,patient_id,lab,test_date,result,viral_load"
    ) -> Entry:
        """Drop a CSV file of `rows` and load it; its ledger entry."""
        self.drop(name, "\n".join([header, *rows]) + "\n")
        return next(e for e in self.load().entries if e.file == name)

    def desk(self, user: User = STEWARD) -> Desk:
        """The quarantine as `user` works on it."""
        return Desk(self.contract, self.warehouse, self.store, self.audit, user, self.engine)

    @property
    def engine(self) -> LakeEngine:
        """What loads the dataset."""
        return LakeEngine(self.warehouse, self.store, self.keys, settle_seconds=0, neighbours=NEIGHBOURS)

    def office(self, *others: Contract) -> Office:
        """All that stewards' work needs, for this dataset and `others`."""
        contracts = {c.name: c for c in (self.contract, *others)}
        return Office(contracts, self.warehouse, self.store, self.keys, self.home, self.engine)

    def checks_passed(self) -> set[str]:
        """The checks of the dataset's asset that pass now."""
        return {o.check for o in self.engine.checks(self.contract, dt.datetime.now(dt.UTC)) if o.passed}

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query over the warehouse."""
        with self.warehouse.connect() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def samples(self) -> list[str]:
        """Sample ids in the validated table."""
        return [r[0] for r in self.query("SELECT sample_id FROM validated.lab_results ORDER BY 1")]

    def pseudonym(self, patient: str) -> str:
        """What a patient is called in the tables."""
        return pseudonym(self.keys.key("patient"), patient)
