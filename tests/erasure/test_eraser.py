"""Erasure end to end: nothing is left in any byte, nothing else is lost, and what comes back is erased again."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import io
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.erasure import certificate
from platform_assets.erasure.eraser import ErasureIncomplete
from platform_assets.ingest import ledger, quality
from platform_assets.quarantine.fixes import Fix
from platform_assets.quarantine.tables import RowKey
from tests.erasure.erasing import approved, erase, eraser, places_of, record, subject
from tests.places import SECOND, Place, lab_contract
from tests.workbooks import workbook

HEADER = "sample_id,patient_id,lab,test_date,result,viral_load"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def conserved(place: Place) -> bool:
    """Whether the check that the dataset's asset carries holds."""
    with place.warehouse.connect() as connection:
        expression = compiled(place.contract, dt.date.today(), place.warehouse.home / "expressions")
        outcomes = list(quality.evaluate(connection, place.contract, expression, dt.datetime.now(dt.UTC)))
        entries = ledger.read(connection, place.contract.name)
    assert all(e.conserved for e in entries)
    return next(o.passed for o in outcomes if o.check == "row_conservation")


def test_a_subject_is_gone_from_every_byte_and_the_others_are_untouched(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    place.deliver("week2.csv", "A-3,PATIENT-77,north,2024-01-03,Positive,", "A-4,PATIENT-78,north,2024-01-03,POS,7")
    place.store.write("products/export.csv", place.pseudonym("PATIENT-77").encode())
    place.store.write("products/other.csv", b"A-2\n")
    document = erase(place, subject("PATIENT-77"))
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    assert place.samples() == ["A-2", "A-4"]
    assert document["found_and_removed"] == {
        "raw": 2,
        "quarantine": 1,
        "validated": 1,
        "tables": 0,
        "archive": 2,
        "landing": 0,
        "rejected": 0,
    }
    assert document["products_removed"] == ["products/export.csv"]
    assert place.store.stat("products/other.csv")
    archived = next(o for o in place.store.walk("archive") if o.basename == "week1.csv")
    assert place.store.open(archived.name).read().decode() == f"{HEADER}\nA-2,PATIENT-78,north,2024-01-02,NEG,\n"
    assert conserved(place)


def test_a_record_is_erased_by_key_and_date_and_another_date_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(load={"mode": "append"}))
    contract = lab_contract(load={"mode": "upsert", "key": ["sample_id", "test_date"]})
    place.contract = contract
    place.deliver("week1.csv", "SAMPLE-1,P-1,north,2024-01-01,NEG,", "SAMPLE-1,P-1,north,2024-01-02,NEG,")
    document = erase(place, record("SAMPLE-1", "2024-01-01"))
    assert place.query("SELECT test_date::VARCHAR FROM validated.lab_results") == [("2024-01-02",)]
    assert document["other_records_of_the_same_key"] == 1
    assert conserved(place)


def test_a_rejected_row_whose_date_cannot_be_read_is_erased_with_its_key(place: Place) -> None:
    place.deliver("week1.csv", "SAMPLE-1,P-1,north,2024-13-01,NEG,", "SAMPLE-2,P-1,north,2024-13-01,NEG,")
    erase(place, record("SAMPLE-1", "2024-01-13"))
    assert place.desk().rows()["sample_id"].tolist() == ["SAMPLE-2"]
    assert "SAMPLE-1" not in places_of(place.home, ["SAMPLE-1"])


