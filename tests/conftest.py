"""What every test may use: a platform in a temporary folder, and the real input where it is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest.load import LoadReport, load_dataset
from resources.environment import Platform, Settings
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.environments import EXPRESSIONS, compiled_before

KEY = "ab" * 32
# tables of tests are small, and their processes fill the machine: more threads of an engine only take longer. In tests/ingest/loading
# it has as many as for users
os.environ.setdefault("PLATFORM_THREADS", "1")


# no example has to be quick: beside other processes each may wait its turn
hypothesis.settings.register_profile("platform", deadline=None)
hypothesis.settings.load_profile("platform")

_MAIN = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """What starts as the platform does makes files private from then on; no test depends on who did so before it."""
    os.umask(0o022)
    yield
    os.umask(0o022)


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spawned processes import what `__main__` is here, and tests of the console leave a Streamlit script there."""
    monkeypatch.setitem(sys.modules, "__main__", _MAIN)


SLICES = {
    "access/test_handing_out.py": 4,
    "components/test_markup.py": 2,
    "console/test_browser.py": 3,
    "console/test_markup.py": 2,
    "console/test_tasks.py": 3,
    "dashboard/test_own_cases.py": 2,
    "dashboard/test_takeaway.py": 2,
    "disclosure/test_canaries.py": 2,
    "door/test_browser.py": 3,
    "door/test_smuggling.py": 2,
    "engines/bigquery/loading/test_mending.py": 3,
    "engines/bigquery/test_erasure.py": 3,
    "engines/bigquery/test_people.py": 3,
    "erasure/test_eraser.py": 4,
    "erasure/test_left_elsewhere.py": 3,
    "erasure/test_requests.py": 2,
    "erasure/test_whole.py": 2,
    "exports/test_sending.py": 2,
    "ingest/field/test_draft.py": 6,
    "ingest/files/test_formats.py": 2,
    "ingest/files/test_hostile_files.py": 3,
    "ingest/files/test_messy_files.py": 3,
    "ingest/files/test_statistics_files.py": 3,
    "ingest/loading/test_arrivals.py": 3,
    "ingest/loading/test_arrivals_property.py": 3,
    "ingest/loading/test_load.py": 3,
    "ingest/loading/test_load_columns.py": 3,
    "ingest/readers/test_hostile.py": 2,
    "ingest/test_relations.py": 2,
    "ingest/test_spelling.py": 2,
    "ingest/test_worked_out.py": 2,
    "literature/test_explorer_browser.py": 2,
    "quarantine/test_desk.py": 3,
    "quarantine/test_former.py": 2,
    "quarantine/test_snapshot_fixes.py": 3,
    "quarantine/test_uploads.py": 2,
    "r_runtime/attacks/test_makes.py": 2,
    "r_runtime/test_failures.py": 2,
    "resources/gcp/test_gcs_store.py": 2,
    "resources/lake/test_closed_lake.py": 3,
    "resources/test_private.py": 2,
}
"""Files whose tests have long variants -> `make test` runs each so-manieth variant of a test, the first of each always, `make soak` the others."""
SLICED_WHOLE = {"engines/bigquery/loading/test_both_engines.py": 5}
"""Files in which all tests are variants of each other -> `make test` runs each so-manieth test."""


