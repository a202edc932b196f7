"""Rows that stand in a record: entries of a list in it, and names or columns that are rows, in JSON and Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import CannotWrite, Edits, rendered
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import NO_VALUES, ROWS, Header, RowWriter
from platform_assets.ingest.readers.shape.layout import NO_VALUE
from tests.conftest import LAB, Bench
from tests.ingest.field.many import load_many

Make = Callable[..., Bench]

LISTED = {
    "patient": {"type": "string", "from": "patient.id"},
    "code": {"type": "string", "from": "results.code"},
    "value": {"type": "float", "from": "results.value.quantity", "required": False},
}
PATIENTS: list[Any] = [
    {
        "patient": {"id": "p1"},
        "results": [{"code": "Hb", "value": {"quantity": 8.1}}, {"code": "CRP", "value": {"quantity": 12}}],
    },
    {"patient": {"id": "p2"}, "results": {"code": "Hb", "value": None}},  # one entry, as converters from XML write it
    {"patient": {"id": "p3"}, "results": []},
    {"patient": {"id": "p4"}},
    7,
    {"patient": {"id": "p5"}, "results": [{"code": "Na", "value": {"quantity": 140}}, {"value": {"quantity": 1}}]},
]
ROWS_OF_PATIENTS = [("p1", "CRP", 12.0), ("p1", "Hb", 8.1), ("p2", "Hb", None), ("p5", "Na", 140.0)]


def _files(records: list[Any]) -> dict[str, bytes | str]:
    text = json.dumps(records)
    return {"a.json": text, "a.jsonl": "\n\n".join(map(json.dumps, records)), "a.json5": text + " // end"}


def test_entries_of_a_list_are_rows_and_nothing_is_in_no_count(bench: Make) -> None:
    formats = [{"kind": kind, "explode": "results"} for kind in ("json", "json5")]
    came = load_many(bench, _files(PATIENTS), format=formats, columns=LISTED, quality={"max_quarantined": 1.0})
    for name in _files(PATIENTS):
        assert came.rows(name, "patient", "code", "value") == ROWS_OF_PATIENTS, name
        entry = came[name]
        # no entry, no list, no record, an entry without what it must have
        assert (entry.rows_in, entry.valid, entry.quarantined, entry.drift) == (8, 4, 4, {}), name
        assert came.quarantine(name, "_row") == [(4,), (5,), (6,), (8,)]


def test_entries_that_are_plain_values_and_lists_deep_in_a_record(bench: Make) -> None:
    columns = {"id": {"type": "string"}, "drug": {"type": "string", "from": "care.0.drugs", "required": False}}
    records = [{"id": "a", "care": [{"drugs": ["x", "y"]}]}, {"id": "b", "care": [{"drugs": "z"}]}, {"id": "c"}]
    form = {"kind": "json", "explode": "care.0.drugs", "records": "all"}
    came = load_many(bench, {"a.json": json.dumps({"all": records})}, format=form, columns=columns)
    assert came.rows("a.json", "id", "drug") == [("a", "x"), ("a", "y"), ("b", "z"), ("c", None)]


WIDE = {
    "site": {"type": "string"},
    "day": {"type": "date", "format": "%Y-%m-%d"},
    "cases": {"type": "integer", "required": False},
}
DAYS = {"columns": r"^(\d{4}-\d\d-\d\d)$", "name": "day", "value": "cases"}
KINDS = ("csv", "json", "json5", "parquet")


def _wide_files(names: list[str], rows: list[list[Any]]) -> dict[str, bytes | str]:
    records = [dict(zip(names, row, strict=True)) for row in rows]
    pq.write_table(pa.table({n: [row[place] for row in rows] for place, n in enumerate(names)}), held := io.BytesIO())
    lines = [names, *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    return _files(records) | {"a.parquet": held.getvalue(), "a.csv": "".join(",".join(line) + "\n" for line in lines)}


@pytest.mark.parametrize("empty", ["keep", "leave_out"])
def test_columns_become_rows_alike_in_every_kind_of_file(bench: Make, empty: str) -> None:
    names = ["site", "2026-03-01", "other", "2026-03-02", "2026-03-03"]
    rows: list[list[Any]] = [["A", 1, "x", 2, None], ["B", None, "y", None, 3], ["C", 4, "z", 5, 6]]
    files = _wide_files(names, rows)
    formats = [{"kind": kind, "wide": {**DAYS, "empty": empty}} for kind in KINDS]
    came = load_many(bench, files, format=formats, columns=WIDE)
    every = sorted(
        (row[0], day, str(row[place]) if row[place] is not None else None)
        for row in rows for place, day in enumerate(names) if day[0] == "2" and (empty == "keep" or row[place] is not None)
    )  # fmt: skip
    for name in files:
        assert sorted(came.rows(name, "site", "day::VARCHAR", "cases::VARCHAR"), key=str) == sorted(every, key=str), (
            name
        )
        assert came[name].rows_in == len(every) == (9 if empty == "keep" else 6)
        assert came[name].not_taken == ({} if empty == "keep" else {NO_VALUE: 3}), name
        assert came[name].drift == {"extra": ["other"]}, name


@pytest.mark.parametrize("empty", ["keep", "leave_out"])
def test_a_record_without_any_of_these_names_is_in_a_count(bench: Make, empty: str) -> None:
    records = [{"site": "A", "2026-03-01": 1}, {"site": "B"}, {"site": "C", "2026-03-02": None, "2026-03-03": 2}, {}]
    form = {"kind": "json", "wide": {**DAYS, "empty": empty}}
    entry = load_many(
        bench, {"a.json": json.dumps(records)}, format=form, columns=WIDE, quality={"max_quarantined": 1.0}
    )["a.json"]
    if empty == "keep":
        assert (entry.rows_in, entry.valid, entry.quarantined) == (4, 3, 1)
        assert entry.not_taken == {NO_VALUES: 1}
    else:
        assert (entry.rows_in, entry.valid, sum(entry.not_taken.values())) == (2, 2, 3)


def _read(path: Path, contract: Contract) -> list[tuple[Any, ...]]:
    writer = RowWriter(path.parent, 0, list(contract.file_columns))
    fmt = contract.format[0]
    header: Header = format_named(fmt.kind).stage(path, contract, fmt, writer, Limits())
    writer.close()
    assert header.positions
    found = pq.read_table(path.parent / ROWS).sort_by("_row").to_pylist()
    return [(row["_row"], *(row[c] for c in contract.file_columns)) for row in found]


def _contract(fmt: dict[str, Any], columns: dict[str, Any]) -> Contract:
    return Contract.model_validate({**LAB, "load": {"mode": "append"}, "format": fmt, "columns": columns})


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json5"])
def test_an_entry_is_taken_out_and_the_others_stay(tmp_path: Path, name: str) -> None:
    contract = _contract({"kind": name[2:].removesuffix("l"), "explode": "results"}, LISTED)
    form, fmt = format_named(contract.format[0].kind), contract.format[0]
    path, target = tmp_path / name, tmp_path / f"new-{name}"
    records = [p for p in PATIENTS if p != 7]
    path.write_text(str(_files(records)[name]))
    before = _read(path, contract)
    assert [row[0] for row in before] == list(range(1, 8))
    form.edited(path, contract, fmt, Edits(frozenset([2, 3, 6]), {5: {"p4": "[erased]"}}), target, Limits())
    after = [row[1:] for row in _read(target, contract)]
    assert after == [(("[erased]", *row[2:]) if row[0] == 5 else row[1:]) for row in before if row[0] not in (2, 3, 6)]
    assert "CRP" not in target.read_text()
    assert "p2" not in target.read_text()
    row = {"patient": "p9", "code": "K", "value": "4"}
    target.write_bytes(rendered(form, contract, fmt, [row]))
    assert [tuple(found[1:]) for found in _read(target, contract)] == [("p9", "K", "4")]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json5", "a.parquet"])
def test_a_name_that_is_a_row_is_taken_out_and_the_others_stay(tmp_path: Path, name: str) -> None:
    kind = name[2:].removesuffix("l") if name != "a.parquet" else "parquet"
    contract = _contract({"kind": kind, "wide": DAYS}, WIDE)
    form, fmt = format_named(kind), contract.format[0]
    path, target = tmp_path / name, tmp_path / f"new-{name}"
    data = _wide_files(["site", "2026-03-01", "2026-03-02"], [["A", 11, 12], ["B", 13, 14], ["C", 15, 16]])[name]
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    assert [row[0] for row in _read(path, contract)] == [1, 2, 3, 4, 5, 6]
    form.edited(path, contract, fmt, Edits(frozenset([2, 3, 4]), {5: {"C": "c"}}), target, Limits())
    left = [("A", "2026-03-01", "11"), ("A", "2026-03-02", None), ("c", "2026-03-01", "15"), ("c", "2026-03-02", "16")]
    assert [row[1:] for row in _read(target, contract)] == left
    with pytest.raises(CannotWrite):
        rendered(form, contract, fmt, [{"site": "A", "day": "2026-03-01", "cases": "1"}])


def test_both_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="both make rows of a record"):
        _contract({"kind": "json", "explode": "a", "wide": DAYS}, WIDE)