def test_lines_files_fixes_and_names_are_searched_too(place: Place) -> None:
    place.deliver("PATIENT-77.csv", "A-1,PATIENT-77,north,2024-01-01", "A-2,PATIENT-78,north")
    place.deliver("week2.csv", "A-3,PATIENT-78,north,2024-13-03,NEG,")
    row = place.desk().rows(rule="test_date").iloc[0]
    values = {"sample_id": "A-3", "patient_id": "PATIENT-77", "test_date": "2024-01-03", "result": "NEG"}
    place.desk().stage([Fix(RowKey(row["_delivery"], row["_file"], int(row["_row"])), values)])
    place.drop("broken.csv", "no;such;header\n1;PATIENT-77;2\n2;PATIENT-78;3\n")
    place.load()
    place.drop("waits.csv", f"{HEADER}\nA-9,PATIENT-77,north,2024-01-01,NEG,\nA-8,PATIENT-78,north,2024-01-01,NEG,\n")
    document = erase(place, subject("PATIENT-77"))
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    assert document["found_and_removed"] == {
        "raw": 0,
        "quarantine": 1,
        "validated": 0,
        "staged_fixes": 1,
        "tables": 0,
        "archive": 1,
        "landing": 1,
        "rejected": 1,
    }
    assert place.query("SELECT file FROM platform.ledger WHERE file LIKE 'erased%'") == [("erased.csv",)]
    place.load()
    assert place.samples() == ["A-8"]
    assert len(places_of(place.home, ["PATIENT-78"])["PATIENT-78"]) >= 4


@pytest.mark.parametrize(
    "kind", ["csv.gz", "zip", "jsonl", "json", "parquet", "latin", "utf16", "crlf", "xlsx", "xlsx.zip"]
)
def test_archived_files_of_every_kind_keep_their_other_rows(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    formats: list[dict[str, object]] = [{"kind": "csv"}, {"kind": "json"}, {"kind": "parquet"}, {"kind": "xlsx"}]
    formats += [{"kind": "csv", "files": ["*.latin"], "encoding": "latin-1", "delimiter": ";"}]
    formats += [{"kind": "csv", "files": ["*.utf16"], "encoding": "utf-16"}]
    place = Place(tmp_path, lab_contract(format=formats))
    rows = [
        ["A-1", "PATIENT-77", "north", "2024-01-01", "NEG", "1"],
        ["A-2", "PATIENT-78", "Zürich", "2024-01-02", "NEG", "2"],
    ]
    text = "\n".join([HEADER, *(",".join(r) for r in rows)]) + "\n"
    records = [dict(zip(HEADER.split(","), r, strict=True)) for r in rows]
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("inside.csv", text)
            archive.writestr("second.csv", text.replace("A-1", "B-1").replace("A-2", "B-2"))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(records), buffer)
    elif kind == "xlsx.zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("inside.xlsx", workbook("Results", [HEADER.split(","), *rows]))
    contents: dict[str, bytes] = {
        "xlsx": workbook("Results", [HEADER.split(","), *rows]),
        "xlsx.zip": buffer.getvalue(),
        "csv.gz": gzip.compress(text.encode()),
        "zip": buffer.getvalue(),
        "parquet": buffer.getvalue(),
        "jsonl": "".join(json.dumps(r) + "\n" for r in records).encode(),
        "json": json.dumps(records).encode(),
        "latin": text.replace(",", ";").encode("latin-1"),
        "utf16": text.encode("utf-16"),
        "crlf": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    }
    name = "week.csv" if kind == "crlf" else f"week.{kind}"
    place.drop(name, contents[kind])
    assert place.load().entries[0].status == "published"
    erase(place, subject("PATIENT-77"))
    assert places_of(place.home, ["PATIENT-77", "PATIENT-77".encode("utf-16-le").decode("latin-1")]) == {}
    kept = next(o for o in place.store.walk("archive") if o.basename == name)
    again = Place(tmp_path / "again", place.contract)
    again.drop(name, place.store.open(kept.name).read())
    again.load()
    assert again.samples() == place.samples()
    assert again.query("SELECT DISTINCT lab FROM validated.lab_results") == [("Zürich",)]


def test_a_hundred_subjects_are_gone_from_every_byte(place: Place) -> None:
    def row(n: int, result: str = "NEG") -> str:
        return f"SAMPLE-{n:05},PATIENT-{n:05},lab{n % 3},2024-0{n % 9 + 1}-01,{result},"

    place.deliver("one.csv", *(row(n) for n in range(0, 400)))
    place.deliver("two.csv", *(row(n, "Positive" if n % 2 else "POS") for n in range(300, 600)))
    place.drop("three.csv.gz", gzip.compress("\n".join([HEADER, *(row(n) for n in range(600, 700))]).encode()))
    place.drop("four.csv", "a;b\n" + "\n".join(f"PATIENT-{n:05};x" for n in range(0, 700, 50)))
    place.load()
    before = place.samples()
    erased = [f"PATIENT-{n:05}" for n in range(0, 700, 7)]
    assert len(erased) == 100
    erase(place, *map(subject, erased))
    assert places_of(place.home, [*erased, *map(place.pseudonym, erased)]) == {}
    assert place.samples() == [s for s in before if int(s[7:]) % 7]
    assert conserved(place)
    assert len(places_of(place.home, ["PATIENT-00001"])["PATIENT-00001"]) == 1


