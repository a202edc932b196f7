"""Two languages: every text of the console and of the platform's own formats has its Dutch, and no page shows a word that was not looked up."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Element, TextArea

from console import delivery, frame, language
from console.language import Catalogue, catalogue, number, preferred, retold, sentence, share, tr
from console.pages import PAGES
from console.pages.about import WORDS
from console.pages.datasets import COLOURS
from platform_assets.access.roles import Role
from platform_assets.contracts import Contract
from platform_assets.contracts.columns import Column
from platform_assets.contracts.compiling import expression, schema
from platform_assets.contracts.patterns import in_words
from platform_assets.contracts.words import limits_in_words
from platform_assets.erasure import certificate, decisions
from platform_assets.quarantine import disputes
from platform_assets.quarantine.mending import rewriting
from tests.console.test_pages import opened, person
from tests.places import Place, lab_contract

ROOT = Path(__file__).parents[2]
CONSOLE = sorted((ROOT / "console").rglob("*.py"))
TODAY = dt.date(2026, 11, 28)
TEXTUAL = frozenset(
    {"title", "header", "subheader", "write", "text", "markdown", "info", "success", "warning", "error", "caption"}
)
LABELLED = frozenset(
    {
        "button",
        "checkbox",
        "selectbox",
        "multiselect",
        "text_input",
        "text_area",
        "file_uploader",
        "expander",
        "radio",
        "toggle",
    }
    | {"form_submit_button", "download_button", "download", "metric", "link", "done", "again", "page_link", "tabs"}
)
NAMED = frozenset({"help", "placeholder", "label", "text"})
DUTCH = catalogue("nl")
REFUSALS = frozenset(error.__name__ for error in frame.KNOWN) | {"CannotMend", "LoginEnded", "NotOnThisMachine"}
ROOMS = (
    "console",
    "platform_assets/access",
    "platform_assets/erasure",
    "platform_assets/quarantine",
    "platform_assets/exports",
)
COMMANDS = ("__main__.py",)
"""What these say is said in a terminal."""


# ------------------------------------------------------------------ the code against the catalogue


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def bare(value: ast.expr) -> bool:
    """Whether it is a text for people that was not looked up."""
    match value:
        case ast.Constant(value=str(text)):
            return bool(re.search(r"[A-Za-z]{2}", text))
        case ast.JoinedStr(values=parts):
            return any(bare(part) for part in parts if isinstance(part, ast.Constant))
        case ast.IfExp(body=one, orelse=other):
            return bare(one) or bare(other)
        case ast.BinOp(left=one, right=other):
            return bare(one) or bare(other)
        case ast.BoolOp(values=parts) | ast.List(elts=parts):
            return any(map(bare, parts))
        case ast.Call(func=ast.Name(id="plain"), args=[inner]):
            return bare(inner)
    return False


@pytest.mark.parametrize("path", CONSOLE, ids=lambda p: p.stem)
def test_no_text_is_shown_that_was_not_looked_up(path: Path) -> None:
    found = []
    for name, call in calls(path):
        if name in TEXTUAL | LABELLED and ast.unparse(call.func).partition(".")[0] not in ("sys", "html", "re"):
            shown = call.args[:1] + (call.args[1:2] if name in ("done", "again") else [])
            shown += [k.value for k in call.keywords if k.arg in NAMED]
            found += [f"{call.lineno}: {ast.unparse(value)}" for value in shown if bare(value)]
    assert not found


@pytest.mark.parametrize("path", CONSOLE, ids=lambda p: p.stem)
def test_every_text_of_the_console_has_its_dutch(path: Path) -> None:
    lacking = []
    for name, call in calls(path):
        texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name in ("tr", "moment", "links"):
            lacking += [t for t in texts[:1] if t not in DUTCH.texts]
            assert not call.args or isinstance(
                call.args[0], ast.Constant | ast.Name | ast.Call | ast.Attribute | ast.Subscript | ast.BoolOp
            ), f"{ast.unparse(call)}: tr takes a text as it stands in the catalogue, its parts apart"
        elif name == "counted" and texts:
            forms = (texts[0], texts[1] if len(texts) > 1 else texts[0] + "s")
            lacking += [forms[0]] if forms not in DUTCH.counts else []
        elif name == "table" and call.args:
            columns = [k for d in ast.walk(call.args[0]) if isinstance(d, ast.Dict) for k in d.keys]
            lacking += [str(k.value) for k in columns if isinstance(k, ast.Constant) and k.value not in DUTCH.texts]
    assert not lacking


@pytest.mark.parametrize(
    "words",
    [
        [page.title for page in PAGES],
        list(WORDS.values()),
        list(COLOURS),
        list(delivery.STATES.values()),
        [role.value for role in Role],
        list(certificate.words().values()),
        [certificate.NOBODY],
        list(decisions.WAYS.values()),
        list(disputes.REASONS.values()),
        list(disputes.ANSWERS.values()),
    ],
    ids=["pages", "permissions", "parts", "states", "roles", "places", "nobody", "ways", "disputes", "answers"],
)
def test_lists_of_words_have_their_dutch(words: list[str]) -> None:
    assert not [w for w in words if w not in DUTCH.texts and w not in DUTCH.platform]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_a_translation_has_the_parts_of_its_text() -> None:
    both = [*DUTCH.texts.items(), *DUTCH.platform.items()]
    assert len(both) > 600
    assert not [text for text, said in both if fields(text) != fields(said)]
    assert not [text for text, said in both if not said.strip()]


def refusals() -> Iterator[tuple[str, str]]:
    """Where a refusal is raised, and its sentence with each part filled in."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.name in COMMANDS:
                continue
            for name, call in calls(path):
                if name in REFUSALS and call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr):
                    parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else [call.args[0]]
                    yield (
                        f"{path.relative_to(ROOT)}:{call.lineno}",
                        "".join(str(p.value) if isinstance(p, ast.Constant) else "\0" for p in parts),
                    )


