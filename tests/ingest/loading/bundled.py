"""What the tests of bundles share: two datasets whose tables come in one archive. As a program: load it, killed at a given step."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platform_assets.contracts import Contract
from platform_assets.contracts.bundle import Bundle
from platform_assets.engines.lake.engine import LakeEngine
from platform_assets.ingest.bundles import load_bundle
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.load import LoadReport
from platform_assets.office import NEIGHBOURS
from tests.places import Place

BUNDLE = Bundle(
    name="weekly",
    members={"lab_results": "results*.csv", "wards": "wards*.csv"},
    leave_out=("README*",),
    files=("*.zip", "*.tgz"),
)
RESULTS = "sample_id,patient_id,lab,test_date,result,viral_load"
WARDS = "ward_id,beds"


def wards_contract(**changes: Any) -> Contract:
    document: dict[str, Any] = {
        "name": "wards",
        "description": "One ward per row.",
        "owner": "team:surveillance",
        "format": {"kind": "csv"},
        "load": {"mode": "snapshot", "key": ["ward_id"]},
        "columns": {"ward_id": {"type": "string"}, "beds": {"type": "integer", "ge": 0}},
        "quality": {"max_quarantined": 0.4},
    }
    return Contract.model_validate({**document, **changes})


def text(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def packed(name: str, files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, said in files.items():
                archive.writestr(file, said)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for file, said in files.items():
                info = tarfile.TarInfo(file)
                info.size = len(said.encode())
                tar.addfile(info, io.BytesIO(said.encode()))
    return out.getvalue()


class Bundled(Place):
    """A platform of two datasets and their bundle."""

    def __init__(self, home: Path, lab: Contract | None = None, wards: Contract | None = None) -> None:
        super().__init__(home, lab)
        self.wards = wards or wards_contract()

    @property
    def contracts(self) -> dict[str, Contract]:
        return {"lab_results": self.contract, "wards": self.wards}

    def arrive(self, name: str, results: list[str], wards: list[str], **others: str) -> None:
        files = {"out/results_week.csv": text(RESULTS, *results), "out/wards_week.csv": text(WARDS, *wards)}
        self.store.write(f"landing/weekly/{name}", packed(name, {**files, **others}))

    def load_bundle(self, log: Any = lambda _: None) -> dict[str, LoadReport]:
        return load_bundle(
            BUNDLE,
            self.contracts,
            self.warehouse,
            self.store,
            self.keys,
            neighbours=NEIGHBOURS,
            settle_seconds=0,
            log=log,
        )

    def entries(self, dataset: str) -> list[Entry]:
        from platform_assets.ingest import ledger

        with self.warehouse.connect() as connection:
            return ledger.read(connection, dataset)

    def statuses(self) -> dict[str, list[str]]:
        return {name: [e.status for e in self.entries(name)] for name in self.contracts}

    def beds(self) -> dict[str, int]:
        return dict(self.query("SELECT ward_id, beds FROM validated.wards ORDER BY 1")) if self._there("wards") else {}

    def results(self) -> list[str]:
        return self.samples() if self._there("lab_results") else []

    def _there(self, name: str) -> bool:
        with self.warehouse.connect() as connection:
            return bool(self.warehouse.columns(connection, f"validated.{name}"))

    def waiting(self) -> list[str]:
        return [o.name for o in self.store.walk("landing")]

    @property
    def engine(self) -> LakeEngine:
        return LakeEngine(self.warehouse, self.store, self.keys, settle_seconds=0, neighbours=NEIGHBOURS)


def main(home: str) -> None:
    """Answer orders (a step, or -1) by a load in a child that is killed there; see `tests.exports.crashing`."""
    import duckdb_extension_ducklake  # type: ignore[import-untyped]  # noqa: F401
    import duckdb_extension_sqlite_scanner  # type: ignore[import-untyped]  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    from tests.exports.crashing import Steps

    place = Bundled(Path(home))
    place.warehouse.threads = 1
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                steps = Steps(int(line))
                sys.setprofile(steps)
                place.load_bundle()
                sys.setprofile(None)
                os.write(writing, str(steps.begun).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"killed": os.WIFSIGNALED(status), "steps": int(told or 0)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