@pytest.mark.parametrize(
    "step", ["count", "tombstones", "files", "tables", "clean tables", "clean catalog", "certificate"]
)
def test_a_crash_at_any_step_and_another_run_end_in_the_same_state(place: Place, step: str) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    place.deliver("week2.csv", "A-3,PATIENT-77,north,2024-13-03,NEG,")
    number = approved(place, subject("PATIENT-77"))

    def crash(now: str) -> None:
        if now == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        eraser(place, crash).execute(number, SECOND)
    document = eraser(place).execute(number, SECOND)
    found = document["found_and_removed"]
    assert [found[k] for k in ("raw", "quarantine", "validated", "archive")] == [2, 1, 1, 2]
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    assert place.samples() == ["A-2"]
    assert eraser(place).requests.all() == []
    assert conserved(place)


PROCESSES = multiprocessing.get_context("forkserver")  # which has imported all this once, and holds no engine


def erase_and_die(home: Path, number: str, step: str) -> None:
    """What a process does that is killed at `step`."""

    def kill(now: str) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    eraser(Place(home), kill).execute(number, SECOND)


@pytest.mark.slow
@pytest.mark.parametrize("each", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_a_run_that_is_killed_at_one_step_after_the_other_ends_well(place: Place, each: int) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    number = approved(place, subject("PATIENT-77"))
    PROCESSES.set_forkserver_preload([__name__])
    for step in eraser(place).steps[each - 1 :: each]:
        killed = PROCESSES.Process(target=erase_and_die, args=(place.home, number, step))
        killed.start()
        killed.join()
        assert killed.exitcode == -9
    eraser(place).execute(number, SECOND)
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    assert place.samples() == ["A-2"]


def test_rows_of_an_erased_subject_that_come_again_are_superseded_and_kept_nowhere(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    erase(place, subject("PATIENT-77"))
    entry = place.deliver(
        "week2.csv",
        "A-1,PATIENT-77,north,2024-01-01,NEG,",
        "A-5,PATIENT-77,north,2024-01-09,Positive,",
        "A-6,PATIENT-77,north",
        "A-7,PATIENT-78,north,2024-01-09,NEG,",
    )
    assert (entry.rows_in, entry.valid, entry.quarantined, entry.superseded) == (4, 1, 0, 3)
    assert entry.conserved
    assert place.samples() == ["A-2", "A-7"]
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    assert conserved(place)


def test_the_very_file_that_was_redacted_may_come_again(place: Place) -> None:
    rows = ("A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    place.deliver("week1.csv", *rows)
    erase(place, subject("PATIENT-77"))
    place.drop("copy.csv", "\n".join([HEADER, *rows]) + "\n")
    assert [(e.file, e.status) for e in place.load().entries] == [("copy.csv", "repeated")]
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}


def test_an_erased_delivery_that_was_held_is_judged_again_without_its_rows(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"min_rows": 3, "max_quarantined": 1.0}))
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    erase(place, subject("PATIENT-77"))
    place.contract = lab_contract()
    assert [e.status for e in place.load().entries] == ["published"]
    assert place.samples() == ["A-2"]
    assert place.load().entries == []
    assert conserved(place)


def test_a_restored_copy_is_erased_again_from_the_tombstones(place: Place, tmp_path: Path) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    place.deliver("week2.csv", "A-3,PATIENT-77,north,2024-13-01,NEG,", "A-4,PATIENT-77")
    copy = tmp_path.parent / f"{tmp_path.name}-copy"
    shutil.copytree(place.home, copy)
    erase(place, subject("PATIENT-77"))
    for folder in ("lake", "archive"):
        shutil.rmtree(place.home / folder)
        shutil.copytree(copy / folder, place.home / folder)
    assert places_of(place.home, ["PATIENT-77"])
    found = eraser(place).replay(SECOND)
    assert (found["raw"], found["validated"], found["quarantine"], found["archive"]) == (2, 1, 2, 3)
    assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}
    assert place.samples() == ["A-2"]


