"""Open data as published: the figures that must come out, and every row accounted for."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_assets.contracts.files import read_contract
from tests.conftest import Bench

Make = Callable[..., Bench]
DEFS = Path(__file__).parents[3] / "platform_assets" / "defs"
NAME = "COVID-19_aantallen_gemeente_cumulatief_{}.csv"
ADMISSIONS = {
    "Drenthe": 120,
    "Flevoland": 278,
    "Friesland": 133,
    "Gelderland": 1537,
    "Groningen": 76,
    "Limburg": 1581,
    "Noord-Brabant": 2808,
    "Noord-Holland": 1757,
    "Overijssel": 555,
    "Utrecht": 934,
    "Zeeland": 154,
    "Zuid-Holland": 2382,
}
BY_PROVINCE = """
    SELECT province, sum(hospital_admissions)::BIGINT FROM {validated}
    WHERE report_date = (SELECT max(report_date) FROM {validated}) GROUP BY 1 ORDER BY 1
"""


def _municipal(bench: Make) -> Bench:
    return bench(read_contract(DEFS / "admissions" / "municipal_admissions" / "defs.yaml"))


def _rivm(shared: Path, day: str) -> bytes:
    return (shared / "data" / "rivm" / NAME.format(day)).read_bytes()


def test_two_consecutive_deliveries_give_the_right_admissions(bench: Make, shared: Path) -> None:
    rivm = _municipal(bench)
    (first,) = rivm.send(NAME.format("2020-09-14"), _rivm(shared, "2020-09-14")).entries
    assert (first.rows_in, first.inserted) == (68_262, 68_262)
    (second,) = rivm.send(NAME.format("2020-09-15"), _rivm(shared, "2020-09-15")).entries
    assert (second.rows_in, second.inserted, second.removed) == (68_629, 367, 0)
    assert second.unchanged + second.updated == 68_262
    assert dict(rivm.sql(BY_PROVINCE)) == ADMISSIONS
    before = rivm.sql("SELECT * FROM {validated} ORDER BY ALL")

    again = rivm.send("the_same_again.csv", _rivm(shared, "2020-09-15"))
    assert [e.status for e in again.entries] == ["repeated"]
    older = _rivm(shared, "2020-09-14").replace(b";0;0;0\r\n", b";0;0;1\r\n", 1)  # new content, old date
    (late,) = rivm.send("late.csv", older).entries
    assert (late.status, late.superseded) == ("superseded", 68_262)
    assert rivm.sql("SELECT * FROM {validated} ORDER BY ALL") == before
    rivm.assert_nothing_lost()


def test_rows_without_a_municipality_are_kept_and_counted_by_a_rule(bench: Make, shared: Path) -> None:
    rivm = _municipal(bench)
    rivm.send(NAME.format("2020-09-15"), _rivm(shared, "2020-09-15"))
    assert rivm.sql("SELECT count(*) FROM {validated} WHERE municipality_code IS NULL") == [(2_057 + 187,)]
    rules = {o.check: o for o in _outcomes(rivm)}["rules"]
    assert rules.numbers["municipality_known"] == 2_244
    assert not rules.blocking


def test_running_totals_that_fall_are_shown_as_corrections(bench: Make, shared: Path) -> None:
    rivm = _municipal(bench)
    rivm.send(NAME.format("2020-09-15"), _rivm(shared, "2020-09-15"))
    cumulative = {o.check: o for o in _outcomes(rivm)}["cumulative"]
    falls = {True: 0, False: 0}
    last: dict[tuple[str, str], int] = {}
    for row in sorted(_fields(shared / "data" / "rivm" / NAME.format("2020-09-15"), ";")):
        place, total = (row[1], row[3]), int(row[4])
        falls[bool(row[1])] += total < last.get(place, 0)
        last[place] = total
    assert falls[True] == 476  # of municipalities; the rest are totals of provinces' unplaced reports
    assert {r["column"]: r["falls"] for r in cumulative.table}["total_reported"] == sum(falls.values())
    assert "never by summing" in cumulative.description


def test_the_excel_mangled_file_is_held_with_both_formats_named(bench: Make, shared: Path) -> None:
    rivm = _municipal(bench)
    report = rivm.send("mangled.csv", _rivm(shared, "excel-mangled"))
    assert report.blocked
    (entry,) = report.entries
    assert (entry.status, entry.quarantined) == ("held", 50_279)
    assert "report_date: is not a date like 2026-12-31, found a value like 99/99/9999 99:99" in entry.reasons
    rivm.assert_nothing_lost()


def test_population_codes_become_those_of_the_admissions(bench: Make, shared: Path) -> None:
    cbs = bench(read_contract(DEFS / "admissions" / "population" / "defs.yaml"))
    cbs.send("cbs.csv", (shared / "data" / "rivm" / "CBS-aantal_inwoners_per_gemeente_2020.csv").read_bytes())
    assert cbs.sql("SELECT count(*), min(municipality_code), max(municipality_code) FROM {validated}") == [
        (355, "GM0003", "GM1978")
    ]


LABORATORY: dict[str, Any] = {
    "name": "covid_testing",
    "description": "Laboratory tests of a hospital.",
    "owner": "team:test",
    "format": {"kind": "csv"},
    "null_tokens": ["", "NA"],
    "load": {
        "mode": "upsert",
        "key": ["subject_id", "pan_day", "test_id", "clinic_name", "col_rec_tat", "rec_ver_tat"],
    },
    "ignore": ["demo_group", "drive_thru_ind", "orderset"],
    "columns": {
        "subject_id": {"type": "string", "role": "identifier", "matches": "^[0-9]+$"},
        "fake_first_name": {"type": "string", "role": "identifier", "purpose": "name"},
        "fake_last_name": {"type": "string", "role": "identifier", "purpose": "name"},
        "gender": {"type": "categorical", "in": ["female", "male"]},
        "pan_day": {"type": "integer", "ge": 0},
        "test_id": {"type": "categorical", "in": ["covid", "xcvd1"]},
        "clinic_name": {"type": "string", "role": "organisation"},
        "result": {"type": "categorical", "in": ["positive", "negative"]},
        "age": {"type": "float", "ge": 0, "le": 120},
        "ct_result": {"type": "float", "required": False},
        "payor_group": {"type": "string", "required": False},
        "patient_class": {"type": "string", "required": False},
        "col_rec_tat": {"type": "float"},
        "rec_ver_tat": {"type": "float"},
    },
}


def test_patient_level_tests_are_all_accounted_for(bench: Make, shared: Path) -> None:
    lab = bench(LABORATORY)
    data = (shared / "data" / "lab" / "covid_testing_deid.csv").read_bytes()
    (entry,) = lab.send("covid.csv", data).entries
    assert entry.rows_in == 15_524
    assert entry.status == "published"
    assert entry.reasons["result: is not one of positive, negative, found a value like aaaaaaa"] == data.count(
        b",invalid,"
    )
    lab.assert_nothing_lost()
    names = {r[0] for r in lab.sql("SELECT DISTINCT fake_last_name FROM {validated}")}
    assert all(len(n) == 32 for n in names)


FLU: dict[str, Any] = {
    "name": "flu",
    "description": "Weekly hospital admissions per state, each delivery revising history.",
    "owner": "team:test",
    "format": {"kind": "csv"},
    "load": {"mode": "upsert", "key": ["date", "location"], "order_by": {"file_name": r"_(\d{4}-\d{2}-\d{2})"}},
    "partition": {"by": "date"},
    "null_tokens": ["", "NA"],
    "columns": {
        "date": {"type": "date", "format": "%Y-%m-%d"},
        "location": {"type": "string", "matches": "^[0-9A-Z]{2}$"},
        "location_name": {"type": "string"},
        "value": {"type": "integer", "ge": 0},
        "weekly_rate": {"type": "float", "ge": 0, "required": False},
    },
}


def test_eight_deliveries_that_revise_history_are_updates(bench: Make, shared: Path) -> None:
    flu = bench(FLU)
    table: dict[tuple[str, str], tuple[str, str]] = {}  # an independent reading of the same files
    for path in sorted((shared / "data" / "cdc-flu").glob("*.csv")):
        (entry,) = flu.send(path.name, path.read_bytes()).entries
        rows = {(r[0], r[1]): (r[3], r[4]) for r in _fields(path) if r[3] != "NA"}
        assert entry.quarantined == len(_fields(path)) - len(rows)
        new = sum(k not in table for k in rows)
        changed = sum(k in table and (float(table[k][0]), table[k][1]) != (float(v[0]), v[1]) for k, v in rows.items())
        assert (entry.rows_in, entry.inserted) == (len(_fields(path)), new)
        assert entry.updated == changed
        table.update(rows)
    assert flu.sql("SELECT count(*), sum(value)::BIGINT FROM {validated}") == [
        (len(table), sum(int(float(v)) for v, _ in table.values()))
    ]
    flu.assert_nothing_lost()


def _fields(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file, delimiter=delimiter))[1:]


def _outcomes(bench: Bench) -> list[Any]:
    import datetime as dt

    from platform_assets.contracts.compiling.compiled import compiled
    from platform_assets.ingest.quality import evaluate

    warehouse = bench.platform.warehouse
    expression = compiled(bench.contract, dt.date.today(), warehouse.home / "expressions")
    with warehouse.connect() as connection:
        return list(evaluate(connection, bench.contract, expression, dt.datetime.now(dt.UTC)))
