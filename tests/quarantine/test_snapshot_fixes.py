"""Fixes of datasets of which one delivery is the whole table: they join the snapshot that the table is of, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_assets.quarantine.fixes import Fix, QuarantineError
from platform_assets.quarantine.tables import RowKey
from tests.erasure.erasing import erase, subject
from tests.places import Place, lab_contract

GOOD = "A-1,P-1,north,2024-01-01,NEG,"
WORD = "A-2,P-2,north,2024-01-02,Positive,10"
OTHER = "A-3,P-3,north,2024-01-03,Positive,"
BY_NAME = {"file_name": r"(\d{4}-\d{2}-\d{2})"}
BY_COLUMN = {"column": "test_date"}


@pytest.fixture(params=[[], ["sample_id"]], ids=["no key", "key"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, lab_contract(load={"mode": "snapshot", "key": request.param}))


def fix(place: Place, sample: str, **changes: str | None) -> Fix:
    rows = place.desk().rows()
    found = rows[rows["sample_id"] == sample].iloc[-1]
    texts = {c: (found[c] if isinstance(found[c], str) else None) for c in place.contract.file_columns}
    return Fix(RowKey(found["_delivery"], found["_file"], int(found["_row"])), {**texts, **changes})


def mend(place: Place, sample: str, **changes: str | None) -> Fix:
    """Stage and send the fix of one row."""
    made = fix(place, sample, **(changes or {"result": "POS"}))
    place.desk().stage([made])
    assert place.desk().resubmit().sent == 1
    return made


def conserved(place: Place) -> bool:
    return "row_conservation" in place.checks_passed()


def test_a_fix_joins_the_snapshot_that_the_table_is_of(place: Place) -> None:
    first = place.deliver("all.csv", GOOD, WORD, OTHER)
    made = mend(place, "A-2")
    entry = place.load().entries[0]
    assert (entry.status, entry.inserted, entry.removed, entry.as_of) == ("published", 1, 0, first.as_of)
    assert place.samples() == ["A-1", "A-2"]
    assert place.desk().history(made.key)["event"].tolist() == ["rejected", "staged", "resubmitted", "accepted"]
    assert conserved(place)
    mend(place, "A-3")
    place.load()
    assert place.samples() == ["A-1", "A-2", "A-3"]
    assert conserved(place)


def test_the_next_snapshot_replaces_the_table_fixes_included_and_is_mended_in_the_same_way(place: Place) -> None:
    place.deliver("week1.csv", GOOD, WORD)
    mend(place, "A-2")
    place.load()
    second = place.deliver("week2.csv", GOOD, WORD, OTHER)
    assert second.removed == (1 if place.contract.load.key else 2)  # without a key all rows leave and come
    assert place.samples() == ["A-1"]
    mend(place, "A-2")
    assert place.load().entries[0].status == "published"
    assert place.samples() == ["A-1", "A-2"]
    assert conserved(place)


def test_a_fix_of_a_snapshot_that_was_replaced_is_refused_and_says_why(place: Place) -> None:
    place.deliver("week1.csv", GOOD, WORD)
    late = fix(place, "A-2", result="POS")
    place.desk().stage([fix(place, "A-2", result="POS")])
    place.deliver("week2.csv", GOOD)
    with pytest.raises(QuarantineError, match=r"the table is of a newer delivery of \d{4}-.*dismiss it here"):
        place.desk().stage([late])
    sent = place.desk().resubmit()
    assert sent.sent == 0
    assert "newer delivery" in sent.still_wrong[late.key][0]
    place.desk().dismiss([late.key], "replaced")
    assert place.samples() == ["A-1"]


def test_a_fix_that_is_overtaken_by_a_newer_snapshot_on_its_way_is_superseded(place: Place) -> None:
    place.deliver("week1.csv", GOOD, WORD)
    made = mend(place, "A-2")
    place.drop("week2.csv", f"{','.join(place.contract.file_columns)}\nA-9,P-9,north,2024-01-01,NEG,\n")
    entries = {e.file: e for e in place.load().entries}
    late = next(e for name, e in entries.items() if name != "week2.csv")
    assert (late.status, late.superseded, late.valid) == ("superseded", 1, 0)
    assert late.reason.startswith("a fix of a snapshot")
    assert place.samples() == ["A-9"]
    assert place.desk().history(made.key)["event"].tolist()[-1] == "superseded"
    assert conserved(place)


def test_a_fix_and_a_fix_of_that_fix_join_the_same_snapshot(place: Place) -> None:
    place.deliver("all.csv", GOOD, WORD)
    made = mend(place, "A-2")
    loose, key = place.contract, place.contract.load.key
    columns: dict[str, Any] = loose.model_dump(mode="json", by_alias=True, exclude_unset=True)["columns"]
    columns["viral_load"]["le"] = 5
    place.contract = lab_contract(load={"mode": "snapshot", "key": key}, columns=columns)  # stricter in between
    assert place.load().entries[0].quarantined == 1
    mend(place, "A-2", viral_load="4")
    place.load()
    assert place.samples() == ["A-1", "A-2"]
    events = ["rejected", "staged", "resubmitted", "rejected", "staged", "resubmitted", "accepted"]
    assert place.desk().history(made.key)["event"].tolist() == events
    assert conserved(place)


def test_a_fix_takes_the_place_of_the_row_of_the_same_key(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(load={"mode": "snapshot", "key": ["sample_id"]}))
    place.deliver("all.csv", GOOD, "A-1,P-1,north,2024-01-01,Positive,")
    mend(place, "A-1")
    assert place.load().entries[0].updated == 1
    assert place.query("SELECT result FROM validated.lab_results") == [("POS",)]
    assert conserved(place)


@pytest.mark.parametrize("order", [BY_NAME, BY_COLUMN], ids=["file name", "column"])
def test_an_older_snapshot_that_comes_late_does_not_undo_a_fix(tmp_path: Path, order: dict[str, str]) -> None:
    place = Place(tmp_path, lab_contract(load={"mode": "snapshot", "key": ["sample_id"], "order_by": order}))
    place.deliver("all_2024-01-08.csv", "A-1,P-1,north,2024-01-08,NEG,", WORD)
    mend(place, "A-2")
    entry = place.load().entries[0]
    assert f"{entry.as_of:%Y-%m-%d}" == "2024-01-08"
    late = place.deliver("all_2024-01-01.csv", GOOD)
    assert late.status == "superseded"
    assert place.samples() == ["A-1", "A-2"]
    newer = place.deliver("all_2024-01-09.csv", "A-4,P-4,north,2024-01-09,NEG,")
    assert newer.status == "published"
    assert place.samples() == ["A-4"]
    assert conserved(place)


def held(tmp_path: Path, key: list[str]) -> Place:
    load = {"mode": "snapshot", "key": key}
    return Place(tmp_path, lab_contract(load=load, quality={"max_quarantined": 0.4}))


@pytest.mark.parametrize("key", [[], ["sample_id"]], ids=["no key", "key"])
def test_a_released_snapshot_becomes_the_table_and_its_other_rows_join_it(tmp_path: Path, key: list[str]) -> None:
    place = held(tmp_path, key)
    place.deliver("week1.csv", "A-9,P-9,north,2024-01-01,NEG,")
    entry = place.deliver("week2.csv", GOOD, WORD, OTHER)
    assert entry.status == "held"
    with pytest.raises(QuarantineError, match="Release its right rows first"):
        place.desk().stage([fix(place, "A-2", result="POS")])
    assert place.desk().release(entry.delivery, "looked at").sent == 1
    with pytest.raises(QuarantineError, match="Release its right rows first and load them"):
        place.desk().stage([fix(place, "A-2", result="POS")])
    place.load()
    assert place.samples() == ["A-1"]
    mend(place, "A-2")
    place.load()
    assert place.samples() == ["A-1", "A-2"]
    assert conserved(place)
    place.contract = lab_contract(load={"mode": "snapshot", "key": key})
    place.load()  # the contract has changed: what was held and released is not judged once more
    assert place.samples() == ["A-1", "A-2"]


def test_rows_released_later_join_what_was_released_before(tmp_path: Path) -> None:
    place = held(tmp_path, [])
    entry = place.deliver("week1.csv", GOOD, WORD, OTHER)
    place.desk().release(entry.delivery, "looked at")
    place.load()
    columns = place.contract.model_dump(mode="json", by_alias=True, exclude_unset=True)["columns"]
    columns["result"]["in"] = ["POS", "NEG", "Positive"]
    place.contract = lab_contract(load={"mode": "snapshot"}, quality={"max_quarantined": 0.4}, columns=columns)
    assert place.desk().release(entry.delivery, "the word is right after all").sent == 2
    place.load()
    assert place.samples() == ["A-1", "A-2", "A-3"]
    assert conserved(place)


def test_a_held_snapshot_older_than_the_table_is_not_released(tmp_path: Path) -> None:
    place = held(tmp_path, [])
    entry = place.deliver("week1.csv", GOOD, WORD, OTHER)
    place.deliver("week2.csv", "A-9,P-9,north,2024-01-01,NEG,")
    with pytest.raises(QuarantineError, match="newer delivery"):
        place.desk().release(entry.delivery, "too late")
    assert place.samples() == ["A-9"]


def test_a_fix_that_loses_erased_rows_while_it_waits_is_still_a_fix(place: Place) -> None:
    place.deliver("all.csv", GOOD, WORD, OTHER)
    desk = place.desk()
    desk.stage([fix(place, "A-2", result="POS"), fix(place, "A-3", result="POS")])
    assert desk.resubmit().sent == 2
    erase(place, subject("P-2"))
    assert place.load().entries[0].status == "published"
    assert place.samples() == ["A-1", "A-3"]
