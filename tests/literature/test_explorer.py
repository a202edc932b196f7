"""The page as a file: whole, the same every time, and closed to whatever titles contain."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from platform_assets.literature.explorer import explorer_html, write_explorer
from platform_assets.literature.graph import Graph, build_graph
from tests.literature.build import drug_list, mentions_in, publication, publications

DRUGS = drug_list(("V03AB", "ETHANOL"), ("S03AA", "TETRACYCLINE"))
HOSTILE = (
    "Ethanol </script><script>window.broken = 1</script><!--<script> {{script}} \u2028 <img src=x onerror=alert(1)>"
)
ROWS = publications(
    publication("Ethanol", id="1", journal="Addiction", on="2020-01-01"),
    publication(HOSTILE, id="2", journal="</title><b>Journal</b>", on="2020-03-01"),
    publication("Tetracycline", id="3", kind="clinical_trial", journal="Addiction", on="2020-02-01"),
    publication("Nothing", id="4", journal="The Lancet", on="2020-04-01"),
)


def graph_of() -> Graph:
    return build_graph(DRUGS, ROWS, mentions_in(DRUGS, ROWS))


class Page(HTMLParser):
    """The page as a browser would take it apart: tags with attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))

    def data(self) -> dict[str, Any]:
        (block,) = [text for tag, text in self.texts if tag == "script" and text.startswith("{")]
        loaded: dict[str, Any] = json.loads(block)
        return loaded


def test_hostile_titles_stay_data_and_are_not_lost() -> None:
    page = Page(explorer_html(graph_of(), title="<i>Drugs</i>"))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not {"img", "b", "i"} & {tag for tag, _ in page.tags}
    data = page.data()
    assert HOSTILE in [row[2] for row in data["publications"]]
    assert "</title><b>Journal</b>" in data["journals"]


def test_the_policy_allows_our_script_and_style_and_nothing_else() -> None:
    text = explorer_html(graph_of())
    (policy,) = [tag["content"] for _, tag in Page(text).tags if "http-equiv" in tag]

    def digest(tag: str) -> str:
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none';"
        f" script-src 'sha256-{digest('script')}'; style-src 'sha256-{digest('style')}'"
    )


def test_the_page_names_no_address_to_load_from() -> None:
    text = explorer_html(graph_of())
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert not [attributes for _, attributes in Page(text).tags if "src" in attributes or "href" in attributes]


def test_a_drug_is_found_by_its_other_names() -> None:
    drugs = drug_list(("S03AA", "TETRACYCLINE"), ("V03AB", "ETHANOL"), ("S03AA", "ACHROMYCIN"))
    rows = publications()
    data = Page(explorer_html(build_graph(drugs, rows, mentions_in(drugs, rows)))).data()
    assert data["drugs"] == [["S03AA", "ACHROMYCIN", "TETRACYCLINE"], ["V03AB", "ETHANOL"]]


def test_publications_point_to_their_journal_and_drugs() -> None:
    data = Page(explorer_html(graph_of())).data()
    assert data["drugs"] == [["S03AA", "TETRACYCLINE"], ["V03AB", "ETHANOL"]]
    assert data["journals"] == ["</title><b>Journal</b>", "Addiction", "The Lancet"]
    assert [row for row in data["publications"] if row[2] != HOSTILE] == [
        [1, "3", "Tetracycline", 1, "2020-02-01", [0]],
        [0, "1", "Ethanol", 1, "2020-01-01", [1]],
        [0, "4", "Nothing", 2, "2020-04-01", []],
    ]
    assert data["totals"] == {"drug": 2, "journal": 3, "pubmed": 3, "clinical_trial": 1}


def test_of_too_many_publications_the_newest_with_a_mention_are_kept() -> None:
    data = Page(explorer_html(graph_of(), most=2)).data()
    assert sorted(row[1] for row in data["publications"]) == ["2", "3"]
    assert data["journals"] == ["</title><b>Journal</b>", "Addiction"]
    assert data["totals"]["pubmed"] == 3


def test_the_same_graph_gives_the_same_page(tmp_path: Path) -> None:
    one = write_explorer(graph_of(), tmp_path / "one.html").read_bytes()
    backwards = ROWS.take([3, 2, 1, 0])
    again = build_graph(DRUGS.take([1, 0]), backwards, mentions_in(DRUGS, backwards))
    assert write_explorer(again, tmp_path / "new" / "other.html").read_bytes() == one
