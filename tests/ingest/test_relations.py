"""The temporary tables of a load are named in one place: under other names everything comes out the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest.loading import publish
from platform_assets.ingest.loading.relations import Relations
from platform_assets.ingest.loading.rules import Rules
from tests.conftest import LAB, Bench

Make = Callable[..., Bench]
# the compiled contract knows the first by its name
OTHERS = Relations(**{f.name: f"other_{f.name}" for f in fields(Relations) if f.name != "staged"})
HEAD = "id,title,day,pages\n"
PAPERS: dict[str, Any] = {
    **LAB,
    "partition": {"by": "day", "unit": "month"},
    "columns": {
        "id": {"type": "string", "derived_from": ["title", "day"]},
        "title": {"type": "string"},
        "day": {"type": "date", "format": "%Y-%m-%d"},
        "pages": {"type": "integer", "required": False},
    },
}
LOADS: list[dict[str, Any]] = [
    {"mode": "upsert", "key": ["id"], "duplicates": "quarantine"},
    {"mode": "upsert", "key": ["id"], "order_by": {"column": "day"}},
    {"mode": "snapshot", "key": ["id"], "order_by": {"column": "day"}},
    {"mode": "snapshot"},
    {"mode": "append"},
]


def loaded(lab: Bench) -> list[list[tuple[Any, ...]]]:
    lab.drop("1.csv", HEAD + ",On sleep,2020-02-01,1\n,On waking,2020-02-01,1\n5,Five,2020-02-01,x\n")
    lab.drop("2.csv", HEAD + "7,On sleep,2020-02-01,1\n7,Other,2020-02-02,1\ntoo,many,2020-02-01,1,1\n")
    lab.load()
    lab.send("3.csv", HEAD + "8,On waking,2020-02-01,2\n7,On sleep,2020-01-01,3\n9,Nine,2020-03-01,\n")
    lab.assert_nothing_lost()
    rest = "COLUMNS(c -> c NOT IN ('_quarantined_at', '_as_of', 'as_of', 'dataset', 'loaded_at', 'delivered_at', 'seconds', 'contract', 'version'))"
    tables = [lab.sql(f"SELECT {rest} FROM {{{t}}} ORDER BY ALL") for t in ("raw", "validated", "quarantine")]
    return [*tables, lab.sql(f"SELECT {rest} FROM platform.ledger WHERE dataset = '{lab.contract.name}' ORDER BY ALL")]


@pytest.mark.parametrize("load", LOADS, ids=str)
def test_nobody_spells_them(bench: Make, monkeypatch: pytest.MonkeyPatch, load: dict[str, Any]) -> None:
    ours = loaded(bench(Contract.model_validate({**PAPERS, "name": "ours", "load": load})))
    monkeypatch.setattr(publish, "Rules", lambda contract, **more: Rules(contract, OTHERS, **more))
    assert loaded(bench(Contract.model_validate({**PAPERS, "name": "others", "load": load}))) == ours
    assert all(table for table in ours)
