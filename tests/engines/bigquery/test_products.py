"""Tables of an R indicator and its product in BigQuery."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.sql import sql_asset
from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.products import Copies
from resources.environment import Platform
from resources.gcp.bigquery import BigQuery
from tests.conftest import Bench, lab_contract
from tests.releases.place import place_of, rows

pytestmark = pytest.mark.slow
PUBLIC = """#' Tests by result
#' @input lab  result <text>, test_date <date>
#' @output result <text>, tests <integer>, share <number>, last <date>, seen <time>, many <flag>
#' @publish public everybody may have these numbers
#' @owner team:test
by_result <- function(lab) {
  counts <- table(lab$result)
  data.frame(result = names(counts), tests = as.integer(counts), share = as.numeric(counts) / nrow(lab),
             last = max(lab$test_date), seen = as.POSIXct("2024-07-01 12:30:00", tz = "UTC"), many = as.integer(counts) > 10)
}
"""


def test_tables_are_those_of_the_release_and_personal_ones_are_nowhere_exact(
    platform: Platform, engine: BigQuery, tmp_path: Path
) -> None:
    copies = Copies(engine, platform.warehouse, platform.store)
    place = place_of(platform, tmp_path)
    place.script(tmp_path, PUBLIC, "by_result")
    place.deliver("a.csv", rows())
    release = place.publish().release
    engine.ensure_dataset("indicators")
    engine.query("CREATE TABLE indicators.positives AS SELECT 3 AS exact")  # as it was published before

    def published() -> list[str]:
        return [t.table for n in release.indicators for t in copies.publish_tables(release, n)]

    assert published() == ["indicators.by_result", "products.by_result", "products.positives"]
    assert published() == []
    assert engine.version("indicators.positives") is None
    shown = engine.query("SELECT organisation, positive, tests FROM products.positives ORDER BY organisation")
    table = release.table("positives")
    assert [tuple(r.values()) for r in shown] == list(
        table[["organisation", "positive", "tests"]].itertuples(index=False, name=None)
    )
    whole = engine.query("SELECT * FROM indicators.by_result ORDER BY result")
    moment = dt.datetime(2024, 7, 1, 12, 30)
    assert [r["seen"] for r in whole] == [moment, moment]
    assert sum(r["tests"] for r in whole) == len(rows())


def test_a_sql_indicator_of_the_lake_is_published_with_the_precision_of_its_decimals(
    platform: Platform, engine: BigQuery, tmp_path: Path
) -> None:
    lake = replace(platform, copies=engine)
    lab = Bench(platform, lab_contract())
    public = {lab.contract.name: lab_contract(sensitivity={"public": "Invented for tests."})}
    lab.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\nB,2024-01-01,POS,2\n")
    path = tmp_path / "domain" / "sql" / "load_per_day.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        "-- Loads per day\n--\n-- @owner team:test\n-- @output test_date <date> the day, mean <decimal> of the loads\n"
        f"SELECT test_date, avg(viral_load)::DECIMAL(10, 4) AS mean FROM validated.{lab.contract.name} GROUP BY test_date\n"
    )

    def told(contracts: dict[str, Contract]) -> object:
        done = dg.materialize([sql_asset(path, contracts)], resources={"platform": lake})
        (made,) = done.asset_materializations_for_node("indicators__load_per_day")
        return made.metadata["BigQuery"].value

    assert told(public) == "indicators.load_per_day (1 rows)"
    assert engine.query("SELECT * FROM indicators.load_per_day") == [
        {"test_date": dt.date(2024, 1, 1), "mean": Decimal("1.5000")}
    ]
    assert told(public) == "up to date"
    # of personal data nothing exact leaves, and what was copied before goes
    assert told({lab.contract.name: lab.contract}) == "no table: it is made of personal data"
    assert engine.version("indicators.load_per_day") is None
    assert engine.columns("indicators.load_per_day") == []
