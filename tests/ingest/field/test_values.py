"""Values whose form is in doubt: each becomes what people see, or is set aside, and never something else."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.contracts.file_format import FileFormat
from platform_assets.ingest.readers.delimited.engine import suits_engine
from platform_assets.ingest.readers.rows import NO_VALUES
from platform_assets.ingest.readers.scan import scan
from platform_assets.ingest.readers.shape.cells import cells_of
from platform_assets.ingest.readers.typed.number_formats import in_digits, shown_by
from resources.text.spelling import NO_INK
from tests.conftest import Bench
from tests.ingest.field.many import load_many
from tests.workbooks import S, X, book

Make = Callable[..., Bench]
SITE: dict[str, Any] = {"id": {"type": "string"}, "site": {"type": "string", "required": False}}
GOOD = [("1", "North"), ("2", "South, upper"), ("3", "East")]

# ------------------------------------------------------------------ delimited text

SPACED = 'id, site\n1, "North"\n2,  "South, upper"\n3,"East" \n'
TROUBLE = {
    "alone": "",
    "line break": '4, "West\nwing"\n',
    "ragged": "4\n",
    "blank line": "\n",
    "empty row": ",\n",
    "stray quote": '4,"x"y\n',
    "nul": "4,\0\n",
    "bad bytes": "4,\udcff\n",
}


def test_blanks_around_quotes_are_no_part_of_a_value_whatever_else_is_in_the_file(bench: Make) -> None:
    files = {f"{name}.csv": (SPACED + more).encode("utf-8", "surrogateescape") for name, more in TROUBLE.items()}
    files["tab.csv"] = b'id,site\n1,\t"North"\t\n2,"South, upper"\n3, \t"East"\n'
    files["first.csv"] = b' "id" , "site" \n "1","North"\n"2","South, upper"\n3,East'
    came = load_many(bench, files, format={"kind": "csv"}, columns=SITE)
    for name in files:
        assert came.rows(name, "id", "site")[:3] == GOOD, name
    assert came.rows("line break.csv", "id", "site")[3:] == [("4", "West\nwing")]
    assert came["ragged.csv"].malformed == came["nul.csv"].malformed == came["stray quote.csv"].malformed == 1


def test_what_cannot_be_seen_around_quotes_is_no_part_of_a_value(bench: Make) -> None:
    """As a byte-order mark in the middle of files that were joined: one person is one pseudonym, in every reader."""
    files = {
        f"{ord(c):x}.csv": f'id,site\n{c}"1",{c}"North"\n2,"South, upper"{c}\n{c}"3"{c},East\n' for c in NO_INK[::5]
    }
    files |= {f"{ord(c):x} line.csv": f'id,site\n{c}"1",North\n2,"South, upper"\n3,"East"{c}\n4\n' for c in NO_INK[::9]}
    files["joined.csv"] = '\ufeffid,site\n1,North\n\ufeff\ufeff"2","South, upper"\n"3",East\n'
    files["seen.csv"] = 'id,site\n"1",North\n"2","South, upper"\né"3",East\n'
    came = load_many(bench, files, format={"kind": "csv"}, columns=SITE)
    for name in files.keys() - {"seen.csv"}:
        assert came.rows(name, "id", "site") == GOOD, name
    assert came.rows("seen.csv", "id", "site")[2] == ('é"3"', "East")


def test_a_row_of_what_cannot_be_seen_is_no_row_in_any_kind_of_file(bench: Make) -> None:
    some = [c for c in NO_INK[::7] if c not in "\x85\u2028\u2029"]
    rows = [["a", "x"], *([c, c + " "] for c in some), ["b", "y"]]
    text = "id,site\n" + "".join(",".join(row) + "\n" for row in rows)
    records = [dict(zip(SITE, row, strict=True)) for row in rows]
    table = pa.table({name: [record[name] for record in records] for name in SITE})
    pq.write_table(table, held := io.BytesIO())
    files: dict[str, bytes | str] = {
        "a.csv": text,
        "b.csv": text + ",,\n",
        "a.json": json.dumps(records),
        "a.parquet": held.getvalue(),
    }
    files["a.xlsx"] = book([S("s", [list(SITE), *rows])])
    came = load_many(bench, files, format=[{"kind": k} for k in ("csv", "json", "parquet", "xlsx")], columns=SITE)
    for name in files:
        assert came.rows(name, "id", "site") == [("a", "x"), ("b", "y")], name
        assert came[name].not_taken == {NO_VALUES: len(some) + (name == "b.csv")}, name
        assert came[name].rows_in == 2


EVEN = {
    "longer by an empty cell": "1,North,\n2,South\n",
    "all longer": "1,North,\n2,South,\n",
    "longer and quoted": '1,"North, x",\n2,South\n',
    "longer by two": "1,North,,\n2,South\n",
    "shorter": "1\n2,South\n",
    "shorter and quoted": '"1"\n"2","South"\n',
    "not quoted": "1,South, upper,\n2,South\n",
}


def test_a_row_that_is_too_long_or_too_short_is_set_aside_by_both_readers(bench: Make) -> None:
    files = {f"{name} {kind}.csv": "id,site\n" + rows + more for name, rows in EVEN.items() for kind, more in
             (("clean", ""), ("ragged", "1,2,3,4\n"), ("break", '9,"a\nb"\n'))}  # fmt: skip
    files["named.csv"] = "id,site,\n1,North,\n2,South,\n"
    came = load_many(bench, files, format={"kind": "csv"}, columns=SITE)
    for name in EVEN:
        wrong = 2 if name == "all longer" else 1
        assert came[f"{name} clean.csv"].malformed == wrong, name
        assert came[f"{name} ragged.csv"].malformed == wrong + 1, name
        assert came[f"{name} break.csv"].malformed == wrong, name
        reasons = [
            came.quarantine(f"{name} {kind}.csv", "_text", "_reasons")[0] for kind in ("clean", "ragged", "break")
        ]
        assert reasons[0] == reasons[1] == reasons[2]
    assert (came["named.csv"].valid, came["named.csv"].drift) == (2, {"extra": ["column 3, without a name"]})


def test_a_header_of_several_lines_is_read_as_any_other_cell(bench: Make) -> None:
    columns = {"id": {"type": "string"}, "n": {"type": "integer", "from": "number of\ncases"}}
    files = {
        "lf.csv": b'id;"number of\ncases"\na;3\n',
        "crlf.csv": b'id;"number of\r\ncases"\r\na;3\r\n',
        "bom.csv": b'\xef\xbb\xbf"id"; "number of\ncases" \na;3\n"b\nb";4\n',
        "quote.csv": b'id;"number ""of""\nall"";cases"\n',
        "open.csv": b'id;"number of\ncases\na;3\n',
    }
    came = load_many(bench, files, format={"kind": "csv", "delimiter": ";"}, columns=columns)
    for name in ("lf.csv", "crlf.csv", "bom.csv"):
        assert came.rows(name, "id", "n")[0] == ("a", 3), (name, came[name].reason)
        assert came[name].drift == {}
    assert came["bom.csv"].valid == 2
    assert came["open.csv"].status == "rejected"
    assert "quote" in came["open.csv"].reason


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('a, "b"', ["a", "b"]),
        ('a ,"b" ,c', ["a ", "b", "c"]),
        (' "a""b" ', ['a"b']),
        ('"a" , "b, c" , d', ["a", "b, c", " d"]),
        ('a, "b" c', None),
        ('a, "b', None),
        ('a, b "c" d', ["a", ' b "c" d']),
        ('a,"" ', ["a", ""]),
        (" ", [" "]),
        ('"a\n b" ,c', ["a\n b", "c"]),
        ('a,b\n" "', None),
    ],
)
def test_cells_with_blanks_around_quotes(text: str, cells: list[str] | None) -> None:
    assert cells_of(text, FileFormat(kind="csv")) == cells


@pytest.mark.parametrize(
    ("data", "suits"),
    [
        (b"a,b\n1,2\n", True),
        (b'a,b\n"1","2"\n', True),
        (b'\xef\xbb\xbf"a","b"\n"1","2"\n', True),
        ('a,b\n"É","Zoë"\n'.encode(), True),
        (b'a,b\n\xef\xbb\xbf"1","2"\n', False),
        ('a,b\n1,"2"\u200b\n'.encode(), False),
        ("a,b\n1,2\n\u00a0,\u2060\n".encode(), False),
        (b"a,b\n1,2\n,\n", False),
        (b"a,b\n1,2\n\n", False),
        (b"a,b\n1,2\n;;", False),
        (b'a,b\n1, "2"\n', False),
        (b'a,b\n"1" ,2\n', False),
        (b"a,b\r\n1,2\r\n ,\r\n", False),
        (b"\na,b\n1,2\n", False),
    ],
)
def test_only_what_the_engine_reads_as_we_do_is_left_to_it(
    tmp_path: Any, data: bytes, suits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    for chunk in (1, 2, 3, 4, 5, 7, 4 << 20):
        monkeypatch.setattr("platform_assets.ingest.readers.scan.CHUNK", chunk)
        assert suits_engine(scan(path), FileFormat(kind="csv")) is suits, chunk


# ------------------------------------------------------------------ numbers

LONG: dict[str, Any] = {
    "id": {"type": "string", "role": "identifier", "purpose": "patient"},
    "n": {"type": "integer", "required": False},
    "f": {"type": "float", "required": False},
}


def test_a_number_of_more_than_fifteen_digits_is_exact_or_set_aside(bench: Make) -> None:
    def floats(*values: float) -> bytes:
        sink = io.BytesIO()
        ids = pa.array(values, pa.float64())
        pq.write_table(pa.table({"id": ids, "n": pa.array([1] * len(values)), "f": ids}), sink)
        return sink.getvalue()

    long = 9876543210123456
    files: dict[str, bytes | str] = {
        "text.csv": f"id,n,f\n{long},{long},{long}\n123456789012345,1,1e20\n",
        "text.xlsx": book([S("S", [["id", "n", "f"], [str(long), str(long), X(str(long))], ["123456789012345", 1, X("1E+20")]])]),
        "cells.xlsx": book([S("S", [["id", "n", "f"], [X(str(long)), 1, 1], [X("9.8765432101234567E+19"), 1, 1], ["a", X(str(long)), 1],
                                    [X("123456789012345"), 1, X("1E+20")]])]),
        "whole.json": f'[{{"id": {long}, "n": {long}, "f": {long}}}, {{"id": 123456789012345, "n": 1, "f": 1e20}}]',
        "whole.json5": f"[{{id: {long}, n: {long}, f: {long}}}, {{id: 123456789012345, n: 1, f: 1e20}}, {{id: 9.1e18, n: 1}}]",
        "floats.parquet": floats(float(long), 1e20, 123456789012345.0, 1e15),
    }  # fmt: skip
    formats = [{"kind": kind} for kind in ("csv", "xlsx", "json", "json5", "parquet")]
    came = load_many(bench, files, format=formats, columns=LONG)
    exact = came.rows("text.csv", "id", "n", "f")
    assert len(exact) == 2
    assert came.rows("whole.json", "id", "n", "f") == came.rows("whole.json5", "id", "n", "f") == exact
    assert came.rows("text.xlsx", "id", "n")[:2] == [row[:2] for row in exact]
    assert (came["cells.xlsx"].valid, came["cells.xlsx"].malformed) == (1, 3)
    assert (came["whole.json5"].malformed, came["floats.parquet"].valid, came["floats.parquet"].malformed) == (1, 2, 2)
    (one,) = {row[0] for row in came.rows("cells.xlsx", "id")}
    assert one in {row[0] for row in exact}  # the same person
    assert one in {row[0] for row in came.rows("floats.parquet", "id")}
    texts = [text for name in files for (text,) in came.quarantine(name, "_reasons::VARCHAR")]
    assert all("more than 15 digits" in text and str(long) not in text for text in texts)


def test_numbers_that_are_none_and_values_of_every_type_of_parquet(bench: Make) -> None:
    columns = {"id": {"type": "string"}, "v": {"type": "string", "required": False}}
    utc = dt.UTC
    values: dict[str, tuple[pa.Array, str | None]] = {
        "nan": (pa.array([float("nan")]), None),
        "infinity": (pa.array([float("inf")]), "Infinity"),
        "half": (pa.array([1.5], pa.float32()).cast(pa.float16()), "1.5"),
        "single": (pa.array([0.1], pa.float32()), "0.1"),
        "small": (pa.array([1e-7]), "0.0000001"),
        "unsigned": (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        "decimal": (pa.array([Decimal("0.0000000010")], pa.decimal128(20, 10)), "0.0000000010"),
        "dictionary": (pa.array(["a"]).dictionary_encode(), "a"),
        "numbers in a dictionary": (pa.array([7.0]).dictionary_encode(), "7"),
        "large": (pa.array(["a"], pa.large_string()), "a"),
        "bytes": (pa.array([b"ab"]), "ab"),
        "nothing": (pa.array([None], pa.null()), None),
        "list": (pa.array([[1, None]]), "[1, null]"),
        "struct": (pa.array([{"y": 1.5, "x": dt.date(2026, 1, 2)}]), '{"x": "2026-01-02", "y": 1.5}'),
        "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), '[["k", 1]]'),
        "day": (pa.array([dt.date(2026, 1, 2)]), "2026-01-02"),
        "moment": (pa.array([dt.datetime(2026, 1, 2, 3, 4)]), "2026-01-02 03:04:00"),
        "midnight": (pa.array([dt.datetime(2026, 1, 2)]), "2026-01-02"),
        "nanoseconds": (pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")), "2023-11-14 22:13:20.123456789"),
        "zone": (pa.array([dt.datetime(2026, 7, 2, 3, 4, tzinfo=utc)], pa.timestamp("us", "UTC")), "2026-07-02 03:04:00+00:00"),
        "time": (pa.array([dt.time(3, 4, 5, 250_000)]), "03:04:05.25"),
        "length": (pa.array([dt.timedelta(hours=26)]), "26:00:00"),
        "true": (pa.array([True]), "true"),
    }  # fmt: skip

    def table(name: str, array: pa.Array) -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table({"id": [name], "v": array}), sink)
        return sink.getvalue()

    files = {f"{name}.parquet": table(name, array) for name, (array, _) in values.items()}
    came = load_many(bench, files, format={"kind": "parquet"}, columns=columns)
    found = {name: came.rows(f"{name}.parquet", "v") for name in values}
    assert found == {name: [(said,)] for name, (_, said) in values.items()}


def test_a_whole_number_in_a_column_of_text_has_no_point(bench: Make) -> None:
    """pandas makes 12345.0 of 12345 as soon as one is missing: the same person is one, whichever way they come."""
    columns = {"id": {"type": "string", "role": "identifier"}, "lot": {"type": "string"}, "n": {"type": "float"}}
    long = "123456789012345678901234567890"
    lots = [
        ("12345.0", "12345"),
        ("-7.00", "-7"),
        ("1.50", "1.50"),
        ("-0.0", "0"),
        ("1E+3", "1000"),
        (f"{long}.0", long),
    ]
    text = "[" + ", ".join(f'{{"id": 12345.0, "lot": {said}, "n": 1.0}}' for said, _ in lots) + "]"
    files = {"a.json": text, "a.jsonl": text[1:-1].replace("}, ", "}\n"), "a.csv": "id,lot,n\n12345,x,1\n"}
    came = load_many(bench, files, format=[{"kind": "json"}, {"kind": "csv"}], columns=columns)
    for name in ("a.json", "a.jsonl"):
        assert sorted(came.rows(name, "lot")) == sorted((lot,) for _, lot in lots), name
    assert len(came.bench.sql("SELECT DISTINCT id FROM {validated}")) == 1


def test_bytes_of_parquet_that_are_no_text_spoil_their_row_alone(bench: Make) -> None:
    binary = pa.array([b"a", b"\xff\xfe", None], pa.binary())
    broken = pa.StringArray.from_buffers(2, *[pa.array([b"a", b"\xff"], pa.binary()).buffers()[n] for n in (1, 2)])
    files = {}
    for name, values in (("binary", binary), ("text", broken)):
        pq.write_table(pa.table({"id": values, "site": ["x"] * len(values)}), held := io.BytesIO())
        files[f"{name}.parquet"] = held.getvalue()
    columns = {"id": {"type": "string", "required": False}, "site": {"type": "string"}}
    came = load_many(bench, files, format={"kind": "parquet"}, columns=columns)
    for name in files:
        assert (came[name].valid, came[name].malformed) == ((2, 1) if name == "binary.parquet" else (1, 1)), name
        assert came.quarantine(name, "_reasons") == [(["row: holds bytes that are no text (UTF-8)"],)]
    assert came.rows("binary.parquet", "id")[0] == ("a",)


def test_a_nul_byte_is_no_part_of_a_text_in_any_kind_of_file(bench: Make) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "site": "x"}, {"id": "b", "site": "x\0y"}, {"id": "c", "site": None}]
    table = pa.table({name: [row[name] for row in rows] for name in SITE})
    pq.write_table(table, held := io.BytesIO())
    files: dict[str, bytes | str] = {
        "a.csv": "id,site\n" + "".join(f"{row['id']},{row['site'] or ''}\n" for row in rows),
        "a.json": json.dumps(rows),
        "a.jsonl": "\n".join(map(json.dumps, rows)),
        "a.parquet": held.getvalue(),
    }
    came = load_many(bench, files, format=[{"kind": k} for k in ("csv", "json", "parquet")], columns=SITE)
    for name in files:
        assert came.rows(name, "id") == [("a",), ("c",)], name
        assert came.quarantine(name, "_reasons") == [(["row: contains a NUL byte"],)], name


def test_numbers_and_dates_are_names_in_a_header(bench: Make) -> None:
    columns = {
        "region": {"type": "string"},
        "y24": {"type": "integer", "from": "2024"},
        "first": {"type": "integer", "from": "2024-01-01"},
    }
    head: list[Any] = ["region", 2024, X("45292", s=1)]
    files: dict[str, bytes | str] = {
        "cells.xlsx": book([S("S", [head, ["north", 1, 2]])], formats=["d/m/yyyy"]),
        "texts.xlsx": book([S("S", [["region", "2024", "2024-01-01"], ["north", 1, 2]])]),
        "plain.csv": "region,2024,2024-01-01\nnorth,1,2\n",
    }
    came = load_many(bench, files, format=[{"kind": "xlsx"}, {"kind": "csv"}], columns=columns)
    for name in files:
        assert came.rows(name, "region", "y24", "first") == [("north", 1, 2)], came[name].reason
        assert came[name].drift == {}


def test_a_time_is_never_cut_off_and_a_truth_value_is_said_as_the_column_says_it(bench: Make) -> None:
    columns = {
        "id": {"type": "string"},
        "day": {"type": "date", "format": ["%d/%m/%Y", "%Y-%m-%d"], "required": False},
        "moment": {"type": "timestamp", "format": "%Y-%m-%d %H:%M", "required": False},
        "yes": {"type": "boolean", "true_values": ["J"], "false_values": ["N"], "required": False},
    }
    rows: list[list[Any]] = [
        ["a", X("45292", s=1), X("45292.5", s=2), True],
        ["b", X("45292.25", s=1), None, None],
        ["c", None, X("45292.500011574074", s=2), None],
        ["d", None, None, "true"],
    ]
    sink = io.BytesIO()
    days, moments = (
        [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 6), None, None],
        [dt.datetime(2024, 1, 1, 12), None, dt.datetime(2024, 1, 1, 12, 0, 1), None],
    )
    pq.write_table(
        pa.table({"id": list("abcd"), "day": days, "moment": moments, "yes": ["J", None, None, "true"]}), sink
    )
    files: dict[str, bytes | str] = {
        "a.xlsx": book([S("S", [["id", "day", "moment", "yes"], *rows])], formats=["d/m/yyyy", "d/m/yyyy h:mm"]),
        "a.parquet": sink.getvalue(),
        "a.csv": "id,day,moment,yes\na,01/01/2024,2024-01-01 12:00,J\nb,2024-01-01 06:00:00,,\nc,,2024-01-01 12:00:01,\nd,,,true\n",
    }
    came = load_many(bench, files, format=[{"kind": k} for k in ("csv", "xlsx", "parquet")], columns=columns)
    for name in files:
        assert came.rows(name, "id", "day", "moment", "yes") == [
            ("a", dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 12), True)
        ]
        assert came.quarantine(name, "id", "day", "moment", "yes", "_reasons") == came.quarantine(
            "a.csv", "id", "day", "moment", "yes", "_reasons"
        )
        assert came[name].quarantined == 3
    assert "is not a date" in str(came["a.csv"].reasons)


@pytest.mark.parametrize(
    ("code", "number", "said"),
    [
        ("00000", 42, "00042"),
        ("00000", -42, "-00042"),
        ("00000", 1234567, "1234567"),
        ('"V-"0000', 7, "V-0007"),
        ("\\V\\-0000", 7, "V-0007"),
        ("000-00-0000", 123456789, "123-45-6789"),
        ('"B0"000', 7, "B0007"),
        ("0000;-0000;;@", 7, "0007"),
    ],
)
def test_a_format_of_zeros_puts_zeros_before_a_number(code: str, number: int, said: str) -> None:
    assert in_digits(number, shown_by(code)) == said


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", "number"), ("0", "number"), ("0.00", "number"), ("#,##0", "number"), ("0%", "number"), ("@", "number"), ('0" days"', "number"),
        ('"day "0', "number"), ("0.00E+00", "number"), ('_-* #,##0_-;_-* "-"_-', "number"), ("[Red]0", "number"), ("?/?", "number"),
        ("d/m/yy", "date"), ("mmm", "date"), ("[$-413]d mmmm yyyy", "date"), ("yyyy", "date"), ("dd\\-mm\\-yyyy;@", "date"), ("d/m/yyyy h:mm", "date"),
        ("h:mm", "time"), ("mm:ss", "time"), ("h:mm AM/PM", "time"), ("[h]:mm", "duration"), ("[mm]:ss", "duration"), ("00", "digits"), ("000 00", "digits"),
    ],
)  # fmt: skip
def test_what_a_number_format_shows(code: str, kind: str) -> None:
    assert shown_by(code).kind == kind
