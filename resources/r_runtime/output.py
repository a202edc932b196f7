"""The parent's own look at what a child wrote: what the child says of it is not enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resources.r_runtime.types import arrow_schema

if TYPE_CHECKING:
    from platform_assets.indicators import Indicator

OUTPUT = "data.parquet"
"""Name of the table in a run's output folder; plots are `<plot>.svg` and `<plot>.png` beside it."""


def problem_with_output(folder: Path, indicator: Indicator, rows: int) -> str | None:
    """Why the files of `folder` cannot be the declared table of `rows` rows and its plots; None if they are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / OUTPUT
    if not path.is_file():
        return "the child said that it was done but left no output file"
    try:
        with pq.ParquetFile(path) as file:
            schema, found = file.schema_arrow.remove_metadata(), file.metadata.num_rows
    except pa.ArrowInvalid:
        return "the output file is not readable Parquet"
    if not schema.equals(arrow_schema({name: column.type for name, column in indicator.outputs.items()})):
        return "the output file does not have the declared columns and types"
    if found != rows:
        return "the output file does not have the number of rows that the child reported"
    for plot in indicator.plots:
        if not all((folder / f"{plot}.{kind}").is_file() for kind in ("svg", "png")):
            return f"the plot {plot} was not written"
    return None
