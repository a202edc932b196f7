"""Counts the cases of an indicator by organisation, period and outcome, in the engine: exact, and never published."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.indicators.model import Amount, Cases, Grain, Indicator
from resources.lake.warehouse import Warehouse, quoted

if TYPE_CHECKING:
    import duckdb

LENGTHS: dict[Grain, str] = {"week": "7 DAY", "month": "1 MONTH", "quarter": "3 MONTH", "year": "1 YEAR"}
ALL = ""
"""Organisation of cells that are not by organisation."""


class CasesRefused(RuntimeError):
    """The cases of a script cannot be counted; the message says what to mend."""


@dataclass(frozen=True)
class Cell:
    """The cases of one organisation (ALL: of all) and period."""

    organisation: str
    period: dt.date
    cases: int
    outcomes: dict[str, int]
    amounts: dict[str, tuple[float | None, int]]
    """Amount -> its value and the cases that have one."""


def cases_of(indicator: Indicator) -> Cases:
    """The cases that `indicator` declares. Raises ValueError where it gives none."""
    if indicator.cases is None:
        raise ValueError(f"{indicator.name} gives no cases")
    return indicator.cases


def rows_sql(indicator: Indicator) -> str:
    """SQL of the cases that count, with `organisation`, `period`, `outcome`, `record` and the amounts' columns, which are clamped."""
    cases = cases_of(indicator)
    organisation = "organisation" if cases.by_organisation else f"'{ALL}'"
    amounts = "".join(f", {_clamped(a)} AS {quoted('amount ' + a.name)}" for a in cases.amounts.values())
    known = "date IS NOT NULL" + (" AND organisation IS NOT NULL" if cases.by_organisation else "")
    return (
        f"SELECT {organisation} AS organisation, date_trunc('{cases.grain}', date)::DATE AS period, outcome, record{amounts} "
        f"FROM indicators.{quoted(indicator.name)} WHERE {known}"
    )


def check(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, indicator: Indicator) -> None:
    """Raises CasesRefused where the lake's table is not of this script, a record stands twice, or has an outcome that is not declared.

    Messages hold no number: everyone who can open Dagster reads them.
    """
    there = warehouse.columns(connection, f"indicators.{indicator.name}")
    if not set(cases_of(indicator).columns) <= set(there):
        raise CasesRefused(
            f"{indicator.name}: its table holds no cases as this script declares them: compute it, and see why that fails"
        )
    outcomes = list(cases_of(indicator).outcomes)
    rows, records, unknown = connection.execute(
        f"SELECT count(*), count(DISTINCT record), count(*) FILTER (NOT coalesce(list_contains($1, outcome), false)) FROM ({rows_sql(indicator)})",
        [outcomes],
    ).fetchall()[0]
    if unknown:
        raise CasesRefused(
            f"{indicator.name}: there are cases with an outcome that @cases does not name; it names {', '.join(outcomes)}"
        )
    for name, slice_ in cases_of(indicator).slices.items():
        if connection.execute(
            f"SELECT count(*) FROM indicators.{quoted(indicator.name)} WHERE NOT list_contains($1, {quoted(name)})",
            [list(slice_.levels)],
        ).fetchall()[0][0]:
            raise CasesRefused(
                f"{indicator.name}: there are cases with a value of `{name}` that @slices does not name; it names {' | '.join(slice_.levels)}"
            )
    if rows != records:
        raise CasesRefused(
            f"{indicator.name}: a record stands in several cases, or has none: give each case the identifier of its row as `record`"
        )


def check_organisations(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    indicator: Indicator,
    columns: Sequence[tuple[str, str]],
) -> None:
    """Raises CasesRefused where a case names an organisation that is in none of `columns` (table and column of the datasets behind it).

    Names of organisations are published as they are, so a script must not be able to put anything else there, by mistake or not.
    """
    if not cases_of(indicator).by_organisation:
        return
    there = [
        (t, c) for t, c in columns if c in warehouse.columns(connection, t)
    ]  # others stay where the engine has them
    known = " UNION ".join(f"SELECT {quoted(c)}::VARCHAR AS organisation FROM {t}" for t, c in there) or "SELECT ''"
    strange = connection.execute(
        f"SELECT count(*) FROM ({rows_sql(indicator)}) WHERE organisation NOT IN (SELECT organisation FROM ({known}) WHERE organisation IS NOT NULL)"
    ).fetchall()[0][0]
    if strange:
        raise CasesRefused(
            f"{indicator.name}: there are cases whose `organisation` is in no column of the datasets that says which organisation a row belongs "
            f"to ({', '.join(f'{t}.{c}' for t, c in columns) or 'there is none'}): names of organisations are published, and nothing else may stand there"
        )


def ended(connection: duckdb.DuckDBPyConnection, indicator: Indicator, today: dt.date) -> list[dt.date]:
    """The periods with cases that are over and settled on `today`, in order."""
    cases = cases_of(indicator)
    found = connection.execute(
        f"SELECT DISTINCT period FROM ({rows_sql(indicator)}) "
        f"WHERE period + INTERVAL {LENGTHS[cases.grain]} + INTERVAL {cases.settles} DAY <= ?::DATE ORDER BY 1",
        [today],
    ).fetchall()
    return [period for (period,) in found]


def count(connection: duckdb.DuckDBPyConnection, indicator: Indicator, periods: Sequence[dt.date]) -> list[Cell]:
    """The cells of `periods`, in order of period and organisation."""
    cases = cases_of(indicator)
    outcomes = [f"count(*) FILTER (outcome = '{outcome}')" for outcome in cases.outcomes]
    amounts = []
    for amount in cases.amounts.values():
        column = quoted(f"amount {amount.name}")
        amounts += [f"{_FUNCTIONS[amount.kind]}({column})", f"count({column})"]
    rows = connection.execute(
        f"SELECT organisation, period, {', '.join(['count(*)', *outcomes, *amounts])} FROM ({rows_sql(indicator)}) "
        "WHERE list_contains($1, period) GROUP BY ALL ORDER BY period, organisation",
        [list(periods)],
    ).fetchall()
    cells = []
    for organisation, period, total, *rest in rows:
        numbers, values = rest[: len(outcomes)], rest[len(outcomes) :]
        pairs = dict(zip(cases.amounts, zip(values[::2], values[1::2], strict=True), strict=True))
        cells.append(Cell(organisation, period, total, dict(zip(cases.outcomes, numbers, strict=True)), pairs))
    return cells


def empty_cell(indicator: Indicator, organisation: str, period: dt.date) -> Cell:
    """A cell that has no cases any more."""
    cases = cases_of(indicator)
    return Cell(organisation, period, 0, dict.fromkeys(cases.outcomes, 0), dict.fromkeys(cases.amounts, (None, 0)))


_FUNCTIONS = {"sum": "fsum", "mean": "favg", "median": "median"}


def _clamped(amount: Amount) -> str:
    # without the CASE the engine would give the limit where there is no value
    column = quoted(amount.column)
    return f"CASE WHEN {column} IS NOT NULL THEN greatest({amount.low!r}, least({amount.high!r}, {column})) END"
