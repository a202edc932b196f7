"""Tables go to R and come back exactly, or the column that cannot is named. R runs inside this test process."""

from __future__ import annotations

import math
import os
import signal
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.r_child.types import arrow_schema
from resources.r_runtime import RRuntime
from resources.r_runtime.runtime import HARNESS

TYPES = {
    "text": "text",
    "integer": "integer",
    "number": "number",
    "flag": "flag",
    "date": "date",
    "time": "time",
}


class R:
    """The exchange, and R's own view of what arrived."""

    def __init__(self, exchange: Any, evaluate: Any) -> None:
        self.exchange = exchange
        self._evaluate = evaluate

    def see(self, column: pa.Array | pa.ChunkedArray, kind: str, expression: str) -> list[object]:
        """The column as R has it, asked by an R expression in `x` that gives text."""
        vector = self.exchange.to_r(pa.chunked_array([column]), kind, "x")
        import rpy2.rinterface as ri

        answer = self._evaluate(f"function(x) as.character({expression})")(vector)
        return [None if item is ri.NA_Character else str(item) for item in answer]

    def back(self, table: pa.Table, columns: dict[str, str]) -> pa.Table:
        """To R, through the check of the output contract, and back."""
        frame = self.exchange.frame_to_r(table, columns)
        return self.exchange.frame_to_arrow(frame, columns)

    def make(self, code: str, kind: str) -> pa.Array:
        """An R expression, checked as an output column and brought out."""
        import rpy2.rinterface as ri

        harness = self.exchange._r
        declared = ri.ListSexpVector([ri.StrSexpVector([kind])])
        declared.names = ri.StrSexpVector(["type"])
        value = self._evaluate(f"({code})")
        column = harness["check_column"](value, "x", declared, len(value))
        frame = harness["frame_of"](ri.ListSexpVector([column]), ri.StrSexpVector(["x"]), len(value))
        return self.exchange.frame_to_arrow(frame, {"x": kind})["x"].combine_chunks()


@pytest.fixture(scope="module")
def r() -> R:
    os.environ["R_HOME"] = RRuntime().environment(Path("/tmp"))["R_HOME"]
    from resources.r_child.embedded import start_r

    harness = start_r(str(file) for file in sorted(HARNESS.glob("*.R")))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C still ends pytest
    import rpy2.rinterface as ri

    from resources.r_child.exchange import Exchange

    return R(Exchange(harness), ri.evalr)


