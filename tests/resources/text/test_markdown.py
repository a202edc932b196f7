"""Text is shown as it is, whatever Markdown would make of it. Read by markdown-it here; by Streamlit's in `tests/console`."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from resources.text import markdown
from tests.resources.text.markup import SAMPLES, variants

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
# as the extensions of GitHub and of Streamlit look for them, in text that was already read
AUTOMATIC = re.compile(
    r"https?://[-.\w]+|www\.[-.\w]+|[-.\w+]+@[-\w]+\.[-\w]+|:[-+\w]+:|:\w+(-\w+)?\[|:material/\w+:|->|<-|<=|>=",
    re.IGNORECASE,
)


def read(text: str) -> list[Token]:
    """All tokens, those inside of others too."""
    found: list[Token] = []
    for token in READER.parse(text):
        found += [token, *(token.children or [])]
    return found


def words(tokens: list[Token]) -> str:
    return " ".join(
        "".join(t.content if t.type.startswith("text") else " " for t in tokens if t.type != "inline").split()
    )


def seen(text: str) -> str:
    """What a reader sees of `text`: no control characters, blanks as one."""
    lines = text.splitlines()
    kept = [
        "".join(c for c in line if c == "\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
        for line in lines
    ]
    return " ".join(" ".join(kept).split())


def is_plain(made: str, text: str) -> None:
    tokens = read(made)
    kinds = {t.type for t in tokens}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "softbreak"}, (made, kinds)
    assert words(tokens).replace(markdown.JOINER, "") == seen(text)
    assert not AUTOMATIC.search(words(tokens)), words(tokens)


@pytest.mark.parametrize("text", list(variants()))
def test_markup_in_data_is_shown_as_it_is(text: str) -> None:
    is_plain(markdown.plain(text), text)


def test_the_samples_are_markup_for_the_reader_that_judges_here() -> None:
    made = {t.type for sample in SAMPLES for t in read(sample)}
    assert {
        "image",
        "link_open",
        "html_block",
        "html_inline",
        "table_open",
        "heading_open",
        "fence",
        "code_inline",
    } <= made
    assert sum(bool(AUTOMATIC.search(sample)) for sample in SAMPLES) > 15


@given(st.text(alphabet=st.sampled_from("ab1 .:/@w-+=_*`~[](){}!<>&#|\\$^\n\t:www.http"), max_size=40))
def test_no_text_is_read_as_markdown(text: str) -> None:
    is_plain(markdown.plain(text), text)


@given(st.text(max_size=40))
def test_what_is_escaped_can_be_read_back(text: str) -> None:
    assert " ".join(markdown.unescaped(markdown.plain(text)).split()) == seen(text)


@pytest.mark.parametrize("text", list(variants()))
def test_a_block_of_code_ends_where_its_text_ends(text: str) -> None:
    tokens = read(markdown.together(markdown.fenced(text, "r"), markdown.plain("after")))
    assert tokens[0].type == "fence"
    assert [t.type for t in tokens if t.type in ("fence", "image", "link_open", "html_block")] == ["fence"]
    assert words(tokens[1:]) == "after"
    assert " ".join(tokens[0].content.split()) == seen(text)


@pytest.mark.parametrize("text", list(variants()))
def test_tables_lists_and_bold_words_keep_their_form(text: str) -> None:
    rows = [["a", text], [text, "b"]]
    cells = [t for t in read(markdown.table([text, "c"], rows)) if t.type in ("td_open", "th_open")]
    assert len(cells) == 6
    items = [t for t in read(markdown.bullets([text, "b"])) if t.type == "list_item_open"]
    assert len(items) == 2
    for made in (markdown.table([text, "c"], rows), markdown.bullets([text, "b"]), markdown.bold(f"x {text} y")):
        kinds = {t.type for t in read(made)}
        assert not kinds & {
            "image",
            "link_open",
            "html_block",
            "html_inline",
            "code_inline",
            "fence",
            "em_open",
            "s_open",
        }


def test_a_picture_is_the_one_that_was_given() -> None:
    for text in variants():
        images = [t for t in read(markdown.picture(text, b"png")) if t.type == "image"]
        assert [i.attrGet("src") for i in images] == ["data:image/png;base64,cG5n"]
