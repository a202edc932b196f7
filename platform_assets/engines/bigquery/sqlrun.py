"""Runs a .sql indicator on BigQuery: the file's query in BigQuery's words, parameters bound, output checked before it is replaced."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from platform_assets.indicators.derived_tables import TableMissing
from platform_assets.indicators.sql.file import SqlIndicator, to_bigquery
from platform_assets.indicators.sql.run import SqlFailed, check_output
from resources.gcp.bigquery import STAGING, BigQuery

TYPES = {
    "text": ("STRING",),
    "integer": ("INTEGER", "INT64"),
    "number": ("FLOAT", "FLOAT64"),
    "decimal": ("NUMERIC", "BIGNUMERIC"),
    "flag": ("BOOLEAN", "BOOL"),
    "date": ("DATE",),
    "time": ("DATETIME", "TIMESTAMP"),
}
"""Types that a header may declare, and what BigQuery's interfaces call them."""


@dataclass(frozen=True)
class BigMade:
    """A table in BigQuery as it stands after `run_sql`."""

    table: str
    rows: int
    version: str
    """Changes with the query, its parameters, and the tables that it reads."""
    fresh: bool
    """False where nothing had changed and nothing was done."""
    params: Mapping[str, str]
    estimated_bytes: int
    """What the query was going to scan, by dry run."""


def run_sql(indicator: SqlIndicator, engine: BigQuery, params: Mapping[str, object] | None = None) -> BigMade:
    """Bring ``indicators.<name>`` in BigQuery up to date; nothing runs where it was made of the same before.

    Raises TableMissing, OutputMismatch, SqlFailed, or ValueError for a parameter that cannot be read and for a query that BigQuery has
    no words for; the last table stays.
    """
    from google.api_core.exceptions import GoogleAPICallError

    given = {name: str((params or {}).get(name, p.default)) for name, p in indicator.params.items()}
    bound = {name: indicator.params[name].parse(value) for name, value in given.items()}
    query, table = to_bigquery(indicator.query), f"indicators.{indicator.name}"
    version = _version(indicator, engine, query, given)
    if engine.version(table) == version:
        return BigMade(table, engine.rows(table), version, False, given, 0)
    staging = f"{STAGING}.{table.replace('.', '__')}__{uuid.uuid4().hex[:12]}"
    engine.ensure_dataset("indicators")
    engine.ensure_dataset(STAGING)
    try:
        columns, estimated = engine.describe(query, bound)
        check_output(indicator, columns, TYPES, " in BigQuery")
        rows = engine.query_into(staging, query, bound)
        engine.put_in_place(staging, table, version)
    except GoogleAPICallError as error:
        reasons = ", ".join(sorted({e.get("reason", "") for e in error.errors} - {""}))
        # what BigQuery says may quote a value
        raise SqlFailed(
            f"{indicator.path.name}: BigQuery gave up ({type(error).__name__}{': ' if reasons else ''}{reasons}); run the query in its "
            "console to see where"
        ) from None
    finally:
        engine.drop(staging)
    return BigMade(table, rows, version, True, given, estimated)


def _version(indicator: SqlIndicator, engine: BigQuery, query: str, given: Mapping[str, str]) -> str:
    inputs = {}
    for table in indicator.tables:
        if not engine.columns(table):
            raise TableMissing(
                f"indicators.{indicator.name} needs the table {table}, which is not in BigQuery: materialize "
                f"{table.replace('.', '/')} first"
            )
        inputs[table] = engine.changed(table)
    outputs = {n: o.type for n, o in indicator.outputs.items()}
    made_of = json.dumps([query, outputs, dict(given), inputs], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]
