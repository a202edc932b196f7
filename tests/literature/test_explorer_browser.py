"""The page in a browser: what people see, do by keyboard and hear, at ten nodes and at five thousand."""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from platform_assets.literature import questions
from platform_assets.literature.explorer import explorer_html, write_explorer
from platform_assets.literature.graph import build_graph
from platform_assets.literature.tables import MENTIONS
from tests.literature.build import drug_list, mentions_in, publication, publications

pytestmark = pytest.mark.slow

DRUGS = drug_list(("A04AD", "DIPHENHYDRAMINE"), ("S03AA", "TETRACYCLINE"), ("V03AB", "ÉTHANOL"))
ROWS = publications(
    publication("Diphenhydramine helps", id="1", journal="Pediatrics", on="2019-01-02"),
    publication("Tetracycline resistance", id="2", journal="Food", on="2020-01-01"),
    publication("Tetracycline and ethanol", id="3", journal="Psychopharmacology", on="2020-06-01"),
    publication(
        "Diphenhydramine in colonoscopy",
        id="N1",
        kind="clinical_trial",
        journal="Pediatrics",
        on="2021-01-01",
    ),
)
HOSTILE = publications(
    publication(
        "Ethanol </script><img src=x onerror='window.broken=1'>",
        id="9",
        journal="<b>Bold</b>",
        on="2020-06-01",
    ),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("these tests need Debian's package chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def wait_until(page: Page, expression: str) -> None:
    """Playwright's own `wait_for_function` needs the eval that the page's policy forbids."""
    until = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < until, f"waited in vain for {expression}"
        time.sleep(0.02)


class Explorer:
    """A page that is open, with what it complained of and what it asked for."""

    def __init__(self, browser: Browser, path: Path, **options: object) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 800}, **options)  # type: ignore[arg-type]
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        wait_until(self.page, "map.scene.items.length > 0")

    def status(self) -> str:
        return self.page.inner_text("#status")

    def shown(self) -> str:
        return self.page.inner_text("#shown")

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.id || document.activeElement.textContent"))


@pytest.fixture(scope="module")
def small_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_explorer(
        build_graph(DRUGS, ROWS, mentions_in(DRUGS, ROWS)), tmp_path_factory.mktemp("small") / "g.html"
    )


def test_a_drug_is_found_and_told_by_its_other_name(browser: Browser, tmp_path: Path) -> None:
    drugs = drug_list(("N02BE01", "ACETAMINOPHEN"), ("N02BE01", "PARACETAMOL"))
    rows = publications(publication("Paracetamol for fever", id="1"))
    page = Explorer(
        browser, write_explorer(build_graph(drugs, rows, mentions_in(drugs, rows)), tmp_path / "g.html")
    ).page
    page.fill("#search", "paracetamol")
    wait_until(page, "document.querySelectorAll('#suggestions li').length > 0")
    first = page.inner_text("#suggestions li >> nth=0")
    assert "ACETAMINOPHEN" in first
    assert "also called PARACETAMOL" in first
    page.press("#search", "Enter")
    wait_until(page, "document.getElementById('details').textContent.includes('also called PARACETAMOL')")


@pytest.fixture(scope="module")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    names = [f"drug{n:03}" for n in range(150)]
    drugs = drug_list(*((name.upper(), name) for name in names))
    rows = publications(
        *(
            publication(
                f"Effects of {' and '.join(rng.sample(names, rng.choice([1, 1, 2])))} on recovery",
                id=str(n),
                kind=rng.choice(["pubmed", "pubmed", "clinical_trial"]),
                journal=f"Journal {min(int(rng.paretovariate(0.7)), 250)}",
                on=(date(2015, 1, 1) + timedelta(days=rng.randrange(3000))).isoformat(),
            )
            for n in range(4800)
        )
    )
    graph = build_graph(drugs, rows, mentions_in(drugs, rows))
    assert graph.nodes.num_rows > 5000
    return write_explorer(graph, tmp_path_factory.mktemp("large") / "g.html")


@pytest.fixture
def small(browser: Browser, small_page: Path) -> Iterator[Explorer]:
    explorer = Explorer(browser, small_page)
    yield explorer
    assert explorer.complaints == []
    assert explorer.requests == [small_page.as_uri()]
    explorer.page.close()


