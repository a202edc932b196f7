"""Fix files that never reach the table: taken back, removed by hand, or cut off on the way. Their rows are open again, once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from platform_assets.office import Office
from platform_assets.quarantine import fix_moves, uploads
from platform_assets.quarantine.fixes import Fix
from platform_assets.quarantine.tables import RowKey
from tests.places import STEWARD, Place, lab_contract

GOOD = "A-1,P-1,north,2024-01-01,NEG,"
WORD = "A-2,P-2,north,2024-01-02,Positive,10"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.deliver("week1.csv", GOOD, WORD)
    return made


def office(place: Place) -> Office:
    return place.office()


def sent(place: Place) -> str:
    """The fix file of the one wrong row."""
    place.desk().replace_value("result", "Positive", "POS")
    (name,) = place.desk().resubmit("the laboratory confirmed").files
    return name


def key(place: Place) -> RowKey:
    row = place.desk().rows().iloc[0]
    return RowKey(row["_delivery"], row["_file"], int(row["_row"]))


def landing(place: Place) -> list[str]:
    return sorted(p.name for p in (place.home / "landing" / "lab_results").iterdir())


def test_rows_of_a_fix_file_that_is_taken_back_are_open_again_and_can_be_mended(place: Place) -> None:
    first = key(place)
    name = sent(place)
    data = (place.home / "landing" / "lab_results" / name).read_bytes()
    assert place.desk().rows().empty
    assert uploads.withdraw(office(place), "lab_results", name, STEWARD) == 1
    assert landing(place) == []
    assert place.desk().rows()["result"].tolist() == ["Positive"]
    assert place.desk().history(first)["event"].tolist() == ["rejected", "staged", "resubmitted", "taken back"]
    told = next(e for e in place.audit.entries() if e.action == "delivery.withdraw").details
    assert (told["file"], told["sha256"]) == (name, hashlib.sha256(data).hexdigest())
    sent(place)
    assert [e.valid for e in place.load().entries] == [1]
    assert place.desk().rows().empty
    assert place.desk().history(first)["event"].tolist()[3:] == ["taken back", "staged", "resubmitted", "accepted"]


def test_a_row_that_was_taken_back_and_dismissed_stays_closed(place: Place) -> None:
    uploads.withdraw(office(place), "lab_results", sent(place), STEWARD)
    place.desk().dismiss([key(place)], "a test sample")
    assert place.desk().settle() == 0
    assert place.desk().rows().empty


def test_rows_of_a_fix_file_that_was_removed_by_hand_are_open_again(place: Place) -> None:
    name = sent(place)
    assert place.desk().settle() == 0  # it waits
    (place.home / "landing" / "lab_results" / name).unlink()
    assert place.desk().settle() == 1
    assert place.desk().settle() == 0
    assert place.desk().rows()["_state"].tolist() == ["open"]
    assert place.desk().history(key(place))["reason"].tolist()[-1] == fix_moves.GONE
    sent(place)
    place.load()
    assert place.desk().settle() == 0  # it was loaded
    assert place.desk().rows().empty


class Killed(Exception):
    """In place of a process that dies."""


@pytest.mark.parametrize("before", ["the table", "the file"])
def test_taking_back_that_was_cut_off_is_ended_by_who_comes_next(
    place: Place, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    name = sent(place)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if before == "the table":
            patched.setattr(place.warehouse.catalog, "check_locks", die)  # before its commit
        else:
            patched.setattr(place.store, "delete", die)
        with pytest.raises(Killed):
            uploads.withdraw(office(place), "lab_results", name, STEWARD)
    assert place.load().entries == []  # ingest does not take it
    assert landing(place) == [f".{name}.withdrawn"]
    place.desk().settle()
    assert landing(place) == []
    assert place.desk().rows()["sample_id"].tolist() == ["A-2"]


def test_a_store_that_was_cut_off_while_it_moved_the_file_loads_it_and_opens_no_row(place: Place) -> None:
    name = sent(place)
    folder = place.home / "landing" / "lab_results"
    (folder / f".{name}.withdrawn").write_bytes((folder / name).read_bytes())  # a bucket copies first, then deletes
    assert place.desk().settle() == 0
    assert landing(place) == [name]
    assert [e.valid for e in place.load().entries] == [1]
    assert place.desk().rows().empty


def test_a_file_that_is_no_fix_is_taken_back_and_opens_nothing(place: Place) -> None:
    place.drop("week2.csv", "x")
    assert uploads.withdraw(office(place), "lab_results", "week2.csv", STEWARD) == 0
    assert landing(place) == []


def test_a_held_delivery_whose_release_was_taken_back_is_judged_again_when_the_contract_changes(tmp_path: Path) -> None:
    append = {"mode": "append"}
    place = Place(tmp_path, lab_contract(load=append, quality={"max_quarantined": 0.1}))
    entry = place.deliver("week1.csv", GOOD, WORD)
    (name,) = place.desk().release(entry.delivery, "a small laboratory").files
    assert uploads.withdraw(office(place), "lab_results", name, STEWARD) == 1
    assert len(place.desk().rows()) == 2
    place.contract = lab_contract(load=append)
    place.load()
    assert place.samples() == ["A-1"]


def test_a_fix_that_is_just_being_prepared_is_not_dropped_by_somebody_else(place: Place) -> None:
    """Its file is there before its transaction: who comes meanwhile waits for that."""
    place.desk().stage([Fix(key(place), {"sample_id": "A-2", "test_date": "2024-01-02", "result": "POS"})])
    folder = place.home / "landing" / "lab_results"
    (folder / "..week1-fix-00000000.csv.part.17-4.part").write_text("a store at work")
    place.desk().settle()
    assert landing(place) == ["..week1-fix-00000000.csv.part.17-4.part"]
