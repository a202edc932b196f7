"""Other ways to write what a column asks for: each is undone by what the contract reads, and none makes a value of what it does not know."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.contracts.columns import Column
from platform_assets.contracts.dates.formats import read_format
from platform_assets.quarantine.mending.rewriting import Row, moves, rewritings

ZONE = "Europe/Amsterdam"
DATE = Column.model_validate({"type": "date", "format": "%Y-%m-%d"})
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31))


def made(column: Column, value: str) -> dict[str, str | None]:
    """Words of what changes `value` -> what it becomes."""
    return {r.words: new for r in rewritings(column, ZONE) for old, new in r.of({value: 1}).items() if old == value}


@settings(deadline=None)
@given(DAYS, st.sampled_from(["%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"]), st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"]))
def test_a_date_with_its_day_first_becomes_the_day_it_is(day: dt.date, written: str, asked: str) -> None:
    column = Column.model_validate({"type": "date", "format": asked})
    value = day.strftime(written)
    new = made(column, value).get("read as day/month/year", value)
    assert new is not None
    parsed = read_format(asked, zone=ZONE).parse(new)
    assert parsed is not None
    assert parsed.date() == day


@settings(deadline=None)
@given(DAYS)
def test_a_date_that_can_be_read_in_two_ways_is_offered_in_both(day: dt.date) -> None:
    found = made(DATE, f"{day.day}/{day.month}/{day.year}")
    assert found["read as day/month/year"] == day.isoformat()
    assert ("read as month/day/year" in found) == (day.day <= 12)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_of_other_texts_no_date_is_made(text: str) -> None:
    for new in made(DATE, text).values():
        assert new is None or new != text
    if not any(c.isdigit() for c in text):
        assert not any(words.startswith("read as") for words in made(DATE, text))


def test_a_time_of_day_is_not_lost() -> None:
    assert made(DATE, "31/12/2025 00:00")["read as day/month/year"] == "2025-12-31"
    assert "read as day/month/year" not in made(DATE, "31/12/2025 14:30")


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_a_decimal_comma_becomes_a_point_and_back(whole: int, part: int) -> None:
    for mark, other in ((".", ","), (",", ".")):
        column = Column.model_validate({"type": "decimal", "decimal_separator": mark})
        assert f"{whole}{mark}{part:02}" in made(column, f"{whole}{other}{part:02}").values()


@pytest.mark.parametrize(
    ("document", "value", "new"),
    [
        ({"type": "integer"}, "1.234.567", "1234567"),
        ({"type": "integer"}, "1 234", "1234"),
        ({"type": "integer"}, "1e6", "1000000"),
        ({"type": "integer"}, "50.0", "50"),
        ({"type": "integer"}, "50 copies/ml", "50"),
        ({"type": "float"}, "12,5 %", "12.5"),
        ({"type": "float"}, "\uff11\uff12", "12"),
        ({"type": "categorical", "in": ["POS", "NEG"]}, " pos ", "POS"),
        ({"type": "string", "matches": "^[A-Z]+$"}, "abc", "ABC"),
        ({"type": "string", "max_length": 5}, '"ab"', "ab"),
        ({"type": "string", "matches": "^[0-9]+$"}, "12 34", "1234"),
        ({"type": "boolean"}, "Ja", "true"),
        ({"type": "boolean"}, "0", "false"),
        ({"type": "integer", "required": False}, "n.v.t.", None),
        ({"type": "date", "format": "%d-%m-%Y"}, "5 maart 2024", "05-03-2024"),
        ({"type": "date", "format": "%Y-%m-%d"}, "20240305", "2024-03-05"),
        ({"type": "date", "format": "%Y-%m-%d"}, "45356", "2024-03-05"),
        ({"type": "timestamp", "format": "%Y-%m-%d %H:%M"}, "5/3/2024 9:07", "2024-03-05 09:07"),
    ],
)
def test_what_is_offered(document: dict[str, object], value: str, new: str | None) -> None:
    assert new in made(Column.model_validate(document), value).values()


@pytest.mark.parametrize("value", ["<50", "-5", "5-6", "1,2,3", "n.v.t.", "12 34 5"])
def test_no_number_is_made_of_what_is_none(value: str) -> None:
    assert made(Column.model_validate({"type": "integer"}), value) == {}


CELLS = st.one_of(st.none(), st.text("abc;,|/ ", max_size=6))


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys("pqrs", CELLS)), st.sampled_from("pqrs"))
def test_cells_move_and_none_is_lost_or_made(row: Row, column: str) -> None:
    for move in moves(column, "pqrs"):
        moved = move.move(row)
        if moved is None:
            continue
        assert list(moved) == list(row)

        def text(cells: Row) -> list[str]:
            return sorted(c for value in cells.values() for c in (value or "") if c not in ";,|/ ")

        assert text(moved) == text(row)
        at = "pqrs".index(column)
        assert [moved[c] for c in "pqrs"[:at]] == [row[c] for c in "pqrs"[:at]]


def test_two_values_in_one_cell_make_room_for_the_second() -> None:
    row: Row = {"lab": "north;2024-01-02", "day": "POS", "result": None}
    found = [move.move(row) for move in moves("lab", list(row))]
    assert {"lab": "north", "day": "2024-01-02", "result": "POS"} in found
