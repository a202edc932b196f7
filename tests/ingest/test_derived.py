"""An id that is derived where a file has none, and what came twice, once with and once without it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.contracts.model import Contract
from platform_assets.ingest.ledger import Entry
from tests.conftest import Bench

Make = Callable[..., Bench]
HEAD = "id,title,date,pages\n"
PAPERS: dict[str, Any] = {
    "name": "papers",
    "description": "Papers.",
    "owner": "team:test",
    "format": {"kind": "csv"},
    "load": {"mode": "upsert", "key": ["id"]},
    "columns": {
        "id": {"type": "string", "derived_from": ["title", "date"], "matches": "^[0-9a-f]+$"},
        "title": {"type": "string"},
        "date": {"type": "date", "format": ["%Y-%m-%d", "%d/%m/%Y"]},
        "pages": {"type": "integer", "required": False},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}


def derived(title: str, date: str) -> str:
    return hashlib.sha256(f"{title}\x1f{date}".encode()).hexdigest()[:16]


def counts(entry: Entry) -> dict[str, int]:
    """The counts that are not zero."""
    names = ("inserted", "updated", "unchanged", "superseded", "quarantined", "removed", "merged")
    return {name: getattr(entry, name) for name in names if getattr(entry, name)}


def test_a_row_without_id_gets_one_that_its_cleaned_content_decides(bench: Make) -> None:
    papers = bench(PAPERS)
    papers.send("a.csv", HEAD + ",  On sleep ,01/02/2020,3\n")
    papers.send("b.csv", HEAD + ",On sleep,2020-02-01,4\n")
    assert papers.table("id", "title", "pages") == [(derived("On sleep", "2020-02-01"), "On sleep", 4)]
    papers.assert_nothing_lost()


def test_what_the_id_is_derived_from_must_be_there(bench: Make) -> None:
    papers = bench(PAPERS)
    (entry,) = papers.send("a.csv", HEAD + ", ,01/02/2020,3\n,On sleep,soon,3\n").entries
    assert entry.quarantined == 2
    assert set(entry.reasons) == {
        "title: value is missing",
        "date: is not a date like 2026-12-31 or 31/12/2026, found a value like aaaa",
    }


@pytest.mark.parametrize("rows", [["7,On sleep,2020-02-01,", ",On sleep,2020-02-01,"], [",On sleep,2020-02-01,", "7,On sleep,2020-02-01,"]])  # fmt: skip
def test_a_copy_without_id_in_the_same_delivery_is_merged_whichever_comes_first(bench: Make, rows: list[str]) -> None:
    papers = bench(PAPERS)
    (entry,) = papers.send("a.csv", HEAD + "\n".join([*rows, "8,On waking,2020-02-01,"])).entries
    assert papers.table("id", "title") == [("7", "On sleep"), ("8", "On waking")]
    assert counts(entry) == {"inserted": 2, "superseded": 1, "merged": 1}
    papers.assert_nothing_lost()


def test_a_copy_without_id_that_comes_later_takes_the_id_of_the_table(bench: Make) -> None:
    papers = bench(PAPERS)
    papers.send("a.csv", HEAD + "7,On sleep,2020-02-01,3\n")
    (entry,) = papers.send("b.csv", HEAD + ",On sleep,01/02/2020,3\n,On sleep,2020-02-02,3\n").entries
    assert counts(entry) == {"unchanged": 1, "inserted": 1, "merged": 1}
    assert papers.table("id") == sorted([("7",), (derived("On sleep", "2020-02-02"),)])
    papers.assert_nothing_lost()


def test_a_row_that_has_waited_without_id_leaves_when_its_copy_brings_one(bench: Make) -> None:
    papers = bench(PAPERS)
    papers.send("a.csv", HEAD + ",On sleep,2020-02-01,3\n,On waking,2020-02-01,3\n")
    (entry,) = papers.send("b.csv", HEAD + "7,On sleep,2020-02-01,3\n").entries
    assert counts(entry) == {"inserted": 1, "removed": 1, "merged": 1}
    assert papers.table("id", "title") == sorted([("7", "On sleep"), (derived("On waking", "2020-02-01"), "On waking")])
    papers.assert_nothing_lost()


def test_a_row_with_a_wrong_id_lends_it_to_nobody(bench: Make) -> None:
    papers = bench(PAPERS)
    papers.send("a.csv", HEAD + "no id,On sleep,2020-02-01,\n,On sleep,2020-02-01,\n")
    assert papers.table("id") == [(derived("On sleep", "2020-02-01"),)]


def test_files_together_give_the_table_and_the_counts_of_one_after_the_other(bench: Make) -> None:
    files = {
        "1.csv": HEAD + ",On sleep,2020-02-01,1\n,On waking,2020-02-01,1\n",
        "2.csv": HEAD + "7,On sleep,2020-02-01,1\n",
        "3.csv": HEAD + ",On sleep,2020-02-01,2\n8,On waking,2020-02-01,1\n",
    }
    together = bench(PAPERS)
    for name, data in files.items():
        together.drop(name, data)
    batch = {e.file: counts(e) for e in together.load().entries}
    apart = bench({**PAPERS, "name": "apart"})
    single = {name: counts(apart.send(name, data).entries[0]) for name, data in files.items()}
    assert batch == single
    assert together.table("id", "title", "pages") == apart.table("id", "title", "pages") == [
        ("7", "On sleep", 2),
        ("8", "On waking", 1),
    ]  # fmt: skip
    together.assert_nothing_lost()
    apart.assert_nothing_lost()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"type": "integer", "derived_from": ["title"]}, "goes with type string"),
        ({"type": "string", "derived_from": ["title"], "role": "identifier"}, "no identifier"),
        ({"type": "string", "derived_from": ["title"], "required": True}, "drop 'required'"),
        ({"type": "string", "derived_from": ["pages"]}, "pages must have a value in every row"),
        ({"type": "string", "derived_from": ["author"]}, "there is no column 'author'"),
        ({"type": "string", "derived_from": ["id"]}, "id must have a value in every row"),
    ],
)
def test_a_contract_cannot_derive_from_what_may_be_missing(column: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Contract.model_validate({**PAPERS, "columns": {**PAPERS["columns"], "id": column}})
