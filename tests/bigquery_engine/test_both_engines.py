"""Both engines make the same of the same files: tables, reasons, and every figure of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.bigquery_engine.place import FIGURES, Both
from tests.conftest import LAB

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
HEAD = "sample_id,test_date,result,viral_load\n"
BY_NAME = {"file_name": r"(\d{4}-\d{2}-\d{2})"}


def figures(tables: dict[str, list[tuple[Any, ...]]], *names: str) -> dict[str, tuple[Any, ...]]:
    """File -> the named figures of the ledger."""
    places = [FIGURES.index(n) for n in names]
    return {row[0]: tuple(row[p] for p in places) for row in tables["ledger"]}


def test_right_and_wrong_rows(pair: Pair) -> None:
    lab = pair(partition={"by": "test_date", "unit": "iso_week"})
    wrong = "b 1,2024-02-30, Positive,x\n,2024-01-01,POS,\n"
    lab.send({"a.csv": HEAD + "A,2024-12-30,POS,10\nB,2021-01-03,NEG,\n" + wrong + "A,2024-12-31,NEG,0\n"})
    tables = lab.assert_equal()
    assert figures(tables, "rows_in", "valid", "quarantined", "superseded", "partitions") == {"a.csv": (5, 2, 2, 1, 2)}
    assert [row[-1] for row in tables["validated"]] == ["2025-W01", "2020-W53"]


def test_new_updated_and_unchanged_rows(pair: Pair) -> None:
    lab = pair()
    lab.send({"1.csv": HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\nC,2024-01-01,POS,1\n"})
    lab.send({"2.csv": HEAD + "A,2024-01-01,NEG,\nB,2024-01-01,POS,1\nD,2024-01-01,POS,1\n"})
    assert figures(lab.assert_equal(), "inserted", "updated", "unchanged")["2.csv"] == (1, 1, 1)
