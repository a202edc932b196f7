"""R scripts as assets: whatever one script says, all others load."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.indicators import is_taken, script_assets
from platform_assets.definitions import build_definitions
from resources.environment import INDICATORS, Platform
from resources.markdown import unescaped
from tests.conftest import Bench

GOOD = "#' T\n#' @input lab result <text>\n#' @output n <integer>\n#' @owner team:test\nNAME <- function(lab) lab\n"


def write(folder: Path, name: str, text: str = GOOD) -> None:
    (folder / f"{name}.R").write_text(text.replace("NAME", name), encoding="utf-8")


def described(folder: Path, platform: Platform) -> dict[str, str]:
    """Key -> description of all assets of a folder, as it is read, once Dagster has taken them together."""
    assets = script_assets(folder)
    dg.Definitions(assets=assets, resources={"platform": platform}).resolve_asset_graph()
    return {spec.key.to_user_string(): unescaped(str(spec.description)) for asset in assets for spec in asset.specs}


@pytest.fixture
def lab(bench: Callable[..., Bench]) -> Bench:
    made = bench()
    made.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\n")
    return made


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
    assert sorted(assets) == [f"indicators/{n}" for n in ("itself", "one", "reader", "two")]
    assert "two.R: reads what is made from its own table (two from one from two)" in assets["indicators/two"]
    assert "(itself from itself): correct the @input line" in assets["indicators/itself"]


def test_a_name_that_another_asset_has_is_left_to_it(folder: Path, platform: Platform) -> None:
    for name in ("daily_sales", "drug_graph"):
        write(folder, name)
    assets = described(folder, platform)
    assert list(assets) == ["indicators/daily_sales_r", "indicators/drug_graph_r"]
    said = assets["indicators/daily_sales_r"]
    assert 'daily_sales.R: the platform has another asset named "daily_sales"' in said
    assert "from platform_assets/defs/sales/sql/daily_sales.sql; rename the file and the function" in said
    assert "from platform_assets/components/literature.py;" in assets["indicators/drug_graph_r"]


def test_all_names_of_other_assets_are_known(platform: Platform) -> None:
    keys = build_definitions({"platform": platform}).resolve_asset_graph().get_all_asset_keys()
    computed = {key.path[-1] for key in keys if key.path[0] in ("indicators", "products")}
    scripts = {path.stem for path in INDICATORS.glob("*.R")}
    assert {name for name in computed if is_taken(name)} == computed - scripts


SLEEPER = """#' T
#' @input lab result <text>
#' @output n <integer>
#' @owner team:test
NAME <- function(lab) {
  Sys.sleep(3)
  message("n = 1")
  data.frame(n = nrow(lab))
}
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: there is nothing to run side by side on")
def test_indicators_of_one_run_are_computed_side_by_side(folder: Path, lab: Bench) -> None:
    for name in ("first", "second"):
        write(folder, name, SLEEPER.replace("lab result", f"{lab.contract.name} result"))
    assets = [a for a in script_assets(folder) if a.key.path[0] == "indicators"]
    definitions = dg.Definitions(assets=assets, resources={"platform": lab.platform}, executor=dg.in_process_executor)
    run = definitions.resolve_implicit_global_asset_job_def().execute_in_process()
    assert run.success
    seconds = {e.step_key: e.step_success_data.duration_ms / 1000 for e in run.all_node_events if e.is_step_success}
    assert min(seconds.values()) < 3, "the second step slept again: it was not run ahead"
    assert lab.sql("SELECT n FROM indicators.first UNION ALL SELECT n FROM indicators.second") == [(1,), (1,)]


MISSPELLED = """#' T
#' @input lab result <text>
#' @output n <integer>
#' @owner team:test
NAME <- function(lab) {
  tested <- sum(lab$resutl == "POS")
  also <- sum(lab$viral_load)
  data.frame(n = as.integer(tested))
}
"""


def test_a_misspelled_column_warns_wherever_the_run_is_looked_at(folder: Path, lab: Bench) -> None:
    write(folder, "zero", MISSPELLED)
    asset = next(a for a in script_assets(folder) if a.key.path[0] == "indicators")
    spelled = "lab$resutl: the @input line has no column resutl; it has result  [zero.R:6]"
    withheld = "lab$viral_load: lab has this column, but its @input line does not name it, so it is not there: add viral_load <type>  [zero.R:7]"
    for times in ("runs", "runs nothing, as nothing has changed"):
        with dg.DagsterInstance.ephemeral() as instance:
            run = dg.materialize([asset], resources={"platform": lab.platform}, instance=instance)
            logged = [e.user_message for e in instance.all_logs(run.run_id) if int(e.level) >= 30]
        assert lab.sql("SELECT n FROM indicators.zero") == [(0,)]
        assert [f"zero: note: {spelled}", f"zero: note: {withheld}"] == logged, times
        (materialized,) = run.asset_materializations_for_node("indicators__zero")
        assert materialized.metadata["notes on the script"].value == f"{spelled}\n{withheld}"
        (check,) = run.get_asset_check_evaluations()
        assert (check.check_name, check.passed, check.severity) == ("names", False, dg.AssetCheckSeverity.WARN)
        assert check.metadata["notes on the script"].value == f"{spelled}\n{withheld}"


def test_a_script_that_asks_for_what_it_declares_passes_the_check_of_names(folder: Path, lab: Bench) -> None:
    write(
        folder,
        "right",
        MISSPELLED.replace("result <text>", "result <text>, viral_load <integer>").replace("resutl", "result"),
    )
    asset = next(a for a in script_assets(folder) if a.key.path[0] == "indicators")
    run = dg.materialize([asset], resources={"platform": lab.platform})
    assert lab.sql("SELECT n FROM indicators.right") == [(1,)]
    assert [(c.check_name, c.passed) for c in run.get_asset_check_evaluations()] == [("names", True)]
