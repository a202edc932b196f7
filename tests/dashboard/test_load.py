"""Many people at once while a release is published: no error, and no page that mixes two releases. How quick it is takes a quiet machine: `make soak`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.dashboard import Seen, country, load
from platform_assets.releases import reading

pytestmark = [pytest.mark.slow, pytest.mark.soak]
PEOPLE, SECONDS = "PLATFORM_LOAD_PEOPLE", "PLATFORM_LOAD_SECONDS"


def nothing_mixed(seen: Seen, release: str, before: str) -> None:
    assert not seen.wrong
    assert set(seen.releases) == {before, release}, "people saw both, each page one"
    assert min(seen.releases.values()) > 0


def test_a_few_people_see_one_release_or_the_other(tmp_path: Path) -> None:
    found = country(tmp_path, hospitals=12, indicators=3, cases=6_000)
    before = reading.current(found.platform.store)
    assert before
    seen, release = load(found, people=20, seconds=30)
    nothing_mixed(seen, release, before.id)


def test_a_thousand_people_on_a_monday_morning(tmp_path: Path) -> None:
    """120 hospitals, 20 indicators, a million cases. The two variables make it smaller where the machine is not to be had."""
    people, seconds = int(os.environ.get(PEOPLE, "1000")), float(os.environ.get(SECONDS, "300"))
    found = country(tmp_path)
    before = reading.current(found.platform.store)
    assert before
    seen, release = load(found, people, seconds)
    nothing_mixed(seen, release, before.id)
    assert len(seen.took) > people * seconds / 5 * 0.8, "a click every five seconds was answered"
    assert seen.part(0.95) < 0.3
    assert seen.largest < 500
