"""Small numbers stay hidden: in cells, totals, parts, rates, and in every difference that can be formed."""

from __future__ import annotations

import csv
import os
from itertools import combinations, product
from pathlib import Path

import pandas as pd
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.disclosure.small_numbers import ALL, DisclosureError, Policy, Rate, Spec, hide_small, protect

LABS = Spec(dimensions=["week", "lab"], counts={"tests": None})
POSITIVITY = Spec(
    dimensions=["week", "lab"],
    counts={"tests": None, "positives": "tests"},
    rates={"positivity": Rate("positives", "tests", 100)},
)


def row(table: pd.DataFrame, **labels: str) -> pd.Series:
    found = table[(table[list(labels)] == list(labels.values())).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.skipif("PLATFORM_SHARED" not in os.environ, reason="published reference results are not here")
def test_single_counts_agree_with_published_rules() -> None:
    path = Path(os.environ["PLATFORM_SHARED"]) / "vectors" / "sdc_rounding_expected.csv"
    midpoint = Policy(threshold=0, base=6, rounding="midpoint")
    for line in csv.DictReader(path.open()):
        value = int(line["value"])
        assert (Policy().shown(value) or 0) == int(line["opensafely_redact7_round5"])
        assert midpoint.shown(value) == int(line["midpoint6"])
        shown = Policy().shown(value)
        assert ("*" if shown is None else str(shown)) == line["nhs_hes_subnational"]


def test_a_suppressed_count_is_missing_and_flagged_and_never_a_zero() -> None:
    published = protect(pd.DataFrame({"week": ["1", "1"], "lab": ["a", "b"], "tests": [3, 0]}), LABS)
    small, none = row(published, week="1", lab="a"), row(published, week="1", lab="b")
    assert pd.isna(small["tests"])
    assert bool(small["tests_suppressed"])
    assert bool(small["suppressed"])
    assert none["tests"] == 0
    assert not none["suppressed"]


def test_a_total_that_is_small_is_suppressed_too() -> None:
    published = protect(pd.DataFrame({"week": ["1", "2"], "lab": ["a", "b"], "tests": [3, 4]}), LABS)
    assert bool(row(published, week=ALL, lab=ALL)["tests_suppressed"])


def test_totals_stay_near_the_truth_although_their_small_cells_are_hidden() -> None:
    table = pd.DataFrame(
        [(str(w), str(lab), 5) for w in range(20) for lab in range(20)], columns=["week", "lab", "tests"]
    )
    published = protect(table, LABS)
    assert abs(row(published, week=ALL, lab=ALL)["tests"] - 2000) <= 20
    weeks = published[(published["lab"] == ALL) & (published["week"] != ALL)]
    assert (weeks["tests"].astype(int) - 100).abs().max() <= 20


def test_the_difference_of_a_total_and_its_only_other_cell_tells_nothing() -> None:
    published = protect(pd.DataFrame({"week": ["1", "1"], "lab": ["a", "b"], "tests": [12, 4]}), LABS)
    assert row(published, week="1", lab=ALL)["tests"] - row(published, week="1", lab="a")["tests"] in (0, 10)


def test_what_two_cells_and_their_total_show_fits_several_truths() -> None:
    outcomes: dict[tuple[int, int | None], set[int]] = {}
    for large, small in product(range(8, 23), range(1, 8)):
        published = protect(pd.DataFrame({"week": ["1", "1"], "lab": ["a", "b"], "tests": [large, small]}), LABS)
        shown = (int(row(published, week="1", lab="a")["tests"]), int(row(published, week="1", lab=ALL)["tests"]))
        outcomes.setdefault(shown, set()).add(small)
    assert min(len(truths) for truths in outcomes.values()) >= 3


def test_few_negatives_hide_the_rate_but_not_the_tests() -> None:
    published = protect(pd.DataFrame({"week": ["1"], "lab": ["a"], "tests": [100], "positives": [97]}), POSITIVITY)
    cell = row(published, week="1", lab="a")
    assert bool(cell["positivity_suppressed"])
    assert pd.isna(cell["positivity"])
    assert cell["tests"] - cell["positives"] not in range(1, 8)


def test_rates_are_made_of_rounded_figures() -> None:
    published = protect(pd.DataFrame({"week": ["1"], "lab": ["a"], "tests": [103], "positives": [23]}), POSITIVITY)
    cell = row(published, week="1", lab="a")
    assert cell["positivity"] == pytest.approx(100 * 25 / 105)


def test_a_rate_with_a_small_denominator_is_suppressed() -> None:
    published = protect(pd.DataFrame({"week": ["1"], "lab": ["a"], "tests": [6], "positives": [0]}), POSITIVITY)
    assert bool(row(published, week="1", lab="a")["positivity_suppressed"])


def test_a_carried_statistic_goes_with_its_count_and_has_no_total() -> None:
    spec = Spec(["lab"], {"n": None}, carried={"mean_days": "n"})
    published = protect(pd.DataFrame({"lab": ["a", "b"], "n": [40, 3], "mean_days": [2.5, 9.0]}), spec)
    assert row(published, lab="a")["mean_days"] == 2.5
    assert pd.isna(row(published, lab="b")["mean_days"])
    assert pd.isna(row(published, lab=ALL)["mean_days"])


def test_arrow_tables_missing_labels_and_dates_are_taken_as_they_are() -> None:
    table = pyarrow.table({"lab": ["a", None], "n": pyarrow.array([20, 30], pyarrow.int32())})
    published = protect(table, Spec(["lab"], {"n": None}))
    assert set(published["lab"]) == {"a", "(unknown)", ALL}


def test_an_empty_table_has_a_total_of_zero_and_no_cells() -> None:
    published = protect(pd.DataFrame({"week": [], "lab": [], "tests": []}), LABS)
    assert published["tests"].tolist() == [0]


@pytest.mark.parametrize(
    ("counts", "message"),
    [([1.5, 2], "whole number"), ([-1, 2], "whole number"), ([None, 2], "whole number")],
)
def test_what_is_no_count_is_refused(counts: list[float], message: str) -> None:
    with pytest.raises(DisclosureError, match=message):
        protect(pd.DataFrame({"week": ["1", "2"], "lab": ["a", "b"], "tests": counts}), LABS)


def test_a_part_that_exceeds_its_whole_is_refused() -> None:
    with pytest.raises(DisclosureError, match="exceeds tests"):
        protect(pd.DataFrame({"week": ["1"], "lab": ["a"], "tests": [10], "positives": [11]}), POSITIVITY)


def test_a_table_with_totals_of_its_own_is_refused() -> None:
    with pytest.raises(DisclosureError, match="leave totals out"):
        protect(pd.DataFrame({"week": [ALL], "lab": ["a"], "tests": [10]}), LABS)


def test_a_rate_of_something_unprotected_is_refused() -> None:
    with pytest.raises(DisclosureError, match="protected too"):
        Spec(["lab"], {"n": None}, rates={"r": Rate("n", "population")})


# ------------------------------------------------------------------ the attacker

VALUES = st.one_of(st.integers(0, 9), st.integers(0, 40))
POLICIES = st.sampled_from(
    [Policy(), Policy(threshold=5), Policy(base=1), Policy(base=6, rounding="midpoint"), Policy(4, 10)]
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    dimensions = [[f"{d}{i}" for i in range(draw(st.integers(1, 3)))] for d in "abc"]
    rows: list[tuple[object, ...]] = []
    for labels in product(*dimensions):
        if draw(st.booleans()) or not rows:
            positives, others = draw(VALUES), draw(VALUES)
            rows.append((*labels, positives + others, positives))
    return pd.DataFrame(rows, columns=["a", "b", "c", "tests", "positives"])


def members(cell: pd.Series, base: pd.DataFrame) -> frozenset[int]:
    """The base cells that a published cell is about."""
    inside = pd.Series(True, index=base.index)
    for d in ("a", "b", "c"):
        if cell[d] != ALL:
            inside &= base[d] == cell[d]
    return frozenset(base.index[inside])


@settings(max_examples=120, deadline=None)
@given(table=tables(), policy=POLICIES)
def test_an_attacker_who_subtracts_every_pair_of_published_cells_finds_no_small_cell(
    table: pd.DataFrame, policy: Policy
) -> None:
    published = protect(table, Spec(["a", "b", "c"], {"tests": None, "positives": "tests"}, policy=policy))
    small = range(1, policy.threshold + 1)
    figures = []  # every published figure, as the set of (cell, category) that it counts, and its value
    for _, cell in published.iterrows():
        inside = members(cell, table)
        positives = frozenset((i, "positive") for i in inside)
        for name, group in (("positives", positives), ("tests", positives | {(i, "other") for i in inside})):
            if not cell[f"{name}_suppressed"]:
                figures.append((group, int(cell[name])))
    for group, value in figures:
        assert value not in small
        true = sum(
            table["positives"][i] if c == "positive" else table["tests"][i] - table["positives"][i] for i, c in group
        )
        assert (value == 0) == (true == 0)
    for (group, value), (other, other_value) in combinations(figures, 2):
        if group <= other:
            assert other_value - value not in small
        if other <= group:
            assert value - other_value not in small


@settings(max_examples=60, deadline=None)
@given(table=tables())
def test_an_attacker_who_ticks_any_several_values_of_a_filter_finds_no_small_cell(table: pd.DataFrame) -> None:
    published = protect(table, Spec(["a", "b", "c"], {"tests": None}))
    totals = published[(published["b"] == ALL) & (published["c"] == ALL)]
    whole = totals[totals["a"] == ALL].iloc[0]
    parts = totals[(totals["a"] != ALL) & ~totals["tests_suppressed"]]
    if whole["tests_suppressed"]:
        return
    for size in range(1, len(parts) + 1):
        for chosen in combinations(parts["tests"].astype(int), size):
            assert int(whole["tests"]) - sum(chosen) not in range(1, 8)


# ------------------------------------------------------------------ tables of one count per row


def test_a_small_count_goes_with_the_figures_made_of_it_and_the_other_rows_stay_as_they_were() -> None:
    table = pd.DataFrame({"lab": ["a", "b", "c"], "tests": [100, 7, 0], "rate": [0.5, 0.25, 0.0]})
    published = hide_small(table, ["tests"], ["rate"])
    assert published["tests"].tolist() == [100, pd.NA, 0]
    assert published["rate"].isna().tolist() == [False, True, False]
    assert published["suppressed"].tolist() == [False, True, False]
    assert published["lab"].tolist() == ["a", "b", "c"]
    assert table["tests"].tolist() == [100, 7, 0]


def test_few_negatives_are_not_told_by_tests_minus_positives() -> None:
    table = pd.DataFrame({"tests": [20, 20], "positives": [17, 12], "rate": [0.85, 0.6]})
    published = hide_small(table, ["tests", "positives"], ["rate"])
    assert published["tests"].tolist() == [20, 20]
    assert published["positives"].tolist() == [pd.NA, 12]
    assert published["rate"].isna().tolist() == [True, False]


def test_missing_counts_stay_missing_and_a_table_without_counts_stays_as_it_is() -> None:
    table = pd.DataFrame({"tests": pd.array([None, 9], "Int64"), "rate": [None, 1.0]})
    published = hide_small(table, ["tests"], ["rate"])
    assert published["suppressed"].tolist() == [False, False]
    assert published["tests"].isna().tolist() == [True, False]
    assert hide_small(table, [], ["rate"])["rate"].tolist()[1] == 1.0


counts_of_a_row = st.lists(st.integers(0, 60), min_size=3, max_size=3)


@given(st.lists(counts_of_a_row, min_size=1, max_size=8), st.integers(0, 9))
def test_an_attacker_who_subtracts_every_pair_of_counts_of_a_row_finds_no_small_one(
    rows: list[list[int]], threshold: int
) -> None:
    names = ["tests", "positives", "admitted"]
    published = hide_small(pd.DataFrame(rows, columns=names), names, [], Policy(threshold=threshold))
    small = set(range(1, threshold + 1))
    for true, shown in zip(rows, published[names].to_numpy(), strict=True):
        left = [int(n) for n in shown if not pd.isna(n)]
        assert not small & set(left)
        assert not small & {abs(a - b) for a, b in combinations(left, 2)}
        assert set(left) <= set(true)
        if max(true) > threshold:
            assert max(true) in left  # the largest count of a row is never given up for another
