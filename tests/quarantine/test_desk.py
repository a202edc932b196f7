"""Quarantine from the steward's side: what is seen, mended, sent, dismissed, and what can never happen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from platform_assets.access.roles import AccessDenied
from platform_assets.quarantine.fixes import Fix, QuarantineError
from platform_assets.quarantine.overview import waiting
from platform_assets.quarantine.tables import RowKey
from resources.identity import SAMPLE_MANIFEST, EnvironmentKeys, LaptopKeys, MissingIdentityKey
from tests.erasure.erasing import erase, subject
from tests.places import ANALYST, KEYS, SECOND, STEWARD, Place, lab_contract

GOOD = "A-1,P-1,north,2024-01-01,NEG,"
WORD = "A-2,P-2,north,2024-01-02,Positive,10"
TWICE = "A-3,P-3,north,2024-13-02,Positive,"
RAGGED = "A-4,P-4,north,2024-01-02"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def key_of(place: Place, sample: str) -> RowKey:
    rows = place.desk().rows()
    found = rows[rows["sample_id"] == sample].iloc[0]
    return RowKey(found["_delivery"], found["_file"], int(found["_row"]))


def fix_of(place: Place, sample: str, **changes: str | None) -> Fix:
    rows = place.desk().rows()
    found = rows[rows["sample_id"] == sample].iloc[0]
    texts = {c: (found[c] if isinstance(found[c], str) else None) for c in place.contract.file_columns}
    return Fix(key_of(place, sample), {**texts, **changes})


def test_a_steward_sees_original_text_row_and_every_reason(place: Place) -> None:
    place.deliver("week1.csv", GOOD, TWICE, RAGGED)
    rows = place.desk().rows()
    assert rows["_row"].tolist() == [3, 4]
    wrong = rows.iloc[0]
    assert (wrong["test_date"], wrong["patient_id"]) == ("2024-13-02", "P-3")
    assert len(wrong["_reasons"]) == 2
    assert rows.iloc[1]["_text"] == RAGGED


def test_rows_are_found_by_delivery_and_rule(place: Place) -> None:
    first = place.deliver("week1.csv", WORD)
    place.deliver("week2.csv", TWICE)
    assert place.desk().rows(delivery=first.delivery)["sample_id"].tolist() == ["A-2"]
    assert place.desk().rows(rule="test_date:")["sample_id"].tolist() == ["A-3"]
    counts = place.desk().counts()
    assert counts[counts["reason"].str.startswith("result:")]["rows"].sum() == 2


def test_a_resubmitted_row_leaves_quarantine_and_its_history_stays_linked(place: Place) -> None:
    place.deliver("week1.csv", GOOD, WORD)
    desk = place.desk()
    fix = fix_of(place, "A-2", result="POS")
    assert desk.check([fix.values]) == [[]]
    assert desk.stage([fix]) == {}
    sent = desk.resubmit("the laboratory confirmed")
    assert sent.sent == 1
    assert desk.rows().empty
    assert place.samples() == ["A-1"]
    entry = place.load().entries[0]
    assert (entry.valid, entry.quarantined, entry.conserved) == (1, 0, True)
    assert place.samples() == ["A-1", "A-2"]
    history = desk.history(fix.key)
    assert history["event"].tolist() == ["rejected", "staged", "resubmitted", "accepted"]
    assert history.iloc[-1]["file"] == sent.files[0]
    assert history.iloc[2]["by"] == "steward@example.org"


def test_a_row_that_is_still_wrong_is_staged_and_not_sent(place: Place) -> None:
    place.deliver("week1.csv", TWICE)
    desk = place.desk()
    still = desk.stage([fix_of(place, "A-3", result="POS")])
    assert any("test_date" in r for r in next(iter(still.values())))
    sent = desk.resubmit()
    assert (sent.sent, len(sent.still_wrong)) == (0, 1)
    assert desk.rows()["_state"].tolist() == ["staged"]
    desk.stage([fix_of(place, "A-3", test_date="2024-03-02")])
    assert desk.resubmit().sent == 1


def test_a_line_that_could_not_be_split_is_mended(place: Place) -> None:
    place.deliver("week1.csv", RAGGED)
    row = place.desk().rows().iloc[0]
    values = {"sample_id": "A-4", "patient_id": "P-4", "lab": "north", "test_date": "2024-01-02", "result": "NEG"}
    place.desk().stage([Fix(RowKey(row["_delivery"], row["_file"], int(row["_row"])), values)])
    place.desk().resubmit()
    place.load()
    assert place.samples() == ["A-4"]


def test_one_value_is_mended_in_all_rows_that_share_it(place: Place) -> None:
    place.deliver(
        "week1.csv", *(f"B-{n:02},P-{n},north,2024-01-02,Positive," for n in range(30)), "C-1,P-1,x,2024-01-02,Neg,"
    )
    desk = place.desk()
    assert desk.replace_value("result", "Positive", "POS") == {}
    assert desk.resubmit().sent == 30
    place.load()
    assert len(place.samples()) == 30
    assert desk.rows()["sample_id"].tolist() == ["C-1"]


def test_two_bulk_fixes_mend_a_row_with_two_faults(place: Place) -> None:
    place.deliver("week1.csv", TWICE)
    desk = place.desk()
    assert len(desk.replace_value("result", "Positive", "POS")) == 1
    assert desk.replace_value("test_date", "2024-13-02", "2024-03-02") == {}
    assert desk.resubmit().sent == 1


def test_unstaging_gives_the_row_back_as_it_came(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    desk = place.desk()
    fix = fix_of(place, "A-2", result="POS")
    desk.stage([fix])
    assert desk.rows()["result"].tolist() == ["POS"]
    desk.unstage([fix.key])
    assert desk.rows()["result"].tolist() == ["Positive"]
    assert desk.resubmit().sent == 0


def test_nobody_replaces_a_fix_of_somebody_else_unseen(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    fix = fix_of(place, "A-2", result="NEG")
    place.desk(SECOND).stage([fix_of(place, "A-2", result="POS")])
    with pytest.raises(QuarantineError, match=r"second@example.org has staged a fix of week1.csv, row 2 \(20"):
        place.desk().stage([fix])
    row = place.desk().rows().iloc[0]
    assert (row["result"], row["_staged_by"]) == ("POS", "second@example.org")
    place.desk().stage([replace(fix, seen=row["_staged_at"].to_pydatetime())])  # seen, so it may be replaced
    assert place.desk().rows()["result"].tolist() == ["NEG"]
    place.desk(SECOND).unstage([fix.key])  # or given back first
    place.desk(SECOND).stage([fix])
    assert place.desk().rows()["_staged_by"].tolist() == ["second@example.org"]


def test_one_value_is_mended_in_rows_that_somebody_else_has_begun(place: Place) -> None:
    place.deliver("week1.csv", TWICE)
    place.desk(SECOND).replace_value("result", "Positive", "POS")
    assert place.desk().replace_value("test_date", "2024-13-02", "2024-03-02") == {}
    changes = place.desk().staged()
    assert changes[["column", "old", "new", "rows"]].values.tolist() == [
        ["result", "Positive", "POS", 1],
        ["test_date", "2024-13-02", "2024-03-02", 1],
    ]


def test_dismissing_needs_a_reason_and_closes_the_row(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    key = key_of(place, "A-2")
    with pytest.raises(QuarantineError, match="say why"):
        place.desk().dismiss([key], " ")
    place.desk().dismiss([key], "a test sample")
    assert place.desk().rows().empty
    assert place.desk().history(key)["reason"].tolist()[-1] == "a test sample"
    seen = {"quarantine.see", "quarantine.see_history"}
    assert [e.action for e in place.audit.entries() if e.action not in seen] == ["quarantine.dismiss"]


def test_a_closed_row_cannot_be_fixed_by_a_second_person(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    fix = fix_of(place, "A-2", result="POS")
    place.desk().stage([fix])
    place.desk().resubmit()
    with pytest.raises(QuarantineError, match="not open any more"):
        place.desk().stage([fix])


def test_a_fix_that_ingest_rejects_comes_back_linked_to_the_first_rejection(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    fix = fix_of(place, "A-2", result="POS")
    place.desk().stage([fix])
    place.desk().resubmit()
    stricter = lab_contract().model_dump(mode="json", by_alias=True, exclude_unset=True)["columns"]
    stricter["result"]["in"] = ["NEG"]
    place.contract = lab_contract(columns=stricter)  # the contract has become stricter in between
    place.load()
    assert place.samples() == []
    again = key_of(place, "A-2")
    assert again.delivery != fix.key.delivery
    events = ["rejected", "staged", "resubmitted", "rejected"]
    assert place.desk().history(again)["event"].tolist() == events
    assert place.desk().history(fix.key)["event"].tolist() == events


def test_a_fix_never_replaces_what_came_later(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    place.deliver("week2.csv", "A-2,P-2,north,2024-01-02,NEG,")
    place.desk().stage([fix_of(place, "A-2", result="POS")])
    place.desk().resubmit()
    entry = place.load().entries[0]
    assert (entry.valid, entry.superseded) == (0, 1)
    assert place.query("SELECT result FROM validated.lab_results") == [("NEG",)]


def test_the_same_fix_counts_again_when_the_same_row_is_wrong_again(place: Place) -> None:
    for week, result in enumerate(("Positive", "NEG", "Positive")):
        place.deliver(f"week{week}.csv", f"A-2,P-2,north,2024-01-02,{result},", f"B-{week},P-1,north,2024-01-01,NEG,")
        if result == "Positive":
            place.desk().stage([fix_of(place, "A-2", result="POS")])
            place.desk().resubmit()
            assert [e.status for e in place.load().entries] == ["published"]
    assert place.query("SELECT result FROM validated.lab_results WHERE sample_id = 'A-2'") == [("POS",)]


def test_a_small_fix_is_not_held_for_having_few_rows(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"min_rows": 2, "max_quarantined": 1.0}))
    place.deliver("week1.csv", GOOD, WORD)
    place.desk().stage([fix_of(place, "A-2", result="POS")])
    place.desk().resubmit()
    assert place.load().entries[0].status == "published"
    assert place.samples() == ["A-1", "A-2"]
    assert "minimum_rows" in place.checks_passed()


def test_a_held_delivery_is_released_after_someone_has_looked_and_its_wrong_rows_stay(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 0.1}))
    entry = place.deliver("week1.csv", GOOD, WORD)
    assert entry.status == "held"
    sent = place.desk().release(entry.delivery, "a small laboratory")
    assert sent.sent == 1
    assert place.load().entries[0].status == "published"
    assert place.samples() == ["A-1"]
    assert place.desk().rows()["sample_id"].tolist() == ["A-2"]
    with pytest.raises(QuarantineError, match="no row of this delivery is right"):
        place.desk().release(entry.delivery, "again")


def held_now(place: Place) -> int:
    office = place.office()
    return waiting(office, STEWARD)[0].held


def test_a_held_delivery_counts_as_long_as_something_of_it_is_open(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"max_quarantined": 0.1}))
    entry = place.deliver("week1.csv", GOOD, WORD)
    assert held_now(place) == 1
    place.desk().release(entry.delivery, "a small laboratory")
    assert held_now(place) == 1
    assert place.desk().dismiss_delivery(entry.delivery, "a test sample") == 1  # what was not released
    assert held_now(place) == 0


def test_a_held_delivery_without_rows_is_closed_with_a_reason(tmp_path: Path) -> None:
    place = Place(tmp_path, lab_contract(quality={"min_rows": 1, "max_quarantined": 1.0}))
    entry = place.deliver("week1.csv")
    assert (entry.status, held_now(place)) == ("held", 1)
    with pytest.raises(QuarantineError, match="say why"):
        place.desk().dismiss_delivery(entry.delivery, "")
    place.desk().dismiss_delivery(entry.delivery, "the laboratory had a holiday")
    assert held_now(place) == 0
    with pytest.raises(QuarantineError, match="closed already"):
        place.desk().dismiss_delivery(entry.delivery, "again")
    assert [e.action for e in place.audit.entries()] == ["quarantine.dismiss_delivery"]


def test_released_rows_without_a_key_do_not_come_in_twice_when_the_contract_changes(tmp_path: Path) -> None:
    append = {"mode": "append"}
    place = Place(tmp_path, lab_contract(load=append, quality={"max_quarantined": 0.1}))
    entry = place.deliver("week1.csv", GOOD, WORD)
    place.desk().release(entry.delivery, "a small laboratory")
    place.load()
    place.contract = lab_contract(load=append)
    place.load()
    assert place.samples() == ["A-1"]


def test_the_fix_file_keeps_what_the_contract_reads_from_its_name(tmp_path: Path) -> None:
    order = {"file_name": r"_(\d{4}-\d{2}-\d{2})\.csv$"}
    contract = lab_contract(
        load={"mode": "upsert", "key": ["sample_id"], "order_by": order}, source={"files": ["*lab_*.csv"]}
    )
    place = Place(tmp_path, contract)
    place.deliver("lab_2024-01-08.csv", WORD)
    place.desk().stage([fix_of(place, "A-2", result="POS")])
    assert place.desk().resubmit().files[0].endswith("lab_2024-01-08.csv")
    assert place.load().entries[0].status == "published"


@pytest.mark.parametrize(
    "fmt",
    [
        {"kind": "csv", "delimiter": ";", "encoding": "latin-1"},
        {"kind": "tsv"},
        {"kind": "json"},
        {"kind": "json", "records": "data.items"},
        {"kind": "json5"},
        {"kind": "parquet"},
        {"kind": "xlsx"},
        {"kind": "xlsx", "header": False, "sheet": "Fixes"},
    ],
    ids=lambda f: "-".join(map(str, f.values())),
)
def test_fixes_go_in_every_format_that_the_contract_takes(tmp_path: Path, fmt: dict[str, object]) -> None:
    place = Place(tmp_path, lab_contract(format=[fmt, {"kind": "csv", "files": ["*.original"]}]))
    place.deliver("week1.original", WORD)
    place.desk().stage([fix_of(place, "A-2", result="POS", lab="Zürich")])
    place.desk().resubmit()
    assert [e.valid for e in place.load().entries] == [1]
    assert place.query("SELECT lab FROM validated.lab_results") == [("Zürich",)]


def test_a_crash_before_the_file_has_its_name_is_made_good(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    desk = place.desk()
    desk.stage([fix_of(place, "A-2", result="POS")])
    name = desk.resubmit().files[0]
    folder = place.home / "landing" / "lab_results"
    (folder / name).rename(folder / f".{name}.part")
    (folder / ".never-fix-00000000.csv.part").write_text("x")
    assert place.load().entries == []
    desk.resubmit()
    assert [p.name for p in folder.iterdir()] == [name]


def test_an_analyst_sees_and_changes_nothing(place: Place) -> None:
    place.deliver("week1.csv", WORD)
    fix = fix_of(place, "A-2", result="POS")
    desk = place.desk(ANALYST)
    for act in (
        desk.rows,
        lambda: desk.history(fix.key),
        lambda: desk.stage([fix]),
        lambda: desk.unstage([fix.key]),
        lambda: desk.resubmit(),
        lambda: desk.replace_value("result", "Positive", "POS"),
        lambda: desk.dismiss([fix.key], "x"),
        lambda: desk.release("x", "x"),
    ):
        with pytest.raises(AccessDenied):
            act()
    assert desk.counts()["rows"].sum() == 1


def test_sample_data_are_mended_and_erased_with_their_throwaway_keys(tmp_path: Path) -> None:
    place = Place(tmp_path)
    text = "sample_id,patient_id,test_date,result\nA-1,PATIENT-1,2024-01-01,NEG\nA-2,PATIENT-2,2024-01-02,Positive\n"
    (tmp_path / "sample").mkdir()
    manifest = tmp_path / "sample" / SAMPLE_MANIFEST
    manifest.write_text(json.dumps([hashlib.sha256(text.encode()).hexdigest()]))
    only_erasure = {name: key for name, key in KEYS.items() if "PATIENT" not in name}
    place.keys = LaptopKeys(EnvironmentKeys(only_erasure), tmp_path / "sample")
    place.drop("sample.csv", text)
    assert place.load().entries[0].valid == 1
    place.desk().stage([fix_of(place, "A-2", result="POS")])
    place.desk().resubmit()
    assert place.load().entries[0].valid == 1
    assert place.query("SELECT count(DISTINCT patient_id) FROM validated.lab_results") == [(2,)]
    erase(place, subject("PATIENT-2"))
    assert place.samples() == ["A-1"]
    place.drop("real.csv", text.replace("A-1", "A-9"))
    with pytest.raises(MissingIdentityKey):
        place.load()
