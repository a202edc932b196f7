"""A dataset's asset and a SQL indicator's where BigQuery is the engine, and what the lake gets of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.components.sql import sql_asset
from platform_assets.engines.bigquery.loading.lending import lend
from platform_assets.indicators.compute import InputMissing, used_tables
from platform_assets.indicators.script.header import read_indicator
from platform_assets.ingest import ledger
from platform_assets.summary import summary
from resources.environment import Platform, Settings, resources_for
from resources.gcp.bigquery import BigQuery
from tests.engines.bigquery.place import Both

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
HEAD = "sample_id,test_date,result,viral_load\n"
PERIOD = {"by": "test_date", "unit": "iso_week"}


@pytest.fixture
def big(platform: Platform, engine: BigQuery) -> Platform:
    return replace(platform, engine="bigquery", bigquery=engine)


def materialized(platform: Platform, lab: Both) -> dg.ExecuteInProcessResult:
    definitions = dataset_definitions(lab.lake.contract, "test")
    assets = [a for a in definitions.assets or [] if isinstance(a, dg.AssetsDefinition)]
    return dg.materialize(assets, resources={"platform": platform}, raise_on_error=True)


def test_the_asset_loads_checks_and_tells_what_it_cost(big: Platform, pair: Pair) -> None:
    lab = pair(partition=PERIOD)
    lab.lake.drop("a.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-09,POS,1\nC,2024-01-01,what,1\n")
    result = materialized(big, lab)
    name = lab.lake.contract.name
    (made,) = result.asset_materializations_for_node(f"ingest_{name}")[-1:]
    metadata: dict[str, Any] = {key: value.value for key, value in made.metadata.items()}
    assert made.asset_key == dg.AssetKey(["validated", name])
    assert (metadata["dagster/row_count"], metadata["valid"], metadata["quarantined"]) == (2, 2, 1)
    assert {"bytes BigQuery would scan (dry run)", "bytes BigQuery has scanned"} <= metadata.keys()
    assert [r.data for r in metadata["last partitions"].records] == [
        {"iso_week": "2024-W02", "rows": 1},
        {"iso_week": "2024-W01", "rows": 1},
    ]
    assert {e.check_name for e in result.get_asset_check_evaluations() if e.passed} >= {
        "row_conservation",
        "unique_key",
    }
    assert lab.lake.table("sample_id", "_partition") == [("A", "2024-W01"), ("B", "2024-W02")]
    with big.warehouse.connect(read_only=True) as connection:
        (entry,) = ledger.read(connection, name)
    assert (entry.valid, entry.quarantined) == (2, 1)


def test_a_copy_is_made_only_of_what_is_new_and_small_enough(big: Platform, pair: Pair, tmp_path: Path) -> None:
    lab = pair()
    lab.lake.drop("a.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n")
    small = replace(big, settings=replace(big.settings, copied_rows=1))
    materialized(small, lab)
    assert lab.big.sql("SELECT COUNT(*) FROM {validated}") == [(2,)]
    assert big.bigquery is not None
    parts = lab.lake.contract, big.bigquery, big.warehouse, big.store, big.keys
    assert lend(*parts, most=2) == "2 rows copied to the lake"
    assert lend(*parts, most=2) == "the lake's copy is up to date"
    lab.lake.drop("b.csv", HEAD + "A,2024-01-01,NEG,1\n")
    materialized(big, lab)
    assert lab.lake.table("sample_id", "result") == [("A", "NEG"), ("B", "POS")]
    # it has grown too large: no old copy stays, the ledger goes on telling
    lab.lake.drop("c.csv", HEAD + "C,2024-01-01,NEG,1\n")
    materialized(small, lab)
    name = lab.lake.contract.name
    with big.warehouse.connect(read_only=True) as connection:
        assert big.warehouse.columns(connection, f"validated.{name}") == {}
        assert [e.file for e in ledger.read(connection, name)] == ["a.csv", "b.csv", "c.csv"]
        script = tmp_path / "mean_load.R"
        script.write_text(
            f"#' Mean\n#' @input tests from validated/{name} viral_load <integer>\n#' @output n <integer> how many\n#' @owner team:test\nmean_load <- function(tests) data.frame(n = nrow(tests))\n"
        )
        indicator = read_indicator(script)
        with pytest.raises(InputMissing, match="stays in BigQuery"):
            used_tables(indicator, big.warehouse, connection)
    assert "BigQuery" in summary(small)
    materialized(small, lab)
    assert lend(*parts, most=1).startswith("3 rows stay in BigQuery")
    assert lend(*parts, most=3) == "3 rows copied to the lake"


def test_a_lake_that_was_the_engine_before_is_not_overwritten(big: Platform, pair: Pair) -> None:
    lab = pair()
    lab.lake.send("before.csv", HEAD + "A,2024-01-01,POS,1\n")
    lab.lake.drop("after.csv", HEAD + "B,2024-01-01,POS,1\n")
    materialized(big, lab)
    assert lab.lake.table("sample_id") == [("A",)]
    (archived,) = (f for f in (big.settings.home / "archive").rglob("before.csv"))
    lab.lake.drop("before.csv", archived.read_text())
    materialized(big, lab)
    assert lab.lake.table("sample_id") == [("A",), ("B",)]


def test_a_sql_indicator_runs_there_and_is_copied(big: Platform, pair: Pair, tmp_path: Path) -> None:
    lab = pair()
    lab.lake.drop("a.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,2\n")
    materialized(big, lab)
    folder = tmp_path / "domain" / "sql"
    folder.mkdir(parents=True)
    name = f"loads_{lab.lake.contract.name}"
    path = folder / f"{name}.sql"
    path.write_text(
        "-- Loads per day\n--\n-- @owner team:test\n-- @output test_date <date> the day, mean <decimal> of the loads\n"
        f"SELECT test_date, avg(viral_load)::DECIMAL(10, 4) AS mean FROM validated.{lab.lake.contract.name} GROUP BY test_date\n"
    )

    def run() -> dict[str, object]:
        (made,) = dg.materialize([sql_asset(path, {})], resources={"platform": big}).asset_materializations_for_node(
            f"indicators__{name}"
        )
        return {key: value.value for key, value in made.metadata.items()}

    assert run()["run"] == "computed by BigQuery"
    assert re.search(rf"{name} +1 +20", summary(big))
    with big.warehouse.connect(read_only=True) as connection:
        assert str(connection.execute(f"SELECT mean FROM indicators.{name}").fetchall()[0][0]).rstrip("0") == "1.5"
        before = big.warehouse.state(connection, f"indicators.{name}")
    assert str(run()["run"]).startswith("nothing ran")
    with big.warehouse.connect(read_only=True) as connection:
        assert big.warehouse.state(connection, f"indicators.{name}") == before


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "PLATFORM_BUCKET": "bucket",
        "PLATFORM_LAKE": "gs://bucket/lake",
        "PLATFORM_CATALOG": "postgresql://user@localhost:5432/lake",
        "PLATFORM_BIGQUERY_PROJECT": "project",
        "PLATFORM_BIGQUERY_LOCATION": "europe-west4",
        "PLATFORM_BIGQUERY_MAX_BYTES": "1000",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_engine_is_chosen_by_the_environment(cloud: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine="bigquery")
    platform = resources_for("cloud", settings)
    assert platform.engine == "bigquery"
    assert platform.bigquery is not None
    assert (platform.bigquery.project, platform.bigquery.location, platform.bucket) == (
        "project",
        "europe-west4",
        "bucket",
    )
    assert platform.bigquery.maximum_bytes_billed == 1000
    lake = resources_for("cloud", Settings(home=tmp_path))
    assert (lake.engine, lake.bigquery) == ("lake", None)
    assert lake.copies is not None  # indicators and products are published all the same
    assert platform.copies is None
    with pytest.raises(ValueError, match="PLATFORM_ENGINE=bigquery needs PLATFORM_ENV=cloud"):
        resources_for("laptop", settings)
    with pytest.raises(ValueError, match="PLATFORM_ENGINE='spark' is not known"):
        resources_for("laptop", Settings(home=tmp_path, engine="spark"))
    cloud.delenv("PLATFORM_BIGQUERY_PROJECT")
    with pytest.raises(ValueError, match="PLATFORM_BIGQUERY_PROJECT"):
        resources_for("cloud", settings)
    assert resources_for("cloud", Settings(home=tmp_path)).copies is None
