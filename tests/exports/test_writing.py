"""Every way to write a file says the same rows, or refuses: read back here by Python's csv, not by the engine that wrote it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from python_calamine import CalamineWorkbook

from platform_assets.exports import workbook, writing
from platform_assets.exports.model import File
from platform_assets.exports.windows import check_names
from platform_assets.exports.writing import NotWritten, write_file
from tests.exports.exporting import export_of

AWKWARD = [
    "plain",
    "",
    None,
    "a,b",
    "a;b",
    "a\tb",
    "a|b",
    'say "x"',
    '"',
    "one\ntwo",
    "one\r\ntwo",
    "\r",
    " x ",
    "é€",
    "NA",
    "\\",
    "=1+1",
]


def written(tmp_path: Path, values: list[str | None], **said: Any) -> tuple[int, bytes]:
    """Rows of a number and a text, as a file."""
    engine = duckdb.connect()
    engine.execute("CREATE TABLE t (n BIGINT, s VARCHAR)")
    engine.executemany("INSERT INTO t VALUES (?, ?)", [[n, v] for n, v in enumerate(values)])
    staged, out = tmp_path / "rows.parquet", tmp_path / "out"
    engine.execute(f"COPY t TO '{staged}' (FORMAT parquet)")
    rows = write_file(engine, staged, File(name="x", **said), out)
    return rows, out.read_bytes()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252", "iso-8859-15"])
@pytest.mark.parametrize("quote", ["needed", "all"])
@pytest.mark.parametrize(
    "said",
    [
        {"delimiter": ","},
        {"delimiter": ";"},
        {"delimiter": "|"},
        {"kind": "tsv"},
        {"line_end": "crlf"},
        {"null": "NA"},
        {"header": False},
    ],
    ids=str,
)
def test_awkward_values_come_back_as_they_were(tmp_path: Path, encoding: str, quote: str, said: dict[str, Any]) -> None:
    rows, data = written(tmp_path, AWKWARD, encoding=encoding, quote=quote, **said)
    assert rows == len(AWKWARD)
    text = data.decode(encoding)
    sign = "\t" if said.get("kind") == "tsv" else said.get("delimiter", ",")
    back = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True))
    back = back if said.get("header") is False else back[1:]
    null = said.get("null", "")
    assert [(n, s) for n, s in back] == [(str(n), null if v is None else v) for n, v in enumerate(AWKWARD)]
    end = "\r\n" if said.get("line_end") == "crlf" else "\n"
    assert text.endswith(f"{chr(10)}")
    assert text.endswith("\r\n") == (end == "\r\n")
    # a missing value and a text that reads like one stay apart: only the text is quoted
    missing = [n for n, v in enumerate(AWKWARD) if v is None]
    assert all(
        f"{'' if quote == 'needed' else chr(34)}{n}{'' if quote == 'needed' else chr(34)}{sign}{null}{end}" in text
        for n in missing
    )


@pytest.mark.parametrize("bad", [",", '"', "\n", "\r", ""], ids=repr)
@pytest.mark.parametrize("place", ["{}", "x{}", "{}x", "x{}x"])
def test_without_quotes_what_needs_them_is_refused_and_not_told(tmp_path: Path, bad: str, place: str) -> None:
    value = place.format(bad)
    if value in ("x", "xx"):
        assert written(tmp_path, [value], quote="never")[1] == f"n,s\n0,{value}\n".encode()
        return
    with pytest.raises(NotWritten, match=r"Look at s \(1 rows\)") as caught:
        written(tmp_path, ["SECRET", value], quote="never")
    assert "SECRET" not in str(caught.value)


def test_without_quotes_numbers_and_days_are_looked_at_too(tmp_path: Path) -> None:
    engine = duckdb.connect()
    for sql, sign in (("SELECT 1.5 AS x", "."), ("SELECT DATE '2026-01-01' AS x", "-"), ("SELECT -1 AS x", "-")):
        engine.execute(f"COPY ({sql}) TO '{tmp_path}/r.parquet' (FORMAT parquet)")
        with pytest.raises(NotWritten, match="Look at x"):
            write_file(engine, tmp_path / "r.parquet", File(name="x", quote="never", delimiter=sign), tmp_path / "o")


@pytest.mark.parametrize(
    ("encoding", "lacks"), [("iso-8859-1", "€"), ("iso-8859-15", "ω"), ("windows-1252", "ş"), ("windows-1252", "\x81")]
)
def test_a_character_that_the_encoding_lacks_is_refused_by_line(tmp_path: Path, encoding: str, lacks: str) -> None:
    with pytest.raises(NotWritten, match=f"line 3 holds a character that {encoding} lacks") as caught:
        written(tmp_path, ["x", f"SECRET {lacks}"], encoding=encoding)
    assert "SECRET" not in str(caught.value)
    assert lacks not in str(caught.value)


def test_json_and_parquet(tmp_path: Path) -> None:
    rows, data = written(tmp_path, AWKWARD, kind="json")
    assert rows == len(AWKWARD)
    assert [json.loads(line)["s"] for line in data.splitlines()] == AWKWARD
    rows, data = written(tmp_path, AWKWARD, kind="parquet")
    (tmp_path / "back.parquet").write_bytes(data)
    assert [s for (s,) in duckdb.execute(f"SELECT s FROM '{tmp_path}/back.parquet' ORDER BY n").fetchall()] == AWKWARD


@pytest.mark.parametrize("name", ["a,b", "a;b", 'a"b', "a\nb", "a b", "é", "'", "select", "COLUMNS(*)", "=1+1"])
@pytest.mark.parametrize("quote", ["needed", "all"])
def test_awkward_names_of_columns_come_back_as_they_were(tmp_path: Path, name: str, quote: str) -> None:
    engine = duckdb.connect()
    called = '"' + name.replace('"', '""') + '"'
    engine.execute(
        f"COPY (SELECT 'x' AS {called}, 1 AS n UNION ALL SELECT NULL, 2) TO '{tmp_path}/r.parquet' (FORMAT parquet)"
    )
    file = File.model_validate({"name": "x", "quote": quote})
    assert write_file(engine, tmp_path / "r.parquet", file, tmp_path / "o") == 2
    back = list(csv.reader(io.StringIO((tmp_path / "o").read_bytes().decode()), strict=True))
    assert back == [[name, "n"], ["x", "1"], ["", "2"]]


@pytest.mark.parametrize("chunk", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("quote", ["needed", "all"])
@pytest.mark.parametrize("line_end", ["lf", "crlf"])
def test_a_file_that_was_cut_or_has_lost_a_sign_does_not_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, quote: str, line_end: str
) -> None:
    """Wherever it is cut, and whichever byte of its structure is gone, in pieces of any size."""
    data = written(tmp_path, AWKWARD, quote=quote, line_end=line_end)[1]
    file = File.model_validate({"name": "x", "quote": quote, "line_end": line_end})
    monkeypatch.setattr(writing, "CHUNK", chunk)
    path = tmp_path / "damaged"

    def back(damaged: bytes) -> int | None:
        path.write_bytes(damaged)
        try:
            return writing._read_back(path, file, 2)
        except NotWritten:
            return None

    assert back(data) == len(AWKWARD)
    for at in range(0, len(data), 1 if chunk == 7 else 11):
        assert back(data[:at]) != len(AWKWARD), at
        if data[at : at + 1] in (b",", b'"', b"\n") and chunk == 7:
            rest = list(csv.reader(io.StringIO((data[:at] + data[at + 1 :]).decode(), newline="")))
            if back(data[:at] + data[at + 1 :]) == len(AWKWARD):  # a doubled quotation mark less, within a value
                assert [len(row) for row in rest] == [2] * (1 + len(AWKWARD)), at


def test_a_file_is_read_back_in_little_memory_also_with_long_lines(tmp_path: Path) -> None:
    engine = duckdb.connect(config={"memory_limit": "300MB"})
    for long, rows in ((10, 300_000), (5_000_000, 3)):
        sql = f"SELECT i AS n, repeat('x', {long - 1}) || chr(10) || i AS s FROM range({rows}) t(i)"
        engine.execute(f"COPY ({sql}) TO '{tmp_path}/r.parquet' (FORMAT parquet)")
        assert write_file(engine, tmp_path / "r.parquet", File(name="x"), tmp_path / "o") == rows


def sheet(data: bytes) -> list[list[Any]]:
    """The one sheet of a workbook, by a reader that is not the platform's."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    (name,) = book.sheet_names
    return book.get_sheet_by_name(name).to_python(skip_empty_area=False)


