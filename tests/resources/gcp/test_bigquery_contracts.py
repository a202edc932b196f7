"""Contracts compiled for BigQuery: Google's analyser accepts them, and its reference engine judges rows as DuckDB does."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from platform_assets.contracts.columns import ColumnType
from platform_assets.contracts.compiling.expression import compile_contract
from platform_assets.contracts.model import Contract
from tests.resources.gcp.bigquery_emulator import analysed

TODAY = dt.date(2024, 5, 13)
PROBE = Contract.model_validate(
    {
        "name": "probe",
        "owner": "team:tests",
        "timezone": "Europe/Amsterdam",
        "description": "A column of every type.",
        "source": {"kind": "landing", "files": "*.csv"},
        "format": {"kind": "csv"},
        "load": {"mode": "append"},
        "columns": {
            "code": {"type": "string", "matches": r"^[A-Z]\d{3}$"},
            "whole": {"type": "integer", "ge": 0, "le": 100_000},
            "day": {"type": "date", "format": ["%Y-%m-%d", "%d/%m/%Y"], "le": "today"},
            "number": {"type": "float"},
            "money": {"type": "decimal", "precision": 10, "scale": 2, "decimal_separator": ","},
            "flag": {"type": "boolean"},
            "moment": {"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"},
            "written": {
                "type": "timestamp",
                "two_digit_years_from": 1930,
                "format": [
                    "%d/%m/%y %H:%M",
                    "%-d %B %Y %H:%M",
                    "%d%b%Y %I:%M %p",
                    "%Y-%m-%dT%H:%M:%S%z",
                    "epoch",
                    "epoch_ms",
                ],
            },
            "counted": {"type": "date", "format": ["excel", "%-d %b %Y"]},
            "result": {"type": "categorical", "in": ["POS", "NEG"], "case": "upper"},
        },
    }
)
VALUES: list[str | None] = [
    None, "", "12", "12.7", "1e3", "1_000", "0x1F", "+5", "-0", "٣", "007", "infinity", "NaN", "1e400", "-1.5e-10",
    "2021-01-05", "2021-1-5", "05/01/2021", "2021/01/05", "2021-02-30", "2024-02-29", "0001-01-01", "9999-12-31",
    "01/01/0000", "0000-01-01", "0000-01-01 24:00:00", "31-12-0000",
    "2021-01-05 10:11:12", "2021-01-05 25:00:00", "A123", "A12३", "A123\n", " A123 ", "1.234,56", "1,5", ",5", "1,234",
    "true", "TRUE", "yes", "0", "1", "pos", "neg ", "é", "9223372036854775807", "100000", "100001", "\t", "N/A",
    "03/02/29 14:30", "03/02/30 24:00", "3 MÄRZ 2026 09:05", "29 févr. 2024", "1 août 2026", "03Feb2026 12:01 am", "03FEB2026 02:30 p.m.",
    "2026-03-29T01:30:00Z", "2026-03-29T02:30:00+01:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00+00", "2026-10-25T23:30:00-0530",
    "1770129000", "1770129000.25", "-1770129000", "1770129000250", "46056", "46056.0", "46056.5", "60", "59", "61", "0", "999999",
    "2026-02-03 24:00:00", "2026-02-03 24:00:01", "2026-02-30T10:00:00Z", "9999-12-31 24:00:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01", "0002-01-01T00:00:00Z", "9998-12-31T23:59:59-12:00",
]  # fmt: skip
ZETASQL_TYPES = {
    ColumnType.INTEGER: "INT64",
    ColumnType.DECIMAL: "NUMERIC",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "DATETIME",
}


def tables(contract: Contract) -> dict[str, dict[str, str]]:
    return {
        "staged": {**dict.fromkeys(contract.file_columns, "STRING"), "_file": "STRING", "_row": "INT64"},
        "typed": {n: ZETASQL_TYPES.get(c.type, "STRING") for n, c in contract.columns.items()},
    }


def plain(value: Any) -> Any:
    """A value of DuckDB as the reference engine's answer is written."""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(float(value)) if type(value).__name__ == "Decimal" else value


@pytest.mark.slow
def test_both_engines_read_and_judge_every_value_alike() -> None:
    rows = [[value] * len(PROBE.file_columns) + ["f", n] for n, value in enumerate(VALUES)]
    google = compile_contract(PROBE, TODAY, "bigquery")
    jobs = [
        {"sql": sql, "columns": {"staged": tables(PROBE)["staged"]}, "rows": {"staged": rows}}
        for sql in (google.typed, google.judged)
    ]
    ours = compile_contract(PROBE, TODAY)
    with duckdb.connect() as connection:
        listed = ", ".join(f"{n} VARCHAR" for n in PROBE.file_columns)
        connection.execute(f"CREATE TABLE staged ({listed}, _file VARCHAR, _row BIGINT)")
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO staged VALUES ({marks})", rows)
        typed = [[plain(v) for v in row] for row in connection.execute(ours.typed).fetchall()]
        judged = [list(row) for row in connection.execute(ours.judged).fetchall()]
    by_row = {"typed": lambda r: r[-1], "judged": lambda r: r[1]}
    answers = dict(zip(("typed", "judged"), analysed(jobs), strict=True))
    for name, expected in (("typed", typed), ("judged", judged)):
        assert "refused" not in answers[name], answers[name]
        found = sorted(answers[name]["rows"], key=by_row[name])
        assert found == sorted(expected, key=by_row[name])
    assert len(judged) == len(VALUES)  # no value is right in every column
    assert any(row[1] == 12 for row in typed)


@pytest.mark.slow
def test_googles_analyser_accepts_every_dataset() -> None:
    jobs: dict[str, dict[str, Any]] = {}
    contracts = [PROBE]
    definitions = Path(__file__).resolve().parents[3] / "platform_assets" / "defs"
    for document in sorted(definitions.rglob("defs.yaml")):
        found = yaml.safe_load(document.read_text(encoding="utf-8"))
        if found["type"] == "platform_assets.components.Dataset":
            contracts.append(Contract.model_validate(found["attributes"]))
    for contract in contracts:
        compiled = compile_contract(contract, TODAY, "bigquery")
        for part in ("raw", "typed", "judged", "warned"):
            if sql := getattr(compiled, part):
                jobs[f"{contract.name} {part}"] = {"sql": sql, "columns": tables(contract)}
    jobs["DuckDB only"] = {"sql": "SELECT list_filter([1], x -> x > 0)", "columns": {}}
    jobs["a missing column"] = {"sql": "SELECT nothing FROM staged", "columns": tables(PROBE)}
    answers = dict(zip(jobs, analysed(list(jobs.values())), strict=True))
    refused = {name for name, answer in answers.items() if "refused" in answer}
    assert refused == {"DuckDB only", "a missing column"}
