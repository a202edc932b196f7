"""Every folder and table that the platform keeps is somebody's: a store that no holder answers for is found here, and in certificates."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

import platform_assets
from platform_assets.erasure import holder
from platform_assets.erasure.holder import Holder, all_holders, kinds, unclaimed
from platform_assets.quarantine.tables import RowKey
from platform_assets.reports import logs
from platform_assets.reports.events import rows_erased
from resources.private import MARKER
from tests.erasure.erasing import eraser, office
from tests.places import STEWARD, Place

ROOM = Path(platform_assets.__file__).parent


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def nobodys(place: Place) -> list[str]:
    work = eraser(place)
    return unclaimed(work.holders, place.home, place.warehouse)


def test_what_a_platform_at_work_keeps_is_all_claimed(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-13-02,NEG,")
    place.drop("broken.csv", "no;such;header\n1;2;3\n")
    place.load()
    place.drop("waits.csv", "sample_id\n")
    place.desk().dismiss(_keys(place), "a typing error of the laboratory")
    eraser(place).submit([], "a letter", STEWARD)
    for log in logs.LOGS:
        logs.publish(log, place.warehouse, place.store)
    for name in ("cache/sql/x", "state/alerts.json", "sample/lab.csv", "staging/lab/x", "dagster/history/runs.db"):
        place.store.write(name, b"")
    (place.home / MARKER).touch()  # as `resources.private` leaves it on every DATA_HOME
    assert nobodys(place) == []


def _keys(place: Place) -> list[RowKey]:
    rows = place.desk().rows()
    return [RowKey(d, f, int(r)) for d, f, r in zip(rows["_delivery"], rows["_file"], rows["_row"], strict=True)]


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (lambda p: p.store.write("shipments/2026/table.csv", b"x"), "shipments/2026/table.csv"),
        (lambda p: p.store.write("copy.txt", b"x"), "copy.txt"),
        (lambda p: p.store.write("lake/snapshots/x", b"x"), "lake/snapshots/x"),
        (lambda p: _sql(p, "CREATE TABLE platform.case_notes (note VARCHAR)"), "lake:platform.case_notes"),
        (lambda p: _sql(p, "CREATE SCHEMA shipments"), "lake:shipments.*"),
    ],
)
def test_a_store_that_nobody_answers_for_is_found(place: Place, plant: Callable[[Place], None], found: str) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,")
    assert nobodys(place) == []
    plant(place)
    assert nobodys(place) == [found]


def _sql(place: Place, statement: str) -> None:
    with place.warehouse.connect() as connection, place.warehouse.write(connection):
        connection.execute(statement)


def test_tables_that_the_code_names_are_claimed(place: Place) -> None:
    """Every `platform.<table>` that stands as a constant anywhere in the code, whether it was made yet or not."""
    named = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                text = node.value.value
                if (
                    text.startswith("platform.")
                    and text.count(".") == 1
                    and text.replace(".", "").replace("_", "").isalpha()
                ):
                    named.add(text)
    named |= {log.table for log in logs.LOGS}
    claims = {claim for h in eraser(place).holders for claim in h.claims()}
    engine_only = {"platform.fences"}  # BigQuery's: counts of loads
    assert {t for t in named if f"lake:{t}" not in claims} <= engine_only
    assert len(named) > 5


def test_every_file_among_the_holders_is_one_and_says_what_it_is(place: Place) -> None:
    found = kinds()
    room = ROOM / "erasure" / "holders"
    modules = {p.stem for p in room.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()} - {"__init__"}
    assert {kind.__module__.rpartition(".")[2] for kind in found} == modules
    assert len({kind.name for kind in found}) == len({kind.order for kind in found}) == len(found)
    for kind in found:
        assert issubclass(kind, Holder)
        assert kind.__doc__
        assert importlib.import_module(kind.__module__).__doc__
        assert all(kind.places.values())


def test_the_eraser_names_no_holder_and_asks_for_no_engine() -> None:
    for name in ("eraser", "certificate", "requests", "holder", "decisions", "search/scan"):
        text = (ROOM / "erasure" / f"{name}.py").read_text()
        imported = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)]
        assert not [n.module for n in imported if n.module and n.module.startswith("platform_assets.erasure.holders.")]
        assert "if self.bigquery" not in text
        assert "bigquery_" not in text


def test_ingest_and_the_engines_know_neither_erasure_nor_quarantine() -> None:
    for room in ("ingest", "engines"):
        for path in (ROOM / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    assert not node.module.startswith(("platform_assets.erasure", "platform_assets.quarantine")), path


def test_a_new_store_is_one_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that is put among the others is asked, and claims, without any other change."""

    class Shipments(holder.FileHolder):
        """Shipments."""

        order = 25
        name = "shipments"

        def claims(self) -> tuple[str, ...]:
            return ("shipments",)

    place.store.write("shipments/a.csv", b"x")
    before = kinds()
    monkeypatch.setattr(holder, "kinds", lambda: [*before, Shipments])
    made = all_holders(office(place).eraser().parts)
    assert "shipments" in {h.name for h in made}
    assert unclaimed(made, place.home, place.warehouse) == []


def test_dagster_is_told_by_a_function_that_stands_below_its_components() -> None:
    assert rows_erased.__module__ == "platform_assets.reports.events"
    text = (ROOM / "erasure" / "__main__.py").read_text()
    assert "platform_assets.components" not in text
