"""Workbooks and documents as people lay them out: lines around the table, several sheets, days as header, values deep in records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import Edits, rendered
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import ROWS, Header, RowWriter
from tests.ingest.field.layouts import WIDE, laid_out
from tests.workbooks import S, X, book

# ------------------------------------------------------------------ workbooks


def _staged(tmp_path: Path, contract: Contract, data: bytes) -> tuple[list[tuple[Any, ...]], Header]:
    """(number, texts) of the rows of a workbook, and its header."""
    path = tmp_path / "a.xlsx"
    path.write_bytes(data)
    columns = list(contract.file_columns)
    writer = RowWriter(tmp_path, 0, columns)
    header = format_named("xlsx").stage(path, contract, contract.format[0], writer, Limits())
    writer.close()
    assert not writer.broken
    found = pq.read_table(tmp_path / ROWS).to_pylist()
    return [(row["_row"], *(row[c] for c in columns)) for row in found], header


def test_a_sheet_with_lines_around_its_table_and_a_header_of_two_rows(tmp_path: Path) -> None:
    columns = {
        "region": {"type": "string"},
        "m": {"type": "integer", "from": "cases m"},
        "f": {"type": "integer", "from": "cases f"},
    }
    layout = {
        "skip_rows": 2, "header_rows": 2, "skip_after_header": 1, "fill_down": "region", "leave_out": {"totals": "^Total\t"},
    }  # fmt: skip
    contract = laid_out({}, columns, format={"kind": "xlsx", **layout})
    cells: list[list[Any]] = [
        ["Cases of 2026"], [], ["region", "cases", None], [None, "m", "f"], ["name", "number", "number"],
        ["North", X("1"), X("2")], [None, X("3"), X("4")], ["South", X("5"), X("6")], ["Total", X("9"), X("12")],
    ]  # fmt: skip
    rows, header = _staged(tmp_path, contract, book([S("s", cells)]))
    assert rows == [(6, "North", "1", "2"), (7, "North", "3", "4"), (8, "South", "5", "6")]
    assert header.not_taken == {"lines before the header": 1, "lines below the header": 1, "totals": 1}
    assert header.drift == {}
    target = tmp_path / "b.xlsx"
    form, fmt = format_named("xlsx"), contract.format[0]
    form.edited(tmp_path / "a.xlsx", contract, fmt, Edits(frozenset([7]), {8: {"South": "East"}}), target, Limits())
    left, again = _staged(tmp_path, contract, target.read_bytes())
    assert left == [(6, "North", "1", "2"), (8, "East", "5", "6")]
    assert again.not_taken == header.not_taken


@pytest.mark.parametrize("sheet", [["2025", "2026"], "20*", ["2025", "20?6"]])
def test_several_sheets_are_read_one_after_the_other(tmp_path: Path, sheet: Any) -> None:
    contract = laid_out(
        {}, {"id": {"type": "string"}, "n": {"type": "integer"}}, format={"kind": "xlsx", "sheet": sheet}
    )
    data = book(
        [
            S("2025", [["id", "n"], ["a", X("1")], ["b", X("2")]]),
            S("codes", [["x"], ["y"]]),
            S("2026", [["n", "id"], [X("3"), "c"]], state="hidden"),
        ]
    )
    rows, header = _staged(tmp_path, contract, data)
    assert rows == [(2, "a", "1"), (3, "b", "2"), (5, "c", "3")]
    assert header.not_taken == {"sheet 'codes'": 2}
    assert "not taken" not in header.drift
    target, form, fmt = tmp_path / "b.xlsx", format_named("xlsx"), contract.format[0]
    form.edited(tmp_path / "a.xlsx", contract, fmt, Edits(frozenset([2]), {5: {"c": "d"}}), target, Limits())
    left, _ = _staged(tmp_path, contract, target.read_bytes())
    assert left == [(3, "b", "2"), (5, "d", "3")]


def test_a_wide_sheet_with_days_as_header(tmp_path: Path) -> None:
    layout = {"wide": {"columns": r"^\d{4}-\d\d-\d\d$", "name": "day", "value": "cases", "empty": "leave_out"}}
    contract = laid_out({}, WIDE, format={"kind": "xlsx", **layout})
    cells: list[list[Any]] = [
        ["site", X("46082", s=1), X("46083", s=1)],
        ["labA", X("3"), X("4")],
        ["labB", None, X("5")],
    ]
    rows, header = _staged(tmp_path, contract, book([S("s", cells)], formats=["yyyy-mm-dd"]))
    assert rows == [(2, "labA", "2026-03-01", "3"), (3, "labA", "2026-03-02", "4"), (5, "labB", "2026-03-02", "5")]
    assert header.not_taken == {"empty cells of columns that become rows": 1}


def test_a_workbook_of_fixes_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = {"skip_rows": 1, "header_rows": 2, "skip_after_header": 1, "sheet": ["20*", "2026"]}
    contract = laid_out({}, format={"kind": "xlsx", **layout})
    data = rendered(format_named("xlsx"), contract, contract.format[0], [{"id": "a", "day": "2026-03-01", "n": "1"}])
    rows, _ = _staged(tmp_path, contract, data)
    assert [row[1:] for row in rows] == [("a", "2026-03-01", "1")]


# ------------------------------------------------------------------ records


@pytest.mark.parametrize("kind", ["json", "jsonl", "json5"])
def test_values_deep_in_records(tmp_path: Path, kind: str) -> None:
    columns = {
        "id": {"type": "string", "from": "resource.id"},
        "family": {"type": "string", "from": "resource.name.0.family", "required": False},
        "whole": {"type": "string", "from": "a.b", "required": False},
        "site": {"type": "string", "from_file_name": "^([a-z]+)_"},
    }
    records = [
        {"resource": {"id": "p1", "name": [{"family": "Doe"}]}, "a.b": "dot"},
        {"resource": {"id": "p2", "name": []}, "a": {"b": 7}},
        {"resource": None, "more": 1},
    ]
    fmt: dict[str, Any] = {"kind": kind.removesuffix("l"), **({} if kind == "jsonl" else {"records": "entry"})}
    contract = laid_out({}, columns, format=fmt)
    path, target = tmp_path / "a.json", tmp_path / "b.json"
    text = "\n".join(map(json.dumps, records)) if kind == "jsonl" else json.dumps({"entry": records})
    path.write_text(text)

    def read(file: Path) -> tuple[list[dict[str, Any]], Header]:
        writer = RowWriter(tmp_path, 0, list(contract.file_columns))
        header = format_named(fmt["kind"]).stage(file, contract, contract.format[0], writer, Limits())
        writer.close()
        return pq.read_table(tmp_path / ROWS, columns=["id", "family", "whole", "_row"]).to_pylist(), header

    rows, header = read(path)
    assert [tuple(r.values()) for r in rows] == [("p1", "Doe", "dot", 1), ("p2", None, "7", 2), (None, None, None, 3)]
    assert header.drift == {"extra": ["more"]}
    form = format_named(fmt["kind"])
    form.edited(path, contract, contract.format[0], Edits(frozenset([2]), {1: {"Doe": "Roe"}}), target, Limits())
    assert [(r["id"], r["family"]) for r in read(target)[0]] == [("p1", "Roe"), (None, None)]
    target.write_bytes(rendered(form, contract, contract.format[0], [{"id": "p9", "family": "Poe", "whole": "x"}]))
    assert [(r["id"], r["family"], r["whole"]) for r in read(target)[0]] == [("p9", "Poe", "x")]
