"""What the checks say, and when they fail."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.ingest.quality import NOT_APPLICABLE, Outcome, evaluate
from platform_assets.ingest.tables import Tables
from tests.conftest import LAB, Bench

Make = Callable[..., Bench]
HEAD = "sample_id,test_date,result,viral_load\n"
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def outcomes(bench: Bench, now: dt.datetime | None = None) -> dict[str, Outcome]:
    warehouse = bench.platform.warehouse
    expression = compiled(bench.contract, dt.date.today(), warehouse.home / "expressions")
    with warehouse.connect() as connection:
        return {o.check: o for o in evaluate(connection, bench.contract, expression, now or dt.datetime.now(dt.UTC))}


def test_an_empty_table_is_not_applicable_and_not_passed(bench: Make) -> None:
    lab = bench()
    lab.load()
    with lab.platform.warehouse.connect() as connection, lab.platform.warehouse.write(connection):
        Tables(lab.contract).ensure(lab.platform.warehouse, connection)
    for outcome in outcomes(lab).values():
        assert (outcome.passed, outcome.blocking, outcome.description) == (False, False, NOT_APPLICABLE)


def test_rows_that_vanish_are_noticed(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\nC,2024-01-01,what,1\n")
    assert outcomes(lab)["row_conservation"].passed
    for table in ("validated", "raw", "quarantine"):
        with lab.platform.warehouse.connect() as connection:
            connection.execute("BEGIN")
            connection.execute(f"DELETE FROM {table}.lab WHERE _row = (SELECT max(_row) FROM {table}.lab)")
            expression = compiled(lab.contract, dt.date.today(), lab.platform.warehouse.home / "expressions")
            found = {o.check: o for o in evaluate(connection, lab.contract, expression, dt.datetime.now(dt.UTC))}
            assert not found["row_conservation"].passed, table
            assert found["row_conservation"].blocking
            connection.execute("ROLLBACK")
    assert outcomes(lab)["row_conservation"].passed


def test_a_key_that_occurs_twice_is_noticed(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    with lab.platform.warehouse.connect() as connection:
        connection.execute("INSERT INTO validated.lab FROM validated.lab")
    found = outcomes(lab)["unique_key"]
    assert (found.passed, found.blocking, found.numbers["repeated_keys"]) == (False, True, 1)


def test_the_quarantine_rate_names_file_and_limit(bench: Make) -> None:
    lab = bench(quality={"max_quarantined": "10%"})
    lab.send("bad.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,what,1\n")
    found = outcomes(lab)["quarantine_rate"]
    assert not found.passed
    assert "bad.csv (1 of 2 rows (50.0%) are wrong, the contract allows 10.0%)" in found.description
    assert {d["reason"] for d in found.table} >= {"result: is not one of POS, NEG, N/A, found a value like aaaa"}


def test_a_refused_file_fails_the_check_of_its_load(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    lab.send("b.csv", "nothing\n1\n")
    assert "refused as a whole: b.csv" in outcomes(lab)["quarantine_rate"].description


def test_drift_is_a_warning_with_the_difference(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", "sample_id,test_date,result,viral_load,extra\nA,2024-01-01,POS,1,x\n")
    found = outcomes(lab)["drift"]
    assert (found.passed, found.blocking) == (False, False)
    assert found.table == [{"file": "a.csv", "kind": "extra", "columns": "extra"}]


@pytest.mark.parametrize(
    ("now", "late"),
    [
        (dt.datetime(2026, 3, 16, 8, 0), False),  # Monday, before it is due
        (dt.datetime(2026, 3, 16, 9, 30), False),  # last week's delivery lies within the last period
        (dt.datetime(2026, 3, 16, 13, 0), True),  # due at nine, three hours of grace
    ],
)
def test_freshness_knows_when_a_delivery_was_due(bench: Make, now: dt.datetime, late: bool) -> None:
    lab = bench(quality={"freshness": {"cron": "0 9 * * 1", "grace_hours": 3}, "max_quarantined": 1.0})
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    moment = dt.datetime(2026, 3, 6, 12, 0)  # a Friday: in time for the Monday of the 9th, not for the 16th
    with lab.platform.warehouse.connect() as connection:
        connection.execute("UPDATE platform.ledger SET delivered_at = ?", [moment])
    assert outcomes(lab, now.replace(tzinfo=AMSTERDAM))["freshness"].passed is not late


def test_rules_that_warn_count_rows_and_reject_none(bench: Make) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "load_if_negative", "check": "platform_assets.rules:negative_has_no_load", "severity": "warn"}
    ]
    lab = bench({**LAB, "rules": rules})
    (entry,) = lab.send("a.csv", HEAD + "A,2024-01-01,NEG,5\nB,2024-01-01,NEG,\n").entries
    assert entry.valid == 2
    found = outcomes(lab)["rules"]
    assert (found.passed, found.blocking, found.numbers["load_if_negative"]) == (False, False, 1)


def test_a_rule_of_severity_error_quarantines(bench: Make) -> None:
    rules = [
        {"name": "load_if_negative", "check": "platform_assets.rules:negative_has_no_load", "description": "says no"}
    ]
    lab = bench({**LAB, "rules": rules})
    lab.send("a.csv", HEAD + "A,2024-01-01,NEG,5\nB,2024-01-01,NEG,\n")
    assert lab.sql("SELECT sample_id, _reasons FROM {quarantine}") == [("A", ["row: says no"])]
