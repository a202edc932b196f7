"""Names of columns and keys that a contract does not know: told where they are made of words of headers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.ingest.readers.shape.header import match_header
from platform_assets.ingest.readers.shape.names import MOST, told_name, told_names
from tests.conftest import Bench, lab_contract

Make = Callable[..., Bench]
CONTRACT = lab_contract()
VALUES = [
    "Jansen",
    "jansen",
    "Jansen, P.",
    "van der Berg",
    "O'Brien",
    "Zoë",
    "123456782",
    "000-11-0001",
    "12",
    "1980-01-31",
    "31/01/1980",
    "jan@example.org",
    "+31 6 12345678",
    "1234AB",
    "NL91ABNA0417164300",
    "patient 123456782",
    "id_123456",
    "Jansen_1980",
    "POS;Jansen",
]


@pytest.mark.parametrize("value", VALUES)
def test_what_may_be_a_value_is_told_by_place_and_form(value: str) -> None:
    (told,) = told_names([(7, value)], CONTRACT)
    assert told.startswith("column 7, a name like ")
    for part in value.replace(",", " ").replace("_", " ").split():
        assert len(part) < 3 or part == "patient" or part not in told


@pytest.mark.parametrize(
    "name",
    [
        "comment",
        "Date of birth",
        "PatientId",
        "week_2024",
        "email_address",
        "Opmerkingen",
        "sample_2",
        "viral load (max)",
    ],
)
def test_names_of_columns_are_told(name: str) -> None:
    assert told_names([(7, name)], CONTRACT) == [name]


@given(name=st.text(max_size=60))
def test_no_digits_but_small_numbers_and_years_are_told(name: str) -> None:
    told = told_name(name)
    assert told in ("", name)
    (form,) = told_names([(1, name)], CONTRACT)
    assert told or not any(c.isdigit() and c != "9" for c in form.removeprefix("column 1"))


def test_a_header_that_is_the_first_row_tells_no_value(bench: Make) -> None:
    header = ["sample_id", "test_date", "result", "viral_load", *VALUES]
    drift = match_header(header, CONTRACT, CONTRACT.format[0]).drift
    assert not any(v in str(drift) for v in VALUES if len(v) > 3)
    lab = bench(format=[{"kind": "csv"}, {"kind": "json"}])
    rows = ",".join(["A", "2024-01-01", "POS", "1", *["x"] * 3]) + "\n"
    (entry,) = lab.send("a.csv", f"sample_id,test_date,result,viral_load,Jansen,1980-01-31,123456782\n{rows}").entries
    keys = {
        "sample_id": "B",
        "test_date": "2024-01-01",
        "result": "POS",
        "viral_load": 1,
        "Pietersen": 1,
        "000-11-0001": {"Jansen": 2},
    }
    (other,) = lab.send("b.json", json.dumps([keys])).entries
    assert (entry.valid, other.valid) == (1, 1)
    assert not any(v in str(e.drift) for v in ("Jansen", "1980", "1234", "Pietersen", "000-11") for e in (entry, other))


def test_many_are_counted() -> None:
    told = told_names([(n, f"a{n:09d}") for n in range(1000)], CONTRACT)
    assert len(told) == MOST + 1
    assert told[-1] == "and 960 more"
