"""Stewards' work run by Dagster and by the command: the same code, the same outcome."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components import stewardship as jobs
from platform_assets.contracts.files import read_contracts
from platform_assets.erasure.__main__ import main
from resources.environment import Platform, Settings, resources_for
from tests.erasure.erasing import places_of

KEYS = ("SAMPLE_ID", "ERASURE", "AUDIT")
ROWS = [f"AA-{n:03},2024-01-02,NEG,,north,clinic" for n in range(30)] + ["BB-777,2024-01-03,POS,5,south,clinic"]


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform with one loaded delivery of laboratory results."""
    from platform_assets.ingest.load import load_dataset

    monkeypatch.setenv("DATA_HOME", str(tmp_path))
    for number, purpose in enumerate(KEYS, 1):
        monkeypatch.setenv(f"PLATFORM_IDENTITY_KEY_{purpose}", f"{number:02x}" * 32)
    made = resources_for("laptop", Settings(tmp_path, settle_seconds=0))
    text = "\n".join(["sample_id,test_date,result,viral_load,laboratory,clinic", *ROWS]) + "\n"
    made.store.write("landing/lab_results/week1.csv", text.encode())
    load_dataset(read_contracts()["lab_results"], made.warehouse, made.store, made.keys, settle_seconds=0)
    return made


def request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """An approved request, made on the command line."""
    upload = tmp_path.parent / f"{tmp_path.name}-request.csv"
    upload.write_text("sample_id\nBB-777\n")
    assert main(["--by", "anna", "preview", str(upload), "--dataset", "lab_results"]) == 0
    capsys.readouterr()
    assert main(["--by", "anna", "request", str(upload), "--dataset", "lab_results", "--ground", "letter 17"]) == 0
    number = capsys.readouterr().out.strip()
    assert main(["--by", "anna", "approve", number]) == 1
    assert "second person" in capsys.readouterr().err
    assert main(["--by", "stan", "approve", number]) == 0
    upload.unlink()
    return number


def test_the_job_erases_and_tells_dagster_what_changed(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = request(tmp_path, capsys)
    config = {"ops": {"erase_request": {"config": {"request": number}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        result = jobs.erase_job().execute_in_process(config, resources={"platform": platform}, instance=instance)
        assert result.success
        assert instance.get_latest_materialization_event(dg.AssetKey(["validated", "lab_results"]))
        told = instance.get_latest_materialization_event(dg.AssetKey(["stewardship", "deletion_log"]))
        assert told
        assert told.asset_materialization
        assert told.asset_materialization.metadata["dagster/row_count"].value == 1
    assert places_of(tmp_path, ["BB-777"]) == {}


def test_the_command_erases_shows_the_certificate_and_replays(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = request(tmp_path, capsys)
    assert main(["list"]) == 0
    assert number in capsys.readouterr().out
    assert main(["--by", "stan", "run", number]) == 0
    assert places_of(tmp_path, ["BB-777"]) == {}
    assert main(["certificate", number]) == 0
    assert "Nothing was left" in capsys.readouterr().out
    assert main(["run", number]) == 1
    assert main(["--by", "stan", "replay"]) == 0


def test_the_command_says_when_there_is_no_file_and_when_nobody_is_found(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", str(tmp_path / "none.csv"), "--dataset", "lab_results"]) == 1
    assert "none.csv cannot be read (No such file or directory)" in capsys.readouterr().err
    file = tmp_path / "unknown.csv"
    file.write_text("sample_id\nZZ-404\n")
    for command in (["preview"], ["request", "--ground", "a letter"]):
        assert main([*command, str(file), "--dataset", "lab_results"]) == 0
        assert "Nobody found: check the number" in capsys.readouterr().err
    file.write_text("sample_id\nBB-777\n")
    assert main(["preview", str(file), "--dataset", "lab_results"]) == 0
    assert "Nobody" not in capsys.readouterr().err