@pytest.fixture
def large(browser: Browser, large_page: Path) -> Iterator[Explorer]:
    explorer = Explorer(browser, large_page)
    yield explorer
    assert explorer.complaints == []
    explorer.page.close()


def test_ten_nodes_are_all_drawn_with_their_names(small: Explorer) -> None:
    assert small.page.inner_text("#totals") == "3 drugs, 3 journals, 3 PubMed publications, 1 clinical trial"
    items = small.page.evaluate(
        "map.scene.items.map(item => ({type: item.node.type, label: item.label, ...map.place(item)}))"
    )
    assert len(items) == 10
    assert all(item["label"] for item in items)
    # Journals left of publications left of drugs, and no two rows of a column closer than a line of text.
    column = {
        kind: [item for item in items if item["type"] in kind] for kind in ("journal", "pubmed clinical_trial", "drug")
    }
    lefts = [max(item["x"] for item in group) for group in column.values()]
    assert lefts == sorted(lefts)
    for group in column.values():
        heights = sorted(item["y"] for item in group)
        assert all(below - above >= 18 for above, below in itertools.pairwise(heights))
    # The canvas is not blank: the drugs' colour is on it.
    assert (
        small.page.evaluate(
            """() => {
          const {x, y} = map.place(map.scene.items.find((item) => item.node.type === "drug"));
          const ratio = window.devicePixelRatio;
          const [r, g, b] = map.pen.getImageData(x * ratio, y * ratio, 1, 1).data;
          return `#${[r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
        }"""
        )
        == "#c04a00"
    )


def test_five_thousand_nodes_open_quickly_and_do_not_lie_on_each_other(browser: Browser, large_page: Path) -> None:
    started = time.monotonic()
    large = Explorer(browser, large_page)
    assert time.monotonic() - started < 15
    hubs = large.page.evaluate("map.scene.items.filter(item => !item.node.drugs).map(({x, y, r}) => [x, y, r])")
    overlapping = sum(
        1
        for index, (x, y, r) in enumerate(hubs)
        for other_x, other_y, other_r in hubs[index + 1 :]
        if (x - other_x) ** 2 + (y - other_y) ** 2 < (r + other_r) ** 2
    )
    assert len(hubs) > 250
    assert overlapping <= len(hubs) * 0.02
    # All of it is in the window, and every publication lies inside its journal's bubble.
    inside, astray = large.page.evaluate(
        """() => {
          const places = map.scene.items.map((item) => map.place(item));
          const inside = places.every(({x, y}) => x > 0 && y > 0 && x < map.width && y < map.height);
          const astray = map.scene.items.filter(({node, x, y}) => {
            const journal = node.journal && map.scene.itemOf.get(node.journal);
            return journal && Math.hypot(x - journal.x, y - journal.y) > journal.r;
          });
          return [inside, astray.length];
        }"""
    )
    assert inside
    assert astray == 0
    assert large.complaints == []
    large.page.close()


def test_search_by_keyboard_opens_a_neighbourhood_and_escape_goes_back(small: Explorer) -> None:
    page = small.page
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert small.focused() == "search"
    page.keyboard.type("ethanol")  # without the accent
    assert small.status() == "2 found"
    assert page.get_attribute("#search", "aria-activedescendant") == "found-0"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    wait_until(page, "document.activeElement.tagName === 'H2'")
    assert small.focused() == "ÉTHANOL"
    assert small.status() == "ÉTHANOL: 1 drug, 1 journal, 1 PubMed publication"
    assert page.evaluate("map.scene.items.map(item => item.node.id).sort()") == [
        "drug_V03AB",
        "journal_Psychopharmacology",
        "pubmed_3",
    ]
    page.keyboard.press("Escape")
    wait_until(page, "document.activeElement.id === 'search'")
    assert small.status().startswith("Everything: 3 drugs")


def test_a_search_without_an_answer_says_so(small: Explorer) -> None:
    small.page.fill("#search", "aspirin")
    assert small.page.is_visible("text=Nothing found")
    assert small.status() == "Nothing found"


def test_tab_reaches_every_control_in_reading_order(small: Explorer) -> None:
    order = []
    for _ in range(40):
        small.page.keyboard.press("Tab")
        order.append(
            small.page.evaluate(
                "(({id, dataset, className, tagName}) => id || dataset.kind || className || tagName)"
                "(document.activeElement)"
            )
        )
    # A date is several stops (month, day, year, calendar), a list has one for each entry.
    stops = [stop for stop, _ in itertools.groupby(order)]
    assert stops[: stops.index("pad") + 1] == [
        *("theme", "search", "SUMMARY", "drug", "journal", "pubmed", "clinical_trial", "from", "to"),
        *("unlinked", "reset", "entry", "view-map", "view-list", "zoom-out", "zoom-in", "zoom-fit", "pad"),
    ]


