"""Several tables in one archive: committed together or not at all, whatever is wrong with it and wherever a load is killed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets.components.bundle import bundle_definitions
from platform_assets.contracts.bundle import Bundle, read_bundles
from platform_assets.contracts.files import ContractError
from tests.erasure.erasing import subject
from tests.ingest.loading.bundled import BUNDLE, WARDS, Bundled, packed, text, wards_contract
from tests.places import SECOND, STEWARD, lab_contract

ROOT = Path(__file__).parents[3]
RIGHT = ["A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,south,2024-01-02,POS,5"]
WRONG = ["A-3,PATIENT-79,north,2024-13-01,NEG,", "A-4,PATIENT-80,north,2024-01-02,SECRET,"]
STRICT = lab_contract(quality={"max_quarantined": 0.1})


@pytest.fixture
def place(tmp_path: Path) -> Bundled:
    return Bundled(tmp_path, STRICT)


def snapshots(place: Bundled) -> list[tuple[int, int]]:
    """At every snapshot of the lake, whatever a reader could have seen: rows of both tables."""
    seen = []
    with place.warehouse.connect() as connection:
        for (number,) in connection.execute("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall():
            counts = []
            for table in ("lab_results", "wards"):
                there = connection.execute(
                    f"SELECT 1 FROM __ducklake_metadata_lake.ducklake_table WHERE table_name = '{table}' AND begin_snapshot <= {number}"
                ).fetchall()
                at = f"validated.{table} AT (VERSION => {number})"
                counts.append(
                    connection.execute(f"SELECT count(*) FROM {at}").fetchall()[0][0] if len(there) == 3 else 0
                )
            seen.append((counts[0], counts[1]))
    return seen


def test_what_a_killed_process_left_half_written_is_taken_for_no_file(place: Bundled) -> None:
    place.arrive("w1.zip", RIGHT, ["w1,10"])
    place.load_bundle()
    for dataset, name in (("wards", ".wards_week.csv.1-2.part"), ("lab_results", ".results_week.csv.1-2.part")):
        left = f"landing/{dataset}/.bundle-weekly-20261128T175227726177-3c4d6bd56766/{name}"
        place.store.write(left, text(WARDS, "w1,9").encode())
        assert {e for r in place.load_bundle().values() for e in map(str, r.entries)} == set()
        assert place.waiting() == []
    assert place.beds() == {"w1": 10}


@pytest.mark.parametrize("name", ["w1.zip", "w1.tgz"])
def test_all_tables_are_committed_in_one_snapshot_and_put_away(place: Bundled, name: str) -> None:
    place.arrive(name, RIGHT, ["w1,10"], **{"README.txt": "hello"})
    reports = place.load_bundle()
    assert {n: [e.status for e in r.entries] for n, r in reports.items()} == {
        "lab_results": ["published"],
        "wards": ["published"],
    }
    assert (place.results(), place.beds()) == (["A-1", "A-2"], {"w1": 10})
    assert set(snapshots(place)) == {(0, 0), (2, 1)}
    assert place.waiting() == []
    assert not list((place.home / "landing").rglob(".*"))  # no hidden folder is left
    kept = sorted(o.basename for o in place.store.walk("archive"))
    assert kept == ["results_week.csv", "wards_week.csv"]
    for dataset in ("lab_results", "wards"):
        (entry,) = place.entries(dataset)
        assert entry.conserved
        assert entry.bundle.startswith("bundle-weekly-")
    assert place.pseudonym("PATIENT-77") in str(place.query("SELECT patient_id FROM validated.lab_results"))


def test_where_one_is_held_all_are_and_one_that_is_right_frees_them(place: Bundled) -> None:
    place.arrive("w1.zip", RIGHT, ["w1,10"])
    place.load_bundle()
    place.arrive("w2.zip", WRONG, ["w1,11", "w2,5"])
    said: list[str] = []
    place.load_bundle(said.append)
    assert place.statuses() == {"lab_results": ["published", "held"], "wards": ["published", "held"]}
    assert (place.results(), place.beds()) == (["A-1", "A-2"], {"w1": 10})
    held = place.entries("wards")[-1]
    assert (held.rows_in, held.quarantined, held.conserved) == (2, 2, True)
    assert "lab_results cannot be published" in held.reason
    assert "SECRET" not in "".join(said)
    assert place.query("SELECT count(*) FROM quarantine.wards") == [(2,)]
    assert place.query("SELECT count(*) FROM raw.wards") == [(3,)]
    # the sender mends the one; the other is as it was, and counts now
    place.arrive("w2.zip", ["A-3,PATIENT-79,north,2024-12-01,NEG,"], ["w1,11", "w2,5"])
    place.load_bundle()
    assert place.statuses()["wards"] == ["published", "held", "published"]
    assert (place.results(), place.beds()) == (["A-1", "A-2", "A-3"], {"w1": 11, "w2": 5})
    assert place.waiting() == []


def test_where_one_cannot_be_read_the_others_are_held(place: Bundled) -> None:
    place.store.write(
        "landing/weekly/w1.zip",
        packed("w1.zip", {"results_1.csv": "no;such\n1;2\n", "wards_1.csv": "ward_id,beds\nw1,10\n"}),
    )
    place.load_bundle()
    assert place.statuses() == {"lab_results": ["rejected"], "wards": ["held"]}
    assert place.beds() == {}
    assert place.waiting() == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"results_1.csv": "x"}, "no file for wards"),
        ({"results_1.csv": "x", "wards_1.csv": "x", "other.csv": "x"}, "other.csv in the archive is no member"),
        ({"results_1.csv": "x", "wards_1.csv": "x", "b/wards_2.csv": "x"}, "two files for wards"),
        ({"results_1.csv": "x", "wards_1.csv": "x", "wards.zip": "x"}, "no member"),
        (None, "cannot be unpacked|not a readable zip"),
    ],
    ids=["missing", "unknown", "twice", "packed again", "cut off"],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused_whole(
    place: Bundled, files: dict[str, str] | None, said: str
) -> None:
    whole = packed("w1.zip", files or {"results_1.csv": "x" * 500, "wards_1.csv": "x"})
    place.store.write("landing/weekly/w1.zip", whole if files else whole[: len(whole) // 2])
    place.load_bundle()
    assert place.statuses() == {"lab_results": ["rejected"], "wards": ["rejected"]}
    (entry,) = place.entries("wards")

    assert re.search(said, entry.reason)
    assert place.waiting() == []
    assert {o.name.split("/")[1] for o in place.store.walk("rejected") if o.basename == "w1.zip"} == {
        "lab_results",
        "wards",
    }


def test_the_same_archive_again_changes_nothing_and_is_counted(place: Bundled) -> None:
    for _ in range(2):
        place.arrive("w1.zip", RIGHT, ["w1,10"])
        place.load_bundle()
    assert place.statuses() == {"lab_results": ["published", "repeated"], "wards": ["published", "repeated"]}
    assert place.results() == ["A-1", "A-2"]
    assert place.waiting() == []


def test_several_archives_are_loaded_in_the_order_in_which_they_came(place: Bundled) -> None:
    for beds in (1, 2, 3):
        place.arrive(f"z{9 - beds}.zip", RIGHT, [f"w1,{beds}"])
    place.load_bundle()
    assert place.beds() == {"w1": 3}


def test_a_changed_contract_judges_all_of_it_again_and_never_one_alone(place: Bundled) -> None:
    place.arrive("w1.zip", [*RIGHT, *WRONG], ["w1,10"])
    place.load_bundle()
    assert place.statuses() == {"lab_results": ["held"], "wards": ["held"]}
    again = Bundled(place.home, lab_contract(), wards_contract(description="said anew"))
    assert again.load().entries == []  # alone
    assert again.statuses() == {"lab_results": ["held"], "wards": ["held"]}
    again.load_bundle()
    assert again.statuses() == {"lab_results": ["published"], "wards": ["published"]}
    assert (again.results(), again.beds()) == (["A-1", "A-2"], {"w1": 10})


def test_single_files_and_bundles_go_side_by_side(place: Bundled) -> None:
    place.arrive("w1.zip", RIGHT, ["w1,10"])
    place.drop(
        "late.csv", "sample_id,patient_id,lab,test_date,result,viral_load\nA-9,PATIENT-9,north,2024-01-03,NEG,\n"
    )
    assert [e.file for e in place.load().entries] == ["late.csv"]
    place.load_bundle()
    assert place.results() == ["A-1", "A-2", "A-9"]


def test_who_was_erased_stays_out_also_of_an_archive_that_waits(place: Bundled) -> None:
    from dataclasses import replace

    place.arrive("w1.zip", RIGHT, ["w1,10"])
    place.load_bundle()
    place.arrive("w2.zip", [*RIGHT, "A-5,PATIENT-77,north,2024-02-01,NEG,"], ["w1,12"])
    eraser = replace(place.office(place.wards), bundles={"weekly": BUNDLE}).eraser()
    number = eraser.submit([subject("PATIENT-77")], "right to erasure, letter 17", STEWARD).id
    eraser.requests.approve(number, SECOND)
    eraser.execute(number, SECOND)
    left = b"".join(p.read_bytes() for p in (place.home / "landing").rglob("*") if p.is_file())
    assert b"PATIENT-78" in left
    assert b"PATIENT-77" not in left
    place.load_bundle()
    assert (place.results(), place.beds()) == (["A-2"], {"w1": 12})
    assert not [p for p in (place.home / "archive").rglob("*") if p.is_file() and b"PATIENT-77" in p.read_bytes()]
    # and one that comes with them afterwards
    place.arrive("w3.zip", ["A-6,PATIENT-77,north,2024-03-01,NEG,"], ["w1,13"])
    place.load_bundle()
    assert (place.results(), place.beds()) == (["A-2"], {"w1": 13})
    assert not [p for p in (place.home / "archive").rglob("*") if p.is_file() and b"PATIENT-77" in p.read_bytes()]


def test_definitions_refuse_what_cannot_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = {"lab_results": STRICT, "wards": wards_contract()}
    made = bundle_definitions(BUNDLE, known)
    assert [s.name for s in made.sensors or ()] == ["landing_weekly"]
    with pytest.raises(ValueError, match="no dataset wards"):
        bundle_definitions(BUNDLE, {"lab_results": STRICT})
    with pytest.raises(ValueError, match="a dataset weekly already"):
        bundle_definitions(BUNDLE, {**known, "weekly": STRICT})
    monkeypatch.setenv("PLATFORM_ENGINE", "bigquery")
    with pytest.raises(ValueError, match="on DuckDB only"):
        bundle_definitions(BUNDLE, known)
    for bad in ({"members": {"a": "x"}}, {"files": ["*.csv"]}, {"files": ["*.gz"]}):
        with pytest.raises(ValueError, match=r"member|archive|at least 2"):
            Bundle.model_validate({"name": "x", "members": {"a": "x", "b": "y"}, **bad})
    said = (
        "type: platform_assets.components.Bundle\nattributes: {name: weekly, members: {a: 'a*', b: 'b*'}, leave: x}\n"
    )
    (tmp_path / "defs.yaml").write_text(said)
    with pytest.raises(ContractError, match="leave"):
        read_bundles(tmp_path)
    (tmp_path / "defs.yaml").write_text(said.replace(", leave: x", ""))
    assert read_bundles(tmp_path)["weekly"].members == {"a": "a*", "b": "b*"}


def test_killed_between_any_two_steps_the_next_load_ends_with_all_of_it(tmp_path: Path) -> None:
    """A handful of points here, spread over the whole load; `--run-soak` takes every one."""
    home = tmp_path / "home"
    place = Bundled(home, lab_contract())
    place.arrive("w0.zip", RIGHT[:1], ["w1,1"])
    place.load_bundle()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.loading.bundled", str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def order(point: int) -> dict[str, int]:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{point}\n")
        process.stdin.flush()
        return dict(json.loads(process.stdout.readline()))

    try:
        beds = 2
        place.arrive("w1.zip", RIGHT, ["w1,2"])
        steps = order(-1)["steps"]
        assert steps > 100
        for point in range(5, steps, steps // 12):
            beds += 1
            before = (place.results(), place.beds())
            place.arrive(f"w{beds}.zip", [*RIGHT, f"B-{beds},PATIENT-1,north,2024-01-01,NEG,"], [f"w1,{beds}"])
            assert order(point)["killed"]
            seen = (place.results(), place.beds())
            after = ([*before[0], f"B-{beds}"], {"w1": beds})
            assert seen in (before, (sorted(after[0]), after[1]))  # never one without the other
            assert not order(-1)["killed"]
            assert (place.results(), place.beds()) == (sorted(after[0]), after[1])
            assert place.waiting() == []
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()
    for dataset in ("lab_results", "wards"):
        entries = place.entries(dataset)
        assert {e.status for e in entries} == {"published"}
        assert all(e.conserved for e in entries)
        assert len({e.delivery for e in entries}) == len(entries) == beds
        assert {o.name.split("/")[2] for o in place.store.walk(f"archive/{dataset}")} == {e.delivery for e in entries}
