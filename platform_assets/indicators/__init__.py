"""Indicators as their authors declare them: the header of one .R file, read without starting R.

Here: what an indicator is made of, and how it is read from text.
Not here: running it (resources.r_runtime) and its Dagster asset.
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
