"""The compiled SQL against pandera on pandas as the oracle, and what is read from text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import pandera.errors
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platform_assets.contracts.compiling.expression import compile_contract
from platform_assets.contracts.compiling.schema import dtype_of, pandera_schema
from platform_assets.contracts.model import Contract
from tests.conftest import LAB

TODAY = dt.date(2026, 1, 15)


def _contract(columns: dict[str, Any], rules: list[dict[str, str]] | None = None) -> Contract:
    return Contract.model_validate({**LAB, "load": {"mode": "append"}, "columns": columns, "rules": rules or []})


def _run(contract: Contract, rows: list[tuple[str | None, ...]]) -> tuple[list[tuple[Any, ...]], dict[int, list[str]]]:
    """Typed rows, and row number -> reasons."""
    compiled = compile_contract(contract, TODAY)
    with duckdb.connect() as connection:
        names = list(contract.file_columns)
        listed = ", ".join(f"{n} VARCHAR" for n in names)
        connection.execute(f"CREATE TABLE staged ({listed}, _file BIGINT, _row BIGINT)")
        marks = ", ".join("?" * (len(names) + 2))
        if rows:
            connection.executemany(f"INSERT INTO staged VALUES ({marks})", [(*r, 0, n) for n, r in enumerate(rows)])
        typed = connection.execute(f"SELECT * EXCLUDE (_file, _row) FROM ({compiled.typed}) ORDER BY _row").fetchall()
        wrong = connection.execute(f"SELECT _row, _reasons FROM ({compiled.judged})").fetchall()
    return typed, dict(wrong)


@pytest.mark.parametrize(
    ("options", "text", "value"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, " +007 ", 7),
        ({"type": "integer"}, "12.7", None),
        ({"type": "integer"}, "1e3", None),
        ({"type": "integer"}, "1_000", None),
        ({"type": "integer"}, "0x1F", None),
        ({"type": "integer"}, "١٢", None),
        ({"type": "integer", "thousands_separator": "."}, "1.234.567", 1234567),
        ({"type": "integer", "thousands_separator": "."}, "12.34", None),
        ({"type": "float"}, "-1.5e-3", -0.0015),
        ({"type": "float"}, "infinity", None),
        ({"type": "float"}, "nan", None),
        ({"type": "float"}, "1e999", None),
        ({"type": "float", "decimal_separator": ","}, "1,5", 1.5),
        ({"type": "float", "decimal_separator": ","}, "1.5", None),
        ({"type": "decimal", "precision": 6, "scale": 2}, "1234.56", Decimal("1234.56")),
        ({"type": "decimal", "precision": 6, "scale": 2}, "1.005", None),
        ({"type": "decimal", "precision": 6, "scale": 2}, "12345.0", None),
        ({"type": "boolean"}, "TRUE", True),
        ({"type": "boolean"}, "1", None),
        ({"type": "boolean", "true_values": ["J"], "false_values": ["N"]}, "N", False),
        ({"type": "date", "format": "%Y-%m-%d"}, "2024-02-29", dt.date(2024, 2, 29)),
        ({"type": "date", "format": "%Y-%m-%d"}, "2023-02-29", None),
        ({"type": "date", "format": "%Y-%m-%d"}, "2021/01/05", None),
        ({"type": "date", "format": "%Y-%m-%d"}, "2021-1-5", None),
        ({"type": "date", "format": "%-d/%-m/%Y"}, "5/1/2021", dt.date(2021, 1, 5)),
        ({"type": "date", "format": ["%d/%m/%Y", "%-d %B %Y"]}, "1 January 2020", dt.date(2020, 1, 1)),
        ({"type": "date", "format": "%d-%b-%Y"}, "31-dec-2020", dt.date(2020, 12, 31)),
        ({"type": "timestamp", "format": "%d/%m/%Y %H:%M"}, "13/03/2020 10:00", dt.datetime(2020, 3, 13, 10)),
        ({"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"}, "2021-03-28 02:30:00", dt.datetime(2021, 3, 28, 2, 30)),
        ({"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"}, "2021-03-28 24:00:00", dt.datetime(2021, 3, 29)),
        ({"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"}, "2021-03-28 24:00:01", None),
        ({"type": "string", "trim": False}, " a ", " a "),
        ({"type": "string", "replace": {"Positive": "POS"}}, "Positive", "POS"),
        ({"type": "string", "replace_pattern": [{"pattern": r"\\x[0-9a-f]{2}", "with": ""}]}, r"a\xc3\x28b", "ab"),
        ({"type": "string", "case": "upper"}, "pos", "POS"),
    ],
)
def test_text_is_read_as_declared_or_not_at_all(options: dict[str, Any], text: str, value: Any) -> None:
    typed, wrong = _run(_contract({"x": options}), [(text,)])
    assert typed == [(value,)]
    assert bool(wrong) == (value is None)


def test_null_tokens_are_missing_values_and_constants_are_added() -> None:
    columns = {
        "x": {"type": "integer", "required": False, "null_tokens": ["", "NA", "-"]},
        "country": {"type": "string", "constant": "NL"},
    }
    typed, wrong = _run(_contract(columns), [("NA",), ("-",), ("",), (None,), ("n/a",)])
    assert typed == [(None, "NL")] * 5
    assert list(wrong) == [4]


def test_the_shape_of_a_value_is_told_but_not_the_value() -> None:
    _, wrong = _run(_contract({"x": {"type": "integer"}}), [("Jansen-1978é" + "z" * 99,)])
    (reason,) = wrong[0]
    assert reason == "x: is not a whole number, found a value like Aaaaaa-9999?" + "a" * 28


def test_reasons_show_a_date_and_not_how_programs_write_its_form() -> None:
    columns = {
        "day": {"type": "date", "format": ["%d-%m-%Y", "%-d %B %Y"]},
        "moment": {"type": "timestamp", "format": "%Y-%m-%d %H:%M"},
        "code": {"type": "string", "matches": {"pattern": "^[A-Z]{2}[0-9]+$", "says": "a code such as AB12"}},
    }
    _, wrong = _run(_contract(columns), [("x", "y", "z1")])
    assert wrong[0] == [
        "day: is not a date like 31-12-2026 or 31 December 2026, found a value like a",
        "moment: is not a date and time like 2026-12-31 14:30, found a value like a",
        "code: is not a code such as AB12, found a value like a9",
    ]


COLUMNS: dict[str, Any] = {
    "i": {"type": "integer", "ge": -3, "lt": 9, "not_in": [4], "required": False},
    "f": {"type": "float", "gt": -2.5, "le": 2.5, "required": False},
    "s": {"type": "string", "matches": "[A-Z]+$", "min_length": 2, "max_length": 4, "required": False},
    "c": {"type": "categorical", "in": ["POS", "NEG", "N/A"]},
    "d": {"type": "date", "format": "%Y-%m-%d", "ge": dt.date(2020, 1, 1), "le": "today", "required": False},
}
RULES = [{"name": "no_negative", "check": "tests.contracts.test_expression:negative_means_small"}]


def negative_means_small(table: Any) -> Any:
    """A rule on two columns, as a contract would name it."""
    return (table.c != "NEG") | table.i.isnull() | (table.i < 5)


texts = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "POS", "NEG", "N/A", "pos", "AB", "abc", "ABCDE", "é", "2020-06-01", "2026-02-01", "2019-12-31"]
    ),
    st.integers(-12, 12).map(str),
    st.floats(-4, 4, allow_nan=False).map(lambda x: f"{x:.3f}"),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(st.tuples(texts, texts, texts, texts, texts), min_size=1, max_size=30))
@example(rows=[("5", "1.0", "AB", "NEG", "2020-06-01"), ("4", "-2.5", "A", "POS", "2019-12-31")])
def test_the_engine_and_pandera_on_pandas_reject_the_same_rows(rows: list[tuple[str | None, ...]]) -> None:
    contract = _contract(COLUMNS, RULES)
    typed, wrong = _run(contract, rows)
    frame = pd.DataFrame(
        {n: pd.Series([r[k] for r in typed], dtype=dtype_of(c)) for k, (n, c) in enumerate(contract.columns.items())}
    )
    expected: set[int] = set()
    # pandera judges typed values; what could not be read at all has NULL there and is told by the text
    for number, row in enumerate(rows):
        for (_, column), text, value in zip(contract.columns.items(), row, typed[number], strict=True):
            if ((text or "").strip() and value is None) or (value is None and not column.nullable):
                expected.add(number)
    schema = pandera_schema(contract, TODAY)
    for name in contract.columns:  # a missing value was judged above
        schema = schema.update_column(name, nullable=True)
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        expected |= {int(i) for i in error.failure_cases["index"].dropna()}
    assert set(wrong) == expected
