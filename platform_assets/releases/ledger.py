"""The ledger of seals in the lake: every atom as it was drawn, and keyed marks of the records that made it. A drawn atom is never changed, only
followed by a new version; a mark goes when its person is erased, the atom stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.indicators.model import Indicator
from platform_assets.releases.counting import CasesRefused, cases_of, rows_sql
from resources.identity import RELEASE, IdentityKeys, bound, pseudonym, pseudonym_sql
from resources.lake.warehouse import Warehouse, literal, quoted, scalar

if TYPE_CHECKING:
    import duckdb

SEALS, MARKS, ROUNDS = "platform.seals", "platform.seal_marks", "platform.seal_rounds"
COLUMNS = {
    SEALS: {
        "indicator": "VARCHAR",
        "part": "VARCHAR",
        "organisation": "VARCHAR",
        "grain": "VARCHAR",
        "period": "DATE",
        "version": "INTEGER",
        "value": "DOUBLE",
        "hidden": "BOOLEAN",
        "controlled": "BOOLEAN",
        "draw": "VARCHAR",
        "drawn_on": "DATE",
        "policy": "VARCHAR",
        "key": "VARCHAR",
    },
    MARKS: {
        "indicator": "VARCHAR",
        "part": "VARCHAR",
        "organisation": "VARCHAR",
        "period": "DATE",
        "version": "INTEGER",
        "mark": "VARCHAR",
        "content": "VARCHAR",
    },
    ROUNDS: {"indicator": "VARCHAR", "looked_on": "DATE", "changed": "INTEGER"},
}
DIGITS = 16


@dataclass(frozen=True)
class Seal:
    """One atom as it was drawn."""

    part: str
    """The outcome or amount."""
    organisation: str
    period: dt.date
    version: int
    value: float | None
    """None: too few cases for an amount."""
    hidden: bool
    controlled: bool
    draw: str
    """Which counts were drawn together."""


@dataclass(frozen=True)
class OneKey:
    """The key of releases, as the engine's variables take keys."""

    secret: bytes

    def key(self, purpose: str) -> bytes:
        """The key."""
        return self.secret

    def ring(self, purpose: str, *, make: bool = False) -> tuple[bytes, ...]:
        """The key alone."""
        return (self.secret,)

    def for_files(self, hashes: Collection[str]) -> IdentityKeys:
        """The same."""
        return self


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables where they are missing."""
    for table, columns in COLUMNS.items():
        warehouse.ensure_table(connection, table, columns)


def read(connection: duckdb.DuckDBPyConnection, indicator: str, *, every: bool = False) -> list[Seal]:
    """The atoms of `indicator` in their latest version (or in every one), in order of period, organisation and part."""
    latest = "" if every else "QUALIFY version = max(version) OVER (PARTITION BY part, organisation, period)"
    rows = connection.execute(
        f"SELECT part, organisation, period, version, value, hidden, controlled, draw FROM {SEALS} WHERE indicator = ? {latest} "
        "ORDER BY period, organisation, part, version",
        [indicator],
    ).fetchall()
    return [Seal(*row) for row in rows]


def sealed_periods(connection: duckdb.DuckDBPyConnection, indicator: Indicator) -> list[dt.date]:
    """The periods that were drawn. Raises CasesRefused where they are of another length than those that the script now asks for: what was drawn
    stays, and the same people counted once more in other cells would tell more of them."""
    found = connection.execute(
        f"SELECT DISTINCT period, grain FROM {SEALS} WHERE indicator = ? ORDER BY 1", [indicator.name]
    ).fetchall()
    grain = cases_of(indicator).grain_in_words
    before = {was for _, was in found} - {grain}
    if before:
        raise CasesRefused(
            f"{indicator.name}: its counts were drawn by {', '.join(sorted(before))} and stay as they are: write @grain as it was"
        )
    return [period for period, _ in found]


def write(
    connection: duckdb.DuckDBPyConnection,
    indicator: Indicator,
    seals: Sequence[Seal],
    secret: bytes,
    today: dt.date,
    policy: str,
) -> None:
    """Add `seals`, and the marks of the records that make them now. Inside the caller's transaction."""
    import pandas as pd

    if not seals:
        return
    frame = pd.DataFrame([vars(seal) for seal in seals])
    frame["period"] = pd.to_datetime(frame["period"])
    connection.register("drawn_now", frame)
    try:
        connection.execute(
            f"INSERT INTO {SEALS} BY NAME SELECT ? AS indicator, part, organisation, ? AS grain, period::DATE AS period, version::INTEGER AS version, "
            "value, hidden, controlled, draw, ?::DATE AS drawn_on, ? AS policy, ? AS key FROM drawn_now",
            [indicator.name, cases_of(indicator).grain_in_words, today, policy, key_id(secret)],
        )
        with marked(connection, secret):
            connection.execute(
                f"INSERT INTO {MARKS} BY NAME SELECT ? AS indicator, m.*, d.version::INTEGER AS version "
                f"FROM ({marks_sql(indicator, 'period IN (SELECT period::DATE FROM drawn_now)')}) m JOIN drawn_now d "
                "ON (m.part, m.organisation, m.period) = (d.part, d.organisation, d.period::DATE)",
                [indicator.name],
            )
    finally:
        connection.unregister("drawn_now")


