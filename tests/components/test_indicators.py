"""R scripts as assets: whatever one script says, all others load."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.indicators import is_taken, script_assets
from platform_assets.definitions import build_definitions
from resources.environment import INDICATORS, Platform

GOOD = "#' T\n#' @input lab result <text>\n#' @output n <integer>\n#' @owner team:test\nNAME <- function(lab) lab\n"


def write(folder: Path, name: str, text: str = GOOD) -> None:
    (folder / f"{name}.R").write_text(text.replace("NAME", name), encoding="utf-8")


def described(folder: Path, platform: Platform) -> dict[str, str]:
    """Key -> description of all assets of a folder, once Dagster has taken them together."""
    assets = script_assets(folder)
    dg.Definitions(assets=assets, resources={"platform": platform}).resolve_asset_graph()
    return {spec.key.to_user_string(): str(spec.description) for asset in assets for spec in asset.specs}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "r_scripts" / "indicators"
    path.mkdir(parents=True)
    return path


def test_an_owner_that_dagster_would_refuse_is_an_asset_that_says_so(folder: Path, platform: Platform) -> None:
    write(folder, "mine", GOOD.replace("team:test", "Anna Jansen"))
    assets = described(folder, platform)
    assert list(assets) == ["indicators/mine"]
    assert 'mine.R line 4: @owner is "Anna Jansen"; write team:name or an e-mail address' in assets["indicators/mine"]


@pytest.mark.parametrize("layer", ["indicators", "products"])
def test_scripts_that_read_each_other_are_assets_that_say_so(folder: Path, platform: Platform, layer: str) -> None:
    write(folder, "one", GOOD.replace("lab result", "lab from indicators/two result"))
    write(folder, "two", GOOD.replace("lab result", f"lab from {layer}/one result"))
    write(folder, "itself", GOOD.replace("lab result", f"lab from {layer}/itself result"))
    write(folder, "reader", GOOD.replace("lab result", "lab from indicators/one result"))
    assets = described(folder, platform)
    assert sorted(assets) == [*(f"indicators/{n}" for n in ("itself", "one", "reader", "two")), "products/reader"]
    assert "two.R: reads what is made from its own table (two from one from two)" in assets["indicators/two"]
    assert "(itself from itself): correct the @input line" in assets["indicators/itself"]


def test_a_name_that_another_asset_has_is_left_to_it(folder: Path, platform: Platform) -> None:
    for name in ("daily_sales", "drug_graph"):
        write(folder, name)
    assets = described(folder, platform)
    assert list(assets) == ["indicators/daily_sales_r", "indicators/drug_graph_r"]
    assert 'daily_sales.R: the platform has another asset named "daily_sales"' in assets["indicators/daily_sales_r"]


def test_all_names_of_other_assets_are_known(platform: Platform) -> None:
    keys = build_definitions({"platform": platform}).resolve_asset_graph().get_all_asset_keys()
    computed = {key.path[-1] for key in keys if key.path[0] in ("indicators", "products")}
    scripts = {path.stem for path in INDICATORS.glob("*.R")}
    assert {name for name in computed if is_taken(name)} == computed - scripts