# --- Every type, there and back ------------------------------------------------------------------------------

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_few_words = st.sampled_from(["Fryslân", "Utrecht", "", "NA", "東京"])
_times = st.integers(-(2**51), 2**51)  # microseconds: 1898 to 2041
VALUES = {
    "text": st.one_of(_text, _few_words),
    "integer": st.one_of(st.integers(-(2**53), 2**53), st.integers(-10, 10)),
    "number": st.floats(allow_nan=True, allow_infinity=True),
    "flag": st.booleans(),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "time": _times.map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Zero to forty rows of every type, with missing values; sometimes from few distinct ones, as data are."""
    rows = draw(st.integers(0, 40))
    columns = {
        kind: draw(st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows))
        for kind, values in VALUES.items()
    }
    return pa.table(columns, schema=arrow_schema(TYPES))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_every_table_comes_back_as_it_went(table: pa.Table, r: R) -> None:
    returned = r.back(table, TYPES)

    assert returned.schema == table.schema
    for name in TYPES:
        assert _bits(returned[name]) == _bits(table[name])


@settings(max_examples=25, deadline=None)
@given(words=st.lists(st.one_of(st.none(), _text), min_size=1, max_size=20), times=st.integers(100, 300))
def test_long_columns_of_distinct_text_come_back(words: list[str | None], times: int, r: R) -> None:
    values = [word and f"{word}{number}" for number in range(times) for word in words]
    table = pa.table({"text": values}, schema=arrow_schema({"text": "text"}))

    assert r.back(table, {"text": "text"}).equals(table)


@given(numbers=st.lists(st.floats(), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_numbers_keep_every_bit(numbers: list[float], r: R) -> None:
    seen = r.see(pa.array(numbers), "number", 'sprintf("%a", x)')

    for text, number in zip(seen, numbers, strict=True):
        if math.isnan(number):
            assert text == "NaN"
        elif math.isinf(number):
            assert text == ("Inf" if number > 0 else "-Inf")
        else:
            assert float.fromhex(str(text)) == number


@given(words=st.lists(st.one_of(st.none(), _text), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_text_arrives_character_by_character(words: list[str | None], r: R) -> None:
    code_points = 'vapply(x, function(s) if (is.na(s)) NA_character_ else paste(utf8ToInt(s), collapse = " "), "")'

    seen = r.see(pa.array(words, pa.string()), "text", code_points)

    assert seen == [None if word is None else " ".join(str(ord(char)) for char in word) for word in words]


# --- What R sees ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(TYPES))
def test_missing_is_na_in_every_type(kind: str, r: R) -> None:
    column = pa.array([None, None], arrow_schema({"x": kind}).field("x").type)

    assert r.see(column, kind, "is.na(x)") == ["TRUE", "TRUE"]
    assert r.back(pa.table({"x": column}), {"x": kind})["x"].null_count == 2


@pytest.mark.parametrize(
    ("kind", "r_class"),
    [
        ("text", "character"),
        ("integer", "integer"),
        ("number", "numeric"),
        ("flag", "logical"),
        ("date", "Date"),
        ("time", "POSIXct"),
    ],
)
def test_a_table_without_rows_keeps_its_types(kind: str, r_class: str, r: R) -> None:
    empty = pa.table({"x": pa.array([], arrow_schema({"x": kind}).field("x").type)})

    assert r.see(empty["x"].combine_chunks(), kind, "c(class(x)[1], length(x))") == [r_class, "0"]
    assert r.back(empty, {"x": kind}).equals(empty)


def test_nan_is_not_missing(r: R) -> None:
    column = pa.array([1.5, None, math.nan])

    assert r.see(column, "number", "is.na(x) & !is.nan(x)") == ["FALSE", "TRUE", "FALSE"]
    returned = r.back(pa.table({"x": column}), {"x": "number"})["x"].to_pylist()
    assert returned[:2] == [1.5, None]
    assert math.isnan(returned[2])


def test_whole_numbers_stay_integers_up_to_two_to_the_31(r: R) -> None:
    assert r.see(pa.array([2**31 - 1, -(2**31) + 1]), "integer", "c(typeof(x), x)") == [
        "integer",
        "2147483647",
        "-2147483647",
    ]
    # -2^31 is R's own mark for a missing integer
    for beyond in (2**31, -(2**31)):
        assert r.see(pa.array([beyond]), "integer", 'c(typeof(x), sprintf("%.0f", x))') == [
            "double",
            str(beyond),
        ]


def test_whole_numbers_beyond_two_to_the_53_are_refused_not_rounded(r: R) -> None:
    from resources.r_child.exchange import ExchangeError

    assert r.see(pa.array([2**53]), "integer", 'sprintf("%.0f", x)') == [str(2**53)]
    for beyond in (2**53 + 1, -(2**53) - 1):
        for kind in ("integer", "number"):
            with pytest.raises(ExchangeError, match=r'column "x" holds whole numbers beyond 2\^53'):
                r.see(pa.array([beyond]), kind, "x")
        assert r.see(pa.array([beyond]), "text", "x") == [str(beyond)]


def test_a_time_is_the_same_instant_across_a_change_of_clocks(r: R) -> None:
    """At 01:00 UTC on 27 October 2024 the clock in Amsterdam went back from 3 to 2: two instants read 02:30."""
    instants = [datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 10, 27, 1, 30, tzinfo=UTC)]
    column = pa.array(instants, pa.timestamp("us", tz="Europe/Amsterdam"))

    assert r.see(column, "time", 'format(x, "%H:%M %Z")') == ["02:30 CEST", "02:30 CET"]
    assert r.see(column, "time", "diff(as.numeric(x))") == ["3600"]
    assert r.back(pa.table({"x": column}), {"x": "time"})["x"].to_pylist() == instants


def test_times_keep_their_microseconds(r: R) -> None:
    moments = [
        datetime(2024, 3, 31, 1, 59, 59, 999999),
        datetime(1900, 1, 1, 0, 0, 0, 1),
        datetime(2150, 1, 1, 0, 0, 0, 7),
    ]
    column = pa.array(moments, pa.timestamp("us"))

    returned = r.back(pa.table({"x": column}), {"x": "time"})["x"].to_pylist()

    assert returned == [moment.replace(tzinfo=UTC) for moment in moments]


def test_times_finer_or_farther_than_r_can_hold_are_refused(r: R) -> None:
    from resources.r_child.exchange import ExchangeError

    with pytest.raises(ExchangeError, match=r'column "x" .* is not exact as <time>'):
        r.see(pa.array([1], pa.timestamp("ns")), "time", "x")
    with pytest.raises(ExchangeError, match="too far from 1970"):
        r.see(pa.array([datetime(9000, 1, 1, 0, 0, 0, 1)], pa.timestamp("us")), "time", "x")


def test_dates_are_days_not_moments(r: R) -> None:
    days = [date(1582, 10, 15), date(1970, 1, 1), date(2024, 2, 29), None]

    assert r.see(pa.array(days), "date", "format(x)") == ["1582-10-15", "1970-01-01", "2024-02-29", None]
    assert r.see(pa.array(days).cast(pa.date64()), "date", "format(x)")[2] == "2024-02-29"


def test_column_names_may_hold_spaces_and_any_letters(r: R) -> None:
    names = ["a b", "Größe (cm)", "1st", "if", "x.y"]
    table = pa.table({name: [1] for name in names})
    columns = dict.fromkeys(names, "integer")

    returned = r.back(table, columns)

    assert returned.column_names == names
    assert list(r.exchange.frame_to_r(table, columns).names) == names


def test_text_that_only_looks_like_another_type_stays_text(r: R) -> None:
    words = ["007", "1e3", "NA", "TRUE", "2020-01-01", " padded ", ""]

    assert r.see(pa.array(words), "text", "x") == words
    assert r.see(pa.array(words), "text", "is.na(x)") == ["FALSE"] * 7


def test_a_dictionary_arrives_as_plain_text(r: R) -> None:
    column = pa.array(["b", None, "a", "b"]).dictionary_encode()

    assert r.see(column, "text", "c(class(x), x)") == ["character", "b", None, "a", "b"]
    chunks = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "a"]).dictionary_encode()])
    assert list(r.exchange.to_r(chunks, "text", "x")) == ["a", "b", "c", "a"]
    with_null = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
    assert r.see(with_null, "text", "x") == ["a", None, "a"]


def test_decimals_become_numbers_when_no_digit_is_lost(r: R) -> None:
    from resources.r_child.exchange import ExchangeError

    assert r.see(pa.array([Decimal("12.345"), None]), "number", "x") == ["12.345", None]
    assert r.see(pa.array([Decimal("12345678901234567890.5")]), "text", "x") == ["12345678901234567890.5"]
    with pytest.raises(ExchangeError, match="more digits than an R number holds; declare it <text>"):
        r.see(pa.array([Decimal("12345678901234567890.5")]), "number", "x")


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        (pa.array(["a"]), "integer", 'column "x" is <text> in the table, @input says <integer>'),
        (pa.array([1.5]), "integer", 'column "x" is <number> in the table, @input says <integer>'),
        (pa.array([True]), "number", 'column "x" is <flag> in the table, @input says <number>'),
        (pa.array([1]), "flag", 'column "x" is <integer> in the table, @input says <flag>'),
        (pa.array([datetime(2020, 1, 1)]), "date", 'column "x" is <time> in the table, @input says <date>'),
        (pa.array([date(2020, 1, 1)]), "time", 'column "x" is <date> in the table, @input says <time>'),
        (pa.array([[1]]), "text", "@input says <text>"),
    ],
)
def test_another_type_than_declared_is_named(column: pa.Array, kind: str, message: str, r: R) -> None:
    from resources.r_child.exchange import ExchangeError

    with pytest.raises(ExchangeError) as refused:
        r.see(column, kind, "x")

    assert message in str(refused.value)


def test_a_nul_character_is_refused(r: R) -> None:
    from resources.r_child.exchange import ExchangeError

    with pytest.raises(ExchangeError, match="holds a NUL character"):
        r.see(pa.array([f"a\0{n}" for n in range(5)]), "text", "x")


def test_a_column_in_several_chunks_or_a_slice_arrives_whole(r: R, tmp_path: Path) -> None:
    chunks = pa.chunked_array([["a", None], [], ["b"]])
    assert list(r.exchange.to_r(chunks, "text", "x"))[::2] == ["a", "b"]
    sliced = pa.array([1, 2, None, 4]).slice(1, 2)
    assert r.see(sliced, "integer", "x") == ["2", None]
    assert r.see(pa.array([1.5, 2.5, None, 4.5]).slice(1, 2), "number", "x") == ["2.5", None]
    assert r.see(pa.array([True, False, None]).slice(1, 2), "flag", "x") == ["FALSE", None]
    path = tmp_path / "groups.parquet"
    pq.write_table(pa.table({"n": list(range(1000))}), path, row_group_size=100)
    frame = r.exchange.read_parquet(path, {"n": "integer"})
    assert list(frame[0]) == list(range(1000))


def test_a_missing_column_is_named_with_those_there_are(r: R, tmp_path: Path) -> None:
    from resources.r_child.exchange import ExchangeError

    pq.write_table(pa.table({"n": [1], "province": ["x"]}), tmp_path / "t.parquet")

    with pytest.raises(ExchangeError, match='no column "provnce"; it has n, province'):
        r.exchange.read_parquet(tmp_path / "t.parquet", {"n": "integer", "provnce": "text"})


# --- What R may return ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ('factor(c("b", "a", NA))', "text", ["b", "a", None]),
        ('factor(c("b", "a"), levels = c("c", "b", "a"), ordered = TRUE)', "text", ["b", "a"]),
        ("c(1, 2, NA)", "integer", [1, 2, None]),
        ("c(2^53, -2^53)", "integer", [2**53, -(2**53)]),
        ("1:3", "number", [1.0, 2.0, 3.0]),
        ("c(TRUE, NA)", "flag", [True, None]),
        ("NA", "text", [None]),
        ("NA", "integer", [None]),
        ("c(NA, NA)", "date", [None, None]),
        ("NA", "time", [None]),
        ('as.Date(c("2020-01-01", NA))', "date", [date(2020, 1, 1), None]),
        ('structure(18262L, class = "Date")', "date", [date(2020, 1, 1)]),
        (
            'as.POSIXct("2024-03-31 03:30:00", tz = "Europe/Amsterdam")',
            "time",
            [datetime(2024, 3, 31, 1, 30, tzinfo=UTC)],
        ),
        ('c(a = "x", b = "y")', "text", ["x", "y"]),
        ('iconv("caf\\u00e9", "UTF-8", "latin1")', "text", ["café"]),
        ('structure(c(4.940656e-324, 1.5e-323), class = "integer64")', "integer", [1, 3]),
        ('rep(c("a", NA), 3000)', "text", ["a", None] * 3000),
        ("c(as.character(1:5000), NA)", "text", [*map(str, range(1, 5001)), None]),
        ("character()", "text", []),
    ],
)
def test_what_r_returns_becomes_the_declared_type(code: str, kind: str, expected: list[object], r: R) -> None:
    made = r.make(code, kind)

    assert made.type == arrow_schema({"x": kind}).field("x").type
    assert made.to_pylist() == expected


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("c(1, 1.5)", "integer", "has a fraction in row 2"),
        ("2^53 + 2", "integer", "is beyond 2^53 in row 1"),
        ("c(1, NaN, NA)", "number", "is NaN or infinite in row 2"),
        ("c(-Inf, Inf)", "number", "is NaN or infinite in 2 rows, first in row 1"),
        ('"1"', "number", "is character, @output says <number>; use as.numeric(x)"),
        ('"1"', "integer", "is character, @output says <integer>; use as.integer(x)"),
        ('factor("1")', "integer", "is factor, @output says <integer>; use as.integer(as.character(x))"),
        ("1:2", "text", "is integer, @output says <text>; use as.character(x)"),
        ("1:2", "flag", "is integer, @output says <flag>; use x == 1"),
        ('structure(18262.5, class = "Date")', "date", "has a part of a day in row 1"),
        ('as.POSIXct("2020-01-01", tz = "UTC")', "date", "is POSIXct, @output says <date>; use as.Date(x)"),
        ('as.Date("2020-01-01")', "time", "is Date, @output says <time>"),
        ('as.POSIXct(1e11, origin = "1970-01-01")', "time", "is not a time between 1698 and 2242 in row 1"),
        (
            'as.Date("2020-01-02") - as.Date("2020-01-01")',
            "number",
            "is difftime, @output says <number>; use as.numeric",
        ),
        ("list(1, 2)", "number", "is list, @output says <number>; use unlist()"),
        ("matrix(1:4, 2)", "integer", "is a matrix: a column must be a plain vector"),
        ("complex(real = 1, imaginary = 1)", "number", "is complex, @output says <number>"),
        ("as.raw(1)", "integer", "is raw, @output says <integer>"),
        ('c("ok", "caf\\xe9")', "text", "is not valid UTF-8 text in row 2"),
    ],
)
def test_what_has_no_exact_place_in_the_table_is_refused(code: str, kind: str, message: str, r: R) -> None:
    from rpy2.rinterface_lib.embedded import RRuntimeError

    with pytest.raises(RRuntimeError) as refused:
        r.make(code, kind)

    assert 'column "x" ' + message in str(refused.value)


def _bits(column: pa.ChunkedArray) -> list[object]:
    """Values with floats as their bits, so that NaN and -0.0 count; every NaN that is not missing is one NaN."""
    values: list[object] = column.to_pylist()
    return [("nan" if math.isnan(value) else value.hex()) if isinstance(value, float) else value for value in values]
