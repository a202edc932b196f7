"""Columns that the text of another column tells, added to rows as they are staged: so all engines judge and keep them like any other.

Different texts are looked at once, however many rows have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.contracts.parsed import OF_AGENT
from platform_assets.ingest.parsed.agents import agent
from platform_assets.ingest.parsed.referrers import referrer
from platform_assets.ingest.readers.rows import StagedFile
from resources.lake.warehouse import quoted

if TYPE_CHECKING:
    import duckdb

AT_ONCE = 10_000
LONGEST = 2_000
"""Characters of a text that are looked at."""


def add_parsed(
    connection: duckdb.DuckDBPyConnection, contract: Contract, staged: Sequence[StagedFile]
) -> list[StagedFile]:
    """`staged` with what its texts tell. Makes a temporary table for each column that tells something."""
    parts = list(staged)
    for source in dict.fromkeys(p.column for p in contract.parsed.values()):
        if parts:
            table = f"told_by_{source}"
            columns = {name: p for name, p in contract.parsed.items() if p.column == source}
            _tell(connection, contract, parts, source, table)
            told = ", ".join(f"x.{quoted(name)} AS {quoted(name)}" for name in columns)
            parts = [
                replace(
                    part,
                    sql=f"SELECT p.* REPLACE ({told}) FROM ({part.sql}) p LEFT JOIN {table} x ON x._text IS NOT DISTINCT FROM p.{quoted(source)}",
                )
                for part in parts
            ]
    return parts


def _tell(
    connection: duckdb.DuckDBPyConnection, contract: Contract, parts: Sequence[StagedFile], source: str, table: str
) -> None:
    columns = {name: p for name, p in contract.parsed.items() if p.column == source}
    listed = ", ".join(f"{quoted(name)} VARCHAR" for name in columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} (_text VARCHAR, {listed})")
    union = " UNION ALL ".join(f"SELECT {quoted(source)} AS _text FROM ({part.sql})" for part in parts)
    found = connection.execute(f"SELECT DISTINCT _text FROM ({union})").fetchall()
    spec = contract.columns[source]
    nothing = {*(contract.null_tokens if spec.null_tokens is None else spec.null_tokens), ""}
    for start in range(0, len(found), AT_ONCE):
        texts = [text for (text,) in found[start : start + AT_ONCE]]
        rows = [
            [told[p.what] for p in columns.values()]
            for text in texts
            for told in [_told(text, nothing, next(iter(columns.values())).what in OF_AGENT, _own(columns))]
        ]
        values = ", ".join(f"unnest(?::VARCHAR[]) AS c{n}" for n in range(len(columns) + 1))
        connection.execute(
            f"INSERT INTO {table} SELECT {values}", [texts, *(list(column) for column in zip(*rows, strict=True))]
        )


def _own(columns: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host for p in columns.values() for host in p.own))  # type: ignore[attr-defined]


def _told(text: str | None, nothing: set[str], is_agent: bool, own: Sequence[str]) -> Mapping[str, str | None]:
    plain = (text or "").strip()
    known = None if plain in nothing else plain[:LONGEST]
    return agent(known) if is_agent else referrer(known, own)
