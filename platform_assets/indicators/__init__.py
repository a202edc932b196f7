"""Indicators as their authors declare them, and how they are computed on snapshots of their inputs.

Here: what an indicator is made of (`script`: the header of one .R file, read without starting R; `sql`: a query), its inputs, parameters and receipts.
Not here: R itself (resources.r_runtime) and the Dagster asset (components).
"""

from platform_assets.indicators.model import (
    COLUMN_TYPES,
    Amount,
    Cases,
    Column,
    ColumnType,
    Direction,
    HeaderError,
    Indicator,
    Input,
    Minimum,
    Param,
    Plot,
)
from platform_assets.indicators.script.code import HARNESS
from platform_assets.indicators.script.header import list_indicators, read_indicator

__all__ = [
    "COLUMN_TYPES",
    "HARNESS",
    "Amount",
    "Cases",
    "Column",
    "ColumnType",
    "Direction",
    "HeaderError",
    "Indicator",
    "Input",
    "Minimum",
    "Param",
    "Plot",
    "list_indicators",
    "read_indicator",
]
