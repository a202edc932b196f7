"""Small tables for the tests of this folder."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from platform_assets.literature.mentions import DrugMatcher, find_mentions
from platform_assets.literature.tables import DRUGS, MENTIONS, PUBLICATIONS


def drug_list(*rows: tuple[str, str]) -> pa.Table:
    """(code, name) pairs as a DRUGS table."""
    return pa.Table.from_pylist([{"atccode": code, "drug": name} for code, name in rows], DRUGS)


def publication(
    title: str | None,
    *,
    id: str = "1",
    kind: str = "pubmed",
    journal: str | None = "The Journal",
    on: str | None = "2020-01-01",
) -> dict[str, object]:
    """One row of PUBLICATIONS."""
    day = date.fromisoformat(on) if on else None
    return {"kind": kind, "id": id, "title": title, "journal": journal, "date": day}


def publications(*rows: dict[str, object]) -> pa.Table:
    """Rows of `publication` as a table."""
    return pa.Table.from_pylist(list(rows), PUBLICATIONS)


def mentions_in(drugs: pa.Table, rows: pa.Table) -> pa.Table:
    """All mentions, found by the real matcher."""
    return pa.Table.from_batches(find_mentions(DrugMatcher(drugs), rows), schema=MENTIONS)