@pytest.fixture
def dutch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "language", lambda: "nl")


@pytest.mark.usefixtures("dutch")
def test_every_refusal_that_a_page_can_show_has_its_dutch() -> None:
    found = list(refusals())
    assert len(found) > 50
    kept = (
        "upgrade",
        "taken over",
        "earlier key",
        "given up",
        "written down elsewhere",
        "head says ({",
        "sealed as this",
        "of the audit log is",
        "of the audit log was",
    )
    lacking = []
    for place, text in found:
        said = [text.replace("\0", filling) for filling in ("7", "x", "'x'", "")]
        if re.search("[a-z]", text) and all(retold(s) == s for s in said) and not any(k in text for k in kept):
            lacking.append(f"{place}: {text!r}")
    assert not lacking


# ------------------------------------------------------------------ what the platform says of its own formats


COLUMNS: list[Mapping[str, object]] = [
    {"type": "string", "allowed": ["POS", "NEG"], "required": True},
    {"type": "string", "not_in": ["X"], "min_length": 2, "max_length": 5},
    {"type": "string", "min_length": 2},
    {"type": "string", "matches": "^[A-Z0-9-]{3,40}$", "role": "identifier"},
    {"type": "string", "matches": "^[a-z]+ ?[0-9]{4}[A-Z]{2}"},
    {"type": "integer", "ge": 0, "lt": 100},
    {"type": "integer", "gt": 0, "le": 100},
    {"type": "float", "decimal_separator": ",", "gt": 0},
    {"type": "decimal", "precision": 10, "scale": 2},
    {"type": "boolean"},
    {"type": "date", "format": ["%d-%m-%Y", "%Y-%m-%d"], "le": "today", "ge": "2000-01-01"},
    {"type": "timestamp", "format": "%Y-%m-%d %H:%M"},
    {"type": "list", "delimiter": "|", "wrapped": True, "max_items": 4},
]


@pytest.mark.usefixtures("dutch")
@pytest.mark.parametrize("spec", COLUMNS, ids=str)
def test_reasons_and_limits_of_every_kind_of_column_have_their_dutch(spec: dict[str, object]) -> None:
    column = Column.model_validate(spec)
    said = [str(check.error) for check in schema.checks_of(column, TODAY)]
    said += [f"is not {expression.expected(column)}", "value is missing", *limits_in_words(column)]
    assert not [text for text in said if retold(text) == text]
    english = re.compile(r"\b(not|the|with|and|characters|digits|missing|like|than|at)\b")
    assert not [text for text in map(retold, said) if english.search(text)]


