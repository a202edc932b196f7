"""What clinicians came for, on a slow computer and a slow line: four times slower, 10 Mbit/s, 40 ms. Times take many tries: `make soak`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from dashboard import words
from tests.console.conftest import browser as browser
from tests.dashboard.house import House
from tests.dashboard.test_browser import PAGES, opened, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.soak]
TIMES = 20


@pytest.fixture(scope="module")
def laptop(house: House) -> Iterator[str]:
    with served(house) as url:
        yield url


def slowed(page: Page) -> None:
    """As from a hospital's computer."""
    tools = page.context.new_cdp_session(page)
    tools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    tools.send("Network.enable")
    speed = 10_000_000 / 8
    tools.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 40, "downloadThroughput": speed, "uploadThroughput": speed},
    )


def test_a_surgeon_opens_the_overview_and_sees_where_to_look(browser: Browser, laptop: str) -> None:
    painted = []
    for _ in range(TIMES):
        with opened(browser) as page:  # a new window: nothing is kept from before
            slowed(page)
            page.goto(laptop + PAGES["overview"])
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
            painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            sizes = page.evaluate(
                "[performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource')].map(e => e.transferSize)"
            )
            assert sum(sizes) < 150_000
            first = page.locator(".card").first
            assert first.bounding_box()["y"] < 768  # type: ignore[index]
            assert words.MEANINGS[words.Tone.WORSE] in first.inner_text()
    assert statistics.median(painted) < 1000
