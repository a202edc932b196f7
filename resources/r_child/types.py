"""The Arrow types of declared columns: what an indicator's output file is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TABLE = "data.parquet"
"""Name of the table among a run's outputs; plots are `<plot>.svg` and `<plot>.png` beside it."""


def arrow_types() -> dict[str, Any]:
    """Declared type -> Arrow type. time is UTC in microseconds, integer has 64 bits."""
    import pyarrow as pa

    return {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "date": pa.date32(),
        "time": pa.timestamp("us", tz="UTC"),
    }


def arrow_schema(columns: Mapping[str, str]) -> Any:
    """The Arrow schema of an output table (column -> declared type)."""
    import pyarrow as pa

    types = arrow_types()
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])
