"""Markup in data, on every page of the console and in a real browser: it is shown, and does nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from platform_assets.access.roles import Role
from tests.components.test_markup import assert_no_markup
from tests.console.conftest import REPOSITORY, free_port, process
from tests.console.test_pages import PAGES, opened, person
from tests.places import Place, lab_contract
from tests.resources.text.markup import HOST, MARK, SAMPLES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

MARKDOWN = ("markdown", "error", "warning", "info", "success", "caption", "title", "header", "subheader", "toast")
LABELLED = ("button", "checkbox", "text_input", "selectbox", "tab", "expander", "metric", "radio", "multiselect")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Names of files, of columns and of laboratories, values and reasons that are markup."""
    made = Place(tmp_path_factory.mktemp("home"), lab_contract(description=SAMPLES[0]))
    for number, sample in enumerate(SAMPLES[:12]):
        line = " ".join(sample.split()).replace('"', "'")
        name = f"{line.replace('/', '_')[:60]}-{number}.csv"
        rows = [f'N-{number}-{n},P-{n},"{line}",2024-01-0{n % 7 + 1},NEG,' for n in range(12)]
        rows += [f'C-{number},P-9,"{line}",2024-13-02,"{line}",', f'"{line}",P-9,north,"{line}",POS,x']
        made.deliver(
            name,
            *rows,
            header=f'sample_id,patient_id,lab,test_date,result,viral_load,"{line}"'.removesuffix(f',"{line}"'),
        )
        made.drop(f"waits-{name}", "sample_id\nA-1\n")
    return made


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("role", [Role.STEWARD, Role.ANALYST])
def test_no_page_makes_markup_of_data(place: Place, name: str, role: Role) -> None:
    at = opened(name, place, person(role))
    assert not at.exception
    shown = [str(getattr(e, "value", "")) for kind in MARKDOWN for e in at.get(kind)]
    shown += [str(getattr(e, "label", "")) for kind in LABELLED for e in at.get(kind)]
    assert shown
    for text in shown:
        assert_no_markup(text.removeprefix("# ").removeprefix("## "))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    script = Path(__file__).with_name("markup_page.py")
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    log = tmp_path_factory.mktemp("page") / "log"
    with process(command, environment, f"http://127.0.0.1:{port}/_stcore/health", log):
        yield f"http://127.0.0.1:{port}"


def visited(browser: Browser, url: str) -> tuple[list[str], dict[str, int], str]:
    """Requests that left the machine's own address, elements that markup would make, and the text of the page."""
    tab = browser.new_page()
    left: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            left.append(request.url)

    tab.on("request", note)
    tab.goto(url)
    tab.get_by_text("the end of the page").wait_for(timeout=120_000)
    # parts of the page are drawn after its end: what shows Markdown is loaded when it is first needed
    tab.locator("[data-testid='stMarkdownContainer']", has_text="markup.invalid").first.wait_for(timeout=120_000)
    before = ""
    while before != (now := tab.content()):
        before = now
        tab.wait_for_timeout(1000)
    main = "[data-testid='stMain'] "
    kinds = (
        "img",
        "a",
        "em",
        "strong",
        "del",
        "table",
        "pre",
        "blockquote",
        "ol",
        "ul",
        "hr",
        ".katex",
        "iframe",
        "script",
        "sup",
    )
    # Streamlit puts a link to itself beside each heading
    count = {k: tab.locator(main + (k if k != "a" else "a:not([href^='#'])")).count() for k in kinds}
    text = tab.locator(main).inner_text()
    tab.close()
    return left, {k: n for k, n in count.items() if n}, text


@pytest.mark.slow
def test_a_browser_shows_it_makes_nothing_of_it_and_asks_nobody(browser: Browser, page: str) -> None:
    left, made, _ = visited(browser, f"{page}/?escaped=no")  # so that this test can fail
    assert left == [f"{HOST}/control.png"]
    assert made["a"] >= 1
    left, made, text = visited(browser, page)
    assert left == []
    assert made == {}
    assert f"![{MARK}]({HOST}/b.png)" in text.replace("\u2060", "")
    assert "\U0001f604" not in text  # :smile:
    assert ":smile:" in text.replace("\u2060", "")
    assert "->" in text.replace("\u2060", "")
