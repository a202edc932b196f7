"""The weekly job on sample data, once with each engine: the same accounts, the same indicators."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.definitions import build_definitions
from platform_assets.sample import write as write_sample
from resources.environment import Platform, Settings, resources_for
from resources.gcp.bigquery import BigQuery
from resources.lake.warehouse import scalar
from tests.engines.bigquery.place import FIGURES

pytestmark = (
    pytest.mark.soak
)  # two whole weekly jobs; what each engine makes of one load is compared in test_both_engines
UNTIL = dt.date(2026, 3, 16)


def weekly(platform: Platform) -> dg.ExecuteInProcessResult:
    write_sample(platform.settings.home, UNTIL)
    return build_definitions({"platform": platform}).resolve_job_def("weekly").execute_in_process()


def told(result: dg.ExecuteInProcessResult) -> set[tuple[str, str, bool]]:
    """What every check said."""
    found = result.get_asset_check_evaluations()
    return {(e.asset_key.to_user_string(), e.check_name, e.passed) for e in found}


def contents(platform: Platform) -> dict[str, list[tuple[Any, ...]]]:
    """The ledger, what stewards see, and every computed table."""
    with platform.warehouse.connect(read_only=True) as connection:
        listed = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name IN ('indicators', 'quarantine') ORDER BY 1"
        ).fetchall()
        found = {
            table: connection.execute(
                f"SELECT COLUMNS(c -> c <> '_quarantined_at') FROM {table} ORDER BY ALL"
            ).fetchall()
            for (table,) in listed
        }
        figures = ", ".join(f for f in FIGURES if f != "file")
        found["ledger"] = connection.execute(
            f"SELECT dataset, delivery, {figures} FROM platform.ledger ORDER BY ALL"
        ).fetchall()
    return found


def test_the_weekly_job_tells_the_same_with_either_engine(engine: BigQuery, tmp_path: Path) -> None:
    lake = resources_for("laptop", Settings(home=tmp_path / "lake", settle_seconds=0))
    there = resources_for("laptop", Settings(home=tmp_path / "big", settle_seconds=0))
    big = replace(there, engine="bigquery", bigquery=engine)
    ours, theirs = weekly(lake), weekly(big)
    assert ours.success
    assert theirs.success
    assert told(theirs) == told(ours)
    expected, found = contents(lake), contents(big)
    with lake.warehouse.connect(read_only=True) as connection:
        for (dataset,) in connection.execute("SELECT DISTINCT dataset FROM platform.ledger").fetchall():
            assert engine.rows(f"validated.{dataset}") == scalar(
                connection, f"SELECT count(*) FROM validated.{dataset}"
            )
    assert found.keys() == expected.keys()
    for table, rows in expected.items():
        assert found[table] == rows, table
