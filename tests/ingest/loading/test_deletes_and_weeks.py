"""Rows that delete their key, and deliveries that are the whole of their weeks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from tests.conftest import Bench

Make = Callable[..., Bench]
FEED: dict[str, Any] = {
    "name": "feed",
    "description": "Changes, week by week.",
    "owner": "team:test",
    "format": {"kind": "csv", "delimiter": ";"},
    "load": {"mode": "upsert", "key": ["id"]},
    "columns": {
        "id": {"type": "string"},
        "week": {"type": "string"},
        "status": {"type": "categorical", "in": ["A", "U", "D"]},
        "n": {"type": "integer", "required": False},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}
HEAD = "id;week;status;n\n"
FIRST = HEAD + "a;1;A;1\nb;1;A;1\nc;1;A;1\nd;2;A;1\n"
BY_NAME = {"file_name": r"_(\d{4}-\d{2}-\d{2})"}


def feed(bench: Make, **load: Any) -> Bench:
    return bench(Contract.model_validate({**FEED, "load": {**FEED["load"], **load}}))


def test_a_row_can_delete_its_key(bench: Make) -> None:
    lab = feed(bench, deletes={"status": ["D"]})
    lab.send("1.csv", FIRST)
    (entry,) = lab.send("2.csv", HEAD + "a;1;D;\nz;1;D;\nb;1;U;5\n").entries
    assert (entry.valid, entry.updated, entry.unchanged, entry.removed) == (3, 2, 1, 1)
    assert lab.table("id", "n") == [("b", 5), ("c", 1), ("d", 1)]
    assert lab.send("3.csv", HEAD + "a;1;A;9\n").entries[0].inserted == 1  # it may come again
    lab.drop("4.csv", HEAD + "a;1;D;\n")
    lab.drop("5.csv", HEAD + "a;1;A;2\n")
    lab.load()
    assert lab.table("id", "n")[0] == ("a", 2)
    lab.send("6.csv", HEAD + "a;1;A;3\na;1;D;\n")  # within a delivery the last row counts
    assert [r for (r,) in lab.table("id")] == ["b", "c", "d"]
    lab.assert_nothing_lost()
    # a former list would bring back what was deleted: that is for a person to say
    assert lab.send("1.csv", FIRST).entries[0].status == "held"


@pytest.mark.parametrize("order", ["delivered", BY_NAME])
def test_a_delivery_can_be_the_whole_of_its_weeks(bench: Make, order: Any) -> None:
    lab = feed(bench, replaces=["week"], order_by=order)
    lab.send("w_2026-01-01.csv", FIRST)
    (entry,) = lab.send("w_2026-01-03.csv", HEAD + "b;1;A;2\ne;1;A;1\n").entries
    assert (entry.inserted, entry.updated, entry.removed) == (1, 1, 2)
    assert lab.table("id", "week") == [("b", "1"), ("d", "2"), ("e", "1")]
    if order == BY_NAME:  # an older list of the week does not undo a newer one
        lab.send("w_2026-01-02.csv", HEAD + "c;1;A;7\n")
        assert lab.table("id") == [("b",), ("c",), ("d",), ("e",)]
    lab.assert_nothing_lost()
    again = lab.send("w_2026-01-01.csv", FIRST).entries[0]
    assert again.status == ("held" if order == "delivered" else "repeated")
    wrong = lab.send("w_2026-01-05.csv", HEAD + "b;2;X;1\nb;1;A;3\n").entries[0]
    assert wrong.quarantined == 1
    assert ("d", "2") in lab.table("id", "week")  # nothing right was said about week 2
    lab.assert_nothing_lost()


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"mode": "snapshot", "deletes": {"status": ["D"]}}, "are for upsert"),
        ({"deletes": {"status": ["D"]}, "order_by": BY_NAME}, "goes with order_by: delivered"),
        ({"deletes": {"n": ["1"]}}, "n must be a text"),
        ({"deletes": {"status": ["X"]}}, "status never is 'X'"),
        ({"replaces": ["wek"]}, "there is no column 'wek'"),
    ],
)
def test_what_cannot_be_meant_is_refused(load: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({**FEED, "load": {**FEED["load"], **load}})
