"""A file mended before it is sent: what is not meant stays as it is, to the byte, and what is no plain table is refused."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.quarantine.before_sending import CannotMend, Headings, Mends, headings, mended
from tests.places import lab_contract

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
