"""Uploads: harmless names, limits, what ingest will say beforehand, and files taken back while they wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_assets.stewardship import uploads
from platform_assets.stewardship.access import AccessDenied
from platform_assets.stewardship.office import Office
from platform_assets.stewardship.uploads import UploadRefused, safe_name
from tests.stewardship.place import ANALYST, STEWARD, Place

HEADER = "sample_id,patient_id,lab,test_date,result,viral_load"
GOOD = "A-1,P-1,north,2024-01-01,NEG,"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    place = Place(tmp_path)
    return Office({"lab_results": place.contract}, place.warehouse, place.store, place.keys, place.home)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("week 1.csv", "week 1.csv"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\Users\\x\\week.csv", "week.csv"),
        (".hidden.csv", "hidden.csv"),
        ("=cmd();$(rm).csv", "_cmd_____rm_.csv"),
        ("a\nb\0.csv", "a_b_.csv"),
        ("é" * 200 + ".csv", "_" * 120),
    ],
)
def test_names_are_made_harmless(given: str, safe: str) -> None:
    if set(safe) == {"_"}:
        with pytest.raises(UploadRefused):
            safe_name(given)
    else:
        assert safe_name(given) == safe


@pytest.mark.parametrize("name", ["", "..", "///", "week.csv.part", "___"])
def test_names_that_say_nothing_or_not_finished_are_refused(name: str) -> None:
    with pytest.raises(UploadRefused, match="rename it"):
        safe_name(name)


def test_the_check_says_what_ingest_will_say_and_keeps_nothing(office: Office) -> None:
    rows = [GOOD, "A-2,P-2,north,2024-13-01,Positive,", "A-3,P-3,north"]
    found = uploads.check(
        office, "lab_results", "week.csv", "\n".join([HEADER + ",more", *(r + "," for r in rows)]).encode(), STEWARD
    )
    assert (found.rows, found.wrong, found.malformed) == (3, 2, 1)
    assert sum(found.reasons.values()) == 2
    assert found.drift == {"extra": ["more"]}
    assert "P-2" not in str(found)
    assert not list(office.store.walk("landing"))


def test_a_file_of_which_nothing_can_be_judged_is_told_before_it_is_sent(office: Office) -> None:
    assert (
        "none of the required columns" in uploads.check(office, "lab_results", "x.csv", b"a;b\n1;2\n", STEWARD).rejected
    )


def test_a_second_file_of_the_same_name_does_not_replace_the_first(office: Office) -> None:
    names = {uploads.send(office, "lab_results", "week.csv", data, STEWARD) for data in (b"one", b"two")}
    assert len(names) == 2
    contents = {office.store.open(f"landing/lab_results/{n}").read() for n in names}
    assert contents == {b"one", b"two"}


def test_a_file_that_is_too_large_is_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_UPLOAD_LIMIT_MB", "1")
    with pytest.raises(UploadRefused, match="larger than 1 MB"):
        uploads.send(office, "lab_results", "week.csv", b"x" * 1_000_001, STEWARD)


def test_a_waiting_file_is_taken_back_once(office: Office) -> None:
    name = uploads.send(office, "lab_results", "week.csv", b"one", STEWARD)
    uploads.withdraw(office, "lab_results", name, STEWARD)
    with pytest.raises(UploadRefused, match="does not wait any more"):
        uploads.withdraw(office, "lab_results", name, STEWARD)
    assert [e.action for e in office.audit.entries()] == ["upload", "delivery.withdraw"]


def test_the_dataset_whose_columns_the_file_has_is_suggested(office: Office) -> None:
    assert uploads.fitting(office, "week.csv", HEADER.encode()) == ["lab_results"]
    assert uploads.fitting(office, "week.docx", b"") == []


def test_an_analyst_neither_checks_nor_sends_nor_takes_back(office: Office) -> None:
    for act in (
        lambda: uploads.check(office, "lab_results", "x.csv", b"", ANALYST),
        lambda: uploads.send(office, "lab_results", "x.csv", b"", ANALYST),
        lambda: uploads.withdraw(office, "lab_results", "x.csv", ANALYST),
    ):
        with pytest.raises(AccessDenied):
            act()
