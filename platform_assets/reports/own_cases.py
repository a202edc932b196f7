"""The cases of an organisation behind its number: exact, live, for that organisation's people (and stewards) only.

Counts and lists are made of one relation, so that a list always has as many rows as its count says. A case is in it where the script says
that it is the organisation's *and* the record it was made from says so too: a script that mixes organisations up shows nobody else's patients.
An entry in the audit log comes before the first row.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from platform_assets.access import handing_out
from platform_assets.access.roles import AccessDenied, Permission, Scope, User, organisation_columns
from platform_assets.indicators.model import NOT_KNOWN, Cases, Indicator
from resources.lake.warehouse import LAKE, one_state, quoted, scalar

if TYPE_CHECKING:
    import duckdb

    from platform_assets.access.audit.log import AuditLog
    from platform_assets.contracts.model import Contract
    from resources.lake.warehouse import Warehouse

GRAINS = ("week", "month", "quarter", "year")
"""Periods by which own cases are counted. What is published is by the script's own; the own organisation sees its cases exactly, so it may choose."""
PAGE = 50
"""Rows of a list that are read at a time."""


@dataclass(frozen=True)
class Source:
    """Where the cases of an indicator, and what is known of each, are read."""

    indicator: Indicator
    cases: Cases
    dataset: str
    record: str
    """The column of the dataset that a case's `record` is."""
    unit: str
    """The column of the dataset that says whose a record is."""
    variables: Mapping[str, str]
    """The columns that the script looked at -> what they mean."""

    @property
    def table(self) -> str:
        """The table of cases."""
        return f"indicators.{quoted(self.indicator.name)}"


@dataclass(frozen=True)
class Count:
    """Own cases of one period and outcome."""

    period: dt.date
    outcome: str
    cases: int


Only = Mapping[str, str]
"""Slice -> the value that cases are to have; NOT_KNOWN: none. Empty: all cases."""


NOT_YET = "These filters come with the next weekly run, which makes the cases anew: take them away to see all cases"


class NotComputed(RuntimeError):
    """The table of cases was made before the script named these slices."""


@dataclass(frozen=True)
class _Cell:
    """Own cases that are alike in period, outcome and every slice."""

    period: dt.date
    outcome: str
    cases: int
    slices: tuple[str, ...]


MOST = 2000
"""Counts that are kept in memory: the same as long as nothing in the lake changes."""
_KNOWN: dict[tuple[Any, ...], tuple[tuple[str, ...], tuple[_Cell, ...]]] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Case:
    """One case: why it counts, and what the script looked at."""

    record: str
    date: dt.date
    outcome: str
    amounts: Mapping[str, float | None]
    variables: Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """A part of a list."""

    total: int
    first: int
    cases: tuple[Case, ...]


def source_of(indicator: Indicator, contracts: Mapping[str, Contract]) -> Source | None:
    """Where own cases are read; None where the script gives none, or it cannot be told from its header whose they are.

    It can where one input is validated data with one identifier, and has the column `@figure ... unit` as one that says whose a row is.
    """
    if indicator.cases is None or not indicator.cases.by_organisation or indicator.figure is None:
        return None
    tables = list(indicator.inputs.values())
    if len(tables) != 1 or tables[0].layer != "validated" or tables[0].table not in contracts:
        return None
    contract, read = contracts[tables[0].table], tables[0].columns
    identifiers = [name for name, column in contract.columns.items() if column.role == "identifier" and name in read]
    unit = indicator.figure.unit
    if len(identifiers) != 1 or unit not in organisation_columns(contract) or unit not in read:
        return None
    variables = {n: contract.columns[n].description for n in read if n not in (unit, identifiers[0])}
    return Source(indicator, indicator.cases, contract.name, identifiers[0], unit, variables)


def may(user: User, source: Source, scope: Scope) -> None:
    """Raises AccessDenied unless `user` may see the cases of the organisation `scope`."""
    user.require(Permission.EXPORT_ROWS)
    mine = user.limited_to is None or scope in user.limited_to
    if not mine or scope.column != source.unit:
        raise AccessDenied(f"{user.name} may not see the cases of this {source.unit}: it is not the own one")


