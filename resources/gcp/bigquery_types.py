"""Types, values and names as BigQuery wants them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.cloud import bigquery

RESERVED = ("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER")
"""Beginnings of column names that BigQuery keeps for itself, in either case."""
_SIMPLE = {
    "VARCHAR": "STRING",
    "BIGINT": "INT64",
    "INTEGER": "INT64",
    "DOUBLE": "FLOAT64",
    "BOOLEAN": "BOOL",
    "DATE": "DATE",
    "TIMESTAMP": "DATETIME",  # ours have no zone; BigQuery's TIMESTAMP is a point in time
    "BLOB": "BYTES",
}


class BigQueryError(RuntimeError):
    """BigQuery did not do what was asked; the message says what to do next."""


def bigquery_type(kind: str) -> str:
    """The BigQuery type of a DuckDB type, e.g. VARCHAR[] -> ARRAY<STRING>. Raises BigQueryError for one that has none."""
    kind = kind.upper().replace(" ", "")
    if kind.endswith("[]"):
        return f"ARRAY<{bigquery_type(kind[:-2])}>"
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        # NUMERIC: 29 digits before the point, 9 after it (cloud.google.com/bigquery/docs/reference/standard-sql/data-types)
        fits = scale <= 9 and precision - scale <= 29
        return f"{'NUMERIC' if fits else 'BIGNUMERIC'}({precision}, {scale})"
    if kind not in _SIMPLE:
        raise BigQueryError(
            f"there is no BigQuery type for {kind}: give the column another type before it is published"
        )
    return _SIMPLE[kind]


def label(text: str) -> str:
    """`text` as BigQuery allows it in a label's value: lower-case letters, digits, - and _, at most 63."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


def schema_field(name: str, kind: str) -> bigquery.SchemaField:
    """The column `name` of the DuckDB type `kind`. Raises BigQueryError for a type or a name that BigQuery does not take."""
    from google.cloud import bigquery

    if name.upper().startswith(RESERVED):
        raise BigQueryError(f"BigQuery keeps names like {name} for itself: give the column another name")
    declared = bigquery_type(kind)
    mode = "NULLABLE"
    if declared.startswith("ARRAY<"):
        declared, mode = declared[6:-1], "REPEATED"
    exact = re.fullmatch(r"((?:BIG)?NUMERIC)\((\d+), (\d+)\)", declared)
    if exact:
        return bigquery.SchemaField(name, exact[1], mode=mode, precision=int(exact[2]), scale=int(exact[3]))
    return bigquery.SchemaField(name, declared, mode=mode)


def json_value(value: Any) -> Any:
    """`value` as a JSON load reads it."""
    return value.isoformat(sep=" ") if isinstance(value, dt.datetime) else value


def lists() -> bigquery.ParquetOptions:
    """How a load job reads lists in Parquet: a list of text is ARRAY<STRING>, not a record of records."""
    from google.cloud import bigquery

    options = bigquery.ParquetOptions()
    options.enable_list_inference = True
    return options


def parameters(values: Mapping[str, Any]) -> list[Any]:
    """`values` as named query parameters."""
    return [_parameter(name, value) for name, value in values.items()]


def _parameter(name: str, value: Any) -> Any:
    from google.cloud import bigquery

    if isinstance(value, list):
        kind = _parameter_type(next((v for v in value if v is not None), ""))
        return bigquery.ArrayQueryParameter(name, kind, value)
    return bigquery.ScalarQueryParameter(name, _parameter_type(value), value)


def _parameter_type(value: Any) -> str:
    for kind, declared in (
        (bool, "BOOL"),
        (int, "INT64"),
        (float, "FLOAT64"),
        (dt.datetime, "DATETIME"),
        (dt.date, "DATE"),
        (bytes, "BYTES"),
    ):
        if isinstance(value, kind):
            return declared
    return "STRING"
