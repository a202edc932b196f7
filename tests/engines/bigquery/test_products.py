"""Tables of an R indicator and its product in BigQuery."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from platform_assets.indicators.product import publish_product

from platform_assets.components.sql import sql_asset
from platform_assets.engines.bigquery.products import Copies
from platform_assets.indicators.compute import compute
from platform_assets.indicators.header import read_indicator
from resources.bigquery import BigQuery
from resources.environment import Platform
from tests.conftest import Bench, lab_contract

pytestmark = pytest.mark.slow
SCRIPT = """#' Tests by result
#' @input lab  result <text>, test_date <date>
#' @output result <text>, tests <integer>, share <number>, last <date>, seen <time>, many <flag>
#' @owner team:test
by_result <- function(lab) {
  counts <- table(lab$result)
  data.frame(result = names(counts), tests = as.integer(counts), share = as.numeric(counts) / nrow(lab),
             last = max(lab$test_date), seen = as.POSIXct("2024-07-01 12:30:00", tz = "UTC"), many = as.integer(counts) > 10)
}
"""


def test_both_tables_are_published_and_follow_the_product(platform: Platform, engine: BigQuery, tmp_path: Path) -> None:
    copies = Copies(engine, platform.warehouse, platform.store)
    path = tmp_path / "r" / "indicators" / "by_result.R"
    path.parent.mkdir(parents=True)
    path.write_text(SCRIPT)
    indicator = read_indicator(path)
    lab = Bench(platform, lab_contract())
    rows = [f"A{n},2024-01-01,{'POS' if n < 3 else 'NEG'},1" for n in range(20)]
    lab.send("a.csv", "sample_id,test_date,result,viral_load\n" + "\n".join(rows) + "\n")

    def published() -> list[str]:
        compute(indicator, platform.warehouse, platform.r)
        return [t.table for t in copies.publish_tables(indicator, publish_product(indicator, platform))]

    assert published() == ["indicators.by_result", "products.by_result"]
    whole = engine.query(f"SELECT * FROM {engine.name('indicators.by_result')} ORDER BY result")
    day, moment = dt.date(2024, 1, 1), dt.datetime(2024, 7, 1, 12, 30)
    assert [tuple(r.values()) for r in whole] == [
        ("NEG", 17, 0.85, day, moment, True),
        ("POS", 3, 0.15, day, moment, False),
    ]
    shown = engine.query(
        f"SELECT tests, share, suppressed FROM {engine.name('products.by_result')} WHERE result = 'POS'"
    )
    assert [tuple(r.values()) for r in shown] == [(None, None, True)]
    assert published() == []
    lab.send("b.csv", "sample_id,test_date,result,viral_load\nB1,2024-01-02,NEG,1\n")
    assert published() == ["indicators.by_result", "products.by_result"]
    assert engine.query(f"SELECT SUM(tests) AS n FROM {engine.name('indicators.by_result')}") == [{"n": 21}]


def test_a_sql_indicator_of_the_lake_is_published_with_the_precision_of_its_decimals(
    platform: Platform, engine: BigQuery, tmp_path: Path
) -> None:
    lake = replace(platform, copies=engine)
    lab = Bench(platform, lab_contract())
    lab.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\nB,2024-01-01,POS,2\n")
    path = tmp_path / "domain" / "sql" / "load_per_day.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        "-- Loads per day\n--\n-- @owner team:test\n-- @output test_date <date> the day, mean <decimal> of the loads\n"
        f"SELECT test_date, avg(viral_load)::DECIMAL(10, 4) AS mean FROM validated.{lab.contract.name} GROUP BY test_date\n"
    )

    def told() -> object:
        (made,) = dg.materialize([sql_asset(path)], resources={"platform": lake}).asset_materializations_for_node(
            "indicators__load_per_day"
        )
        return made.metadata["BigQuery"].value

    assert told() == "indicators.load_per_day (1 rows)"
    assert engine.query("SELECT * FROM indicators.load_per_day") == [
        {"test_date": dt.date(2024, 1, 1), "mean": Decimal("1.5000")}
    ]
    assert told() == "up to date"
