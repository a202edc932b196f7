"""A steward's tasks in a real browser, with the number of clicks that each takes; also on a telephone, and by keyboard alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from platform_assets.office import Office
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.tables import RowKey
from resources.environment import Settings, resources_for
from tests.console.conftest import console_at, environment_of
from tests.console.test_browser import HEADER, WAIT, loaded, shot
from tests.places import SECOND

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
PAGES = ("", "upload", "deliveries", "quarantine", "erasure", "reports", "datasets", "audit", "about", "nothing")
LIKE = ["Positive"] * 6 + ["positive"] * 4 + ["POS."] * 2


class Console:
    """A console of its own, and whatever a test loads into it."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home
        self.platform = resources_for("laptop", Settings(home, settle_seconds=0))

    def deliver(self, name: str, rows: list[str]) -> None:
        """A file of lab_results, loaded; what waited before is dismissed."""
        desk = self.desk()
        old = desk.rows(limit=100_000)
        if len(old):
            keys = zip(old["_delivery"], old["_file"], old["_row"], strict=True)
            desk.dismiss([RowKey(d, f, int(r)) for d, f, r in keys], "of another test")
        right = [f"{name[:2].upper()}-{n:03},2024-01-02,NEG,,north,clinic" for n in range(300)]
        self.platform.store.write(f"landing/lab_results/{name}", "\n".join([HEADER, *right, *rows, ""]).encode())
        loaded(self.platform)

    def desk(self) -> Desk:
        """What waits."""
        return Office.of(self.platform).desk("lab_results", SECOND)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("tasks")
    home = folder / "data"
    environment = environment_of(home, PLATFORM_DAGSTER_URL="http://127.0.0.1:9")
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        with console_at(home, environment, folder / "console.log") as url:
            yield Console(url, home)
    finally:
        os.environ.clear()
        os.environ.update(before)