def counts(
    audit: AuditLog,
    user: User,
    source: Source,
    scope: Scope,
    warehouse: Warehouse,
    grain: str = "",
    only: Only = MappingProxyType({}),
) -> list[Count]:
    """Exact counts of own cases by `grain` (empty: the script's own), newest period first; those of outcomes without any are left out.
    Raises AccessDenied, AuditError, NotComputed."""
    may(user, source, scope)
    grain = _grain(source, grain)
    check_only(source, only)
    table = f"indicators.{source.indicator.name}"
    handing_out.seen(audit, user, "dashboard.own_counts", table=table, of=str(scope), by=grain, only=dict(only))
    with warehouse.connect(
        read_only=True
    ) as connection:  # asking whether tables and columns are there takes longer than all else
        known = _KNOWN.get(_state(warehouse, connection, source, scope, grain))
    if known is None:
        with reading(warehouse, source) as connection:
            if connection is None:
                return []
            names = tuple(source.cases.slices) if _sliced(warehouse, connection, source) else ()
            rows = connection.execute(
                f"SELECT period, outcome, count(*){''.join(f', {_level(name)}' for name in names)} FROM ({_own(source, grain, names)}) "
                "GROUP BY ALL ORDER BY period DESC, outcome",
                _whose(scope),
            ).fetchall()
            known = (
                names,
                tuple(_Cell(period, outcome, number, tuple(levels)) for period, outcome, number, *levels in rows),
            )
            with _LOCK:
                _KNOWN[_state(warehouse, connection, source, scope, grain)] = known
                while len(_KNOWN) > MOST:
                    del _KNOWN[next(iter(_KNOWN))]
    names, cells = known
    if only and not names:
        raise NotComputed(NOT_YET)
    sums: dict[tuple[dt.date, str], int] = {}
    for cell in cells:
        if all(cell.slices[names.index(name)] == level for name, level in only.items()):
            sums[cell.period, cell.outcome] = sums.get((cell.period, cell.outcome), 0) + cell.cases
    return [Count(period, outcome, number) for (period, outcome), number in sums.items()]


def cases(
    audit: AuditLog,
    user: User,
    source: Source,
    scope: Scope,
    warehouse: Warehouse,
    *,
    period: dt.date | None = None,
    outcome: str = "",
    first: int = 0,
    grain: str = "",
    only: Only = MappingProxyType({}),
) -> Listed:
    """Own cases of a period by `grain` (None: all) and outcome (empty: all), newest first, PAGE of them from `first` on. Raises AccessDenied, AuditError,
    NotComputed."""
    may(user, source, scope)
    check_only(source, only)
    with reading(warehouse, source, only) as connection:
        if connection is None:
            return Listed(0, 0, ())
        levels = "".join(f" AND {_level(name)} = ${n}" for n, name in enumerate(only, 5))
        chosen = (
            f"SELECT * FROM ({_own(source, _grain(source, grain), list(only))}) "
            f"WHERE ($3 IS NULL OR period = $3) AND ($4 = '' OR outcome = $4){levels}"
        )
        values = [*_whose(scope), period, outcome, *only.values()]
        total = int(scalar(connection, f"SELECT count(*) FROM ({chosen})", values))
        handing_out.seen(
            audit,
            user,
            "dashboard.own_cases",
            table=f"indicators.{source.indicator.name}",
            rows=total,
            of=str(scope),
            period=period.isoformat() if period else "",
            outcome=outcome,
            first=first,
            only=dict(only),
        )
        amounts = sorted({amount.column for amount in source.cases.amounts.values()})
        columns = ", ".join(["record", "date", "outcome", *(quoted(f"amount {a}") for a in amounts)])
        rows = connection.execute(
            f"SELECT {columns} FROM ({chosen}) ORDER BY date DESC, record LIMIT {PAGE} OFFSET ${len(values) + 1}",
            [*values, first],
        ).fetchall()
        known = _variables(connection, source, scope, [row[0] for row in rows])
    return Listed(
        total,
        first,
        tuple(
            Case(record, date, what, dict(zip(amounts, rest, strict=True)), known.get(record, {}))
            for record, date, what, *rest in rows
        ),
    )


def _grain(source: Source, grain: str) -> str:
    """One of GRAINS; the script's own where none is chosen."""
    if grain and grain not in GRAINS:
        raise ValueError(f"cases are counted by one of {', '.join(GRAINS)}")
    return grain or source.cases.grain