def _keep_a_slice(items: list[pytest.Item]) -> None:
    """Mark `soak` what `make test` leaves to `make soak`."""
    seen: dict[str, int] = {}
    for item in items:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        each, of = (
            (SLICED_WHOLE[file], file) if file in SLICED_WHOLE else (SLICES.get(file, 1), item.nodeid.split("[")[0])
        )
        place = seen[of] = seen.get(of, -1) + 1
        if place % each:
            item.add_marker("soak")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start R in this very process run last: R takes over signal handling and stack checks of its process for good,
    and threads of other tests do not survive that. (The platform itself only ever starts R in a child.) The image takes longest, so it
    is begun first."""
    items.sort(key=lambda item: (item.path.name == "test_exchange.py", item.path.name != "test_image.py"))
    _keep_a_slice(items)


class Keys(dict[str, str]):
    """An environment that has the same key for every purpose."""

    def get(self, name: str, default: Any = None) -> Any:
        return KEY


@pytest.fixture(scope="session")
def expressions() -> Path:
    """Contracts that were compiled before: their names tell all that they depend on."""
    return EXPRESSIONS


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    home = tmp_path / "home"
    compiled_before(home / "lake")
    return Platform(
        settings=Settings(home=home, settle_seconds=0),
        warehouse=Warehouse(home / "lake"),
        store=LocalStore(home),
        keys=EnvironmentKeys(Keys()),
    )


@pytest.fixture
def shared() -> Path:
    """The folder with real input; a test that needs it is skipped only where PLATFORM_SHARED is not set."""
    folder = os.environ.get("PLATFORM_SHARED")
    if not folder:
        pytest.skip("PLATFORM_SHARED is not set")
    return Path(folder)


class Bench:
    """A platform with one dataset on it: drop files, load, look."""

    def __init__(self, platform: Platform, contract: Contract) -> None:
        self.platform = platform
        self.contract = contract

    def drop(self, name: str, data: bytes | str) -> None:
        target = self.platform.settings.home / "landing" / self.contract.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def load(self) -> LoadReport:
        p = self.platform
        return load_dataset(self.contract, p.warehouse, p.store, p.keys, settle_seconds=0)

    def send(self, name: str, data: bytes | str) -> LoadReport:
        """Drop and load."""
        self.drop(name, data)
        return self.load()

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of `query`, in which {raw}, {validated} and {quarantine} stand for the tables."""
        tables = {layer: f"{layer}.{self.contract.name}" for layer in ("raw", "validated", "quarantine")}
        with self.platform.warehouse.connect(read_only=True) as connection:
            return connection.execute(query.format(**tables)).fetchall()

    def table(self, *columns: str) -> list[tuple[Any, ...]]:
        """The validated table's columns, ordered by all of them."""
        return self.sql(f"SELECT {', '.join(columns)} FROM {{validated}} ORDER BY ALL")

    def files(self, folder: str) -> list[str]:
        """Names of the files in a folder of the store, at any depth."""
        root = self.platform.settings.home / folder / self.contract.name
        return sorted(p.name for p in root.rglob("*") if p.is_file())

    def assert_nothing_lost(self) -> None:
        """The law of the ledger, and that the tables hold what it says: a row per delivery that breaks it, none expected."""
        broken = self.sql(
            f"""
            WITH entries AS (SELECT * FROM platform.ledger WHERE status <> 'rejected' AND dataset = '{self.contract.name}')
            SELECT file, 'does not add up' FROM entries WHERE rows_in <> valid + quarantined + superseded
            UNION ALL SELECT file, 'raw' FROM entries e
              WHERE status <> 'repeated' AND rows_in - malformed <> (SELECT count(*) FROM {{raw}} r WHERE r._delivery = e.delivery)
            UNION ALL SELECT file, 'quarantine' FROM entries e
              WHERE quarantined <> (SELECT count(*) FROM {{quarantine}} q WHERE q._delivery = e.delivery)
            UNION ALL SELECT 'all', 'validated' WHERE (SELECT count(*) FROM {{validated}})
              <> (SELECT coalesce(sum(inserted - removed), 0) FROM entries)
            """
        )
        assert broken == []


LAB: dict[str, Any] = {
    "name": "lab",
    "description": "Laboratory tests.",
    "owner": "team:test",
    "format": {"kind": "csv"},
    "load": {"mode": "upsert", "key": ["sample_id"]},
    "columns": {
        "sample_id": {"type": "string", "matches": "^[A-Z0-9-]+$"},
        "test_date": {"type": "date", "format": "%Y-%m-%d", "le": "today"},
        "result": {"type": "string", "in": ["POS", "NEG", "N/A"]},
        "viral_load": {"type": "integer", "ge": 0, "required": False},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}


def lab_contract(**changes: Any) -> Contract:
    """A small laboratory contract, with top-level keys replaced."""
    return Contract.model_validate({**LAB, **changes})


@pytest.fixture
def bench(platform: Platform) -> Callable[..., Bench]:
    """Make a bench for a contract: `bench(load={...})` changes the small laboratory contract, `bench(contract)` takes another."""

    def make(contract: Contract | Mapping[str, Any] | None = None, **changes: Any) -> Bench:
        if isinstance(contract, Contract):
            return Bench(platform, contract)
        return Bench(platform, Contract.model_validate(contract) if contract else lab_contract(**changes))

    return make
