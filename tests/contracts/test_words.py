"""No option of a column is left out of its description."""

from __future__ import annotations

from typing import Any

import pytest

from platform_assets.contracts.columns import Column
from platform_assets.contracts.words import limits_in_words

SAID: dict[str, tuple[dict[str, Any], str]] = {
    "constant": ({"type": "string", "constant": "NL"}, "always NL"),
    "format": ({"type": "date", "format": "%Y-%m-%d"}, "written like 2026-12-31"),
    "two_digit_years_from": (
        {"type": "date", "format": "%d/%m/%y", "two_digit_years_from": 1930},
        "years of two digits are 1930 to 2029",
    ),
    "allowed": ({"type": "string", "in": ["A", "B"]}, "one of A, B"),
    "not_in": ({"type": "string", "not_in": ["X"]}, "never X"),
    "matches": ({"type": "string", "matches": "^a$"}, "written as: a"),
    "min_length": ({"type": "string", "min_length": 3}, "at least 3 characters"),
    "max_length": ({"type": "string", "max_length": 40}, "0 to 40 characters"),
    "ge": ({"type": "integer", "ge": 1}, "at least 1"),
    "gt": ({"type": "integer", "gt": 2}, "more than 2"),
    "le": ({"type": "date", "format": "%Y-%m-%d", "le": "today"}, "at most today"),
    "lt": ({"type": "integer", "lt": 4}, "less than 4"),
    "scale": ({"type": "decimal", "scale": 2}, "at most 2 digits behind the point"),
    "cumulative": ({"type": "integer", "cumulative": True}, "running total: take the last, never sum over time"),
    "derived_from": ({"type": "string", "required": False, "derived_from": ["a"]}, "where missing, derived from a"),
    "delimiter": ({"type": "list", "delimiter": "|"}, "items between |"),
    "wrapped": (
        {"type": "list", "delimiter": "|", "wrapped": True},
        "items between |, which stands around them too (|a|b|)",
    ),
    "max_items": ({"type": "list", "delimiter": "|", "max_items": 3}, "at most 3 items"),
    "parsed_from": (
        {"type": "string", "parsed_from": {"column": "agent", "as": "browser"}},
        "read out of agent: browser",
    ),
    "required": ({"type": "integer", "required": False}, "may be missing"),
}
NO_LIMIT = {
    "type",
    "description",
    "role",
    "purpose",
    "header",
    "from_matching",
    "from_file_name",
    "optional",
    "trim",
    "replace",
    "replace_pattern",
    "case",
    "null_tokens",
    "decimal_separator",
    "thousands_separator",
    "precision",
    "true_values",
    "false_values",
}
"""How text is cleaned and read, and who may see it: told elsewhere."""


def test_a_pattern_says_what_it_stands_for() -> None:
    column = Column.model_validate(
        {"type": "string", "matches": {"pattern": "^V-[0-9]+$", "says": "a number such as V-12"}}
    )
    assert limits_in_words(column)[0] == "a number such as V-12"


@pytest.mark.parametrize(("options", "words"), SAID.values(), ids=SAID)
def test_an_option_is_told(options: dict[str, Any], words: str) -> None:
    assert words in limits_in_words(Column.model_validate(options))


def test_every_option_is_told_or_is_no_limit() -> None:
    assert set(Column.model_fields) == set(SAID) | NO_LIMIT
    assert not set(SAID) & NO_LIMIT
