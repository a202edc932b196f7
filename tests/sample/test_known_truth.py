"""What the sample operations were made with is what the indicators find, and nothing else."""

from __future__ import annotations

import csv
import datetime as dt
import subprocess
from pathlib import Path

import pytest

from platform_assets.contracts.files import read_contracts
from platform_assets.sample.operations import INCOMPLETE, INFECTED, POOR_OUTCOMES, REVISED, SICK, operations
from platform_assets.sample.rows import to_csv

ROOT = Path(__file__).parents[2]
PROGRAM = """
arguments <- commandArgs(TRUE)
source(file.path(arguments[1], "dev.R"))
for (name in c("textbook_outcome", "deep_infections", "hip_revisions")) {
  result <- run_indicator(name, samples = arguments[2], plot_folder = file.path(arguments[2], "plots"))
  utils::write.csv(result$data, file.path(arguments[2], paste0(name, "_found.csv")), row.names = FALSE)
}
"""
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    """The tables of the three indicators, computed by R from the sample data."""
    folder = tmp_path_factory.mktemp("operations")
    (delivery,) = operations(dt.date(2026, 3, 16))
    assert delivery.clean is not None
    (folder / "operations.csv").write_bytes(to_csv(delivery.clean))
    subprocess.run(
        ["Rscript", "--vanilla", "-e", PROGRAM, str(ROOT / "r_scripts"), str(folder)],
        check=True,
        cwd=folder,
        capture_output=True,
    )
    tables: dict[str, Rows] = {}
    for path in folder.glob("*_found.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            tables[path.stem.removesuffix("_found")] = list(csv.DictReader(file))
    return tables


def _hospitals(rows: Rows, label: str) -> set[str]:
    return {row["organisation"] for row in rows if label in row["label"]}


def test_the_hospital_with_poor_outcomes_is_found_and_the_one_with_sick_patients_is_not_blamed(
    found: dict[str, Rows],
) -> None:
    rows = found["textbook_outcome"]
    assert _hospitals(rows, "lower (99.8 %)") == {f"Hospital {POOR_OUTCOMES}"}
    assert not _hospitals(rows, "higher (99.8 %)")
    (sick,) = [row for row in rows if row["organisation"] == f"Hospital {SICK}"]
    everybody = sum(int(row["observed"]) for row in rows) / sum(int(row["operations"]) for row in rows) * 100
    assert float(sick["crude"]) < everybody - 4
    assert abs(float(sick["z"])) < 1.96


def test_the_hospital_with_bad_data_is_told_apart_from_one_with_bad_care(found: dict[str, Rows]) -> None:
    shares = {
        row["organisation"]: int(row["left_out"]) / (int(row["operations"]) + int(row["left_out"]))
        for row in found["textbook_outcome"]
    }
    assert 0.25 < shares.pop(f"Hospital {INCOMPLETE}") < 0.42
    assert max(shares.values()) == 0
    (row,) = [row for row in found["textbook_outcome"] if row["organisation"] == f"Hospital {INCOMPLETE}"]
    assert "99.8" not in row["label"]
    contract = read_contracts()["operations"]
    assert contract.columns["asa_class"].nullable, "such rows are counted as left out, and not kept from the platform"


def test_the_hospital_where_infections_rose_is_a_concern_since_then(found: dict[str, Rows]) -> None:
    rows = found["deep_infections"]
    found_in = {(row["organisation"], row["year"][:4]) for row in rows if row["label"] == "concern"}
    assert {(f"Hospital {INFECTED}", "2024"), (f"Hospital {INFECTED}", "2025")} <= found_in
    assert {hospital for hospital, _ in found_in} == {f"Hospital {INFECTED}"}
    assert not _hospitals(rows, "improvement")


def test_the_hospital_that_revises_three_times_as_often_is_found(found: dict[str, Rows]) -> None:
    rows = found["hip_revisions"]
    assert _hospitals(rows, "er (99.8 %)") == {f"Hospital {REVISED}"}
    (worn,) = [row for row in rows if row["organisation"] == f"Hospital {REVISED}"]
    share = float(worn["expected"]) / sum(float(row["expected"]) for row in rows)
    truth = 3 / (1 + 2 * share)  # three times the rate of the others, held against all
    assert float(worn["lower_95"]) < truth < float(worn["upper_95"])
