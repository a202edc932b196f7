"""CSV as people really send it. Every line is accounted for, and what the engine reads agrees with what the line reader reads."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platform_assets.contracts.file_format import FileFormat
from platform_assets.ingest.readers.delimited import engine, lines
from platform_assets.ingest.readers.rows import ROWS, RowWriter
from platform_assets.ingest.readers.scan import scan
from tests.conftest import Bench, lab_contract

Make = Callable[..., Bench]
HEAD = b"sample_id,test_date,result,viral_load\n"
GOOD = b"G1,2024-01-01,POS,1\n"
NAMES = itertools.count()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"A,2024-01-01,POS\n", "has 3 fields, the header has 4"),
        (b"A,2024-01-01,POS,1,2\n", "has 5 fields, the header has 4"),
        (b'"A,2024-01-01,POS,1\n', "is not closed"),
        (b'"A"x,2024-01-01,POS,1\n', "stands in the wrong place"),
        (b"A\xff\xfe,2024-01-01,POS,1\n", "is not utf-8 text"),
        (b"A\xe9,2024-01-01,POS,1\n", "is not utf-8 text"),
        (b"A\x00,2024-01-01,POS,1\n", "contains a NUL byte"),
        (b"A\rB,2024-01-01,POS,1\n", "stray carriage return"),
        (b"A," * 50_000 + b"\n", "has 50001 fields"),
        (b"B" * 3_000_000 + b",2024-01-01,POS\n", "has 3 fields"),
    ],
)
def test_a_broken_line_spoils_only_itself(bench: Make, line: bytes, reason: str) -> None:
    lab = bench()
    (entry,) = lab.send("a.csv", HEAD + GOOD + line + b"G2,2024-01-01,NEG,\n").entries
    assert (entry.rows_in, entry.valid, entry.malformed) == (3, 2, 1)
    ((row, reasons),) = lab.sql("SELECT _row, _reasons FROM {quarantine}")
    assert row == 3
    assert reason in reasons[0]
    assert lab.table("sample_id", "_row") == [("G1", 2), ("G2", 4)]
    lab.assert_nothing_lost()


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"\xef\xbb\xbf" + HEAD + GOOD, ["G1"]),
        (HEAD.replace(b"\n", b"\r\n") + GOOD.replace(b"\n", b"\r\n"), ["G1"]),
        (HEAD + GOOD.rstrip(b"\n"), ["G1"]),
        (HEAD + b"\n\n" + GOOD + b"\n", ["G1"]),
        ((HEAD + GOOD).replace(b"\n", b"\r"), ["G1"]),
        (HEAD + b'"G1","2024-01-01","POS","1"\n', ["G1"]),
        (HEAD + GOOD + b'G2,2024-01-01,POS,"\n"\nG3,2024-01-01,POS,1\n', ["G1", "G2", "G3"]),
        (HEAD + b" G1 , 2024-01-01 ,POS , 1 \n", ["G1"]),
    ],
)
def test_harmless_oddities_are_read(bench: Make, data: bytes, rows: list[str]) -> None:
    lab = bench()
    lab.send("a.csv", data)
    assert [r[0] for r in lab.table("sample_id")] == rows
    lab.assert_nothing_lost()


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_declared_encodings_are_read(bench: Make, encoding: str) -> None:
    columns = {"name": {"type": "string"}}
    declared = encoding.removesuffix("-le").removesuffix("-be")  # by these names Python writes no byte-order mark
    lab = bench(format={"kind": "csv", "encoding": declared}, columns=columns, load={"mode": "append"})
    lab.send("a.csv", "name\nCafé\nÜber\n".encode(encoding))
    assert lab.table("name") == [("Café",), ("Über",)]


def test_semicolons_decimal_commas_and_thousands(bench: Make) -> None:
    columns = {
        "x": {"type": "decimal", "decimal_separator": ",", "thousands_separator": ".", "precision": 12, "scale": 2},
        "n": {"type": "integer", "thousands_separator": " "},
    }
    lab = bench(format={"kind": "csv", "delimiter": ";"}, columns=columns, load={"mode": "append"})
    lab.send("a.csv", "x;n\n1.234,5;1 000\n0,25;7\n1,234.5;1\n1.23;1\n")
    assert [(str(x), n) for x, n in lab.table("x", "n")] == [("0.25", 7), ("1234.50", 1000)]
    assert lab.sql("SELECT count(*) FROM {quarantine}") == [(2,)]


def test_excel_mangled_dates_say_what_was_found_and_expected(bench: Make) -> None:
    lab = bench()
    (entry,) = lab.send("a.csv", HEAD + b"A,01/02/2024,POS,1\n").entries
    assert list(entry.reasons) == ["test_date: is not a date like 2026-12-31, found a value like 99/99/9999"]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)
CSV = FileFormat(kind="csv")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(cells, cells, cells, cells), max_size=8),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
@example(rows=[('a"b', 'c,"d', '"', "x\ny")], quoting=csv.QUOTE_MINIMAL)
@example(rows=[("", "", "", "")], quoting=csv.QUOTE_MINIMAL)
def test_both_readers_read_what_was_written(tmp_path: Path, rows: list[tuple[str, ...]], quoting: Any) -> None:
    folder = tmp_path / str(next(NAMES))
    folder.mkdir()
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows(
        [("sample_id", "test_date", "result", "viral_load"), *rows]
    )
    path = folder / "a.csv"
    path.write_bytes(out.getvalue().encode())
    contract = lab_contract()
    with duckdb.connect() as connection:
        writer = RowWriter(folder, 0, list(contract.file_columns))
        header = lines.stage(path, contract, CSV, writer)
        writer.close()
        names = ", ".join(f"coalesce({c}, '')" for c in contract.columns)
        by_line = connection.execute(f"SELECT {names} FROM read_parquet('{folder / ROWS}') ORDER BY _row").fetchall()
        rows = [row for row in rows if any(map(str.strip, row))]  # a row of empty cells is none
        assert by_line == rows
        assert not writer.broken
        found = scan(path)
        if engine.suits_engine(found, CSV):
            files = [engine.EngineFile(0, found, header)]
            part, doubtful = engine.stage(connection, files, CSV, list(contract.columns), folder)
            assert bool(part) != bool(doubtful)
            if part:
                assert connection.execute(f"SELECT {names} FROM ({part.sql}) ORDER BY _row").fetchall() == rows


messy = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [b",", b'"', b"\n", b"\r", b"\0", b"A", b"2024-01-01", b"POS", b"\xff", b"\xc3\xa9", b";", b" ", HEAD]
        ),
        max_size=40,
    ).map(b"".join),
).map(lambda body: HEAD + body)


PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(PROPERTY, max_examples=4)
@given(data=st.lists(st.one_of(messy, st.binary(max_size=300)), min_size=1, max_size=4))
@example(data=[HEAD + b'"\n'])
@example(data=[HEAD + b"\r"])
@example(data=[HEAD + b'a"b,c,d,e\n'])
@example(data=[HEAD + b'a,"b\n",c,d\n"'])
@example(data=[b"\n" + HEAD + GOOD])
@example(data=[HEAD + b"\t"])
def test_arbitrary_bytes_never_stop_a_good_file_and_lose_nothing(bench: Make, data: list[bytes]) -> None:
    nothing_lost(bench, data)


@pytest.mark.soak
@settings(PROPERTY, max_examples=200)
@given(data=st.lists(st.one_of(messy, st.binary(max_size=300)), min_size=1, max_size=4))
def test_arbitrary_bytes_never_stop_a_good_file_and_lose_nothing_long(bench: Make, data: list[bytes]) -> None:
    nothing_lost(bench, data)


def nothing_lost(bench: Make, data: list[bytes]) -> None:
    number = next(NAMES)
    lab = bench({**lab_contract().model_dump(by_alias=True, exclude_unset=True), "name": f"lab{number}"})
    for index, content in enumerate(data):
        lab.drop(f"messy{index}.csv", content)
    lab.drop("good.csv", HEAD + f"GOOD-{number},2024-01-01,POS,1\n".encode())
    report = lab.load()
    assert (f"GOOD-{number}",) in lab.table("sample_id")
    assert len(report.entries) == len(data) + 1  # each arrival has its row, also where two files are equal
    assert lab.files("landing") == []
    lab.assert_nothing_lost()
    for entry in report.entries:
        if entry.status == "published" and entry.file.startswith("messy"):
            content = data[int(entry.file[5:-4])]
            lines = [
                x for x in content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n") if x.strip(b"\r")
            ]
            assert entry.rows_in <= max(len(lines), content.count(b"\r"))  # never more rows than lines
            if b'"' not in content and b"\r" not in content:
                assert entry.rows_in + sum(entry.not_taken.values()) == len(lines) - 1
