"""The tables this package speaks: drugs, publications, mentions; their types and how input is read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import pyarrow as pa

PUBMED = "pubmed"
CLINICAL_TRIAL = "clinical_trial"
PUBLICATION_KINDS = (PUBMED, CLINICAL_TRIAL)

DRUGS = pa.schema([("atccode", pa.string()), ("drug", pa.string())])
"""One row per drug code and name. A code may have several names, a name several codes."""

PUBLICATIONS = pa.schema(
    [
        ("kind", pa.string()),  # one of PUBLICATION_KINDS
        ("id", pa.string()),  # unique within its kind
        ("title", pa.string()),
        ("journal", pa.string()),
        ("date", pa.date32()),
    ]
)
"""One row per publication or clinical trial."""

MENTIONS = pa.schema(
    [
        ("drug_code", pa.string()),
        ("drug_name", pa.string()),
        ("kind", pa.string()),
        ("publication_id", pa.string()),
        ("title", pa.string()),
        ("journal", pa.string()),
        ("date", pa.date32()),
    ]
)
"""One row per drug code and publication whose title names it; unique by (drug_code, kind, publication_id)."""

MEMORY_LIMIT = "2GB"
"""What a query may take before it goes by way of the disk; its input and answer come on top."""

Tabular = Any
"""A `pyarrow.Table`, `pyarrow.RecordBatch` or `pandas.DataFrame`, or an iterable of them (streamed)."""


def batches(data: Tabular, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield `data` as record batches of exactly `schema`; other columns are left out, order does not matter.

    Raises ValueError naming the columns that are missing or cannot be read as the schema's type.
    """
    for part in _parts(data):
        table = part if isinstance(part, pa.Table) else _as_table(part)
        missing = [name for name in schema.names if name not in table.column_names]
        if missing:
            raise ValueError(
                f"the table lacks the column(s) {', '.join(missing)}; it needs {', '.join(schema.names)}"
                f" and has {', '.join(table.column_names) or 'none'}"
            )
        columns = [_column(table, field) for field in schema]
        yield from pa.Table.from_arrays(columns, schema=schema).to_batches()


def table(data: Tabular, schema: pa.Schema) -> pa.Table:
    """`batches` gathered in one table."""
    return pa.Table.from_batches(batches(data, schema), schema=schema)


@contextlib.contextmanager
def database(**registered: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that knows `registered` by name and spills to a temporary folder of its own."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as db:
        db.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        # Without this DuckDB spills to the folder that the process happens to stand in.
        db.execute("set temp_directory = $1", [spill])
        for name, registered_table in registered.items():
            db.register(name, registered_table)
        yield db


def _parts(data: Tabular) -> Iterable[Any]:
    if isinstance(data, pa.Table | pa.RecordBatch) or hasattr(data, "iloc"):
        return [data]
    parts: Iterable[Any] = data
    return parts


def _as_table(part: Any) -> pa.Table:
    if isinstance(part, pa.RecordBatch):
        return pa.Table.from_batches([part])
    return pa.Table.from_pandas(part, preserve_index=False)


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    try:
        return table.column(field.name).cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        found = table.schema.field(field.name).type
        # The cast's own message quotes the value that failed; types are enough to find the mistake.
        raise ValueError(f"column {field.name} must be {field.type}; its {found} values do not fit") from None