def test_a_workbook_says_the_same_and_nothing_in_it_is_a_formula(tmp_path: Path) -> None:
    values = [v for v in AWKWARD if v not in ("\r", "one\r\ntwo")] + ["_x0041_", "<&>", "a\u2028b", "\U0001f600"]
    rows, data = written(tmp_path, values, kind="xlsx")
    assert rows == len(values)
    found = sheet(data)
    assert found[0] == ["n", "s"]
    assert [(n, s) for n, s in found[1:]] == [(float(n), v or "") for n, v in enumerate(values)]
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        text = parts.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in text
    assert text.count("<c ") == 2 + len(values) * 2 - 1  # what is missing has no cell


def test_a_workbook_keeps_every_digit_and_rows_of_nothing(tmp_path: Path) -> None:
    engine = duckdb.connect()
    engine.execute(
        f"""COPY (SELECT * FROM (VALUES
        (999999999999999, 1.5::DOUBLE, 12.50::DECIMAL(9, 2), DATE '2026-01-31', TIMESTAMP '2026-01-31 23:59:59.25', true),
        (9007199254740993, 'nan'::DOUBLE, -0.10::DECIMAL(9, 2), NULL, NULL, false),
        (NULL, NULL, NULL, NULL, NULL, NULL),
        (-1, 1e300::DOUBLE, 0::DECIMAL(9, 2), NULL, NULL, NULL)
        ) t(whole, share, money, day, moment, flag)) TO '{tmp_path}/r.parquet' (FORMAT parquet)"""
    )
    assert write_file(engine, tmp_path / "r.parquet", File(name="x", kind="xlsx"), tmp_path / "o.xlsx") == 4
    assert sheet((tmp_path / "o.xlsx").read_bytes())[1:] == [
        [999999999999999.0, 1.5, 12.5, "2026-01-31", "2026-01-31 23:59:59.25", "true"],
        ["9007199254740993", "nan", -0.1, "", "", "false"],
        [""] * 6,
        [-1.0, 1e300, 0.0, "", "", ""],
    ]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("x" * 32_768, "32,767 characters"),
        ("\U0001f600" * 16_384, "32,767 characters"),
        ("\x00", "control"),
        ("a\x1b", "control"),
        ("\ufffe", "control"),
    ],
    ids=["long", "long in UTF-16", "nul", "escape", "no character"],
)
def test_what_a_cell_cannot_say_is_refused_and_not_told(tmp_path: Path, bad: str, why: str) -> None:
    with pytest.raises(NotWritten, match=f"{why}.*look at s \\(1 rows\\)") as caught:
        written(tmp_path, ["SECRET", bad], kind="xlsx")
    assert "SECRET" not in str(caught.value)
    written(tmp_path, ["x" * 32_767, "\U0001f600" * 16_383, "\t\n"], kind="xlsx")


