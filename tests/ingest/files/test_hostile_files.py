"""Files that would take a reader down, or hide behind their name: each has a defined answer, and the good file beside it is loaded."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from platform_assets.contracts.model import Contract
from tests.conftest import LAB, Bench, lab_contract

Make = Callable[..., Bench]
GOOD = {"sample_id": "G", "test_date": "2024-01-01", "result": "POS", "viral_load": 1}


def _parquet_with_bad_text() -> bytes:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    sink = io.BytesIO()
    pq.write_table(pa.table({"sample_id": broken, "test_date": ["2024-01-01"], "result": ["POS"]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("kind", "name", "data", "said"),
    [
        ("json", "a.json", b'[{"sample_id": "A", "viral_load": ' + b"9" * 4_301 + b"}]", "more than 4,300 digits"),
        ("json", "a.json", b'[{"sample_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "more than 64 deep"),
        ("json", "a.json", b"[" * 100_000, "more than 64 deep"),
    ],
)
def test_a_document_that_would_take_the_reader_down_is_refused(
    bench: Make, kind: str, name: str, data: bytes, said: str
) -> None:
    lab = bench(format=[{"kind": kind}, {"kind": "csv"}])
    lab.drop(name, data)
    lab.drop("good.csv", "sample_id,test_date,result,viral_load\nG,2024-01-01,POS,1\n")
    entries = {e.file: e for e in lab.load().entries}
    assert entries[name].status == "rejected"
    assert said in entries[name].reason
    assert lab.table("sample_id") == [("G",)]


def test_a_row_whose_text_is_no_text_waits_alone(bench: Make) -> None:
    lab = bench(format={"kind": "parquet"})
    (entry,) = lab.send("a.parquet", _parquet_with_bad_text()).entries
    assert (entry.status, entry.rows_in, entry.quarantined) == ("published", 1, 1)
    assert list(entry.reasons) == ["row: holds bytes that are no text (UTF-8)"]


@pytest.mark.parametrize(
    ("document", "records"),
    [
        ([GOOD], None),
        ({"meta": {"n": [1, 2]}, "data": {"items": [GOOD], "more": [1]}}, "data.items"),
        ({"items": [[1], [2]], "data": {"other": {"items": [9]}, "items": [GOOD]}}, "data.items"),
    ],
)
def test_records_are_found_at_their_path_and_nowhere_else(bench: Make, document: object, records: str | None) -> None:
    fmt = {"kind": "json", **({"records": records} if records else {})}
    lab = bench(format=fmt)
    lab.send("a.json", json.dumps(document))
    assert lab.table("sample_id", "viral_load") == [("G", 1)]
    lab.assert_nothing_lost()


def test_items_that_are_no_objects_are_quarantined(bench: Make) -> None:
    lab = bench(format={"kind": "json"})
    (entry,) = lab.send("a.json", json.dumps([GOOD, 1, "x", [GOOD], None])).entries
    assert (entry.rows_in, entry.valid, entry.malformed) == (5, 1, 4)
    lab.assert_nothing_lost()


def test_a_name_that_is_no_text_is_made_readable(bench: Make) -> None:
    lab = bench()
    lab.drop("x", "")
    folder = os.fsencode(lab.platform.settings.home / "landing" / "lab")
    os.remove(folder + b"/x")
    with open(folder + b"/caf\xe9.csv", "wb") as file:
        file.write(b"sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\n")
    (entry,) = lab.load().entries
    assert (entry.file, entry.status) == ("caf_xe9.csv", "published")


def test_a_very_long_name_is_put_away_and_stops_no_other(bench: Make) -> None:
    lab = bench()
    lab.drop("n" * 248 + ".csv", "nothing\n1\n")
    lab.drop("good.csv", "sample_id,test_date,result,viral_load\nG,2024-01-01,POS,1\n")
    lab.load()
    assert lab.table("sample_id") == [("G",)]
    assert lab.files("landing") == []
    assert len(lab.files("rejected")) == 2


@pytest.mark.parametrize("name", ["rowid", "file_row_number", "filename", "a__text"])
def test_names_with_a_meaning_in_the_engine_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="meaning of its own"):
        lab_contract(columns={**LAB["columns"], name: {"type": "string"}})


@pytest.mark.parametrize("name", ["start", "number", "path", "order", "group", "select", "v", "n", "m", "c0", "staged"])
def test_other_names_are_just_names(bench: Make, name: str) -> None:
    columns = {name: {"type": "string"}, "w": {"type": "integer", "required": False}}
    contract = Contract.model_validate(
        {**LAB, "name": "order", "columns": columns, "load": {"mode": "upsert", "key": [name]}}
    )
    lab = bench(contract)
    lab.drop("a.csv", f"{name},w\nA,1\n")
    lab.drop("b.csv", f"{name},w\nB,1\nA,2\n")
    lab.load()
    assert lab.sql(f'SELECT "{name}", w FROM validated."order" ORDER BY 1') == [("A", 2), ("B", 1)]


@pytest.mark.parametrize("count", [130, pytest.param(400, marks=pytest.mark.soak)])
def test_a_contract_of_hundreds_of_rules_can_be_compiled(bench: Make, count: int) -> None:
    columns = {f"n{k}": {"type": "integer", "ge": 0} for k in range(count)}
    lab = bench(columns=columns, load={"mode": "append"})
    lab.send(
        "a.csv",
        ",".join(columns) + "\n" + ",".join("1" for _ in columns) + "\n" + ",".join("-1" for _ in columns) + "\n",
    )
    assert lab.sql("SELECT len(_reasons) FROM {quarantine}") == [(count,)]
    assert lab.sql("SELECT count(*) FROM {validated}") == [(1,)]
