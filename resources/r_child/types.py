"""The Arrow types of declared columns: what an indicator's output file is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TABLE = "data.parquet"
"""Name of the table among a run's outputs; plots are `<plot>.svg` and `<plot>.png` beside it."""
MOST_PLOT_BYTES = {".svg": 20_000_000, ".png": 5_000_000}
"""Kind of plot -> its largest file: a browser has to show it, and Dagster keeps the PNG in its database."""


def most_bytes(name: str, table_mb: int) -> int:
    """How large the output file `name` may be."""
    return MOST_PLOT_BYTES.get(name[-4:], table_mb << 20)


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
