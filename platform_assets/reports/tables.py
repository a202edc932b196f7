"""The reports that people open: rows, and the logs. Pure functions from tables. What everyone may see is in releases, what goes to partners in exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.columns import TEMPORAL
from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

LOG_MEANINGS = {
    "dataset": "Dataset",
    "file": "Name of the file as it came",
    "delivery": "What the delivery is known by",
    "status": "published, held, superseded (a snapshot older than the table), repeated (the same content again) or rejected",
    "loaded_at": "When (UTC)",
    "rows_in": "Rows of the file",
    "valid": "Rows that passed every rule",
    "quarantined": "Rows that broke one",
    "superseded": "Rows that something newer stands for, that came again in the same content, or that were erased before they came",
    "inserted": "Valid rows that are new in the table",
    "updated": "Valid rows that replaced one of the same key",
    "unchanged": "Valid rows that were there already",
    "partitions_touched": "Weeks or months of the table in which the delivery has rows",
    "seconds": "How long the load took",
    "run": "Dagster's run",
    "reason": "Why nothing of it was published, where that is so",
}
"""Columns of the execution log."""


def final_export(table: pd.DataFrame, date: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as people open them: `columns` of `table` (default: all but the platform's own, which begin with _), newest `date` first.

    Rows of one date keep a fixed order (by the other columns), so that the same table always gives the same file.
    """
    chosen = list(columns or [str(c) for c in table.columns if not str(c).startswith("_")])
    missing = [c for c in (date, *chosen) if c not in table.columns]
    if missing:
        raise ValueError(f"the table has no column {missing[0]!r}")
    others = [c for c in chosen if c != date]
    ordered = table.sort_values(others, kind="stable") if others else table
    return ordered.sort_values(date, ascending=False, kind="stable", na_position="last")[chosen].reset_index(drop=True)


def report_date(contract: Contract) -> str | None:
    """The date by which rows of a dataset of results are exported; None for datasets that have no organisation and no result."""
    dates = [n for n, c in contract.columns.items() if c.type in TEMPORAL]
    if contract.partition:
        dates = [contract.partition.by]
    places = [n for n, c in contract.columns.items() if c.role == "organisation"]
    results = [n for n, c in contract.columns.items() if n == "result" and c.allowed]
    return dates[0] if dates and places and results else None


def execution_log(connection: duckdb.DuckDBPyConnection, dataset: str | None = None) -> pd.DataFrame:
    """One row per delivery, newest first: file, status, rows in, valid, quarantined, superseded ..., seconds. No values of rows."""
    columns = {"partitions_touched": "partitions"}
    listed = ", ".join(f"{columns.get(name, name)} AS {name}" for name in LOG_MEANINGS)
    where, parameters = ("WHERE dataset = ?", [dataset]) if dataset else ("", [])
    return connection.execute(
        f"SELECT {listed} FROM {ledger.TABLE} {where} ORDER BY loaded_at DESC, delivery", parameters
    ).fetchdf()