@pytest.mark.usefixtures("dutch")
@pytest.mark.parametrize("pattern", ["^GM[0-9]{4}$", "^[A-Z]{2,3} ?[0-9]+$", "^[A-Za-z ,']*$", "^[0-9]{4}[A-Z]{2}"])
def test_patterns_are_told_in_dutch(pattern: str) -> None:
    told = in_words(pattern)
    assert told
    said = retold(f"The code is not written as: {told}")
    assert said.startswith("Kolom code: is niet geschreven als: ")
    assert not re.search(r"\b(then|or more|digits?|capital|more after|perhaps|any number)\b", said)


@pytest.mark.usefixtures("dutch")
@pytest.mark.parametrize("spec", COLUMNS, ids=str)
def test_every_way_of_writing_otherwise_has_its_dutch(spec: dict[str, object]) -> None:
    column = Column.model_validate({**spec, "required": False})
    ways = [r.words for r in rewriting.rewritings(column, "Europe/Amsterdam")]
    ways += [move.words for move in rewriting.moves("b", ["a", "b", "c"])]
    assert not [words for words in ways if retold(words) == words]


@pytest.mark.usefixtures("dutch")
@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("The result is not one of POS, NEG", "Kolom result: is niet een van POS, NEG"),
        (
            "12 of 1,300 rows (40.5%) are wrong, the contract allows 5.0%",
            "12 van 1.300 rijen (40,5%) zijn fout, het contract staat 5,0% toe",
        ),
        ("Is missing; is not a whole number", "Ontbreekt; is geen geheel getal"),
        ('"pos", "POS." become "POS"', '"pos", "POS." worden "POS"'),
        ("week1.csv lies elsewhere", "week1.csv lies elsewhere"),
    ],
)
def test_a_sentence_is_said_with_the_numbers_of_the_language(english: str, said: str) -> None:
    assert retold(english) == said


def test_a_sentence_begins_with_a_capital_and_a_name_stays() -> None:
    assert sentence("say why, in 10 letters or more").startswith("Say why")
    assert sentence("week1.csv was held").startswith("week1.csv")
    assert sentence("anna@example.org may not do this").startswith("anna@")


@pytest.mark.parametrize(
    ("accepted", "name"),
    [
        ("nl-NL,nl;q=0.9,en-US;q=0.8", "nl"),
        ("en-GB,en;q=0.9,nl;q=0.8", "en"),
        ("de-DE,de;q=0.9,nl;q=0.5,en;q=0.4", "nl"),
        ("en;q=0.2, nl;q=0.7", "nl"),
        ("nl;q=0", "en"),
        ("fr", "en"),
        ("", "en"),
        ("*;q=x,;;,nl", "nl"),
    ],
)
def test_the_language_is_that_of_the_browser(accepted: str, name: str) -> None:
    assert preferred(accepted) == name


def test_numbers_and_shares_are_those_of_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (number(1234.5, 1), share(0.125), language.counted(1200, "row")) == ("1,234.5", "12.5%", "1,200 rows")
    monkeypatch.setattr(language, "language", lambda: "nl")
    assert (number(1234.5, 1), share(0.125), language.counted(1200, "row")) == ("1.234,5", "12,5%", "1.200 rijen")
    assert language.counted(1, "delivery is", "deliveries are") == "1 levering is"
    assert tr("All {rows} rows are right.", rows=1200) == "Alle 1.200 rijen zijn goed."


# ------------------------------------------------------------------ every page in a language that nobody speaks


MARKED = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "ⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏ"
)
"""Letters of the catalogue's texts, so that all others are seen."""


def pseudo(text: str) -> str:
    return "".join(
        literal.translate(MARKED).replace("{", "{{").replace("}", "}}") + (f"{{{part}}}" if part else "")
        for literal, part, _, _ in Formatter().parse(text)
    )


