"""Figures of releases as files: of the current release and of no other, each once."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from platform_assets.exports.making import NotMade
from platform_assets.indicators.script.header import read_indicator
from platform_assets.releases import reading
from platform_assets.releases.reading import NoRelease
from resources.environment import INDICATORS
from resources.object_store import ObjectStore
from tests.exports.exporting import NOW, Shop

NAME = "positivity_by_laboratory"
ONE, TWO = "1" * 16, "2" * 16


class Published(Shop):
    """A shop that sends the figures of an indicator."""

    @property
    def maker(self):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        indicators = {NAME: read_indicator(INDICATORS / f"{NAME}.R")}
        return replace(super().maker, indicators=indicators)


def release(store: ObjectStore, number: str, tests: int, indicator: str = NAME) -> None:
    """A sealed release of one table, as `platform_assets.releases` lays it down."""
    out = io.BytesIO()
    pd.DataFrame({"laboratory": ["north", "all together"], "tested": [tests, tests]}).to_parquet(out)
    name = f"{indicator}/{indicator}.parquet"
    manifest = {
        "indicators": {indicator: {"title": "T", "protected": True}},
        "files": {name: hashlib.sha256(out.getvalue()).hexdigest()},
    }
    store.write(f"{reading.FOLDER}/{number}/{name}", out.getvalue())
    store.write(f"{reading.FOLDER}/{number}/{reading.MANIFEST}", json.dumps(manifest).encode())
    reading.set_current(store, number)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    file = {"name": "figures_{release}.csv"}
    return Published(tmp_path, table=None, window=None, row_level=None, published=NAME, file=file)


def test_each_release_makes_one_file_of_its_figures(shop: Shop) -> None:
    assert shop.maker.due(NOW) == []
    assert shop.make(None) is None
    release(shop.place.store, ONE, 30)
    assert shop.maker.due(NOW) == [None]
    made = shop.make(None)
    assert made is not None
    assert (made.window_key, made.rows, made.row_level) == (ONE, 2, False)
    assert shop.text(made) == "laboratory,tested\nnorth,30\nall together,30\n"
    assert shop.make(None) is None
    assert shop.maker.due(NOW) == []
    assert shop.deliver().sent == [f"figures_{ONE}.csv"]
    release(shop.place.store, TWO, 35)
    shop.make(None)
    assert shop.deliver().sent == [f"figures_{TWO}.csv"]
    assert b"35" in shop.lying()[f"figures_{TWO}.csv"]


def test_what_waits_of_a_release_that_was_replaced_does_not_leave(shop: Shop) -> None:
    release(shop.place.store, ONE, 30)
    shop.make(None)
    release(shop.place.store, TWO, 35)
    shop.make(None)
    assert shop.deliver().sent == [f"figures_{TWO}.csv"]
    assert [e.state for e in shop.entries()] == ["withdrawn", "sent"]
    assert list(shop.lying()) == [f"figures_{TWO}.csv"]
    assert shop.deliver().sent == []
    # put back, it is the current one again
    reading.set_current(shop.place.store, ONE)
    assert shop.maker.due(NOW) == [None]
    shop.make(None)
    assert shop.deliver().sent == [f"figures_{ONE}.csv"]


def test_figures_that_are_not_what_was_released_are_no_file(shop: Shop) -> None:
    release(shop.place.store, ONE, 30)
    shop.place.store.write(f"{reading.FOLDER}/{ONE}/{NAME}/{NAME}.parquet", b"PAR1 changed by hand")
    with pytest.raises(NoRelease, match="not what was released"):
        shop.make(None)
    assert shop.entries() == []


def test_an_indicator_that_the_release_lacks_is_said(shop: Shop) -> None:
    release(shop.place.store, ONE, 30, "another")
    assert shop.maker.due(NOW) == []
    with pytest.raises(NotMade, match="not published"):
        shop.make(None)
