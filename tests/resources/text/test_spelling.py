"""One spelling for one text: the same in Python and in the engines, and nothing else changed."""

from __future__ import annotations

import datetime as dt
import unicodedata

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.contracts.compiling.expression import compile_contract
from resources.text.spelling import LIKE_FROM, LIKE_TO, bare, folded, plain
from tests.conftest import lab_contract
from tests.spellings import INVISIBLE, NO_BREAK, siblings

any_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
odd_text = st.text(
    st.sampled_from(
        [
            *INVISIBLE,
            *NO_BREAK,
            *LIKE_FROM,
            "e",
            "\u0301",
            "\u0327",
            "a",
            "1",
            "-",
            " ",
            "\u200d",
            "ß",
            "İ",
            "ŉ",
            "\u0326",
            "ΐ",
        ]
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(any_text | odd_text, min_size=1, max_size=30))
def test_engine_and_python_spell_alike(texts: list[str]) -> None:
    keep = {"type": "string", "trim": False, "null_tokens": [], "required": False}
    contract = lab_contract(columns={"who": {**keep, "role": "identifier"}, "what": keep}, load={"mode": "append"})
    compiled = compile_contract(contract, dt.date(2026, 1, 1))
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE staged AS SELECT unnest($1::VARCHAR[]) AS who, unnest($1::VARCHAR[]) AS what, 0 AS _file, "
            "unnest(range(len($1::VARCHAR[]))) AS _row",
            [texts],
        )
        typed = connection.execute(f"SELECT who, what FROM ({compiled.typed}) ORDER BY _row").fetchall()
        raw = connection.execute(f"SELECT who, what FROM ({compiled.raw}) ORDER BY _row").fetchall()
        (told,) = connection.execute(compiled.respelled).fetchall()
    assert typed == [(bare(text), plain(text)) for text in texts]
    assert raw == [(bare(text), text) for text in texts]
    assert told == (0, sum(bare(t) != t for t in texts), sum(plain(t) != t for t in texts))


@settings(deadline=None)
@given(text=any_text | odd_text)
def test_what_is_spelled_so_stays(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert bare(bare(text)) == bare(text) == bare(plain(text))
    assert folded(folded(text)) == folded(text)


def test_every_character_is_folded_once_for_all() -> None:
    """Alone, and before a mark that joins what it is folded to."""
    for point in [*range(0xD800), *range(0xE000, 0x30000)]:
        for text in (chr(point), f"{chr(point)}\u0326"):
            assert folded(folded(text)) == folded(text), ascii(text)


@given(text=st.text(st.characters(max_codepoint=127), max_size=40))
def test_ascii_is_left_alone(text: str) -> None:
    assert plain(text) == bare(text) == text


@pytest.mark.parametrize(
    "text", ["Zoë", "Curaçao", "Ñandú", "日本", "محمد", "👩\u200d⚕", "می\u200cخواهم", "½ m²", "—", "O’Brien"]
)
def test_texts_keep_what_can_be_seen_and_what_their_script_needs(text: str) -> None:
    assert plain(text) == unicodedata.normalize("NFC", text)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), base=st.text(st.sampled_from("ABCé-ü0123456789"), min_size=1, max_size=12))
def test_siblings_of_an_identifier_are_one(data: st.DataObject, base: str) -> None:
    assert bare(data.draw(siblings(base))).strip() == bare(base)


def test_each_stand_in_is_another_character() -> None:
    assert len(LIKE_FROM) == len(LIKE_TO) == len(set(LIKE_FROM))
    assert LIKE_TO.isascii()
