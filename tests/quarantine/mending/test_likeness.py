"""Clusters of like values: what they hold for any values, and the examples that they are for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.quarantine.mending.likeness import clusters, fingerprint, near

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
VALUES = st.dictionaries(WORDS, st.integers(1, 1000), max_size=30)
LISTED = st.lists(
    st.sampled_from(["POS", "NEG", "N/A", "invalid", "1", "10", "male", "female"]), unique=True, max_size=6
)


@settings(deadline=None)
@given(VALUES, LISTED)
def test_every_value_is_in_one_cluster_at_most_and_none_is_its_own_target(
    values: dict[str, int], listed: list[str]
) -> None:
    found = clusters(values, listed)
    members = [value for cluster in found for value in cluster.values]
    assert len(members) == len(set(members))
    for cluster in found:
        assert cluster.target not in cluster.values
        assert cluster.target in (listed or values)
        assert cluster.rows == sum(values[value] for value in cluster.values) > 0
    assert not listed or not set(members) & set(listed)


@settings(deadline=None)
@given(VALUES, st.randoms())
def test_the_order_in_which_values_come_does_not_matter(values: dict[str, int], chance: object) -> None:
    items = list(values.items())
    chance.shuffle(items)  # type: ignore[attr-defined]
    assert clusters(dict(items)) == clusters(values)


NUMBERS = st.from_regex(r"\A[<>]?-?[0-9]{1,6}([.,/-][0-9]{1,3})?( ?(mg|%))?\Z", fullmatch=True).filter(str.isascii)


@settings(deadline=None)
@given(st.dictionaries(NUMBERS, st.integers(1, 9), max_size=30))
def test_figures_that_differ_are_never_one(values: dict[str, int]) -> None:
    for cluster in clusters(values):
        for value in cluster.values:
            kept = "".join(c for c in value if not c.isalpha() and not c.isspace())
            assert kept == "".join(c for c in cluster.target if not c.isalpha() and not c.isspace())


@settings(deadline=None)
@given(WORDS)
def test_case_accents_and_marks_are_no_difference(word: str) -> None:
    key = fingerprint(word)
    assert fingerprint(f" {word}. ") == key
    assert fingerprint(key) == key


@settings(deadline=None)
@given(st.text("abcd", max_size=7), st.text("abcd", max_size=7))
def test_a_near_miss_is_one_step_whichever_way_it_is_asked(one: str, other: str) -> None:
    letters = "abcd"
    steps = {one}
    for n in range(len(one) + 1):
        steps |= {one[:n] + c + one[n:] for c in letters}
        if n < len(one):
            steps |= {one[:n] + one[n + 1 :], *(one[:n] + c + one[n + 1 :] for c in letters)}
            steps.add(one[:n] + one[n : n + 2][::-1] + one[n + 2 :])
    assert near(one, other) == near(other, one) == (other in steps)


@pytest.mark.parametrize(
    ("values", "listed", "found"),
    [
        (
            ["Positive", "positive", "POS.", "pos"],
            ["POS", "NEG", "N/A"],
            {"POS": {"Positive", "positive", "POS.", "pos"}},
        ),
        (
            ["negatief", "NEGATIVE", "n/a", "n.a."],
            ["POS", "NEG", "N/A"],
            {"NEG": {"negatief", "NEGATIVE"}, "N/A": {"n/a", "n.a."}},
        ),
        (["not positive", "P", "po", "unknown"], ["POS", "NEG"], {}),
        (["femaale", "Fmale", "mail"], ["male", "female"], {"female": {"femaale"}}),
        (
            ["Ziekenhuis Noord", "ziekenhuis noord", "Noord ziekenhuis"],
            [],
            {"Noord ziekenhuis": {"Ziekenhuis Noord", "ziekenhuis noord"}},
        ),
        (["Amsterdam", "Amsterdma", "Amsterdan"], [], {"Amsterdam": {"Amsterdma", "Amsterdan"}}),
        (["S0001", "S0002", "s0001"], [], {"S0001": {"s0001"}}),
        (["Lab A", "Lab B"], [], {}),
    ],
)
def test_what_is_one_and_what_is_not(values: list[str], listed: list[str], found: dict[str, set[str]]) -> None:
    assert {c.target: set(c.values) for c in clusters(dict.fromkeys(values, 1), listed)} == found


def test_many_values_take_no_square_of_them() -> None:
    values = {f"laboratory {chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}": 1 for n in range(5_000)}
    clusters(values)  # 12 million pairs would take minutes
