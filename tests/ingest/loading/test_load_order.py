"""Which delivery is the newer one, and what a held, wrongly dated or undated one may do to the table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Bench

Make = Callable[..., Bench]
HEAD = "sample_id,test_date,result,viral_load\n"


@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
def test_a_held_delivery_judged_again_does_not_undo_what_came_since(bench: Make, mode: str) -> None:
    load = {"mode": mode, "key": ["sample_id"]}
    strict = bench(load=load, quality={"max_quarantined": "10%"})
    strict.send("old.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,what,1\n")
    strict.send("new.csv", HEAD + "A,2024-01-01,NEG,5\n")
    mild = bench(load=load, quality={"max_quarantined": "60%"})
    (entry,) = mild.load().entries
    assert entry.superseded == (1 if mode == "upsert" else 2)
    assert mild.table("sample_id", "result") == [("A", "NEG")]
    mild.assert_nothing_lost()


BY_DATE = {"mode": "snapshot", "key": ["sample_id"], "order_by": {"column": "test_date"}}


def test_a_wrong_date_does_not_make_a_snapshot_newer(bench: Make) -> None:
    lab = bench(load=BY_DATE)
    lab.send("1.csv", HEAD + "A,2024-01-01,POS,1\nB,2906-01-09,POS,1\n")
    (entry,) = lab.send("2.csv", HEAD + "A,2024-01-02,NEG,1\n").entries
    assert entry.status == "published"
    assert lab.table("sample_id", "result") == [("A", "NEG")]


def test_a_newer_snapshot_is_the_table_also_where_a_row_has_an_older_date(bench: Make) -> None:
    lab = bench(load=BY_DATE)
    lab.send("1.csv", HEAD + "A,2024-01-10,POS,1\nB,2024-01-10,POS,1\n")
    lab.send("2.csv", HEAD + "A,2024-01-05,NEG,1\nC,2024-01-11,POS,1\n")
    assert lab.table("sample_id", "result") == [("A", "NEG"), ("C", "POS")]
    lab.assert_nothing_lost()


@pytest.mark.parametrize("rows", ["", "A,no date,POS,1\n"])
def test_a_snapshot_without_any_date_is_superseded_and_stops_no_other(bench: Make, rows: str) -> None:
    lab = bench(load=BY_DATE)
    lab.send("1.csv", HEAD + "A,2024-01-10,POS,1\n")
    lab.drop("2.csv", HEAD + rows)
    lab.drop("3.csv", HEAD + "B,2024-01-11,POS,1\n")
    entries = {e.file: e for e in lab.load().entries}
    assert entries["2.csv"].reason.startswith("a snapshot without a date")
    assert lab.table("sample_id") == [("B",)]
    lab.assert_nothing_lost()