def in_circles() -> Catalogue:
    plain = {t: pseudo(t) if fields(t) else t.translate(MARKED) for t in DUTCH.texts}
    platform = {t: pseudo(t) if fields(t) else t.translate(MARKED) for t in DUTCH.platform}
    return Catalogue(plain, {k: (k[0].translate(MARKED), k[1].translate(MARKED)) for k in DUTCH.counts}, platform)


IN_CIRCLES = in_circles()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("home"), contract())
    rows = [f"N-{n},P-{n},north,2024-01-0{n % 7 + 1},NEG," for n in range(30)]
    made.deliver(
        "week1.csv",
        *rows,
        "C-1,P-8,north,2024-01-02,Positive,",
        "C-2,P-9,north,2024-13-02,=cmd(),",
        "C-3,,north,2024-01-02,POS,x",
    )
    made.deliver("week2.csv", "H-1,P-1,north,2024-01-02,POS,", "H-2,P-1,north,2024-01-02,Wrong,")
    made.drop("waits.csv", "sample_id\nA-1\n")
    return made


def contract() -> Contract:
    return lab_contract(description="1", owner="team:2")


def texts(at: AppTest) -> Iterator[str]:
    """All that a page shows: texts, labels, options, columns and cells."""

    def below(block: Block) -> Iterator[Element]:
        for child in block.children.values():
            if isinstance(child, Block):
                yield child  # type: ignore[misc]
                yield from below(child)
            else:
                yield child

    for element in below(at.main):
        if isinstance(element, TextArea):  # YAML of a contract
            yield element.label
            continue
        chosen = getattr(
            element, "options", None
        )  # what is shown of a choice are its options; its value is that of the code
        for name in ("label", "placeholder", "help") if chosen else ("value", "label", "placeholder", "help"):
            said = getattr(element, name, None)
            if isinstance(said, str):
                yield said
        yield from map(str, getattr(element, "options", None) or [])
    for table in at.dataframe:
        labels = {k: v.get("label") for k, v in json.loads(table.proto.columns or "{}").items()}
        for column in table.value.columns:
            yield str(labels.get(str(column)) or column)
            if column not in KEPT:
                yield from (str(cell) for cell in table.value[column] if isinstance(cell, str))


KEPT = ("action", "details", "role")
"""Columns of the audit log that are shown as they are kept in it, whoever reads: it is evidence."""
OWN = re.compile(
    r"https?://\S+|\S+@\S+|[0-9a-f]{32}|\d+ [A-Z][a-z]{2} \d{4}|/[a-z_]+\?\S*?#|\w+[._/-][\w./=*-]+|[A-Z_]{3,}|\b[A-Z]-\w+|\bP-\d+|=cmd\(\)|%\w|:material\S+|"
    r"lab_results|team:2|\b(north|Positive|Wrong|result|lab|viral_load|sample_id|patient_id|test_date|kB|MB|CSV|Dagster|ConnectionError|NewConnectionError|make ui|x|string|steward|e|of|or)\b"
)
"""Names of files, columns, datasets, settings and people, and values: these are in no language."""


@pytest.mark.parametrize("page", [page.address for page in PAGES])
def test_no_page_has_a_word_that_is_not_in_the_catalogue(
    place: Place, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "catalogue", lambda name: IN_CIRCLES)
    role = Role.AUDITOR if page == "audit" else Role.STEWARD
    at = opened(page, place, person(role))
    assert not at.exception
    shown = list(texts(at))
    assert any("ⓐ" in text or "ⓔ" in text for text in shown)
    rest = {text: OWN.sub(" ", text.replace("\\", "").replace("\u2060", "")) for text in shown}
    assert {text: left for text, left in rest.items() if re.search(r"[A-Za-z]{2,}", left)} == {}


def test_a_page_is_dutch_for_a_dutch_browser(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "language", lambda: "nl")
    at = opened("quarantine", place, person(Role.STEWARD))
    assert not at.exception
    assert at.title[0].value == "Quarantaine"
    assert "Kolom result: is niet een van" in " ".join(texts(at))
