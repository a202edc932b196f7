"""A partner that does not answer: people are told once, by the channels that there are, and told again when the answer comes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.export import export_definitions
from tests.exports.exporting import FOLDER, JANUARY, Shop
from tests.monitoring.conftest import Watch
from tests.places import KEYS

CHECK = "exports/results_for_agency: the check answered failed"


def visit(watch: Watch, shop: Shop) -> None:
    """What the sensor asks for each hour as long as an answer is missing."""
    place = shop.place
    settings = replace(watch.platform.settings, home=place.home, deliveries=True)
    here = replace(watch.platform, settings=settings, warehouse=place.warehouse, store=place.store, keys=place.keys)
    made = export_definitions(shop.export, shop.folder, {"lab_results": place.contract})
    (asset,) = made.assets or ()
    assert isinstance(asset, dg.AssetsDefinition)
    result = dg.materialize([asset], instance=watch.instance, resources={"platform": here}, partition_key="2026-01-01")
    assert result.success  # that a partner is silent is no failure of ours


def test_an_answer_that_is_late_is_told_and_so_is_its_coming(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop", deliver={**FOLDER, "acknowledge": {"within": "0 seconds"}})
    shop.place.deliver("w1.csv", *JANUARY)
    for name, value in {**shop.environment, **KEYS}.items():
        monkeypatch.setenv(name, value)
    visit(watch, shop)
    watch.look()
    text = " ".join(message.as_string() for message in watch.mail.messages)
    assert watch.mails() == [f"[ERROR] {CHECK}"]
    assert "no answer within 0 hours" in text
    assert "A-000" not in text
    visit(watch, shop)
    watch.look()
    assert watch.mails() == []  # they know
    (shop.share / "results_202601.csv.ack").write_text("")
    visit(watch, shop)
    watch.look()
    assert watch.mails() == [f"[RESOLVED] {CHECK}"]
