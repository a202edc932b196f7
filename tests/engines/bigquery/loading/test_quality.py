"""The checks say the same of both engines' tables, in the same words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.engines.bigquery import quality as big_quality
from platform_assets.ingest import quality
from resources.clock import today
from tests.engines.bigquery.place import Both

pytestmark = pytest.mark.slow
TOTALS: dict[str, Any] = {
    "name": "totals",
    "description": "Running totals.",
    "owner": "team:test",
    "format": {"kind": "csv"},
    "load": {"mode": "upsert", "key": ["day", "province"]},
    "partition": {"by": "day", "unit": "month"},
    "columns": {
        "day": {"type": "date", "format": "%Y-%m-%d"},
        "province": {"type": "string"},
        "total": {"type": "integer", "ge": 0, "cumulative": True},
        "beds": {"type": "integer", "required": False},
    },
    "rules": [{"name": "beds_known", "check": "tests.engines.bigquery.rules:beds_known", "severity": "warn"}],
    "quality": {"max_quarantined": "50%", "min_rows": 1, "freshness": {"cron": "0 9 * * 1"}},
}
HEAD = "day,province,total,beds\n"


def outcomes(pair: Both, now: dt.datetime) -> list[list[quality.Outcome]]:
    """Of both engines; without when exactly a file came, which differs by the time between two copies of it."""
    contract, warehouse = pair.lake.contract, pair.lake.platform.warehouse
    expression = compiled(contract, today(), warehouse.home / "expressions")
    with warehouse.connect() as connection:
        ours = list(quality.evaluate(connection, contract, expression, now))
    theirs = list(big_quality.evaluate(pair.big.engine, contract, pair.big.warehouse, now))
    return [[replace(o, numbers={}) if o.check == "freshness" else o for o in found] for found in (ours, theirs)]


def test_every_check_gives_the_same_outcome(pair: Callable[..., Both]) -> None:
    totals = pair(TOTALS)
    now = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    totals.send({"1.csv": HEAD + "2024-01-01,Zeeland,5,\n2024-01-02,Zeeland,4,2\n2024-02-01,Zeeland,x,1\n"})
    totals.send({"2.csv": HEAD + "2024-01-03,Zeeland,3,1\n2024-01-01,Drenthe,1,1\n", "3.csv": HEAD + "x,y,z,\n"})
    ours, theirs = outcomes(totals, now)
    assert theirs == ours
    found = {o.check: o for o in theirs}
    assert found["cumulative"].numbers == {"corrections": 2}
    assert found["rules"].numbers == {"rows": 4, "beds_known": 1}
    assert found["row_conservation"].passed
    assert not found["quarantine_rate"].passed
    assert set(found) == set(quality.check_names(totals.lake.contract))


def test_rows_that_vanish_or_come_twice_are_noticed(pair: Callable[..., Both]) -> None:
    totals = pair(TOTALS)
    totals.send({"1.csv": HEAD + "2024-01-01,Zeeland,5,\n2024-01-02,Zeeland,4,2\n2024-02-01,Zeeland,x,1\n"})
    now = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    engine, name = totals.big.engine, totals.big.contract.name

    def broken() -> set[str]:
        found = big_quality.evaluate(engine, totals.big.contract, totals.big.warehouse, now)
        return {o.check for o in found if not o.passed and o.blocking}

    assert broken() == set()
    engine.transaction([f"INSERT INTO validated.{name} SELECT * FROM validated.{name} WHERE _row = 2"])
    assert broken() == {"row_conservation", "unique_key"}
    engine.transaction([f"DELETE FROM validated.{name} WHERE _row = 2"])
    assert broken() == {"row_conservation"}


def test_a_table_that_was_never_filled_is_not_applicable(pair: Callable[..., Both]) -> None:
    totals = pair(TOTALS)
    totals.send({})
    ours, theirs = outcomes(totals, dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    assert theirs == ours
