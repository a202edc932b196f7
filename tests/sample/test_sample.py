"""The generated sample data: the same for the same day, realistic in its errors, written once."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from pathlib import Path

import pytest

from platform_assets.contracts.files import read_contracts
from platform_assets.sample import generate, write
from platform_assets.sample.rows import to_csv

UNTIL = dt.date(2026, 3, 16)


def test_the_same_day_gives_the_same_bytes() -> None:
    assert [to_csv(d) for d in generate(UNTIL)] == [to_csv(d) for d in generate(UNTIL)]


def test_every_dataset_that_ships_has_sample_data() -> None:
    assert {d.dataset for d in generate(UNTIL)} == set(read_contracts())


def test_laboratories_make_a_few_per_cent_of_errors() -> None:
    (history,) = [d for d in generate(UNTIL) if d.file == "history.csv"]
    results = Counter(str(row[2]) for row in history.rows)
    wrong = sum(results[r] for r in ("Positive", "negative", "invalid"))
    assert 0.003 < wrong / len(history.rows) < 0.03


def test_running_totals_rise_but_for_corrections() -> None:
    last = [d for d in generate(UNTIL) if d.dataset == "municipal_admissions"][-1]
    falls = 0
    before: dict[tuple[object, ...], int] = {}
    for row in last.rows:
        place, total = tuple(row[1:4]), int(row[4])
        falls += before.get(place, 0) > total
        before[place] = total
    assert 0 < falls < 0.02 * len(last.rows)


def test_it_is_written_once(tmp_path: Path) -> None:
    assert write(tmp_path, UNTIL)
    assert write(tmp_path, UNTIL) == []
    assert (tmp_path / "sample" / "lab_results.csv").exists()


@pytest.mark.parametrize(
    "place", ["landing/population", "archive/population/abc", "rejected/population/abc", "lake/data/x"]
)
def test_nothing_lands_beside_deliveries_of_others(place: str, tmp_path: Path) -> None:
    theirs = tmp_path / place / "real.csv"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("a\n1\n")
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    assert write(tmp_path, UNTIL) == []
    assert {p for p in tmp_path.rglob("*") if p.is_file() and p.parts[len(tmp_path.parts)] != "sample"} == before
    assert (tmp_path / "sample" / "population.csv").exists()
    assert write(tmp_path, UNTIL) == []


def test_the_columns_are_listed_for_authors_as_the_sample_tables_have_them(tmp_path: Path) -> None:
    write(tmp_path, UNTIL)
    with (tmp_path / "sample" / "columns.tsv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file, delimiter="\t"))
    tables = sorted((tmp_path / "sample").glob("*.csv"))
    for table in tables:
        columns = table.read_text(encoding="utf-8").partition("\n")[0].split(",")
        assert {row["column"] for row in listed if row["table"] == table.stem} == set(columns), table.stem
    assert {row["table"] for row in listed} == {table.stem for table in tables}
    assert all(row["meaning"] for row in listed)
    (age,) = [row for row in listed if (row["table"], row["column"]) == ("hospital_stays", "age")]
    assert age["type"] == "integer"
