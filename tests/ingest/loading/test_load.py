"""From a dropped file to published rows: modes, re-delivery, order, limits, whole files that are refused."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest.ledger_in_words import describe
from platform_assets.ingest.load import Load, LoadFailed
from resources.environment import Platform
from resources.identity import EnvironmentKeys, MissingIdentityKey, pseudonym
from tests.conftest import KEY, LAB, Bench

Make = Callable[..., Bench]
HEAD = "sample_id,test_date,result,viral_load\n"


def test_every_row_becomes_valid_quarantined_or_superseded(bench: Make) -> None:
    lab = bench()
    report = lab.send("a.csv", HEAD + "A,2024-12-30,POS,10\nB,2024-02-30,Positive,x\nA,2024-12-31,NEG,0\n")
    (entry,) = report.entries
    assert (entry.rows_in, entry.valid, entry.quarantined, entry.superseded) == (3, 1, 1, 1)
    assert lab.table("sample_id", "result", "viral_load", "_row") == [("A", "NEG", 0, 4)]
    lab.assert_nothing_lost()


def test_the_log_names_file_row_column_and_rule(bench: Make) -> None:
    lab = bench()
    lines = ["A,2024-01-01,POS,1", "B,2024-01-01,Positive,1", "C,2024-01-01,Negative,1", "D,2024-01-01,POS,1,9"]
    (entry,) = lab.send("week.csv", HEAD + "\n".join(lines) + "\n").entries
    said = describe(entry)
    assert "week.csv" in said
    assert "2 x result: " in said
    assert "(first in row 3)" in said
    assert "5 fields" in said
    assert "(first in row 5)" in said
    assert "ositive" not in said
    assert "egative" not in said


def test_a_row_in_an_archive_is_named_with_its_member(bench: Make) -> None:
    lab = bench()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", HEAD + "A,2024-01-01,POS,1\n")
        archive.writestr("b.csv", HEAD + "B,2024-01-01,POS,1\nC,2024-01-01,POS,x\n")
    (entry,) = lab.send("week.zip", packed.getvalue()).entries
    assert list(entry.first_rows.values()) == ["week.zip/b.csv row 3"]


def test_a_bad_row_has_its_original_text_and_every_reason(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", HEAD + "b 1,2024-02-30, Positive,x\n")
    ((text, result, reasons, row),) = lab.sql("SELECT sample_id, result, _reasons, _row FROM {quarantine}")
    assert (text, result, row) == ("b 1", " Positive", 2)
    assert reasons == [
        "sample_id: is not written as: 1 or more capital letters, digits or -, found a value like a 9",
        "test_date: is not a date like 2026-12-31, found a value like 9999-99-99",
        "result: is not one of POS, NEG, N/A, found a value like Aaaaaaaa",
        "viral_load: is not a whole number, found a value like a",
    ]


def test_the_latest_content_again_changes_nothing_whatever_its_name_and_the_ledger_says_so(bench: Make) -> None:
    lab = bench()
    data = HEAD + "A,2024-12-30,POS,10\n"
    lab.send("a.csv", data)
    before = lab.sql("SELECT * FROM {validated}"), lab.sql("SELECT * FROM {raw}")
    (first,) = lab.sql("SELECT delivery FROM platform.ledger")
    (entry,) = lab.send("again.csv", data).entries
    assert (entry.file, entry.status, entry.same_as) == ("again.csv", "repeated", *first)
    assert (entry.rows_in, entry.superseded) == (1, 1)
    assert (lab.sql("SELECT * FROM {validated}"), lab.sql("SELECT * FROM {raw}")) == before
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(2,)]
    assert lab.files("landing") == []
    assert lab.files("archive") == ["a.csv"]  # its bytes are kept once
    lab.assert_nothing_lost()


def test_a_file_that_was_committed_but_not_put_away_is_only_put_away(
    bench: Make, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = bench()
    data = HEAD + "A,2024-12-30,POS,10\n"
    monkeypatch.setattr(Load, "put_away", lambda *_: None)  # as if the process had died between the commit and the move
    lab.send("a.csv", data)
    assert lab.files("landing") == ["a.csv"]
    monkeypatch.undo()
    assert lab.load().entries == []
    assert lab.files("archive") == ["a.csv"]
    assert lab.files("landing") == []
    assert lab.sql("SELECT count(*) FROM {raw}") == [(1,)]
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(1,)]


def test_an_upsert_counts_new_updated_and_unchanged_rows(bench: Make) -> None:
    lab = bench()
    lab.send("1.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\nC,2024-01-01,POS,1\n")
    (entry,) = lab.send("2.csv", HEAD + "A,2024-01-01,NEG,\nB,2024-01-01,POS,1\nD,2024-01-01,POS,1\n").entries
    assert (entry.inserted, entry.updated, entry.unchanged) == (1, 1, 1)
    assert lab.table("sample_id", "result") == [("A", "NEG"), ("B", "POS"), ("C", "POS"), ("D", "POS")]
    lab.assert_nothing_lost()


def test_a_batch_gives_the_counts_of_one_delivery_after_the_other(bench: Make, platform: Platform) -> None:
    files = [
        HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n",
        HEAD + "A,2024-01-01,NEG,1\nB,2024-01-01,POS,1\n",
        HEAD + "A,2024-01-01,NEG,1\nC,2024-01-01,POS,1\nC,2024-01-01,NEG,1\n",
    ]
    together = bench()
    for number, data in enumerate(files):
        together.drop(f"{number}.csv", data)
    batch = {e.file: (e.inserted, e.updated, e.unchanged, e.superseded) for e in together.load().entries}
    apart = bench({**LAB, "name": "apart"})
    single = {}
    for number, data in enumerate(files):
        (entry,) = apart.send(f"{number}.csv", data).entries
        single[entry.file] = (entry.inserted, entry.updated, entry.unchanged, entry.superseded)
    assert batch == single == {"0.csv": (2, 0, 0, 0), "1.csv": (0, 1, 1, 0), "2.csv": (1, 0, 1, 1)}
    assert together.table("sample_id", "result") == apart.table("sample_id", "result")
    together.assert_nothing_lost()


def test_an_older_row_never_replaces_a_newer_one(bench: Make) -> None:
    lab = bench(load={"mode": "upsert", "key": ["sample_id"], "order_by": {"column": "test_date"}})
    lab.send("new.csv", HEAD + "A,2024-05-01,POS,1\n")
    (entry,) = lab.send("old.csv", HEAD + "A,2024-04-01,NEG,1\nB,2024-04-01,NEG,1\n").entries
    assert (entry.inserted, entry.superseded) == (1, 1)
    assert lab.table("sample_id", "result") == [("A", "POS"), ("B", "NEG")]


def test_unchanged_content_still_moves_a_row_forward_in_time(bench: Make) -> None:
    order = {"file_name": r"(\d{4}-\d{2}-\d{2})"}
    lab = bench(load={"mode": "upsert", "key": ["sample_id"], "order_by": order})
    lab.send("x_2024-01-01.csv", HEAD + "A,2024-01-01,POS,1\n")
    lab.send("x_2024-01-03.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n")
    lab.send("x_2024-01-02.csv", HEAD + "A,2024-01-01,NEG,1\n")
    assert lab.table("sample_id", "result") == [("A", "POS"), ("B", "POS")]
    lab.assert_nothing_lost()


def test_a_key_with_missing_parts_is_still_a_key(bench: Make) -> None:
    columns = {**LAB["columns"], "clinic": {"type": "string", "required": False}}
    lab = bench(columns=columns, load={"mode": "upsert", "key": ["sample_id", "clinic"]})
    head = "sample_id,test_date,result,viral_load,clinic\n"
    lab.send("1.csv", head + "A,2024-01-01,POS,1,\nA,2024-01-01,POS,1,K\n")
    (entry,) = lab.send("2.csv", head + "A,2024-01-01,NEG,1,\n").entries
    assert (entry.inserted, entry.updated) == (0, 1)
    assert lab.table("sample_id", "clinic", "result") == [("A", "K", "POS"), ("A", None, "NEG")]


def test_an_append_keeps_every_row_but_not_the_same_file_twice(bench: Make) -> None:
    lab = bench(load={"mode": "append"})
    lab.send("1.csv", HEAD + "A,2024-01-01,POS,1\nA,2024-01-01,POS,1\n")
    lab.send("2.csv", HEAD + "A,2024-01-01,POS,1\n")
    lab.send("3.csv", HEAD + "A,2024-01-01,POS,1\n")
    (entry,) = lab.send("2.csv", HEAD + "A,2024-01-01,POS,1\n").entries
    assert entry.status == "repeated"
    assert lab.sql("SELECT count(*) FROM {validated}") == [(4,)]
    lab.assert_nothing_lost()


@pytest.mark.parametrize("key", [[], ["sample_id"]])
def test_a_snapshot_is_the_table_and_an_older_one_never_replaces_it(bench: Make, key: list[str]) -> None:
    order = {"file_name": r"(\d{4}-\d{2}-\d{2})"}
    lab = bench(load={"mode": "snapshot", "key": key, "order_by": order})
    lab.send("x_2024-01-02.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n")
    lab.send("x_2024-01-03.csv", HEAD + "B,2024-01-01,POS,1\nC,2024-01-01,POS,1\n")
    (entry,) = lab.send("x_2024-01-01.csv", HEAD + "Z,2024-01-01,POS,1\n").entries
    assert (entry.status, entry.superseded) == ("superseded", 1)
    assert [r[0] for r in lab.table("sample_id")] == ["B", "C"]
    lab.assert_nothing_lost()


def test_of_several_snapshots_in_one_batch_only_the_newest_is_published(bench: Make) -> None:
    lab = bench(load={"mode": "snapshot", "order_by": {"file_name": r"(\d{4}-\d{2}-\d{2})"}})
    lab.drop("x_2024-01-02.csv", HEAD + "B,2024-01-01,POS,1\n")
    lab.drop("x_2024-01-01.csv", HEAD + "A,2024-01-01,POS,1\n")
    assert {e.file[2:12]: e.status for e in lab.load().entries} == {
        "2024-01-01": "superseded",
        "2024-01-02": "published",
    }
    assert lab.table("sample_id") == [("B",)]


def test_duplicates_can_be_quarantined_instead(bench: Make) -> None:
    lab = bench(load={"mode": "upsert", "key": ["sample_id"], "duplicates": "quarantine"})
    lab.send("1.csv", HEAD + "A,2024-01-01,POS,1\nA,2024-01-01,NEG,x\nB,2024-01-01,POS,1\n")
    assert lab.table("sample_id") == [("B",)]
    reasons = lab.sql("SELECT _row, _reasons FROM {quarantine} ORDER BY _row")
    assert [len(r) for _, r in reasons] == [1, 2]
    assert "more than once" in reasons[0][1][0]
    lab.assert_nothing_lost()


def test_a_delivery_beyond_its_limit_is_held_and_the_table_stays(bench: Make) -> None:
    lab = bench(quality={"max_quarantined": "10%"})
    lab.send("good.csv", HEAD + "A,2024-01-01,POS,1\n")
    report = lab.send("bad.csv", HEAD + "B,2024-01-01,POS,1\nC,2024-01-01,what,1\n")
    assert report.blocked
    assert report.entries[0].status == "held"
    assert lab.table("sample_id") == [("A",)]
    held = lab.sql("SELECT sample_id, _reasons FROM {quarantine} ORDER BY 1")
    assert held[0] == ("B", ["delivery: held, 1 of 2 rows (50.0%) are wrong, the contract allows 10.0%"])
    assert len(held[1][1]) == 2
    lab.assert_nothing_lost()


def test_a_held_delivery_does_not_hold_up_a_good_one(bench: Make) -> None:
    lab = bench(quality={"max_quarantined": "10%"})
    lab.drop("bad.csv", HEAD + "C,2024-01-01,what,1\n")
    lab.drop("good.csv", HEAD + "A,2024-01-01,POS,1\n")
    report = lab.load()
    assert not report.blocked
    assert {e.file: e.status for e in report.entries} == {"bad.csv": "held", "good.csv": "published"}


def test_a_held_delivery_is_judged_again_once_the_contract_changes(bench: Make) -> None:
    strict = bench(quality={"max_quarantined": "10%"})
    strict.send("a.csv", HEAD + "B,2024-01-01,POS,1\nC,2024-01-01,what,1\n")
    assert strict.load().entries == []  # the same contract: nothing to do
    mild = bench(quality={"max_quarantined": "60%"})
    (entry,) = mild.load().entries
    assert (entry.status, entry.valid, entry.quarantined) == ("published", 1, 1)
    assert mild.sql("SELECT count(*) FROM platform.ledger") == [(1,)]
    mild.assert_nothing_lost()


def test_an_empty_snapshot_does_not_empty_the_table(bench: Make) -> None:
    lab = bench(load={"mode": "snapshot"}, quality={"min_rows": 1})
    lab.send("1.csv", HEAD + "A,2024-01-01,POS,1\n")
    (entry,) = lab.send("2.csv", HEAD).entries
    assert (entry.status, entry.reason) == ("held", "0 rows, the contract asks for at least 1")
    assert lab.table("sample_id") == [("A",)]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"\n\n", "empty"),
        ("a.csv", b"\xff\xfe\x00\x01", "is UTF-16 text"),
        ("a.csv", b"PK\x03\x04 this is no text\x00", "zip archive that is cut off"),
        ("a.csv", b"foo,bar\n1,2\n", "none of the required columns"),
        ("a.csv", b"sample_id;test_date;result;viral_load\nA;2024-01-01;POS;1\n", "none of the required columns"),
        ("a.csv", b"sample_id,sample_id,test_date,result\nA,B,2024-01-01,POS\n", "stands 2 times"),
        ("a.pdf", b"%PDF", "unknown format"),
        ("a.csv.gz", b"not gzip", "is not packed"),
        ("a.zip", b"not zip", "not a readable zip"),
        ("a.zip", "empty-zip", "archive is empty"),
        ("a.csv", b'"sample_id,test_date\n', "cannot be read"),
    ],
)
def test_a_file_in_which_nothing_can_be_judged_is_refused_and_stops_no_other(
    bench: Make, name: str, data: bytes | str, reason: str
) -> None:
    lab = bench()
    if data == "empty-zip":
        buffer = io.BytesIO()
        zipfile.ZipFile(buffer, "w").close()
        data = buffer.getvalue()
    lab.drop(name, data)
    lab.drop("good.csv", HEAD + "A,2024-01-01,POS,1\n")
    report = lab.load()
    refused = next(e for e in report.entries if e.status == "rejected")
    assert reason in refused.reason
    assert lab.table("sample_id") == [("A",)]
    assert lab.files("rejected") == [name, f"{name}.reason.txt"]
    assert lab.files("landing") == []


def test_a_refused_file_is_tried_again_when_it_is_sent_again(bench: Make) -> None:
    lab = bench(source={"files": ["*.csv"]})
    lab.send("a.txt", HEAD + "A,2024-01-01,POS,1\n")
    assert lab.files("rejected") == ["a.txt", "a.txt.reason.txt"]
    (entry,) = lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n").entries
    assert entry.status == "published"


def test_long_numbers_in_a_header_are_not_told(bench: Make) -> None:
    lab = bench()
    (entry,) = lab.send(
        "a.csv", "sample_id,test_date,result,viral_load,123456782,week_2024\nA,2024-01-01,POS,1,x,\n"
    ).entries
    assert entry.drift == {"extra": ["column 5, a name like 999999999", "week_2024"]}


def test_drift_is_reported_and_columns_are_found_by_name(bench: Make) -> None:
    lab = bench(ignore=["comment"])
    (entry,) = lab.send("a.csv", "comment,Result,sample_id,test_date,extra\n,POS,A,2024-01-01,9\n").entries
    assert entry.drift == {
        "missing": ["viral_load"],
        "extra": ["extra"],
        "renamed": ["result -> Result"],
        "reordered": ["result", "sample_id", "test_date"],
    }
    assert lab.table("sample_id", "result", "viral_load") == [("A", "POS", None)]


def test_unfinished_and_unmarked_files_are_left_alone(bench: Make) -> None:
    lab = bench(source={"marker": ".done"})
    for name in ("a.csv.part", ".hidden.csv", "b.csv"):
        lab.drop(name, HEAD + "A,2024-01-01,POS,1\n")
    assert lab.load().entries == []
    lab.drop("b.csv.done", "")
    assert [e.file for e in lab.load().entries] == ["b.csv"]
    assert lab.files("landing") == [".hidden.csv", "a.csv.part"]


IDENTIFIED: dict[str, Any] = {
    **LAB,
    "columns": {**LAB["columns"], "sample_id": {"type": "string", "role": "identifier"}},
}


def test_identifiers_become_keyed_pseudonyms_at_the_door(bench: Make) -> None:
    lab = bench(Contract.model_validate(IDENTIFIED))
    lab.send("a.csv", HEAD + " CANARY-1 ,2024-01-01,POS,1\nCANARY-2,2024-01-01,what,1\n")
    expected = pseudonym(bytes.fromhex(KEY), "CANARY-1")
    assert lab.table("sample_id") == [(expected,)]
    assert (expected,) in lab.sql("SELECT sample_id FROM {raw}")
    assert not lab.sql("SELECT 1 FROM {raw} WHERE sample_id LIKE '%CANARY%'")
    assert lab.sql("SELECT sample_id FROM {quarantine}") == [("CANARY-2",)]  # stewards fix the original text


def test_without_its_key_nothing_is_loaded_and_the_file_stays(bench: Make, platform: Platform) -> None:
    lab = bench(Contract.model_validate(IDENTIFIED))
    lab.platform = Platform(platform.settings, platform.warehouse, platform.store, EnvironmentKeys({}))
    with pytest.raises(MissingIdentityKey, match="PLATFORM_IDENTITY_KEY_SAMPLE_ID"):
        lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    assert lab.files("landing") == ["a.csv"]
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(0,)]


def test_weeks_are_iso_weeks(bench: Make) -> None:
    columns = {**LAB["columns"], "test_date": {"type": "date", "format": "%Y-%m-%d"}}
    lab = bench(columns=columns, partition={"by": "test_date", "unit": "iso_week"})
    lab.send("a.csv", HEAD + "A,2024-12-30,POS,1\nB,2027-01-01,POS,1\n")
    assert lab.table("sample_id", "_partition") == [("A", "2025-W01"), ("B", "2026-W53")]


def test_a_key_is_unique_in_the_whole_table_even_across_weeks(bench: Make) -> None:
    lab = bench(partition={"by": "test_date", "unit": "iso_week"})
    lab.send("a.csv", HEAD + "A,2024-12-29,POS,1\n")
    lab.send("b.csv", HEAD + "A,2024-12-30,POS,1\n")
    assert lab.table("sample_id", "_partition") == [("A", "2025-W01")]


def test_a_new_column_of_the_contract_is_added_to_the_table(bench: Make) -> None:
    bench().send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    wider = bench(columns={**LAB["columns"], "clinic": {"type": "string", "optional": True}})
    wider.send("b.csv", "sample_id,test_date,result,viral_load,clinic\nB,2024-01-01,POS,1,K\n")
    assert wider.table("sample_id", "clinic") == [("A", None), ("B", "K")]


def test_an_error_of_the_engine_is_told_without_what_it_quotes() -> None:
    error = ValueError("Conversion Error: Could not convert string 'CANARY-1' to INT64\n\nLINE 1: SELECT 'CANARY-1'")
    told = str(LoadFailed("lab", error))
    assert "CANARY" not in told
    assert "Could not convert string '<value>' to INT64" in told
    assert "run it again" in told


@pytest.mark.parametrize(("zone", "valid"), [("Pacific/Kiritimati", 1), ("Pacific/Pago_Pago", 0)])
def test_today_is_the_day_of_the_installation(
    bench: Make, monkeypatch: pytest.MonkeyPatch, zone: str, valid: int
) -> None:
    """There are always 25 hours between these two clocks: what is today on one is tomorrow, or the day after, on the other."""
    ahead = dt.datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    monkeypatch.setenv("PLATFORM_TIMEZONE", zone)
    report = bench().send("a.csv", HEAD + f"A,{ahead},POS,1\n")
    assert report.total("valid") == valid


def test_rows_are_quarantined_at_the_time_of_the_load_which_is_utc(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", HEAD + "A,2024-01-01,what,1\n")
    ((at, loaded),) = lab.sql("SELECT _quarantined_at, (SELECT max(loaded_at) FROM platform.ledger) FROM {quarantine}")
    assert at == loaded
    assert abs(at - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(hours=1)
