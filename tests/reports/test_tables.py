"""The reports: order, protection, and that no cell runs as a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.reports.tables import csv_bytes, final_export, surveillance_report


def cells(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_bytes(table).decode(), newline="")))


def test_the_final_export_is_row_level_and_newest_first() -> None:
    table = pd.DataFrame(
        {
            "sample_id": ["b", "a", "c", "d"],
            "test_date": [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 2, 1), None],
            "_delivery": "x",
        }
    )
    export = final_export(table, "test_date")
    assert export["sample_id"].tolist() == ["c", "a", "b", "d"]
    assert list(export.columns) == ["sample_id", "test_date"]


def test_the_export_names_a_column_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no column 'day'"):
        final_export(pd.DataFrame({"a": [1]}), "day")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_a_cell_that_would_run_as_a_formula_does_not(text: str) -> None:
    assert cells(pd.DataFrame({"comment": [text]}))[1] == ["'" + text]


def test_a_header_that_would_run_as_a_formula_does_not() -> None:
    assert cells(pd.DataFrame({"=cmd()": [1]}))[0] == ["'=cmd()"]


def test_negative_numbers_stay_numbers_and_missing_values_are_empty() -> None:
    table = pd.DataFrame({"change": [-5, 2], "share": [-0.5, None], "n": pd.array([None, -3], "Int64")})
    assert cells(table)[1:] == [["-5", "-0.5", ""], ["2", "", "-3"]]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_text_survives_the_export_except_for_the_apostrophe(texts: list[str]) -> None:
    found = [row[0] if row else "" for row in cells(pd.DataFrame({"x": texts}))[1:]]
    assert [f.removeprefix("'") if f != t else f for f, t in zip(found, texts, strict=True)] == texts


def test_the_surveillance_report_counts_by_iso_week_and_hides_small_numbers() -> None:
    days = [dt.date(2024, 12, 30)] * 20 + [dt.date(2025, 1, 1)] * 3 + [dt.date(2025, 1, 6)] * 4
    table = pd.DataFrame({"test_date": days, "lab": "north", "result": ["NEG"] * 20 + ["POS"] * 7})
    report = surveillance_report(table, date="test_date", laboratory="lab", result="result")

    def cell(week: str, laboratory: str, result: str) -> dict[Any, Any]:
        labels = (report["week"] == week) & (report["laboratory"] == laboratory) & (report["result"] == result)
        return report[labels].iloc[0].to_dict()

    assert cell("2025-W01", "north", "NEG")["tests"] == 20
    assert pd.isna(cell("2025-W01", "north", "POS")["tests"])
    assert cell("2025-W02", "north", "POS")["suppressed"]
    assert cell("(all)", "(all)", "(all)")["tests"] in (20, 30)
