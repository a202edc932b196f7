"""A .sql file as an asset: dependencies, checks, and files that are wrong."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.components.sql import sql_asset
from platform_assets.contracts.files import DEFS, read_contracts
from platform_assets.contracts.model import Public
from resources.environment import Platform
from resources.lake.warehouse import scalar
from resources.markdown import unescaped

SQL = DEFS / "sales" / "sql"
KEY = dg.AssetKey(["indicators", "daily_sales"])
CONTRACTS = read_contracts()


@pytest.fixture
def transactions(platform: Platform) -> dg.AssetsDefinition:
    """The dataset's asset, with two lines waiting in landing."""
    target = platform.settings.home / "landing" / "transactions" / "a.csv"
    target.parent.mkdir(parents=True)
    target.write_text(
        "date,order_id,client_id,prod_id,prod_price,prod_qty\n01/03/2019,1,7,11,2.50,2\n01/03/2020,2,7,11,2.50,2\n"
    )
    definitions = dataset_definitions(read_contracts()["transactions"], "sales")
    (asset,) = [a for a in definitions.assets or [] if isinstance(a, dg.AssetsDefinition)]
    return asset


def run(platform: Platform, *assets: dg.AssetsDefinition, config: dict[str, object] | None = None) -> dg.ExecuteInProcessResult:  # fmt: skip
    return dg.materialize(
        assets,
        resources={"platform": platform},
        run_config={"ops": {"indicators__daily_sales": {"config": config}}} if config else None,
        raise_on_error=False,
    )


def days(platform: Platform) -> int:
    """Rows of the table."""
    with platform.warehouse.connect(read_only=True) as connection:
        return int(scalar(connection, "SELECT count(*) FROM indicators.daily_sales"))


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations() if e.asset_key == KEY}


def test_the_file_alone_makes_the_asset(platform: Platform) -> None:
    asset = sql_asset(SQL / "client_sales_by_type.sql", CONTRACTS)
    (spec,) = asset.specs
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {
        "validated/transactions",
        "validated/product_nomenclature",
    }
    assert list(spec.owners) == ["team:sales"]
    assert spec.tags["domain"] == "sales"
    assert [c.name for c in spec.metadata["dagster/column_schema"].columns] == [
        "client_id",
        "ventes_meuble",
        "ventes_deco",
    ]


def test_a_run_gives_the_table_and_both_checks(platform: Platform, transactions: dg.AssetsDefinition) -> None:
    result = run(platform, transactions, sql_asset(SQL / "daily_sales.sql", CONTRACTS))
    assert result.success
    assert checks(result) == {"output_schema": True, "bigquery": True}
    (made,) = [e.materialization for e in result.get_asset_materialization_events() if e.asset_key == KEY]
    # who can open Dagster sees nothing exact of personal data, not even how many clients there are
    assert not [name for name in made.metadata if "row" in name]
    assert "rows" not in repr(made.metadata["made from"])
    assert days(platform) == 1
    assert made.metadata["parameters"].value == {"since": "2019-01-01", "until": "2019-12-31"}
    (said,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "bigquery"]
    assert "@since" in str(said.metadata["query"].value)


def test_a_run_can_set_parameters(platform: Platform, transactions: dg.AssetsDefinition) -> None:
    result = run(platform, transactions, sql_asset(SQL / "daily_sales.sql", CONTRACTS), config={"until": "2020-12-31"})
    (made,) = [e.materialization for e in result.get_asset_materialization_events() if e.asset_key == KEY]
    assert made.metadata["parameters"].value == {"since": "2019-01-01", "until": "2020-12-31"}
    assert days(platform) == 2


def test_a_table_of_public_data_alone_tells_its_rows(platform: Platform, transactions: dg.AssetsDefinition) -> None:
    public = {
        n: c.model_copy(update={"sensitivity": Public(public="Invented for tests.")}) for n, c in CONTRACTS.items()
    }
    result = run(platform, transactions, sql_asset(SQL / "daily_sales.sql", public))
    (made,) = [e.materialization for e in result.get_asset_materialization_events() if e.asset_key == KEY]
    assert made.metadata["dagster/row_count"].value == 1


def test_other_columns_than_declared_are_a_failed_check_and_no_table(
    platform: Platform, transactions: dg.AssetsDefinition, tmp_path: Path
) -> None:
    path = tmp_path / "daily_sales.sql"
    path.write_text((SQL / "daily_sales.sql").read_text().replace("AS ventes", "AS turnover"))
    result = run(platform, transactions, sql_asset(path, CONTRACTS))
    assert result.success
    assert checks(result) == {"output_schema": False, "bigquery": True}
    assert [e for e in result.get_asset_materialization_events() if e.asset_key == KEY] == []


def test_a_file_that_cannot_be_read_is_an_asset_that_says_so(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "daily_sales.sql"
    path.write_text("-- Sales\n-- @owner team:sales\nSELECT 1 AS one FROM validated.transactions\n")
    asset = sql_asset(path, CONTRACTS)
    assert "no @output line" in unescaped(str(next(iter(asset.specs)).description))
    assert not run(platform, asset).success
