"""The export: order and columns."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from platform_assets.reports.tables import final_export


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
