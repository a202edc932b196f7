"""Requests for erasure: who asks, who approves, and what is refused before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_assets.access.roles import AccessDenied
from platform_assets.erasure.requests import RequestError
from platform_assets.erasure.targets import MalformedRequest, Target, read_csv
from tests.erasure.erasing import eraser, subject
from tests.places import ANALYST, SECOND, STEWARD, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("sample_id,test_date\nA-1,2024-01-01\nA-2,01/02/2024\n", "line 3: test_date"),
        ("sample_id,test_date\nA-1\n", "line 2: has 1 fields"),
        ("sample_id,day\nA-1,2024-01-01\n", "must name columns"),
        ("test_date\n2024-01-01\n", "tells who is meant"),
        ("sample_id,test_date\nA-1,\n", "line 2: test_date is empty"),
        ("sample_id\n!!\n", "line 2: sample_id"),
        ("sample_id\n", "no line"),
        ("sample_id,sample_id\nA-1,A-1\n", "each once"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_malformed_request_is_refused_whole_with_reasons_and_nothing_is_deleted(
    place: Place, csv: str, message: str
) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,")
    with pytest.raises(MalformedRequest, match=message) as refused:
        eraser(place).submit(read_csv(place.contract, csv.encode("latin-1")), "a letter", STEWARD)
    assert "A-2" not in str(refused.value)
    assert eraser(place).requests.all() == []
    assert place.samples() == ["A-1"]


def test_an_upload_of_one_identifier_column_is_about_subjects(place: Place) -> None:
    assert read_csv(place.contract, b"patient_id\nP-1\nP-1\nP-2\n") == [
        Target("lab_results", {"patient_id": "P-1"}, subject=True),
        Target("lab_results", {"patient_id": "P-2"}, subject=True),
    ]


def test_the_preview_counts_what_a_request_would_touch_and_changes_nothing(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-3,PATIENT-77,north,2024-13-03,NEG,")
    found = eraser(place).preview([subject("PATIENT-77")], STEWARD)
    assert (found["raw"], found["validated"], found["quarantine"], found["archive"]) == (2, 1, 1, 2)
    assert place.samples() == ["A-1"]


def test_who_asks_cannot_approve_unless_the_second_person_is_switched_off(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = eraser(place)
    number = work.submit([subject("P-1")], "a letter", STEWARD).id
    with pytest.raises(RequestError, match="second person"):
        work.requests.approve(number, STEWARD)
    with pytest.raises(RequestError, match="approved first"):
        work.execute(number, STEWARD)
    monkeypatch.setenv("PLATFORM_ERASURE_SECOND_PERSON", "0")
    work.requests.approve(number, STEWARD)
    assert work.execute(number, STEWARD)["approved_by"] == STEWARD.name


def test_a_request_is_withdrawn_until_it_runs(place: Place) -> None:
    work = eraser(place)
    number = work.submit([subject("P-1")], "a letter", STEWARD).id
    work.requests.withdraw(number, STEWARD)
    assert work.requests.all() == []
    assert [e.action for e in place.audit.entries()] == ["erasure.request", "erasure.withdraw"]
    with pytest.raises(RequestError, match="no open request"):
        work.requests.approve(number, SECOND)


def test_a_ground_that_names_the_subject_is_refused(place: Place) -> None:
    with pytest.raises(RequestError, match="names who"):
        eraser(place).submit([subject("PATIENT-77")], "letter of PATIENT-77", STEWARD)


def test_an_analyst_neither_asks_nor_approves_nor_erases(place: Place) -> None:
    work = eraser(place)
    number = work.submit([subject("P-1")], "a letter", STEWARD).id
    for act in (
        lambda: work.submit([subject("P-1")], "a letter", ANALYST),
        lambda: work.requests.approve(number, ANALYST),
        lambda: work.requests.withdraw(number, ANALYST),
        lambda: work.execute(number, ANALYST),
        lambda: work.replay(ANALYST),
    ):
        with pytest.raises(AccessDenied):
            act()
