"""The pandera schema of an output holds types, order and limits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.errors
import pyarrow as pa
import pytest

from platform_assets.indicators import read_indicator
from platform_assets.indicators.schema import output_schema
from resources.r_child.types import arrow_schema

SCRIPT = """#' Shares
#' @input a x <text>
#' @output ward <text>, n <integer 0..>, share <number 0..1> of all, day <date>, seen <time>, ok <flag>
shares <- function(a) a
"""
TYPES = {"ward": "text", "n": "integer", "share": "number", "day": "date", "seen": "time", "ok": "flag"}


def frame(**values: object) -> pd.DataFrame:
    row = {"ward": "A", "n": 1, "share": 0.5, "day": None, "seen": None, "ok": True} | values
    table = pa.Table.from_pylist([row, dict.fromkeys(TYPES)], schema=arrow_schema(TYPES))
    return table.to_pandas(types_mapper=pd.ArrowDtype)


@pytest.fixture
def schema(tmp_path: Path) -> pandera.DataFrameSchema:
    (tmp_path / "indicators").mkdir()
    path = tmp_path / "indicators" / "shares.R"
    path.write_text(SCRIPT, encoding="utf-8")
    return output_schema(read_indicator(path))


def test_a_table_as_declared_passes_with_missing_values(schema: pandera.DataFrameSchema) -> None:
    assert len(schema.validate(frame())) == 2
    assert (schema.name, schema.title) == ("shares", "Shares")
    assert schema.columns["share"].description == "of all"


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (frame(n=-1), "n"),
        (frame(share=1.5), "share"),
        (frame().astype({"n": "float64"}), "n"),
        (frame().drop(columns="ok"), "ok"),
        (frame().assign(more=1), "more"),
        (frame()[["n", "ward", "share", "day", "seen", "ok"]], "ward"),
    ],
)
def test_a_table_that_is_not_as_declared_is_refused(
    table: pd.DataFrame, named: str, schema: pandera.DataFrameSchema
) -> None:
    with pytest.raises(pandera.errors.SchemaErrors) as refused:
        schema.validate(table, lazy=True)

    assert named in str(refused.value)
