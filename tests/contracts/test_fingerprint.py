"""The hash of a contract stays what it was when the first deliveries were written down, whatever options are added."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import create_model

from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.fingerprint import FIRST, fingerprint
from platform_assets.contracts.model import Contract, Quality
from platform_assets.ingest import ledger
from tests.conftest import Bench, lab_contract

FIRST_DAY = {
    "hospital_stays": "6dd29366367f74e9",
    "municipal_admissions": "8e5c37aba5b984f3",
    "population": "5853f8a67f6e90fc",
    "ae_attendances": "6c63539e7a72db9a",
    "clinical_trials": "4bb380b78996a65d",
    "drugs": "c41ad93161190ae4",
    "pubmed": "19a869099eabee6e",
    "product_nomenclature": "7d86b552b50b398a",
    "transactions": "ee83e1cbfb8593c0",
    "lab_results": "6650d06471e9c7ab",
}
"""Written down by the code of 2026-11-20, which hashed every option. A contract that ships and changes its meaning leaves this list."""


def test_contracts_of_the_first_day_keep_their_hash() -> None:
    shipped = read_contracts()
    assert {name: shipped[name].hash for name in FIRST_DAY} == FIRST_DAY
    assert lab_contract().hash == "796b0419d175d2b4"


def test_an_option_that_is_added_changes_the_hash_only_where_it_is_used() -> None:
    later: Any = create_model("Quality", __base__=Quality, most_seconds=(int, 60))
    changed: Any = create_model("Contract", __base__=Contract, quality=(later, later()), nickname=(str, ""))
    plain = lab_contract().model_dump(by_alias=True, exclude_unset=True)
    assert fingerprint(changed.model_validate(plain)) == lab_contract().hash
    assert fingerprint(changed.model_validate({**plain, "nickname": "x"})) != lab_contract().hash
    used = {**plain, "quality": {**plain["quality"], "most_seconds": 5}}
    assert fingerprint(changed.model_validate(used)) != lab_contract().hash


@pytest.mark.parametrize(
    "change",
    [
        {"quality": {"min_rows": 2}},
        {"description": "Other."},
        {"load": {"mode": "append"}},
        {"null_tokens": ["", "-"]},
        {"source": {"files": ["*.csv"]}},
        {"source": {"kind": "http", "url": "http://127.0.0.1/x.csv"}},
        {"format": {"kind": "csv", "delimiter": ";"}},
        {"tags": {"a": "b"}},
    ],
)
def test_every_part_counts(change: dict[str, Any]) -> None:
    assert lab_contract(**change).hash != lab_contract().hash


def test_the_words_of_a_pattern_do_not_change_the_hash() -> None:
    def hashed(matches: Any) -> str:
        columns = lab_contract().model_dump(by_alias=True, exclude_unset=True)["columns"]
        return lab_contract(columns={**columns, "sample_id": {"type": "string", "matches": matches}}).hash

    assert hashed("^A$") == hashed({"pattern": "^A$", "says": "an A"}) == hashed({"pattern": "^A$", "says": "one A"})
    assert hashed("^A$") != hashed({"pattern": "^B$", "says": "an A"})


def test_words_that_are_given_to_a_pattern_are_told_and_judge_nothing_again(bench: Any) -> None:
    """The same lake, with its held delivery and its compiled contract, before and after."""
    columns = {"id": {"type": "string", "matches": "^(A|B)$"}}
    lab: Bench = bench(columns=columns, load={"mode": "append"}, quality={"max_quarantined": 0.0}, partition=None)
    lab.send("a.csv", "id\nA\nC\n")
    before = lab.sql(f"SELECT * FROM {ledger.TABLE}")
    assert ("id: is not written as the contract asks, found a value like A",) in lab.sql(
        "SELECT _reasons[1] FROM {quarantine}"
    )
    columns["id"]["matches"] = {"pattern": "^(A|B)$", "says": "A or B"}  # type: ignore[assignment]
    lab.contract = Contract.model_validate(
        {**lab.contract.model_dump(by_alias=True, exclude_unset=True), "columns": columns}
    )
    lab.load()
    assert lab.sql(f"SELECT * FROM {ledger.TABLE}") == before
    lab.send("b.csv", "id\nA\nD\n")
    assert ("id: is not A or B, found a value like A",) in lab.sql("SELECT _reasons[1] FROM {quarantine}")


def test_the_first_day_names_models_that_exist() -> None:
    from platform_assets.contracts import columns, model
    from platform_assets.sources import http, landing

    there = {name: each for room in (columns, model, http, landing) for name, each in vars(room).items()}
    for name, fields in FIRST.items():
        assert fields <= set(there[name].model_fields), name


def test_a_held_delivery_of_the_first_day_is_not_judged_again(bench: Any) -> None:
    """The lake as the code of then left it: its ledger row carries the hash of then."""
    lab: Bench = bench(quality={"max_quarantined": 0.0, "min_rows": 0})
    lab.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,MAYBE,1\n")
    then = "514d013af0c2415d"
    with lab.platform.warehouse.connect() as connection, lab.platform.warehouse.write(connection):
        connection.execute(f"UPDATE {ledger.TABLE} SET contract = ?", [then])
    before = lab.sql(f"SELECT contract, loaded_at FROM {ledger.TABLE}")
    assert lab.contract.hash == then
    lab.load()
    assert lab.sql(f"SELECT contract, loaded_at FROM {ledger.TABLE}") == before
