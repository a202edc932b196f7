"""A contract says what it means or is refused: unknown keys, options that do not fit, ambiguous dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.contracts.dates.formats import DateFormatError, ambiguous, read_format
from platform_assets.contracts.files import DEFS, ContractError, read_contract, read_contracts
from platform_assets.contracts.model import Contract
from tests.conftest import LAB, lab_contract


def _column(**options: Any) -> Contract:
    return lab_contract(columns={**LAB["columns"], "x": options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "integer", "mathces": "a"}, "there is no such key; did you mean matches"),
        ({"type": "integer", "lee": 3}, "there is no such key; did you mean le"),
        ({"type": "string", "frm": "x"}, "there is no such key; did you mean from"),
        ({"type": "number"}, "Input should be 'string', 'integer'"),
        (
            {"type": "integer", "matches": "^a$"},
            "'matches' does not apply to type integer, only to string, categorical",
        ),
        ({"type": "string", "ge": 3}, "'ge' does not apply to type string"),
        ({"type": "date"}, "a date declares its format"),
        ({"type": "date", "format": "%d/%m/%j"}, "unknown directive %j"),
        ({"type": "date", "format": ["%d/%m/%Y", "%m/%d/%Y"]}, "ambiguous"),
        ({"type": "date", "format": "%Y-%m-%d %H:%M"}, "use type timestamp"),
        ({"type": "timestamp", "format": "%Y-%m-%d"}, "use type date"),
        ({"type": "categorical"}, "lists its values under 'in'"),
        ({"type": "integer", "in": ["1"]}, "does not fit type integer"),
        ({"type": "integer", "le": "today"}, "does not fit type integer"),
        ({"type": "integer", "role": "identifier"}, "an identifier is a string"),
        ({"type": "string", "purpose": "x"}, "add 'role: identifier'"),
        ({"type": "string", "matches": "("}, "is not a regular expression"),
        ({"type": "string", "matches": "(?=a)"}, "look-around"),
        ({"type": "string", "constant": "x", "from": "y"}, "a constant column is not in the file"),
        ({"type": "string", "optional": True, "required": True}, "cannot require a value"),
        ({"type": "float", "decimal_separator": ",", "thousands_separator": ","}, "are the same"),
        ({"type": "integer", "cumulative": True}, "needs partition.by"),
    ],
)
def test_a_column_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        _column(**options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"load": {"mode": "upsert"}}, "upsert needs a key"),
        ({"load": {"mode": "append", "key": ["sample_id"]}}, "'key' and 'order_by' would be ignored"),
        ({"load": {"mode": "upsert", "key": ["nope"]}}, "there is no column 'nope'"),
        ({"load": {"mode": "snapshot", "order_by": {"column": "viral_load"}}}, "must be a required date or timestamp"),
        ({"load": {"mode": "snapshot", "order_by": {"file_name": "x"}}}, "exactly one group"),
        ({"partition": {"by": "result"}}, "must be a required date"),
        ({"format": {"kind": "json", "delimiter": ","}}, "'delimiter' does not apply to json"),
        ({"format": {"kind": "excel"}}, "there is no kind 'excel'; kinds are csv, tsv"),
        ({"format": {"kind": ["csv"]}}, "there is no kind"),
        ({"quality": {"max_quarantined": "lots"}}, "not a percentage"),
        ({"quality": {"max_quarantined": 20}}, "20 would be 2000 %: write 0.2, or 20%, for 20 %"),
        ({"quality": {"max_quarantined": 200}}, "less than or equal to 1"),
        ({"format": {"kind": "csv", "delimeter": ";"}}, "there is no such key; did you mean delimiter"),
        ({"quality": {"freshness": {"cron": "monday"}}}, "not a cron line"),
        ({"source": {"kind": "http"}}, "'url' goes with kind http"),
        ({"source": {"kind": "htp"}}, r"there is no such kind; did you mean http\? \(there are .*landing.*\)"),
        ({"source": {"kind": "http", "url": "http://x", "time_out_seconds": 3}}, "did you mean timeout_seconds"),
        ({"source": {"url": "http://x"}}, "there is no such key"),
        ({"owner": "someone"}, "String should match pattern"),
        ({"qwxyz": "red"}, "there is no such key"),
        ({"name": "Lab Results"}, "String should match pattern"),
    ],
)
def test_a_contract_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        lab_contract(**changes)


def test_errors_of_a_file_name_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(
        "type: platform_assets.components.Dataset\nattributes:\n  name: lab\n  description: d\n  owner: team:x\n"
        "  format: {kind: csv}\n  load: {mode: append}\n  columns:\n    a:\n      type: string\n      lenght: 3\n"
    )
    with pytest.raises(ContractError, match=rf"{path}:11: columns.a.lenght: there is no such key"):
        read_contract(path)


def test_every_problem_of_a_document_is_told_each_at_its_key() -> None:
    with pytest.raises(ValidationError) as told:
        lab_contract(
            quality={"min_row": 1, "max_quarantined": 5}, load={"mode": "upsert", "key": ["sample_id"], "order": 1}
        )
    assert {".".join(map(str, e["loc"])): e["msg"] for e in told.value.errors()} == {
        "load.order": "there is no such key; did you mean order_by?",
        "quality.max_quarantined": "Value error, 5 would be 500 %: write 0.05, or 5%, for 5 %",
        "quality.min_row": "there is no such key; did you mean min_rows?",
    }


def test_two_datasets_of_one_name_are_refused_with_both_files(tmp_path: Path) -> None:
    text = (DEFS / "surveillance" / "lab_results" / "defs.yaml").read_text(encoding="utf-8")
    for domain in ("a", "b"):
        (tmp_path / domain).mkdir()
        (tmp_path / domain / "defs.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ContractError) as told:
        read_contracts(tmp_path)
    assert f"{tmp_path}/b/defs.yaml:1: there is a dataset 'lab_results' already, in {tmp_path}/a/defs.yaml" in str(
        told.value
    )


def test_every_contract_that_ships_can_be_read() -> None:
    assert {"lab_results", "municipal_admissions", "population"} <= set(read_contracts())


def test_the_hash_changes_with_the_contract_and_with_nothing_else() -> None:
    assert lab_contract().hash == lab_contract().hash
    assert lab_contract().hash != lab_contract(quality={"min_rows": 2}).hash


@pytest.mark.parametrize("text", ["%d/%m", "%Y%Y-%m-%d", "%H:%M", "%Y-%m-%d %M", "%Y-%-m%-d"])
def test_a_date_format_names_a_whole_date_once(text: str) -> None:
    with pytest.raises(DateFormatError):
        read_format(text)


def test_formats_are_ambiguous_only_if_one_text_means_two_days() -> None:
    assert ambiguous([read_format(f) for f in ("%Y-%m-%d", "%d/%m/%Y", "%-d %B %Y")]) is None
    assert ambiguous([read_format(f) for f in ("%d-%m-%Y", "%m-%d-%Y")]) is not None
