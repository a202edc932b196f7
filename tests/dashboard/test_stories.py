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


P95 = 19
"""Of twenty parts."""


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


READY = """choice => new Promise((done, fail) => {
  const [field, level] = choice, main = document.querySelector('main'), select = main.querySelector(`[name=${field}]`);
  delete main.dataset.state;
  const begun = performance.now();
  new MutationObserver((_, watching) => { if (main.dataset.state === 'ready') {
    watching.disconnect(); requestAnimationFrame(() => done(performance.now() - begun)); } }).observe(main, {attributes: true});
  select.value = level;
  select.dispatchEvent(new Event('change', {bubbles: true}));
  setTimeout(() => fail(new Error('not drawn')), 10000);
})"""
"""Milliseconds from a choice to the new page being drawn."""


def test_a_filter_answers_at_once(browser: Browser, laptop: str) -> None:
    """Fifty changes of filters and periods; the median change is quick, and hardly any is slow."""
    choices = [
        ("only_part", "first half"),
        ("only_clinic", "other"),
        ("by", "week"),
        ("only_part", ""),
        ("by", "month"),
    ]
    with opened(browser) as page:
        page.goto(laptop + PAGES["order"])
        slowed(page)
        for choice in choices:  # the first of each is made; those that follow are as on any other day
            page.evaluate(READY, list(choice))
        took = [page.evaluate(READY, list(choices[n % len(choices)])) for n in range(50)]
        assert page.locator("section.private").get_by_label("Counted by").input_value() == "month"
    assert statistics.quantiles(took, n=20)[P95 - 1] < 200


def test_the_first_cases_are_there_soon(browser: Browser, laptop: str) -> None:
    took = []
    with opened(browser) as page:
        slowed(page)
        for _ in range(TIMES):
            page.goto(laptop + PAGES["cases"])
            took.append(page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
        assert page.locator("table.cases tbody tr").count() > 0
    assert statistics.median(took) < 500
