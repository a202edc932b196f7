"""Google's own analyser accepts every statement of a load, for every dataset and every way of loading."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from sqlglot.errors import UnsupportedError

from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.mode import Chosen
from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.loading import rules
from platform_assets.engines.bigquery.loading.rules import own, say
from platform_assets.engines.bigquery.loading.statements import Statements
from platform_assets.engines.bigquery.tables import FENCE, FENCE_COLUMNS, BigTables, StagingTables
from platform_assets.erasure.holders.bigquery import rows as erasing
from platform_assets.ingest import accounts, ledger
from resources.gcp.bigquery import BigQuery
from resources.gcp.bigquery_types import BigQueryError, bigquery_type
from resources.lake.warehouse import literal
from tests.conftest import LAB
from tests.engines.bigquery.loading.test_both_engines import PAPERS
from tests.engines.bigquery.loading.test_quality import TOTALS
from tests.resources.gcp.bigquery_emulator import analysed

TODAY = dt.date(2024, 5, 13)
TRICKY = "it's \\n `x`"
QUOTED = r"'it\'s \\n `x`'"
ENGINE = BigQuery("project", "europe-west4")


def statements(contract: Contract, expressions: Path) -> Statements:
    staging = StagingTables(contract, "load")
    lacked = {column: [0, 2] for column in contract.kept_where_absent}
    made = Statements(ENGINE, contract, staging, rules.for_bigquery(contract, TODAY, expressions), lacked)
    if contract.load.parts:
        made.chosen = Chosen(replaced={"0" * 16: frozenset({"1" * 16})})
    elif contract.load.changes.whole:
        made.chosen = Chosen(base="0" * 16)
    elif contract.load.replaces:
        made.chosen = Chosen(whole_of="0" * 16)
    return made


def all_of(sql: Statements) -> dict[str, str]:
    """Every statement, by a name."""
    values = ENGINE.name("staging.values")
    found = {
        "erase": erasing.removal(ENGINE, sql.contract, ENGINE.name("staging.gone")),
        "erase computed": [erasing.clearing(ENGINE.name(f"raw.{sql.contract.name}"), "_file", values)],
        "rename": [erasing.renaming(ENGINE.name(ledger.TABLE), "file", values)],
        "judge": sql.judge(),
        "adopt": sql.adopt(),
        "decide": sql.decide(),
        "write": sql.write(),
        "reasons": [sql.reasons()],
        "removed": [sql.removed()] if sql.leaving else [],
        "newest": [sql.newest_rows()] if sql.newest_rows() else [],
        "retired": [sql.retired()] if sql.derived_key else [],
        "valued": [sql.valued(list(sql.rules.lacked))] if sql.rules.lacked else [],
        "periods": [sql.periods()] if sql.contract.partition else [],
    }
    return {f"{sql.contract.name} {name} {n}": s for name, script in found.items() for n, s in enumerate(script)}


def catalog(contract: Contract) -> dict[str, dict[str, str]]:
    """The tables as the analyser knows them: it has no datasets, so a table bears its dataset in its name."""
    tables, staging = BigTables(contract), StagingTables(contract, "load")
    columns = {staging[name]: c for name, c in staging.columns.items()}
    columns |= {tables.raw: tables.raw_columns, tables.quarantine: tables.quarantine_columns}
    columns |= {
        tables.validated: tables.validated_columns,
        ledger.TABLE: ledger.COLUMNS,
        accounts.TABLE: accounts.COLUMNS,
    }
    columns |= {FENCE: FENCE_COLUMNS}
    columns |= {"staging.gone": erasing.GONE, "staging.values": dict.fromkeys(("value", "was", "now"), "VARCHAR")}
    return {
        table.replace(".", "__"): {
            n: re.sub(r"\(.*\)", "", bigquery_type(k)).replace("FLOAT64", "DOUBLE") for n, k in listed.items()
        }
        for table, listed in columns.items()
    }


def job(sql: str, contract: Contract) -> dict[str, Any]:
    return {"sql": re.sub(r"`project\.(\w+)\.(\w+)`", r"`\1__\2`", sql), "columns": catalog(contract)}


@pytest.mark.slow
def test_googles_analyser_accepts_every_statement(expressions: Path) -> None:
    key, by_date = ["sample_id"], {"column": "test_date"}
    documents: list[dict[str, Any]] = [
        {**LAB, "name": "upsert", "partition": {"by": "test_date", "unit": "iso_week"}},
        {**LAB, "name": "by_date", "load": {"mode": "upsert", "key": key, "order_by": by_date, "duplicates": "quarantine"}},
        {**LAB, "name": "append", "load": {"mode": "append"}, "partition": {"by": "test_date", "unit": "month"}},
        {**LAB, "name": "snapshot", "load": {"mode": "snapshot", "key": key, "order_by": by_date}},
        {**LAB, "name": "keyless", "load": {"mode": "snapshot"}},
        {**LAB, "name": "parts", "load": {"mode": "snapshot", "key": key, "order_by": {"file_name": "(.*)"}, "parts": True}},
        {**LAB, "name": "feed", "load": {"mode": "upsert", "key": key, "deletes": {"result": ["N/A"]}, "replaces": ["test_date"]}},
        {**PAPERS, "name": "papers"},
        {**PAPERS, "name": "paper_snapshot", "load": {"mode": "snapshot", "key": ["id"]}},
        TOTALS,
    ]  # fmt: skip
    contracts = [*read_contracts().values(), *map(Contract.model_validate, documents)]
    jobs = {n: job(s, c) for c in contracts for n, s in all_of(statements(c, expressions)).items()}
    first = contracts[0]
    jobs["a column that is not there"] = job("SELECT nothing FROM `project.platform.ledger`", first)
    jobs["another type"] = job("INSERT INTO `project.platform.ledger` (rows_in) SELECT 'many'", first)
    answers = dict(zip(jobs, analysed(list(jobs.values())), strict=True))
    refused = {n: a["refused"] for n, a in answers.items() if "refused" in a}
    assert refused.keys() == {"a column that is not there", "another type"}, refused


def test_texts_of_ours_end_where_they_end() -> None:
    assert say(f"SELECT {literal(TRICKY)} AS a, {own('CONCAT(`b`, ' + QUOTED + ')')} AS b FROM lines", {}) == (
        f"SELECT {QUOTED} AS a, CONCAT(`b`, {QUOTED}) AS b FROM lines"
    )


def test_names_of_tables_are_those_of_the_load() -> None:
    tables = {"staged": "`project.staging.lab__load__staged`", "validated.lab": "`project.validated.lab`"}
    said = say("SELECT s.staged FROM staged s JOIN validated.lab v ON v.a = s.a JOIN raw.lab r ON r.a = v.a", tables)
    assert said == (
        "SELECT s.staged FROM `project.staging.lab__load__staged` AS s JOIN `project.validated.lab` AS v ON v.a = s.a "
        "JOIN raw.lab AS r ON r.a = v.a"
    )


def test_what_bigquery_has_no_words_for_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        say("SELECT max(a) OVER (ORDER BY b RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) FROM lines", {})


def test_a_rule_that_would_judge_pseudonyms_is_refused(expressions: Path) -> None:
    columns = {**LAB["columns"], "patient_id": {"type": "string", "role": "identifier"}}
    rule = {"name": "year", "check": "tests.engines.bigquery.rules:starts_with_year", "severity": "error"}
    contract = Contract.model_validate({**LAB, "columns": columns, "rules": [rule]})
    with pytest.raises(BigQueryError, match="the rule year reads patient_id, an identifier"):
        rules.for_bigquery(contract, TODAY, expressions)
