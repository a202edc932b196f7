"""The quarantine on the command line: export, edit as a file, stage, send; the same rules as in the console."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from platform_assets.contracts.files import read_contracts
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.load import load_dataset
from platform_assets.office import NEIGHBOURS
from platform_assets.quarantine.__main__ import main
from resources.environment import Platform, Settings, resources_for

HEADER = "sample_id,test_date,result,viral_load,laboratory,clinic"
RIGHT = [f"AA-{n:03},2024-01-02,NEG,,north,clinic" for n in range(40)]
WRONG = ["BB-001,2024-01-03,Positive,5,north,clinic", "BB-002,03/13/2024,Positive,5,north,=clinic", "BB-003,2024-01-03"]


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setenv("DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PLATFORM_IDENTITY_KEY_SAMPLE_ID", "01" * 32)
    made = resources_for("laptop", Settings(tmp_path / "data", settle_seconds=0))
    made.store.write("landing/lab_results/week1.csv", "\n".join([HEADER, *RIGHT, *WRONG, ""]).encode())
    load(made)
    return made


def load(platform: Platform) -> list[Entry]:
    contract = read_contracts()["lab_results"]
    return load_dataset(
        contract, platform.warehouse, platform.store, platform.keys, neighbours=NEIGHBOURS, settle_seconds=0
    ).entries


def exported(file: Path) -> list[dict[str, str]]:
    assert main(["export", "lab_results", str(file)]) == 0
    with file.open(newline="") as source:
        return list(csv.DictReader(source))


def write(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_rows_are_exported_mended_in_a_file_staged_and_sent(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split() == ["3", "lab_results"]
    file = tmp_path / "rows.csv"
    rows = {r["sample_id"]: r for r in exported(file)}
    assert file.stat().st_mode & 0o077 == 0
    assert rows["BB-002"]["clinic"] == "'=clinic"  # no formula for who opens it in a spreadsheet
    assert rows[""]["_text"] == WRONG[2]
    rows["BB-001"]["result"] = "POS"
    rows["BB-002"]["result"] = "POS"
    write(file, list(rows.values()))
    assert main(["--by", "anna", "stage", "lab_results", str(file)]) == 1
    said = capsys.readouterr()
    assert "2 fix(es) staged" in said.out
    assert "row 43: test_date" in said.err
    rows["BB-002"]["test_date"] = "2024-03-13"
    write(file, list(rows.values()))
    assert main(["--by", "anna", "stage", "lab_results", str(file)]) == 0
    assert main(["--by", "anna", "send", "lab_results", "--reason", "the laboratory confirmed"]) == 0
    assert [e.valid for e in load(platform)] == [2]
    with platform.warehouse.connect() as connection:
        clinics = connection.execute(
            "SELECT clinic FROM validated.lab_results WHERE result = 'POS' ORDER BY 1"
        ).fetchall()
    assert clinics == [("=clinic",), ("clinic",)]
    capsys.readouterr()
    assert main(["history", "lab_results", rows["BB-001"]["_delivery"], "week1.csv", "42"]) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == [
        "rejected", "staged", "resubmitted", "accepted"
    ]  # fmt: skip


def test_one_value_is_replaced_and_a_row_dismissed(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replace", "lab_results", "result", "Positive", ""]) == 1
    assert "--missing" in capsys.readouterr().err
    assert main(["replace", "lab_results", "result", "Positive", "POS"]) == 1
    assert "test_date" in capsys.readouterr().err
    assert main(["send", "lab_results"]) == 1
    assert "1 row(s) sent" in capsys.readouterr().out
    (line,) = [r for r in exported(tmp_path / "rows.csv") if r["_text"]]
    capsys.readouterr()
    place = [line["_delivery"], line["_file"], line["_row"]]
    assert main(["dismiss", "lab_results", *place, "--reason", "cut off"]) == 0
    assert main(["reasons", "lab_results"]) == 0
    assert "test_date" in capsys.readouterr().out
    assert main(["dismiss", "lab_results", *place, "--reason", "again"]) == 1
    assert "not open any more" in capsys.readouterr().err


def test_a_fix_that_somebody_staged_after_the_export_is_not_replaced(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.csv"
    rows = {r["sample_id"]: r for r in exported(file)}
    mine = {**rows["BB-001"], "result": "NEG"}
    assert main(["--by", "bert", "replace", "lab_results", "result", "Positive", "POS"]) == 1
    write(file, [mine])
    assert main(["--by", "anna", "stage", "lab_results", str(file)]) == 1
    assert "bert has staged a fix of week1.csv, row 42" in capsys.readouterr().err
    assert main(["--by", "anna", "unstage", "lab_results", mine["_delivery"], "week1.csv", "42"]) == 0
    assert main(["--by", "anna", "stage", "lab_results", str(file)]) == 0
    again = {r["sample_id"]: r for r in exported(file)}
    assert (again["BB-001"]["result"], again["BB-001"]["_staged_by"]) == ("NEG", "anna")
    write(file, [{**again["BB-001"], "result": "POS"}])
    assert main(["--by", "bert", "stage", "lab_results", str(file)]) == 0  # it was exported as anna staged it


def test_held_deliveries_are_listed_apart_and_one_without_rows_is_closed(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.store.write("landing/lab_results/empty.csv", f"{HEADER}\n".encode())
    platform.store.write("landing/lab_results/bad.csv", "\n".join([HEADER, *WRONG, RIGHT[0], ""]).encode())
    empty, bad = sorted(load(platform), key=lambda e: e.rows_in)
    assert (empty.status, bad.status) == ("held", "held")
    assert main(["list"]) == 0
    assert f"held without rows: lab_results  {empty.delivery}  empty.csv" in capsys.readouterr().out
    assert main(["reasons", "lab_results"]) == 0
    said = capsys.readouterr().out
    assert f"{bad.delivery}  bad.csv was held as a whole, {bad.reason}. Open rows of it: 4\n" in said
    assert not any(line.lstrip()[0].isdigit() and "delivery: held" in line for line in said.splitlines())
    assert main(["close", "lab_results", bad.delivery, "--reason", "a mistake"]) == 0
    capsys.readouterr()
    assert main(["reasons", "lab_results"]) == 0
    assert bad.delivery not in capsys.readouterr().out  # none of its rows is open
    assert main(["close", "lab_results", empty.delivery, "--reason", "a holiday"]) == 0
    assert main(["list"]) == 0
    assert "held without rows" not in capsys.readouterr().out


def test_a_file_that_does_not_fit_is_refused(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.csv"
    rows = exported(file)
    assert main(["stage", "lab_results", str(file)]) == 1
    assert "no cell was changed" in capsys.readouterr().err
    write(file, [{**rows[0], "_row": "999"}])
    assert main(["stage", "lab_results", str(file)]) == 1
    assert "not open" in capsys.readouterr().err
    file.write_text("a,b\n1,2\n")
    assert main(["stage", "lab_results", str(file)]) == 1
    assert "no column '_delivery'" in capsys.readouterr().err
    assert main(["send", "nothing"]) == 1
    assert "there is no dataset" in capsys.readouterr().err
    assert main(["stage", "lab_results", str(tmp_path / "none.csv")]) == 1
