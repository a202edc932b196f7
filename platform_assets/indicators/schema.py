"""The pandera schema of an indicator's output. Imports pandas and pandera: only for use inside functions."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pandera

from platform_assets.indicators.model import Column, Indicator
from resources.r_child.types import arrow_types


def output_schema(indicator: Indicator) -> pandera.DataFrameSchema:
    """Exactly the declared columns in order, of the declared types and within their limits; all may be missing.

    For frames with Arrow types: `pyarrow.parquet.read_table(path).to_pandas(types_mapper=pandas.ArrowDtype)`.
    """
    types = arrow_types()
    columns = {
        column.name: pandera.Column(
            pd.ArrowDtype(types[column.type]),
            checks=_limits(column),
            nullable=True,
            description=column.help or None,
        )
        for column in indicator.outputs.values()
    }
    return pandera.DataFrameSchema(columns, strict=True, ordered=True, name=indicator.name, title=indicator.title)


def _limits(column: Column) -> list[pandera.Check]:
    checks = []
    if column.minimum is not None:
        checks.append(pandera.Check.ge(column.minimum))
    if column.maximum is not None:
        checks.append(pandera.Check.le(column.maximum))
    return checks