def test_arrow_keys_walk_over_the_map_and_enter_opens(small: Explorer) -> None:
    page = small.page
    page.focus("#pad")
    heard = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowRight"):  # the first goes onto the map
        page.keyboard.press(key)
        heard.append(small.status())
    assert heard == [
        "Diphenhydramine helps (PubMed publication, 2019-01-02, Pediatrics)",
        "Pediatrics: journal, 1 PubMed publication, 1 clinical trial",
        "Diphenhydramine helps (PubMed publication, 2019-01-02, Pediatrics)",
        "DIPHENHYDRAMINE: drug, 1 PubMed publication, 1 clinical trial",
    ]
    page.keyboard.press("Enter")
    wait_until(page, "state.selected?.id === 'drug_A04AD'")
    assert small.focused() == "pad"
    page.keyboard.press("Escape")
    wait_until(page, "state.selected === null")
    before = page.evaluate("({...map.view})")
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowRight")
    after = page.evaluate("({...map.view})")
    assert after["scale"] > before["scale"]
    page.keyboard.press("0")
    assert page.evaluate("({...map.view})") == before


def test_kinds_and_dates_filter_map_list_and_counts(small: Explorer) -> None:
    page = small.page
    page.uncheck("[data-kind=clinical_trial]")
    assert small.shown() == "3 drugs, 3 journals, 3 PubMed publications"
    page.fill("#from", "2020-01-01")
    assert small.shown() == "2 drugs, 2 journals, 2 PubMed publications"
    page.fill("#to", "2020-01-31")
    assert small.shown() == "1 drug, 1 journal, 1 PubMed publication"
    assert small.status() == small.shown()
    assert page.evaluate("map.scene.items.map(item => item.node.id).sort()") == [
        "drug_S03AA",
        "journal_Food",
        "pubmed_2",
    ]
    page.click("#view-list")
    assert page.locator("tbody tr").count() == 3
    page.uncheck("[data-kind=journal]")
    assert page.locator("tbody tr").count() == 2
    page.fill("#to", "2018-01-01")
    assert small.shown() == "Nothing to show with these choices"
    page.click("#reset")
    assert small.shown() == "3 drugs, 3 journals, 3 PubMed publications, 1 clinical trial"


def test_what_has_no_mention_is_shown_on_demand(browser: Browser, tmp_path: Path) -> None:
    drugs = drug_list(("A", "aspirin"), ("B", "biotin"))
    rows = publications(publication("Aspirin", id="1"), publication("Other", id="2", journal="Silent"))
    explorer = Explorer(
        browser, write_explorer(build_graph(drugs, rows, mentions_in(drugs, rows)), tmp_path / "g.html")
    )
    assert explorer.shown() == "1 drug, 1 journal, 1 PubMed publication"
    explorer.page.check("#unlinked")
    assert explorer.shown() == "2 drugs, 2 journals, 2 PubMed publications"
    assert explorer.complaints == []
    explorer.page.close()


def test_the_list_sorts_pages_and_opens_by_keyboard(large: Explorer) -> None:
    page = large.page
    page.click("#view-list")
    assert page.locator("tbody tr").count() == 100
    page.focus("th[data-key=name] button")
    page.keyboard.press("Enter")
    assert page.get_attribute("th[data-key=name]", "aria-sort") == "ascending"
    names = page.locator("tbody tr .entry").all_inner_texts()
    assert names == sorted(names)
    page.get_by_role("button", name="Next").press("Enter")
    assert large.status().startswith("Page 2 of ")
    assert page.locator("tbody tr .entry").first.inner_text() >= names[-1]
    page.locator("tbody tr .entry").first.press("Enter")
    wait_until(page, "document.activeElement.tagName === 'H2'")


def test_a_link_to_a_node_opens_it_and_the_back_button_works(browser: Browser, small_page: Path) -> None:
    page = browser.new_page()
    page.goto(small_page.as_uri() + "#journal_Psychopharmacology")
    assert page.inner_text("#details h2") == "Psychopharmacology"
    page.click("#details >> text=TETRACYCLINE")
    wait_until(page, "state.selected?.id === 'drug_S03AA'")
    page.go_back()
    wait_until(page, "document.querySelector('#details h2').textContent === 'Psychopharmacology'")
    page.close()


