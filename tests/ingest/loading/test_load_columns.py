"""Columns that a file does not bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from platform_assets.ingest.ledger import Entry
from tests.conftest import Bench

Make = Callable[..., Bench]

PHONES: dict[str, Any] = {
    "columns": {
        "id": {"type": "string"},
        "status": {"type": "string", "in": ["ill", "well"]},
        "phone": {"type": "string", "optional": True, "required": False},
    },
}


@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
@pytest.mark.parametrize("together", [True, False])
def test_a_column_that_a_file_does_not_bring_says_nothing_about_earlier_values(
    bench: Make, mode: str, together: bool
) -> None:
    files = {
        "1.csv": "id,status,phone\na,ill,0611\nb,ill,0622\n",
        "2.csv": "id,status\na,well\nb,ill\nc,ill\n",
        "3.csv": "id,status,phone_number\nb,well,0622\na,well,0611\nc,ill,0633\n",
        "4.csv": "id,status,phone\na,well,\nb,well,0699\nc,ill,0644\n",
        "5.csv": "id,status\na,ill\nb,well\nc,ill\n",
    }
    seen = {}
    for absent in ("keep", "clear"):
        lab = bench(**PHONES, name=f"lab_{absent}", load={"mode": mode, "key": ["id"], "absent": absent})
        entries: dict[str, Entry] = {}
        for name, data in files.items():
            lab.drop(name, data)
            entries |= {} if together and name != "5.csv" else {e.file: e for e in lab.load().entries}
            if name in ("3.csv", "5.csv") and not together:
                seen[absent, name] = lab.table("id", "phone")
        seen[absent, "5.csv"] = lab.table("id", "phone")
        if absent == "keep" and (mode == "upsert" or not together):
            missing = [entries[f"{n}.csv"].drift.get("missing") for n in range(1, 6)]
            assert missing == [None, ["phone"], ["phone"], None, ["phone"]]
            assert entries["2.csv"].unchanged == 1  # b: what it brings is what was there
        lab.assert_nothing_lost()
    if not together:
        assert seen["keep", "3.csv"] == [("a", "0611"), ("b", "0622"), ("c", None)]
    # that a value is missing was said by a file that brings the column
    kept = [("a", None), ("b", "0699"), ("c", "0644")]
    assert seen["keep", "5.csv"] == (
        kept if mode == "upsert" or not together else [("a", None), ("b", None), ("c", None)]
    )
    assert seen["clear", "5.csv"] == [("a", None), ("b", None), ("c", None)]


def test_a_column_that_never_came_is_no_drift(bench: Make) -> None:
    lab = bench(**PHONES, load={"mode": "upsert", "key": ["id"]})
    for name, data in (("1.csv", "id,status\na,ill\n"), ("2.csv", "id,status\na,well\n")):
        assert lab.send(name, data).entries[0].drift == {}
