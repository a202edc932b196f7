"""A name under which a column also comes: proposed by one, agreed to by another, taken back; and what loads and the door make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from platform_assets.access.roles import AccessDenied, Role, User, laptop_user
from platform_assets.erasure.requests import RequestError
from platform_assets.ingest.aliases import AGREED, ENDED, PROPOSED, known_as, read
from platform_assets.quarantine import before_sending, uploads
from platform_assets.quarantine.aliases import LONGEST
from platform_assets.quarantine.fixes import QuarantineError
from tests.erasure.erasing import erase, everything, subject
from tests.places import SECOND, Place, lab_contract

RENAMED = "sample_id,patient_id,lab,day of test,result,viral_load"
ONE = laptop_user()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, lab_contract())


def agreed(place: Place, name: str = "day of test", column: str = "test_date") -> None:
    place.office().aliases("lab_results", ONE).propose(column, name)
    place.office().aliases("lab_results", SECOND).agree(name)


def test_two_people_agree_and_from_then_on_files_with_the_name_are_loaded(place: Place) -> None:
    office, rows = place.office(), ["A-1,P-1,north,2024-01-02,POS,"]
    aliases = office.aliases("lab_results", ONE)
    aliases.propose("test_date", " day of test ")
    data = "\n".join([RENAMED, *rows, ""]).encode()
    assert uploads.check(office, "lab_results", "w.csv", data, ONE).wrong == 1  # proposed is not agreed
    with pytest.raises(QuarantineError, match="a second person must agree"):
        aliases.agree("day of test")
    assert [a.state for a in aliases.all()] == [PROPOSED]
    office.aliases("lab_results", SECOND).agree("day of test")
    found = uploads.check(office, "lab_results", "w.csv", data, ONE)
    assert (found.wrong, found.drift) == (0, {})
    assert uploads.fitting(office, "w.csv", data) == ["lab_results"]
    headings = before_sending.headings(known_as(office.contracts["lab_results"], office.store), "w.csv", data)
    assert headings is not None
    assert not headings.lacking
    place.deliver("w.csv", *rows, header=RENAMED)
    with place.warehouse.connect() as connection:
        (row,) = connection.execute("SELECT test_date::VARCHAR FROM validated.lab_results").fetchall()
    assert row == ("2024-01-02",)
    told = [(e.action, e.who, e.details) for e in office.audit.entries() if e.action.startswith("alias.")]
    which = {"column": "test_date", "name": "day of test"}
    assert told == [("alias.propose", ONE.name, which), ("alias.agree", SECOND.name, which)]


def test_taken_back_it_holds_no_longer_but_for_what_was_loaded_with_it(place: Place) -> None:
    agreed(place)
    place.deliver("w.csv", "A-1,P-1,north,2024-01-02,POS,", "A-2,P-2,north,2024-01-02,POS,", header=RENAMED)
    office = place.office()
    office.aliases("lab_results", ONE).take_back("day of test")
    contract = office.contracts["lab_results"]
    assert known_as(contract, office.store) == contract
    assert "day of test" in known_as(contract, office.store, ended=True).columns["test_date"].header
    data = f"{RENAMED}\nA-3,P-1,north,2024-01-02,POS,\n".encode()
    assert uploads.check(office, "lab_results", "w2.csv", data, ONE).wrong == 1
    assert [a.state for a in read(office.store, "lab_results")] == [ENDED]
    agreed(place)  # and may be proposed again
    assert [a.state for a in read(office.store, "lab_results")] == [ENDED, AGREED]


def test_the_contract_keeps_its_hash_and_its_own_names_stand_first(place: Place) -> None:
    agreed(place)
    contract = place.office().contracts["lab_results"]
    named = known_as(contract, place.store)
    assert named.columns["test_date"].header == ("test_date", "day of test")
    assert place.office().contracts["lab_results"].hash == contract.hash


def test_a_person_is_erased_from_a_file_that_came_under_a_name_that_was_taken_back(place: Place) -> None:
    agreed(place, "number of the person", "patient_id")
    header = "sample_id,number of the person,lab,test_date,result,viral_load"
    place.deliver("w.csv", "A-1,PZ-100,north,2024-01-02,POS,", "A-2,PZ-200,north,2024-01-02,POS,", header=header)
    place.office().aliases("lab_results", ONE).take_back("number of the person")
    erase(place, subject("PZ-100"))
    left = everything(place.home)
    assert not [name for name, data in left.items() if b"PZ-100" in data]
    assert [name for name, data in left.items() if b"PZ-200" in data]


@pytest.mark.parametrize(
    ("column", "name", "why"),
    [
        ("nothing", "x", "has no column"),
        ("test_date", "", "1 to"),
        ("test_date", "x" * (LONGEST + 1), "1 to"),
        ("test_date", "day\nof", "1 to"),
        ("test_date", "day\u202eof", "1 to"),
        ("test_date", "RESULT", "knows"),
        ("test_date", "Test_Date", "knows"),
    ],
)
def test_what_is_no_name_is_refused_and_not_kept(place: Place, column: str, name: str, why: str) -> None:
    with pytest.raises(QuarantineError, match=why):
        place.office().aliases("lab_results", ONE).propose(column, name)
    assert read(place.store, "lab_results") == []


def test_a_name_stands_for_one_column(place: Place) -> None:
    agreed(place)
    for column in ("test_date", "lab"):
        with pytest.raises(QuarantineError, match="agreed already, for test_date"):
            place.office().aliases("lab_results", ONE).propose(column, "Day of Test")


def test_a_name_that_tells_of_a_person_is_refused(place: Place) -> None:
    place.deliver("w.csv", "S-4711-9,P-4711,north,2024-01-02,POS,")
    with pytest.raises(RequestError, match="say it without"):
        place.office().aliases("lab_results", ONE).propose("test_date", "S-4711-9")
    assert read(place.store, "lab_results") == []


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.STEWARD])
@pytest.mark.parametrize(
    "act",
    [lambda a: a.propose("test_date", "x"), lambda a: a.agree("x"), lambda a: a.take_back("x")],
    ids=["propose", "agree", "take back"],
)
def test_only_stewards_do(place: Place, role: Role, act: Callable[..., None]) -> None:
    with pytest.raises(AccessDenied):
        act(place.office().aliases("lab_results", User("x@example.org", frozenset({role}), ())))
    assert read(place.store, "lab_results") == []


def test_a_later_release_may_write_more_than_this_one_reads(place: Place) -> None:
    agreed(place)
    kept = json.loads((place.home / "aliases" / "lab_results.json").read_text())
    place.store.write("aliases/lab_results.json", json.dumps([{**kept[0], "later": 1}]).encode())
    assert read(place.store, "lab_results")[0].name == "day of test"
