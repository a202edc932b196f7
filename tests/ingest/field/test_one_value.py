"""One value, one judgement: a table gives the same rows, the same rejected rows and the same reasons, whatever file it comes in."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.conftest import Bench
from tests.ingest.field.many import load_many
from tests.ingest.field.written import DATE, KINDS, MOMENT, WRITERS, Row

Make = Callable[..., Bench]
COLUMNS: dict[str, Any] = {
    "code": {"type": "string", "role": "identifier", "purpose": "patient"},
    "name": {"type": "string", "required": False, "max_length": 12},
    "n": {"type": "integer", "ge": -5, "required": False},
    "dose": {"type": "decimal", "precision": 12, "scale": 3, "required": False},
    "day": {"type": "date", "format": DATE},
    "moment": {"type": "timestamp", "format": MOMENT, "required": False},
    "yes": {"type": "boolean", "required": False},
}
NAMES = list(COLUMNS)
NUMBERS = itertools.count()


def agree(bench: Make, rows: Sequence[Row]) -> dict[str, list[tuple[Any, ...]]]:
    """Load `rows` in every kind of file, and hold all against the first. Returns what that one gave."""
    files = {name: write(NAMES, rows) for name, write in WRITERS.items()}
    came = load_many(bench, files, f"same{next(NUMBERS)}", format=KINDS, columns=COLUMNS)
    listed = ", ".join(NAMES)
    told: dict[str, list[tuple[Any, ...]]] = {}
    for file, entry in came.entries.items():
        assert entry.status == "published", (file, entry.reason)
        of = f"WHERE _delivery = '{entry.delivery}'"
        reasons = "list_sort(_reasons)"
        found = {
            "table": came.bench.sql(f"SELECT {listed} FROM {{validated}} {of} ORDER BY ALL"),
            "rejected": came.bench.sql(
                f"SELECT {listed}, {reasons} FROM {{quarantine}} {of} AND _text IS NULL ORDER BY ALL"
            ),
            "raw": came.bench.sql(f"SELECT {listed} FROM {{raw}} {of} ORDER BY ALL"),
        }
        assert entry.malformed == ("ragged" in file), file
        told = told or found
        for what in found:
            assert found[what] == told[what], f"{what} of {file}"
    return told


PLAIN = st.text(
    st.characters(
        min_codepoint=32, max_codepoint=0x17F, exclude_characters="\x7f\xa0\xad", exclude_categories=["Cc", "Cf"]
    ),
    max_size=9,
)
NOISY = st.text(st.sampled_from("a1 \",;\t'=+-\n#_x0é|"), max_size=8)
SAID = st.sampled_from(
    [
        "NaN",
        "#N/A",
        "true",
        "007",
        "1e5",
        "1,5",
        "_x0041_",
        "12.50",
        "2026-01-01",
        '"',
        '""',
        "a\nb",
        " a",
        "=1+1",
        "null",
        "-",
    ]
)
TEXTS = PLAIN | NOISY | SAID
DAYS = st.dates(dt.date(1904, 1, 2), dt.date(2099, 12, 31))
MOMENTS = st.datetimes(dt.datetime(1904, 1, 2), dt.datetime(2099, 12, 31)).map(lambda m: m.replace(microsecond=0))
ROUND = MOMENTS.map(lambda m: m.replace(second=0))
WHOLE = st.integers(-(10**9), 10**14)
DECIMALS = (
    st.decimals(-(10**6), 10**6, places=4).map(lambda d: d.normalize() + 0).filter(lambda d: d != d.to_integral_value())
)


def or_wrong(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(right, right, st.none(), TEXTS, WHOLE, DAYS, MOMENTS, st.booleans(), DECIMALS)


ROWS = st.lists(
    st.tuples(
        st.one_of(st.from_regex("[0-9]{1,15}", fullmatch=True), WHOLE, TEXTS, st.none()),
        or_wrong(TEXTS),
        or_wrong(WHOLE),
        or_wrong(DECIMALS),
        or_wrong(DAYS),
        or_wrong(ROUND),
        or_wrong(st.booleans()),
    ),
    min_size=1,
    max_size=12,
)
FIXED: list[Row] = [
    ("007", "Café", 1, Decimal("0.3"), dt.date(2026, 12, 31), dt.datetime(2026, 12, 31, 14, 30), True),
    (7, "a;b,c\td", 0, Decimal("0.1") + Decimal("0.2"), dt.date(1999, 2, 28), dt.datetime(2026, 1, 1), False),
    (
        123456789012345,
        'say "hi"',
        -6,
        Decimal("1.2345"),
        dt.datetime(2026, 12, 31, 13, 45),
        dt.datetime(2026, 12, 31, 14, 30, 5),
        None,
    ),
    ("x", "two\nlines", "12.5", "1e3", "31/12/2026", "2026-12-31", "J"),
    ("y", " blanks ", 12, 5, "31-12-2026", None, "true"),
    ("z", "", None, None, None, None, None),
    (None, None, None, None, None, None, None),
    ("#N/A", "NaN", True, False, True, 45292, 1),
    ("_x0041_", "=1+1", dt.date(2026, 1, 1), dt.date(2026, 1, 1), 20260101, dt.date(2026, 1, 1), dt.date(2026, 1, 1)),
]
PROPERTY = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate],
)


def test_a_table_is_judged_alike_in_every_kind_of_file(bench: Make) -> None:
    told = agree(bench, FIXED)
    assert len(told["raw"]) == 8
    assert [row[1] for row in told["table"]] == sorted(row[1] for row in told["table"]) or told["table"]
    assert {row[3] for row in told["table"]} == {Decimal("0.300"), Decimal("5.000")}


@settings(PROPERTY, max_examples=1)
@given(rows=ROWS)
def test_any_table_is_judged_alike(bench: Make, rows: list[Row]) -> None:
    agree(bench, rows)


@pytest.mark.soak
@settings(PROPERTY, max_examples=400)
@given(rows=ROWS)
@example(rows=FIXED)
def test_any_table_is_judged_alike_long(bench: Make, rows: list[Row]) -> None:
    agree(bench, rows)
