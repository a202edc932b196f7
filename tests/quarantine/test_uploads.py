"""Uploads: harmless names, limits, what ingest will say beforehand, and files taken back while they wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platform_assets.access.roles import AccessDenied
from platform_assets.office import Office
from platform_assets.quarantine import uploads
from platform_assets.quarantine.uploads import UploadRefused, safe_name
from resources.identity import EnvironmentKeys
from tests.ingest.readers import files
from tests.places import ANALYST, STEWARD, Place, lab_contract

HEADER = "sample_id,patient_id,lab,test_date,result,viral_load"
GOOD = "A-1,P-1,north,2024-01-01,NEG,"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    place = Place(tmp_path)
    return place.office()


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("week 1.csv", "week 1.csv"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\Users\\x\\week.csv", "week.csv"),
        (".hidden.csv", "hidden.csv"),
        ("=cmd();$(rm).csv", "_cmd_____rm_.csv"),
        ("a\nb\0.csv", "a_b_.csv"),
        ("é" * 200 + ".csv", "é" * 58 + ".csv"),
        ("Zu\u0308rich\u200b.csv", "Zürich.csv"),
        ("!?" * 200, "_" * 120),
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


def foreseen(place: Place, name: str, *rows: str) -> uploads.Check:
    office = place.office()
    return uploads.check(office, "lab_results", name, "\n".join([HEADER, *rows, ""]).encode(), STEWARD)


def test_the_check_says_when_the_whole_delivery_will_be_held_as_ingest_does(tmp_path: Path) -> None:
    load = {"mode": "upsert", "key": ["sample_id"], "duplicates": "quarantine"}
    place = Place(tmp_path, lab_contract(load=load, quality={"max_quarantined": 0.4, "min_rows": 1}))
    wrong = "A-2,P-2,north,2024-01-02,Positive,"
    for number, rows in enumerate([(GOOD, wrong), (GOOD, GOOD), ()]):
        found = foreseen(place, f"week{number}.csv", *rows)
        entry = place.deliver(f"week{number}.csv", *rows)
        assert (entry.status, found.held) == ("held", entry.reason)
        assert not found.right
    assert foreseen(place, "week9.csv", GOOD).right


def test_the_check_says_when_the_content_is_known(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 0.4}))
    place.deliver("week1.csv", GOOD)
    found = foreseen(place, "again.csv", GOOD)
    assert found.before.startswith("as week1.csv, loaded 20")
    assert (found.nothing_changes, found.right) == (True, False)
    place.deliver("week2.csv", GOOD + "x")
    found = foreseen(place, "again.csv", GOOD + "x")
    assert found.before.endswith("and held then: it waits for a steward already")
    assert found.nothing_changes
    place.deliver("week3.csv", GOOD.replace("NEG", "POS"))
    found = foreseen(place, "again.csv", GOOD)
    assert found.before.endswith(
        "other content came since. What only its arrival would change waits until a steward says yes"
    )
    assert (found.nothing_changes, found.right) == (False, False)


@pytest.mark.parametrize(
    "order", [{"file_name": r"(\d{4}-\d{2}-\d{2})"}, {"column": "test_date"}], ids=["name", "column"]
)
def test_the_check_says_when_a_snapshot_is_older_than_the_table(tmp_path: Path, order: dict[str, str]) -> None:
    place = Place(tmp_path, lab_contract(load={"mode": "snapshot", "key": ["sample_id"], "order_by": order}))
    place.deliver("all_2024-01-08.csv", "A-1,P-1,north,2024-01-08,NEG,")
    found = foreseen(place, "all_2024-01-01.csv", "A-1,P-1,north,2024-01-01,NEG,")
    assert found.older == "a snapshot of 2024-01-01 00:00, the table is of 2024-01-08 00:00"
    assert foreseen(place, "all_2024-01-09.csv", "A-1,P-1,north,2024-01-09,NEG,").right


def test_the_check_names_the_keys_that_a_load_will_miss(office: Office) -> None:
    data = f"{HEADER}\n{GOOD}\n".encode()
    assert uploads.check(office, "lab_results", "week.csv", data, STEWARD).missing_keys == []
    keyless = replace(office, keys=EnvironmentKeys({}))
    found = uploads.check(keyless, "lab_results", "week.csv", data, STEWARD)
    assert found.missing_keys == ["PLATFORM_IDENTITY_KEY_PATIENT"]


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
    assert uploads.fitting(office, "week.csv", b"sample_id,test_date,result\n") == ["lab_results"]
    assert uploads.fitting(office, "week.csv", b"country,week,deaths\n") == []


def test_an_analyst_neither_checks_nor_sends_nor_takes_back(office: Office) -> None:
    for act in (
        lambda: uploads.check(office, "lab_results", "x.csv", b"", ANALYST),
        lambda: uploads.send(office, "lab_results", "x.csv", b"", ANALYST),
        lambda: uploads.withdraw(office, "lab_results", "x.csv", ANALYST),
    ):
        with pytest.raises(AccessDenied):
            act()


def test_a_file_that_would_take_the_console_down_is_told_before_it_is_sent(tmp_path: Path) -> None:
    """It is read in a process of its own: that one dies, and the next upload is judged as ever."""
    place = Place(tmp_path, lab_contract(format=[{"kind": k} for k in ("csv", "xlsx", "json5", "parquet")]))
    office = place.office()
    hostile = {
        "far.xlsx": files.far_cells()["single quotes"],
        "far.zip": files.zipped({"far.xlsx": files.far_cells()["another folder"]}),
        "number.json5": files.long_numbers()["decimal"],
        "value.parquet": files.parquet(20_000, sample_id="A" * 1_000_000),
        "bomb.csv.gz": files.bombs(64)["bomb.csv.gz"],
    }
    for name, data in hostile.items():
        found = uploads.check(office, "lab_results", name, data, STEWARD)
        assert len(found.rejected) > 40, name
    right = uploads.check(office, "lab_results", "week.csv", f"{HEADER}\n{GOOD}\n".encode(), STEWARD)
    assert (right.rows, right.wrong, right.rejected) == (1, 0, "")
    assert not list(office.store.walk("landing"))
