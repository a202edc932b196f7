"""Every engine answers all that is asked, and makes the same of the same files."""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from platform_assets.access.audit.log import AuditLog
from platform_assets.engines import Engine, names
from platform_assets.engines.lake.engine import LakeEngine
from platform_assets.indicators.sql.file import SqlIndicator, read_sql
from platform_assets.ingest.quality import check_names
from platform_assets.office import engine_of
from platform_assets.quarantine.desk import Desk
from resources.environment import ENGINES, Platform
from tests.conftest import Bench, lab_contract
from tests.engines.bigquery.conftest import buckets, client, engine  # noqa: F401  (fixtures)
from tests.places import STEWARD

HEAD = "sample_id,test_date,result,viral_load\n"


def on_lake(platform: Platform, request: pytest.FixtureRequest) -> Platform:
    return platform


def on_bigquery(platform: Platform, request: pytest.FixtureRequest) -> Platform:
    return replace(platform, engine="bigquery", bigquery=request.getfixturevalue("engine"))


PLATFORMS: dict[str, Callable[[Platform, pytest.FixtureRequest], Platform]] = {
    "lake": on_lake,
    "bigquery": on_bigquery,
}
"""How a platform with each engine is made here: a new engine has a line."""


def query_over(dataset: str, folder: Path) -> SqlIndicator:
    path = folder / "domain" / "sql" / "per_day.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        "-- Tests per day\n--\n-- @owner team:test\n-- @output test_date <date> the day, tests <integer> how many\n"
        f"SELECT test_date, count(*) AS tests FROM validated.{dataset} GROUP BY test_date\n"
    )
    return read_sql(path)


def test_every_engine_can_be_chosen_and_is_tried_here() -> None:
    assert set(ENGINES.values()) == set(names()) == set(PLATFORMS)


@pytest.mark.parametrize("name", names())
def test_every_engine_answers_all_that_is_asked(name: str) -> None:
    module = importlib.import_module(f"platform_assets.engines.{name}.engine")
    (made,) = (c for _, c in inspect.getmembers(module, inspect.isclass) if Engine in c.__mro__[1:])
    asked = {a for a in vars(Engine) if not a.startswith("_")}
    assert asked - vars(made).keys() == set()
    for function in asked & {n for n, f in vars(Engine).items() if inspect.isfunction(f)}:
        assert list(inspect.signature(getattr(made, function)).parameters) == list(
            inspect.signature(getattr(Engine, function)).parameters
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_dataset_is_loaded_judged_told_and_computed_on(
    name: str, platform: Platform, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    here = PLATFORMS[name](platform, request)
    asked = engine_of(here)
    contract = lab_contract(name="asked", partition={"by": "test_date", "unit": "iso_week"})
    lab = Bench(here, contract)
    with here.warehouse.connect() as lake:
        assert not asked.has_books(lake)
        assert list(asked.computed(lake)) == []
    lab.drop("a.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-09,POS,1\nC,2024-01-01,what,1\n")
    said: list[str] = []
    loaded = asked.load(contract, run_id="run 1", log=said.append)
    assert [(e.file, e.run, e.valid, e.quarantined) for e in loaded.report.entries] == [("a.csv", "run 1", 2, 1)]
    assert {layer: s.rows for layer, s in loaded.states.items()} == {"raw": 3, "validated": 2, "quarantine": 1}
    assert loaded.partitions == [("2024-W02", 1), ("2024-W01", 1)]
    assert loaded.held == []
    assert any("1 quarantined" in line for line in said)
    outcomes = asked.checks(contract, dt.datetime.now(dt.UTC))
    assert [(o.check, o.passed) for o in outcomes] == [(o.check, o.passed) for o in loaded.outcomes]
    assert {o.check for o in outcomes if o.passed} == set(check_names(contract))
    assert asked.states(contract) == loaded.states
    assert lab.table("sample_id", "_partition") == [("A", "2024-W01"), ("B", "2024-W02")]
    with here.warehouse.connect() as lake:
        assert asked.has_books(lake)
        assert [e.file for e in asked.books(contract, lake).entries()] == ["a.csv"]
        assert asked.with_rejected_rows({"asked": contract, "other": contract}, lake) >= {"asked"}
    audit = AuditLog(here.settings.home / "audit", here.keys)
    assert Desk(contract, here.warehouse, here.store, audit, STEWARD, asked).open_rows() == 1

    lab.drop("b.csv", HEAD + "B,2024-01-09,NEG,1\nD,2024-01-09,POS,1\n")
    again = asked.load(contract, run_id="run 2", log=said.append)
    assert [(e.inserted, e.updated) for e in again.report.entries] == [(1, 1)]
    # the emulator does not tell that a transaction has changed a table, so only the rows are compared
    assert {layer: s.rows for layer, s in again.states.items()} == {"raw": 5, "validated": 3, "quarantine": 1}

    indicator = query_over("asked", tmp_path)
    first, second = (asked.run_sql(indicator, None, run_id="run 3") for _ in range(2))
    assert (first.rows, first.fresh, second.fresh, second.version == first.version) == (2, True, False, True)
    with here.warehouse.connect() as lake:
        assert [(t.name, t.rows) for t in asked.computed(lake)] == [("per_day", 2)]
        assert lake.execute("SELECT sum(tests)::BIGINT FROM indicators.per_day").fetchone() == (3,)


@pytest.mark.slow
def test_copies_of_an_indicator_go_with_it(platform: Platform, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    big = request.getfixturevalue("engine")
    asked = engine_of(replace(platform, copies=big))
    assert isinstance(asked, LakeEngine)
    lab = Bench(platform, lab_contract(name="copied"))
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    made = asked.run_sql(query_over("copied", tmp_path), None, run_id="", public=True)
    assert made.published == {"BigQuery": "indicators.per_day (1 rows)"}
    assert big.columns("indicators.per_day") == ["test_date", "tests"]
    assert "BigQuery table indicators.per_day" in asked.drop_indicator("per_day")
    assert big.columns("indicators.per_day") == []
