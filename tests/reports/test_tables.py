"""The reports: order, and protection."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest

from platform_assets.reports.tables import final_export, surveillance_report


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