def test_a_sheet_has_so_many_rows_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 4)
    assert written(tmp_path, ["x"] * 3, kind="xlsx")[0] == 3
    with pytest.raises(NotWritten, match="shorter windows"):
        written(tmp_path, ["x"] * 4, kind="xlsx")


def test_a_single_column_of_missing_values_is_refused_not_lost(tmp_path: Path) -> None:
    """Most readers skip an empty line, and with it a row."""
    engine = duckdb.connect()
    engine.execute(
        f"COPY (SELECT * FROM (VALUES ('a'), (NULL), ('b')) t(x)) TO '{tmp_path}/r.parquet' (FORMAT parquet)"
    )
    with pytest.raises(NotWritten, match="`null`"):
        write_file(engine, tmp_path / "r.parquet", File(name="x"), tmp_path / "o")
    assert write_file(engine, tmp_path / "r.parquet", File(name="x", null="NA"), tmp_path / "o") == 3


def test_lists_have_no_place_in_delimited_text(tmp_path: Path) -> None:
    engine = duckdb.connect()
    engine.execute(f"COPY (SELECT [1, 2] AS parts, {{'a': 1}} AS thing) TO '{tmp_path}/r.parquet' (FORMAT parquet)")
    with pytest.raises(NotWritten, match="parts, thing"):
        write_file(engine, tmp_path / "r.parquet", File(name="x"), tmp_path / "o")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": "stays.csv"}, "would both be"),
        ({"name": "stays_{start:%Y}.csv"}, "would both be"),
        ({"name": "stays_{start:%d}.csv"}, "would both be"),
        ({"name": "stays_{start}.csv"}, "write {start:%Y%m%d}"),
        ({"name": "stays_{start:%B}.csv"}, "write {start:%Y%m%d}"),
        ({"name": "stays_{start:%Y%m%d.csv"}, "template"),
        ({"name": "{table}_{start:%Y%m}.csv"}, "there is no {table}"),
        ({"name": "{start.__class__}"}, "there is no"),
        ({"name": "in/{start:%Y%m}.csv"}, "letters of ASCII"),
        ({"name": ".{start:%Y%m}.csv"}, "letters of ASCII"),
        ({"name": "séjours_{start:%Y%m}.csv"}, "letters of ASCII"),
        ({"name": "x" * 60 + "_{start:%Y%m}.csv", "max_name": 60}, "max_name is 60"),
    ],
)
def test_names_that_would_collide_or_not_fit_are_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_names(export_of(file=said))


@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_names_that_tell_windows_apart_are_taken(unit: str) -> None:
    window = {"by": "test_date", "unit": unit, "start": "2023-12-28"}
    check_names(export_of(window=window, file={"name": "r_{start:%Y%m%d}_{last:%Y%m%d}_{end:%Y%m%d}.csv"}))


@pytest.mark.parametrize(
    "said",
    [
        {"delimiter": ""}, {"delimiter": ",,"}, {"delimiter": '"'}, {"delimiter": "\n"}, {"delimiter": "x"}, {"delimiter": "é"},
        {"null": "a,b"}, {"null": '"'}, {"null": "\n"}, {"kind": "parquet", "header": True}, {"kind": "json", "encoding": "utf-8"},
        {"kind": "tsv", "delimiter": ","}, {"encoding": "utf-7"}, {"max_name": 300}, {"kind": "xls"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        File.model_validate({"name": "x", **said})
