"""Files of the kinds that public test suites of readers hold: what we keep is what an independent reader finds."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
import python_calamine

from tests.conftest import Bench
from tests.ingest.field import suites
from tests.ingest.field.many import load_many

Make = Callable[..., Bench]
COLUMNS: dict[str, Any] = {name: {"type": "string", "required": False, "trim": False} for name in suites.HEAD}
SLICE = 7
"""Every so manieth file in `make test`; `make soak` has all."""


def compare(bench: Make, every: int, offset: int = 0) -> int:
    """How many files were compared."""
    told = [*suites.delimited(), *suites.workbooks(), *suites.json_files()]
    taken = {name: (data, rows) for name, data, rows in told[offset::every]}
    # the same bytes twice would be one delivery
    distinct = {data: name for name, (data, _) in taken.items()}
    files = {name: data for data, name in distinct.items()}
    formats = [{"kind": kind} for kind in ("csv", "xlsx", "json")]
    came = load_many(bench, files, f"suite{offset}", format=formats, columns=COLUMNS)
    wrong = {
        name: (rows, taken[name][1])
        for name in files
        if (rows := sorted(came.rows(name, *suites.HEAD), key=repr)) != sorted(taken[name][1], key=repr)
    }
    assert wrong == {}
    assert not any(entry.quarantined for entry in came.entries.values())
    return len(files)


def test_a_slice_of_the_files_reads_as_independent_readers_find_it(bench: Make) -> None:
    assert compare(bench, SLICE) > 40


@pytest.mark.soak
@pytest.mark.parametrize("offset", range(SLICE))
def test_all_files_read_as_independent_readers_find_them(bench: Make, offset: int) -> None:
    assert compare(bench, SLICE, offset) > 40


def test_there_are_as_many_files_as_suites_hold() -> None:
    assert len({data for _, data, _ in [*suites.delimited(), *suites.workbooks(), *suites.json_files()]}) >= 312


DIFFERS = {
    "error", "escape", "the day that never was", "negative day", "far day", "seventeen digits", "almost seven", "exponent",
    "zeros before", "zeros with text", "social number", "blanks", "time", "elapsed", "computed text", "line break",
}  # fmt: skip
"""Where a library tells less than is in the file, or tells it otherwise: the reason why we read cells ourselves."""


def test_workbooks_agree_with_a_library_where_that_tells_all() -> None:
    compared = 0
    for name, data, rows in suites.workbooks():
        what = name.rpartition(" ")[0]
        if what in DIFFERS:
            continue
        sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
        value = next(iter(sheet.to_python()[1:2]))[1]
        ours = next(row[1] for row in rows if row[0] == "x")
        if isinstance(value, bool):
            theirs: str | None = str(value).lower()
        elif isinstance(value, float):
            theirs = str(int(value)) if value.is_integer() else repr(value)
        elif isinstance(value, dt.date):
            theirs = str(value)
        else:
            theirs = str(value) or None
        assert ours == theirs, name
        compared += 1
    assert compared > 40