def test_the_catalog_forgets_its_extremes_and_later_rows_are_found(place: Place) -> None:
    place.deliver(
        "week1.csv",
        "AAAA-0,P-1,north,2024-01-01,NEG,",
        "MMMM-1,P-1,north,2024-01-01,NEG,",
        "ZZZZ-9,P-1,north,2024-01-01,NEG,",
    )
    erase(place, record("AAAA-0", "2024-01-01"), record("ZZZZ-9", "2024-01-01"))
    assert places_of(place.home, ["AAAA-0", "ZZZZ-9"]) == {}
    place.deliver("week2.csv", "NNNN-1,P-1,north,2024-01-01,NEG,")
    assert place.query("SELECT count(*) FROM validated.lab_results WHERE sample_id < 'N'") == [(1,)]


def test_the_catalog_forgets_while_another_process_has_it_open(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    with contextlib.closing(sqlite3.connect(place.home / "lake" / "catalog.sqlite")) as other:
        other.execute("SELECT count(*) FROM ducklake_table").fetchall()
        erase(place, subject("PATIENT-77"))
        assert places_of(place.home, ["PATIENT-77", place.pseudonym("PATIENT-77")]) == {}


def test_tables_for_trying_scripts_lose_the_lines_too(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    table = place.home / "sample" / "lab_results.csv"
    table.parent.mkdir()
    table.write_text(f"sample_id,patient_id\nA-1,{place.pseudonym('PATIENT-77')}\nA-2,PATIENT-78\n")
    erase(place, subject("PATIENT-77"))
    assert table.read_text() == "sample_id,patient_id\nA-2,PATIENT-78\n"


def test_what_cannot_be_reached_keeps_the_request_open(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,")
    stray = place.home / "notes" / "private.txt"
    stray.parent.mkdir()
    stray.write_text("call PATIENT-77")
    number = approved(place, subject("PATIENT-77"))
    changed: list[tuple[Sequence[str], str]] = []
    with pytest.raises(ErasureIncomplete, match=r"notes/private\.txt"):
        replace(eraser(place), on_change=lambda *told: changed.append(told)).execute(number, SECOND)
    assert changed == [(["lab_results"], number)]  # what counts the rows follows at once
    (waiting,) = eraser(place).requests.all()
    assert waiting.id == number
    assert "notes/private.txt" in waiting.progress["left"]  # the console says so beside the request
    stray.unlink()
    assert eraser(place).execute(number, SECOND)["found_and_removed"]["validated"] == 1


def test_the_certificate_says_when_nothing_was_found(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-1,north,2024-01-01,NEG,")
    texts = {who: certificate.as_text(dict(erase(place, subject(f"PATIENT-{who}")))) for who in ("1", "2")}
    assert "Erased        1 subject(s) or record(s)" in texts["1"]
    assert "Asked for     1 subject(s) or record(s), known here by keyed marks only; found nothing" in texts["2"]
    assert "Erased" not in texts["2"]
    assert "2 subject" not in certificate.as_text(dict(erase(place, record("A-1", "2024-01-01"))))


def test_the_certificate_and_the_audit_log_name_nobody(place: Place) -> None:
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,")
    document = erase(place, subject("PATIENT-77"))
    text = place.store.open(f"erasure/certificates/{document['request']}.txt").read().decode()
    assert "steward@example.org" in text
    assert "second@example.org" in text
    assert "right to erasure, letter 17" in text
    assert "PATIENT-77" not in text + json.dumps(document)
    assert [e.action for e in place.audit.entries()] == [
        "erasure.request",
        "erasure.approve",
        "erasure.begin",
        "erasure.execute",
    ]
    assert document["audit_head"] == str(place.audit.head())
    assert place.audit.verify().whole
