"""A file mended before it is sent: what is not meant stays as it is, to the byte, and what is no plain table is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.access.roles import laptop_user
from platform_assets.quarantine import uploads
from platform_assets.quarantine.before_sending import CannotMend, Headings, Mends, headings, mended
from tests.places import Place, lab_contract

CONTRACT = lab_contract()
HEADER = "sample_id,patient_id,lab,test_date,result,viral_load"
CELL = st.text(
    st.characters(codec="utf-8", exclude_characters='\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\0"'), max_size=8
)
ROWS = st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=6)


def written(rows: list[list[str]], end: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows([HEADER.split(","), *rows])
    return out.getvalue().encode()


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@settings(deadline=None)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), CELL)
def test_only_the_cells_that_are_meant_change(rows: list[list[str]], end: str, mark: bool, new: str) -> None:
    data = (b"\xef\xbb\xbf" if mark else b"") + written(rows, end)
    assert mended(CONTRACT, "week1.csv", data, Mends()) == data
    assert mended(CONTRACT, "week1.csv", data, Mends(values={"result": {}})) == data
    olds = {row[4] for row in rows[:2]}
    found = mended(CONTRACT, "week1.csv", data, Mends(values={"result": dict.fromkeys(olds, new)}))
    assert found.startswith(b"\xef\xbb\xbf") == mark
    wanted = [
        [new if place == 4 and (cell in olds or cell.strip() in olds) else cell for place, cell in enumerate(row)]
        for row in read(data)[1:]
    ]
    assert read(found)[1:] == wanted


def test_a_heading_that_is_not_known_can_be_the_one_that_lacks() -> None:
    data = HEADER.replace("test_date", '"day, of test"').encode() + b"\r\nB-1,P-1,north,2024-01-02,POS,\r\n"
    assert headings(CONTRACT, "week1.csv", data) == Headings(("test_date",), ("day, of test",))
    found = mended(CONTRACT, "week1.csv", data, Mends({"day, of test": "test_date"}))
    assert found == HEADER.encode() + b"\r\nB-1,P-1,north,2024-01-02,POS,\r\n"
    assert headings(CONTRACT, "week1.csv", found) == Headings((), ())
    with pytest.raises(CannotMend, match="cannot both be"):
        mended(CONTRACT, "week1.csv", data, Mends({"day, of test": "lab", "result": "lab"}))


@pytest.mark.parametrize(
    ("changes", "name", "data", "why"),
    [
        ({}, "week1.csv", b"\xff\xfe\n", "not text"),
        ({}, "week1.csv", b"", "is empty"),
        ({}, "week1.csv", (HEADER + '\nB-1,"P\n-1",north,2024-01-02,x,\n').encode(), "Line 2 is no record of its own"),
        ({}, "week1.csv.gz", b"\x1f\x8b", "page Quarantine"),
        ({"format": {"kind": "xlsx"}}, "week1.xlsx", b"PK", "page Quarantine"),
        (
            {"format": {"kind": "csv", "encoding": "latin-1"}},
            "week1.csv",
            (HEADER + "\nB-1,P,n,d,x,\n").encode(),
            "latin-1",
        ),
    ],
)
def test_what_cannot_be_mended_is_said_with_what_to_do(
    changes: dict[str, object], name: str, data: bytes, why: str
) -> None:
    with pytest.raises(CannotMend, match=why):
        mended(lab_contract(**changes), name, data, Mends(values={"result": {"x": "\u2603"}}))


@settings(deadline=None)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.integers(0, 9), CELL)
def test_a_cell_that_is_typed_changes_and_no_other(rows: list[list[str]], end: str, line: int, new: str) -> None:
    data = written(rows, end)
    found = mended(CONTRACT, "week1.csv", data, Mends(cells={line: {"lab": new}}))
    before = read(data)
    wanted = [
        [new if number == line and place == 2 and number > 1 else cell for place, cell in enumerate(row)]
        for number, row in enumerate(before, start=1)
    ]
    assert read(found) == wanted


@pytest.mark.parametrize(
    "lines",
    [
        ["A-1,P-1,north,2024-01-02,wrong,"],
        ["A-0,P-1,north,2024-01-02,POS,", "", "A-1,P-1,north,2024-01-02,wrong,"],
        ["", "", "A-1,P-1,north,2024-01-02,wrong,", "", "A-2,P-1,north,2024-01-02,POS,"],
        ["   ", "A-1,P-1,north,2024-01-02,wrong,", "\t", "A-2,P-1,north,2024-01-02,POS,"],
        [",,,,,", "A-1,P-1,north,2024-01-02,wrong,"],
        ["A-0,P-1", "A-1,P-1,north,2024-01-02,wrong,"],
        ['A-0,P-1,"nor,th",2024-01-02,POS,', "A-1,P-1,north,2024-01-02,wrong,"],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_row_that_is_shown_is_the_line_that_is_changed(tmp_path: Path, lines: list[str], end: str) -> None:
    office = Place(tmp_path).office()
    data = end.join([HEADER, *lines, ""]).encode()
    shown = next(
        r
        for r in uploads.check(office, "lab_results", "w.csv", data, laptop_user()).wrong_rows
        if r.texts["result"] == "wrong"
    )
    found = mended(office.contracts["lab_results"], "w.csv", data, Mends(cells={shown.row: {"result": "NEG"}}))
    assert found == data.replace(b"wrong", b"NEG")
    assert not [
        r
        for r in uploads.check(office, "lab_results", "w.csv", found, laptop_user()).wrong_rows
        if r.texts["sample_id"] == "A-1"
    ]