class Hand:
    """A page, and how often something was clicked on it."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, name: str | re.Pattern[str]) -> None:
        """Click a button."""
        self.page.get_by_role("button", name=name).first.click()
        self.clicks += 1


@pytest.fixture
def at(browser: Browser, console: Console) -> Iterator[Callable[..., Hand]]:
    """Opens a page by its address, first thing in a new window, as a bookmark does."""
    opened = []

    def open_(address: str, width: int = 1366, height: int = 900) -> Hand:
        page = browser.new_page(viewport={"width": width, "height": height}, timezone_id="Europe/Amsterdam")
        page.set_default_timeout(WAIT)
        page.goto(f"{console.url}/{address}")
        page.locator("[data-testid=stMain] h1").first.wait_for()
        page.locator("[data-test-script-state='notRunning']").first.wait_for()
        opened.append(page)
        return Hand(page)

    yield open_
    for number, page in enumerate(opened):
        shot(page, f"task-{number}")
        page.close()


def sent(hand: Hand) -> None:
    hand.page.get_by_text(re.compile("rows? sent as")).wait_for()


@pytest.mark.parametrize("width", [1366, 768, 390])
def test_twelve_like_values_are_mended_in_three_clicks(console: Console, at: Callable[..., Hand], width: int) -> None:
    console.deliver(f"l{width}.csv", [f"LL-{width}{n},2024-01-03,{v},5,north,clinic" for n, v in enumerate(LIKE)])
    hand = at("quarantine?dataset=lab_results", width)
    hand.click(re.compile("become .POS"))
    hand.page.get_by_text("touches 12 rows; all of them are right afterwards").wait_for()
    shot(hand.page, f"like-{width}")
    hand.click("Stage 12 rows")
    hand.page.get_by_text("All of them are right now").wait_for()
    hand.click("Send staged fixes")
    sent(hand)
    assert hand.clicks == 3
    assert console.desk().open_rows() == 0
    assert hand.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_thirty_dates_written_otherwise_are_mended_in_three_clicks_and_given_back_in_one(
    console: Console, at: Callable[..., Hand]
) -> None:
    console.deliver("dates.csv", [f"DD-{n:03},{n + 1:02}/01/2024,NEG,,north,clinic" for n in range(30)])
    hand = at("quarantine?dataset=lab_results")
    hand.click(re.compile("^Read as day.month.year"))
    hand.click("Stage 30 rows")
    hand.click(re.compile("^undo Undo|^Undo"))
    hand.page.get_by_text("30 rows are as before").wait_for()
    assert (console.desk().rows()["_state"] == "open").all()
    hand.clicks = 0
    hand.click(re.compile("^Read as day.month.year"))
    hand.click("Stage 30 rows")
    hand.page.get_by_text("All of them are right now").wait_for()
    hand.click("Send staged fixes")
    sent(hand)
    assert hand.clicks == 3


def test_a_renamed_column_is_put_right_at_the_door_in_four_clicks(
    console: Console, at: Callable[..., Hand], tmp_path: Path
) -> None:
    file = tmp_path / "renamed.csv"
    file.write_text(HEADER.replace("test_date", "day") + "\nRR-001,2024-01-02,NEG,,north,clinic\n")
    hand = at("upload")
    hand.page.locator("input[type=file]").set_input_files(str(file))
    hand.clicks += 1
    hand.page.get_by_role("combobox", name=re.compile("Column for test_date")).click()
    hand.page.get_by_role("option", name="day").click()
    hand.clicks += 2
    hand.page.get_by_text("The 1 row is right").wait_for()
    hand.click("Send 1 file")
    hand.page.get_by_text("1 file sent").wait_for()
    assert hand.clicks == 4
    kept = (console.home / "landing" / "lab_results" / "renamed.csv").read_text()
    assert kept.startswith(HEADER)


def test_a_cell_is_typed_before_the_file_is_sent(console: Console, at: Callable[..., Hand], tmp_path: Path) -> None:
    file = tmp_path / "typed.csv"
    file.write_text(f"{HEADER}\nTT-001,2024-01-02,NEG,,north,clinic\nTT-002,2024-01-02,perhaps,,north,clinic\n")
    hand = at("upload")
    page = hand.page
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_text("1 row with a fault").wait_for()
    page.wait_for_timeout(1500)
    box = page.get_by_test_id("stDataFrame").last.bounding_box()
    assert box
    page.mouse.move(box["x"] + 130, box["y"] + 45)
    page.mouse.click(box["x"] + 150, box["y"] + 35 + 17, delay=80)  # the column result, first row
    page.keyboard.press("Enter")
    editor = page.locator("#portal :is(input, textarea)").first
    editor.fill("POS")
    editor.press("Enter")
    page.get_by_text("All 2 rows are right").wait_for()
    shot(page, "typed_at_the_door")
    hand.click("Send 1 file")
    page.get_by_text("1 file sent").wait_for()
    kept = (console.home / "landing" / "lab_results" / "typed.csv").read_text()
    assert kept == file.read_text().replace("perhaps", "POS")


def test_a_cell_that_is_typed_is_judged_at_once_and_a_column_is_pasted(
    console: Console, at: Callable[..., Hand]
) -> None:
    console.deliver("grid.csv", [f"GG-{n},2024-01-03,wrong,5,north,clinic" for n in range(3)])
    hand = at("quarantine?dataset=lab_results", height=1600)
    page = hand.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Stage 0 changed rows").wait_for()
    page.wait_for_timeout(1500)
    box = page.get_by_test_id("stDataFrame").nth(1).bounding_box()
    assert box
    x, y = box["x"] + 180, box["y"] + 35 + 17  # the column result, first row
    page.mouse.move(x - 20, y - 5)
    page.mouse.move(x, y, steps=5)
    page.wait_for_timeout(300)
    page.mouse.click(x, y, delay=80)
    page.keyboard.press(
        "Enter"
    )  # opens the cell: Streamlit's grid may lose the first of fast keys; the form of a row loses none
    editor = page.locator("#portal :is(input, textarea)").first
    editor.fill("POS")
    editor.press("Enter")  # goes on to the next row
    page.get_by_text("1 changed row is right now").wait_for()
    page.evaluate("async () => {await navigator.clipboard.writeText('NEG\\nmaybe')}")
    page.keyboard.press("Control+v")
    page.get_by_text("2 changed rows are right now").wait_for()
    page.get_by_text(re.compile("1 row is still wrong")).wait_for()
    page.get_by_text(re.compile(r"grid\.csv, row 304: The result is not one of")).wait_for()
    shot(page, "grid_judged")
    hand.click("Stage 3 changed rows")
    page.get_by_text("3 fixes staged").wait_for()
    assert sorted(console.desk().rows()["result"]) == ["NEG", "POS", "maybe"]


def test_a_row_is_mended_by_keyboard_alone_on_a_telephone(console: Console, at: Callable[..., Hand]) -> None:
    console.deliver("keys.csv", ["KK-1,2024-01-03,wrong,5,north,clinic"])
    hand = at("quarantine?dataset=lab_results", width=390, height=844)
    page = hand.page

    def reach(name: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            said = page.evaluate(
                "(() => {const e = document.activeElement; if (!['BUTTON', 'SUMMARY', 'INPUT', 'A'].includes(e.tagName)) return ''; return (e.getAttribute('aria-label') || '') + ' ' + (e.labels && e.labels[0] ? e.labels[0].innerText : '') + ' ' + e.innerText})()"
            )
            if name in said:
                return
        raise AssertionError(f"{name} cannot be reached by the Tab key")

    reach("Mend one row as a form")
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name=re.compile("Row to mend")).wait_for()
    reach("Row to mend")
    page.keyboard.type("row")
    page.wait_for_timeout(1000)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text(re.compile("^result: Is not one of")).wait_for()
    reach("result")
    page.keyboard.press("Control+a")
    page.keyboard.type("POS")
    page.keyboard.press("Enter")
    page.get_by_text("The row is right now").wait_for()
    shot(page, "form-390")
    reach("Stage this row")
    page.keyboard.press("Enter")
    page.get_by_text("1 fix staged").wait_for()
    assert console.desk().rows()["_state"].tolist() == ["staged"]


@pytest.mark.parametrize("width", [1366, 390])
def test_no_page_has_a_finding_of_axe_or_is_wider_than_the_screen(
    console: Console, at: Callable[..., Hand], width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found: dict[str, list[str]] = {}
    hand = at("", width)
    for address in PAGES:
        page = hand.page
        page.goto(f"{console.url}/{address}")
        page.locator("[data-testid=stMain] h1").first.wait_for()
        page.locator("[data-test-script-state='notRunning']").first.wait_for()
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
        shot(page, f"{address or 'root'}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
        result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
        found[address] = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in result.response["violations"]]
    assert {address: findings for address, findings in found.items() if findings} == {}


def test_what_is_no_page_says_where_to_go(at: Callable[..., Hand]) -> None:
    page = at("nothing").page
    page.get_by_text("There is no page /nothing").wait_for()
    assert page.get_by_role("dialog").count() == 0
    page.get_by_test_id("stMain").get_by_role("link", name="Quarantine").click()
    page.get_by_role("heading", name="Quarantine").wait_for()
    assert "/quarantine" in page.url
