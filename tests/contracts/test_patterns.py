"""Regular expressions in words: what can be told exactly, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.contracts.columns import Column, ColumnType, Pattern
from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.patterns import in_words
from platform_assets.contracts.words import limits_in_words

TOLD = {
    "^[A-Z0-9-]{3,40}$": "3 to 40 capital letters, digits or -",
    "^GM[0-9]{4}$": "GM, then 4 digits",
    r"^V-\d+$": "V-, then 1 or more digits",
    "[A-Za-z]{2}[0-9]": "2 letters, then 1 digit, and more after it",
    r"^\d{4}-\d{2}$": "4 digits, then -, then 2 digits",
    "^-?[0-9]+$": "perhaps -, then 1 or more digits",
    "^[0-9,]*$": "any number of digits or a comma",
    "^[A-F]{2,}$": "2 or more A to F",
    r"^\w\.x$": "1 letter, digit or _, then .x",
    r"^x\$": "x$, and more after it",
    "^[a-z] [a-z]$": "1 small letter, then a space, then 1 small letter",
}
NOT_TOLD = [
    "^(a|b)$",
    "a|b",
    ".*",
    "^[^a]$",
    "^$",
    "",
    "^a+?$",
    r"^\s$",
    r"\bA",
    "^[[:alpha:]]+$",
    "^[A-Z]+(-[0-9])?$",
    "^a$|^b",
]


@pytest.mark.parametrize(("pattern", "words"), TOLD.items())
def test_what_can_be_told_is_told(pattern: str, words: str) -> None:
    assert in_words(pattern) == words


@pytest.mark.parametrize("pattern", NOT_TOLD)
def test_the_rest_is_not_guessed(pattern: str) -> None:
    assert in_words(pattern) is None


_CLASSES = {
    "[A-Z]": "capital letters",
    "[a-z]": "small letters",
    r"\d": "digits",
    "[0-9]": "digits",
    "[A-Za-z]": "letters",
}
_REPEATS = {"{2}": "2 {}", "{2,5}": "2 to 5 {}", "+": "1 or more {}", "*": "any number of {}", "{3,}": "3 or more {}"}
_PIECES = st.one_of(
    st.tuples(st.sampled_from(sorted(_CLASSES)), st.sampled_from(sorted(_REPEATS))).map(
        lambda p: (p[0] + p[1], _REPEATS[p[1]].format(_CLASSES[p[0]]))
    ),
    st.text("abXY-/_#.+", min_size=1, max_size=3).map(lambda t: (re.escape(t), t)),
)


@given(st.lists(_PIECES, min_size=1, max_size=4))
def test_pieces_one_after_the_other(pieces: list[tuple[str, str]]) -> None:
    told = in_words("^" + "".join(p for p, _ in pieces) + "$")
    joined: list[tuple[bool, str]] = []
    for piece, words in pieces:  # characters that follow each other are one text
        literal = re.escape(words) == piece
        if literal and joined and joined[-1][0]:
            joined[-1] = (True, joined[-1][1] + words)
        else:
            joined.append((literal, words))
    assert told == ", then ".join(words for _, words in joined)


@given(st.text("ab[](){}|^$.*+?\\dw-,12", max_size=12))
def test_no_expression_breaks_it(pattern: str) -> None:
    in_words(pattern)


def test_no_contract_that_ships_shows_a_regular_expression() -> None:
    with_pattern = [c for contract in read_contracts().values() for c in contract.columns.values() if c.matches]
    assert len(with_pattern) >= 5
    for column in with_pattern:
        assert isinstance(column.matches, Pattern)
        assert not re.search(r"[\[\]{}^$\\]", " ".join(limits_in_words(column)))


def test_a_pattern_without_words_is_told_and_not_shown() -> None:
    plain = Column(type=ColumnType.STRING, matches="^GM[0-9]{4}$")
    assert limits_in_words(plain) == ["written as: GM, then 4 digits"]
    assert limits_in_words(Column(type=ColumnType.STRING, matches="^(a|b)$")) == ["written as the contract asks"]