def marks_sql(indicator: Indicator, where: str) -> str:
    """SQL of part, organisation, period, mark and content of the cases `where` something holds, as they are now; needs the key bound (`marked`)."""
    rows = f"SELECT * FROM ({rows_sql(indicator)}) WHERE {where}"
    mark = _hashed(f"{literal(f'{indicator.name}/')} || record")
    parts = [f"SELECT outcome AS part, organisation, period, {mark} AS mark, '' AS content FROM ({rows})"]
    for name in cases_of(indicator).amounts:
        column = quoted(f"amount {name}")
        content = _hashed(f"record || '/' || {column}::VARCHAR")
        parts.append(
            f"SELECT {literal(name)} AS part, organisation, period, {mark} AS mark, {content} AS content "
            f"FROM ({rows}) WHERE {column} IS NOT NULL"
        )
    return " UNION ALL ".join(parts)


def _hashed(text: str) -> str:
    return f"left({pseudonym_sql(text, RELEASE)}, {DIGITS})"


@contextmanager
def marked(connection: duckdb.DuckDBPyConnection, secret: bytes) -> Iterator[None]:
    """The key bound to `connection` for as long as the block."""
    with bound(connection, OneKey(secret), {RELEASE}):
        yield


def key_id(secret: bytes) -> str:
    """Tells keys apart, and nothing else of them."""
    return pseudonym(secret, "the key of releases")[:8]


def changed(
    connection: duckdb.DuckDBPyConnection, indicator: Indicator, secret: bytes
) -> dict[tuple[str, str, dt.date], tuple[int, int]]:
    """Atoms of sealed periods whose records differ from those that made them: (part, organisation, period) -> (how many, version).

    Those that were drawn by another key are left out: marks by two keys cannot be compared, and so they stand.
    """
    with marked(connection, secret):
        rows = connection.execute(
            f"""
            WITH latest AS (
              SELECT part, organisation, period, version, key = $2 AS comparable FROM {SEALS} WHERE indicator = $1
              QUALIFY version = max(version) OVER (PARTITION BY part, organisation, period)
            ), sealed AS (
              SELECT m.part, m.organisation, m.period, m.mark, m.content FROM {MARKS} m JOIN latest l USING (part, organisation, period, version)
              WHERE m.indicator = $1
            ), standing AS (
              {marks_sql(indicator, "period IN (SELECT period FROM latest)")}
            ), differ AS (
              -- a record whose amount has changed is one record, not two
              SELECT part, organisation, period, mark FROM ((FROM sealed EXCEPT FROM standing) UNION ALL (FROM standing EXCEPT FROM sealed))
              GROUP BY ALL
            )
            SELECT d.part, d.organisation, d.period, count(*), coalesce(any_value(l.version), 0)
            FROM differ d LEFT JOIN latest l USING (part, organisation, period) WHERE coalesce(l.comparable, true) GROUP BY ALL
            """,
            [indicator.name, key_id(secret)],
        ).fetchall()
    return {(part, organisation, period): (number, version) for part, organisation, period, number, version in rows}


def marks_standing(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, secrets: Collection[bytes], records: Collection[str]
) -> int:
    """How many marks of `records` there are, by any of the keys `secrets`."""
    if not warehouse.columns(connection, MARKS):
        return 0
    wanted = _marks_of(connection, secrets, records)
    return int(scalar(connection, f"SELECT count(*) FROM {MARKS} WHERE list_contains($1, mark)", [wanted]))


def erase(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, secrets: Collection[bytes], records: Collection[str]
) -> None:
    """Remove the marks of `records`, by any of the keys `secrets`, inside the caller's transaction. No drawn count changes."""
    if warehouse.columns(connection, MARKS):
        wanted = _marks_of(connection, secrets, records)
        connection.execute(f"DELETE FROM {MARKS} WHERE list_contains($1, mark)", [wanted])


def _marks_of(connection: duckdb.DuckDBPyConnection, secrets: Collection[bytes], records: Collection[str]) -> list[str]:
    names = connection.execute(f"SELECT DISTINCT indicator FROM {SEALS}").fetchall()
    return [
        pseudonym(secret, f"{name}/{record}")[:DIGITS] for secret in secrets for (name,) in names for record in records
    ]