def check_only(source: Source, only: Only) -> None:
    """Raises ValueError where `only` names a slice, or a value of it, that the script does not."""
    for name, level in only.items():
        if name not in source.cases.slices or level not in (*source.cases.slices[name].levels, NOT_KNOWN):
            raise ValueError("cases are filtered by values that the script names")


def _state(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, source: Source, scope: Scope, grain: str
) -> tuple[Any, ...]:
    """Under what counts are kept: the same key, the same counts."""
    snapshot = int(scalar(connection, f"SELECT id FROM {LAKE}.current_snapshot()"))
    asked = (source.indicator.name, source.unit, tuple(source.cases.slices), grain, scope)
    return (warehouse.catalog.identity(), snapshot, *asked)


def _level(name: str) -> str:
    return f"coalesce({quoted(name)}, '{NOT_KNOWN}')"


def _sliced(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, source: Source) -> bool:
    """Whether the table of cases has the slices that the script names now."""
    return set(source.cases.slices) <= set(warehouse.columns(connection, f"indicators.{source.indicator.name}"))


def _own(source: Source, grain: str, slices: Sequence[str] = ()) -> str:
    """SQL of the own cases, with `slices`; $1 is the organisation as the script names it, $2 as the record does."""
    amounts = "".join(
        f", c.{quoted(column)} AS {quoted(f'amount {column}')}"
        for column in sorted({amount.column for amount in source.cases.amounts.values()})
    )
    more = "".join(f", c.{quoted(name)}" for name in slices)
    return (
        f"SELECT c.record, c.date, date_trunc('{grain}', c.date)::DATE AS period, c.outcome{amounts}{more} FROM {source.table} c "
        f"WHERE c.organisation = $1 AND c.date IS NOT NULL AND EXISTS (SELECT 1 FROM validated.{quoted(source.dataset)} v "
        f"WHERE CAST(v.{quoted(source.record)} AS VARCHAR) = c.record AND v.{quoted(source.unit)} = $2)"
    )


def rows_of(connection: duckdb.DuckDBPyConnection, source: Source, scope: Scope, record: str) -> list[tuple[str, int]]:
    """Delivery and row of each row of the dataset that stands behind the own case `record`; none where it is no own case."""
    rows = connection.execute(
        f"SELECT _delivery, _row FROM validated.{quoted(source.dataset)} WHERE {quoted(source.unit)} = $2 "
        f"AND CAST({quoted(source.record)} AS VARCHAR) = $3 AND EXISTS (SELECT 1 FROM ({_own(source, source.cases.grain)}) WHERE record = $3) ORDER BY ALL",
        [*_whose(scope), record],
    ).fetchall()
    return [(str(delivery), int(row)) for delivery, row in rows]


def _whose(scope: Scope) -> list[Any]:
    return [scope.value, scope.value]


def _variables(
    connection: duckdb.DuckDBPyConnection, source: Source, scope: Scope, records: list[str]
) -> dict[str, dict[str, Any]]:
    """Record -> what the script looked at, of the organisation's own records."""
    names = list(source.variables)
    columns = ", ".join(quoted(name) for name in names)
    record = f"CAST({quoted(source.record)} AS VARCHAR)"
    rows = connection.execute(
        f"SELECT {record}{', ' if columns else ''}{columns} FROM validated.{quoted(source.dataset)} "
        f"WHERE {quoted(source.unit)} = $1 AND list_contains($2, {record})",
        [scope.value, records],
    ).fetchall()
    return {name: dict(zip(names, rest, strict=True)) for name, *rest in rows}


@contextmanager
def reading(
    warehouse: Warehouse, source: Source, only: Only = MappingProxyType({})
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection on which everything is read of one state; None where the tables are not there yet. Raises NotComputed."""
    with warehouse.connect(read_only=True) as connection:
        there = warehouse.columns(connection, f"indicators.{source.indicator.name}")
        if not {"record", "organisation", "date", "outcome"} <= set(there):
            yield None
            return
        if only and not _sliced(warehouse, connection, source):
            raise NotComputed(NOT_YET)
        with one_state(connection):
            yield connection
