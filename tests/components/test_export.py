"""An export as Dagster shows it: partitions are windows, a run makes and delivers, a sensor asks for what is due."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.components.export import export_definitions
from platform_assets.exports import ledger
from resources.environment import Platform
from tests.exports.exporting import JANUARY, ROW_LEVEL, Shop, export_of
from tests.places import KEYS, Place

KEY = dg.AssetKey(["exports", "results_for_agency"])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    (tmp_path / "shop").mkdir()
    made = Shop(tmp_path / "shop")
    made.place.deliver("w1.csv", *JANUARY)
    for name, value in {**made.environment, **KEYS}.items():
        monkeypatch.setenv(name, value)
    return made


def run(shop: Shop, platform: Platform, partition: str | None, *, on: bool = True) -> dg.ExecuteInProcessResult:
    place: Place = shop.place
    settings = replace(platform.settings, home=place.home, deliveries=on)
    here = replace(platform, settings=settings, warehouse=place.warehouse, store=place.store, keys=place.keys)
    made = export_definitions(shop.export, shop.folder, {"lab_results": place.contract})
    (asset,) = made.assets or ()
    assert isinstance(asset, dg.AssetsDefinition)
    return dg.materialize([asset], resources={"platform": here}, partition_key=partition, raise_on_error=False)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def test_a_run_makes_and_delivers_and_the_next_is_green_and_skipped(shop: Shop, platform: Platform) -> None:
    result = run(shop, platform, "2026-01-01")
    assert result.success
    (made,) = result.get_asset_materialization_events()
    metadata = made.materialization.metadata
    assert metadata["dagster/row_count"].value == 2
    assert list(shop.lying()) == ["results_202601.csv"]
    assert checks(result) == {"sent": True, "answered": True}
    shown = str(made) + str([e.message for e in result.all_events])
    assert not re.search(r"PATIENT|A-000\d", shown)
    again = run(shop, platform, "2026-01-01")
    assert again.success
    assert again.get_asset_materialization_events() == []
    assert checks(again) == {"sent": True, "answered": True}


def test_without_a_window_it_says_what_to_choose(shop: Shop, platform: Platform) -> None:
    (failed,) = [e for e in run(shop, platform, None).all_events if e.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    assert "choose one" in str(failed.step_failure_data.user_failure_data.description)


def test_where_deliveries_are_off_files_wait(shop: Shop, platform: Platform) -> None:
    result = run(shop, platform, "2026-01-01", on=False)
    assert result.success
    assert checks(result) == {"sent": False, "answered": True}
    assert shop.lying() == {}
    assert [e.state for e in ledger.read(shop.place.warehouse)] == ["pending"]


def test_a_delivery_that_fails_is_a_failed_check_of_a_good_run(shop: Shop, platform: Platform) -> None:
    shop.share.rmdir()
    result = run(shop, platform, "2026-01-01")
    assert result.success
    assert checks(result) == {"sent": False, "answered": True}
    (said,) = [e.description for e in result.get_asset_check_evaluations() if e.check_name == "sent"]
    assert said is not None
    assert "the folder is not there" in said.replace("\\", "")


def test_what_may_not_leave_is_no_definition(tmp_path: Path) -> None:
    contracts = {"lab_results": Place(tmp_path / "home").contract}
    for changes in ({"row_level": None}, {"file": {"name": "same.csv"}}):
        with pytest.raises(ValueError, match=r"row_level|would both be"):
            export_definitions(export_of(**changes), tmp_path, contracts)


def test_the_sensor_asks_for_closed_windows_and_then_for_nothing(shop: Shop, platform: Platform) -> None:
    place = shop.place
    definitions = export_definitions(shop.export, shop.folder, {"lab_results": place.contract})
    here = replace(
        platform, settings=replace(platform.settings, deliveries=True), warehouse=place.warehouse, store=place.store
    )
    definitions = dg.Definitions.merge(definitions, dg.Definitions(resources={"platform": here}))

    def asked() -> list[Any]:
        sensor = definitions.resolve_sensor_def("export_results_for_agency")
        with dg.build_sensor_context(
            resources=definitions.resources, instance=dg.DagsterInstance.ephemeral(), definitions=definitions
        ) as context:
            return list(sensor.evaluate_tick(context).run_requests or ())

    wanted = [request.partition_key for request in asked()]
    assert wanted[:2] == ["2026-01-01", "2026-02-01"]
    for key in wanted:
        shop.maker.make(key, dt.datetime.now(dt.UTC))
    assert [r.partition_key for r in asked()] == ["2026-01-01"]  # it waits to be sent; the other windows are empty
    shop.deliver()
    assert asked() == []


def test_row_level_is_told_in_the_description(tmp_path: Path) -> None:
    made = export_definitions(export_of(), tmp_path, {"lab_results": Place(tmp_path / "home").contract})
    (asset,) = made.assets or ()
    assert isinstance(asset, dg.AssetsDefinition)
    assert ROW_LEVEL["recipient"] in str(asset.descriptions_by_key[KEY])