def test_a_link_to_nothing_and_an_empty_graph_open_without_complaint(
    browser: Browser, small_page: Path, tmp_path: Path
) -> None:
    empty = build_graph(drug_list(), publications(), MENTIONS.empty_table())
    errors: list[str] = []
    for path in (small_page.as_uri() + "#%", write_explorer(empty, tmp_path / "g.html").as_uri()):
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        assert page.inner_text("#details h2") == "Where to start"
        assert errors == []
        page.close()


def test_clicking_a_node_on_the_map_opens_it(small: Explorer) -> None:
    place = small.page.evaluate("map.place(map.scene.items.find(item => item.node.id === 'drug_A04AD'))")
    small.page.click("#pad", position=place)
    wait_until(small.page, "state.selected?.id === 'drug_A04AD'")
    assert small.page.inner_text("#details h2") == "DIPHENHYDRAMINE"


def test_a_hostile_title_is_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    graph = build_graph(DRUGS, HOSTILE, mentions_in(DRUGS, HOSTILE))
    explorer = Explorer(browser, write_explorer(graph, tmp_path / "g.html"))
    page = explorer.page
    page.evaluate("location.hash = 'drug_V03AB'")
    wait_until(page, "state.selected !== null")
    title = HOSTILE.column("title")[0].as_py()
    assert title in page.inner_text("#details")
    assert "<b>Bold</b>" in page.inner_text("#details")
    page.click("#view-list")
    assert title in page.inner_text("#list")
    assert page.evaluate("typeof window.broken") == "undefined"
    assert page.locator("img").count() == 0
    assert explorer.complaints == []
    page.close()


def test_the_page_says_what_it_leaves_out(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "g.html").write_text(explorer_html(build_graph(DRUGS, ROWS, mentions_in(DRUGS, ROWS)), most=2))
    explorer = Explorer(browser, tmp_path / "g.html")
    assert "this page holds the 2 newest publications with a mention" in explorer.page.inner_text("#totals")
    explorer.page.close()


def test_related_drugs_in_the_page_are_those_of_the_question(large: Explorer) -> None:
    told = large.page.evaluate(
        """Object.fromEntries(model.drugs.slice(0, 20).map((drug) => [
          drug.code,
          [...model.relatedDrugs(drug)].map(([other, at]) => [other.code, at.map(({name}) => name)]),
        ]))"""
    )
    rows = large.page.evaluate(
        """model.publications.flatMap((one) => one.drugs.map((drug) => ({
          drug_code: drug.code, drug_name: drug.name, kind: one.type, publication_id: one.code,
          title: one.name, journal: one.journal.name, date: null,
        })))"""
    )
    answer = questions.related_drugs(pa.Table.from_pylist(rows, MENTIONS), list(told)).to_pylist()
    expected: dict[str, dict[str, set[str]]] = {code: {} for code in told}
    for row in answer:
        expected[row["drug_code"]][row["related_code"]] = set(row["journals"])
    assert answer
    assert {code: {other: set(names) for other, names in related} for code, related in told.items()} == expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_axe_finds_nothing_to_object_to(
    browser: Browser, small_page: Path, large_page: Path, scheme: str, size: str
) -> None:
    path = small_page if size == "small" else large_page
    explorer = Explorer(browser, path, color_scheme=scheme)
    page = explorer.page
    assert page.get_attribute("html", "data-theme") == scheme

    def check(state: str) -> None:
        # axe-core is put into the page by the test alone, past the page's own policy.
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], rule["impact"]) for rule in found] == [], state

    check("the map")
    page.fill("#search", "a")
    check("search suggestions")
    page.keyboard.press("Enter")
    page.wait_for_selector("#details h2[tabindex='-1']")
    check("one node")
    page.click("#view-list")
    check("the list")
    page.close()


def test_axe_would_have_objected(small: Explorer) -> None:
    small.page.evaluate("document.querySelector('label[for=search]').remove()")
    assert "label" in [rule["id"] for rule in Axe().run(small.page).response["violations"]]


def test_a_narrow_window_needs_no_sideways_scrolling(browser: Browser, small_page: Path) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 640})
    page.goto(small_page.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.close()
