"""CSV for people: whatever a spreadsheet takes for a separator or a quotation mark, no text of the data becomes a formula, and none is lost."""

from __future__ import annotations

import ast
import csv
import datetime as dt
import io
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.people_csv import FORMULA, as_typed, csv_bytes, harmless
from tests.product import REPOSITORY, modules

SEPARATORS = [",", ";", "\t", "|"]
BLANK = "".join(
    c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace() or unicodedata.category(c) in ("Cc", "Cf")
)
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?([,;\t|\"]|$)")
"""What a number of the table begins with: only a number that the writer wrote may begin a cell with a sign."""

PIECES = st.sampled_from(
    [*FORMULA, *"\";,\t\r\n|' ", "\u00a0", "\ufeff", "\u200b", "\u3000", "a", "1", "\\", "1+1", "cmd|"]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=12)
CELLS = TEXTS | st.none() | st.integers(-99, 99) | st.floats(-9, 9, width=16).map(float)
TABLES = st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=4))


def as_read(data: bytes) -> Iterator[str]:
    """Every cell that a program could see: for each separator, each way to quote, and for lines taken one by one."""
    text = data.decode("utf-8-sig")
    for separator in SEPARATORS:
        for options in (
            {"quotechar": '"'},
            {"quotechar": '"', "doublequote": False, "escapechar": "\\"},
            {"quotechar": '"', "skipinitialspace": True},
            {"quoting": csv.QUOTE_NONE},
            {"quotechar": "'"},
        ):
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, **options):
                yield from row
        for line in text.splitlines():
            yield from line.split(separator)


def begins_like_a_formula(cell: str) -> bool:
    cell = cell.lstrip(BLANK + '"')
    return cell[:1] in tuple(FORMULA) and not NUMBER.match(cell)


def dangerous(data: bytes) -> list[str]:
    return [cell for cell in as_read(data) if begins_like_a_formula(cell)]


@given(TABLES)
def test_no_cell_begins_like_a_formula_whatever_separates_and_quotes(rows: list[list[object]]) -> None:
    assert dangerous(csv_bytes(pd.DataFrame(rows, dtype=object))) == []


@pytest.mark.parametrize(
    "form", ["{}", "a;{};b", "a\t{}", "a\n{}", "a\r\n{}", " {}", "\u00a0{}", "\ufeff{}", "x,{}", '";{}', "\u2028{}"]
)
@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "＝1+1", '=HYPERLINK("http://x","k")']
)
def test_a_formula_is_disarmed_wherever_it_stands(form: str, formula: str) -> None:
    table = pd.DataFrame({"before": [-5], "text": [form.format(formula)], "after": ["x"]})
    assert dangerous(csv_bytes(table)) == []
    assert as_typed(harmless(form.format(formula))) == form.format(formula)


def test_the_check_itself_finds_what_pandas_and_the_csv_module_write() -> None:
    for text in ("=1+1", "a;=1+1;b", "a\t=1", "a\n=1", " =1", "\u00a0@x"):
        out = io.StringIO(newline="")
        csv.writer(out).writerow([text])
        assert dangerous(out.getvalue().encode())
        assert dangerous(pd.DataFrame({"x": [text]}).to_csv(index=False).encode())


@given(TEXTS)
def test_what_was_put_in_is_taken_out_again(text: str) -> None:
    assert as_typed(harmless(text)) == text


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_reader_of_csv_gets_the_text_back(texts: list[str]) -> None:
    table = pd.DataFrame({"n": range(len(texts)), "x": texts})
    rows = list(csv.reader(io.StringIO(csv_bytes(table).decode(), newline="")))
    assert rows[0] == ["n", "x"]
    assert [as_typed(x) for _, x in rows[1:]] == texts


@given(st.text(st.characters(exclude_characters=FORMULA + "\t\r\n"), max_size=20))
def test_a_text_without_a_formula_is_written_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_every_text_is_quoted_and_no_number_is() -> None:
    table = pd.DataFrame(
        {
            "change": [-5, 2],
            "share": [-0.5, None],
            "n": pd.array([None, -3], "Int64"),
            "text": ["-5", None],
            "on": [True, False],
            "day": pd.Series(["2024-01-02", None], dtype="datetime64[ns]"),
            "at": pd.Series(["2024-01-02 03:04", None], dtype="datetime64[ns]"),
            "date": [dt.date(2024, 1, 2), None],
        }
    )
    header, first, second, _ = csv_bytes(table).decode().split("\r\n")
    assert header == '"change","share","n","text","on","day","at","date"'
    assert first == '-5,-0.5,,"\'-5",True,"2024-01-02","2024-01-02 03:04:00","2024-01-02"'
    assert second == "2,,-3,,False,,,"


def test_a_missing_value_in_a_table_of_one_column_is_still_a_line() -> None:
    assert len(pd.read_csv(io.BytesIO(csv_bytes(pd.DataFrame({"x": ["a", None, "b"]}))), keep_default_na=False)) == 3


# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties, and the fillers and the blank of Braille, which are drawn as nothing
UNSEEN = [
    *(
        0xAD,
        0x34F,
        0x61C,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        *range(0x180B, 0x1810),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
    ),
    *(*range(0x2060, 0x2070), 0x2800, 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFFC)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
]


def test_no_character_that_is_not_seen_hides_a_formula() -> None:
    unseen = {*map(chr, UNSEEN), *BLANK}
    assert {c for c in unseen if not harmless(f"{c}=1").startswith("'")} == set()
    assert {
        c
        for c in unseen
        if f"'{c}=" in harmless(f"a;{c}=1") or f"{c}'=" in harmless(f"a;{c}=1") or " '" in harmless(f"a;{c}=1")
    } == unseen
    assert {c for c in unseen if as_typed(harmless(f"a;{c}=1")) != f"a;{c}=1"} == set()


def test_no_character_begins_a_formula_in_a_form_of_its_own() -> None:
    forms = {
        c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.normalize("NFKC", c)[:1] in (*"=+-@", "\u2212")
    }
    assert {c for c in forms if not harmless(f"{c}1").startswith("'")} == set()


def test_a_number_that_is_none_is_a_text() -> None:
    assert (
        csv_bytes(pd.DataFrame({"a": [float("-inf"), float("inf"), -1.5]})) == b'"a"\r\n"\'-inf"\r\n"inf"\r\n-1.5\r\n'
    )


def test_the_forms_of_a_formula_are_those_of_unicode() -> None:
    same = {c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.normalize("NFKC", c) in ("=", "+", "-", "@")}
    assert same <= set(FORMULA)


def test_a_long_run_of_blanks_takes_no_time_that_grows_with_its_square() -> None:
    assert harmless("\t" * 2_000_000 + "x") == "'" + "\t" * 2_000_000 + "x"


# ------------------------------------------------------------------ nothing else writes it

MACHINES = {
    "platform_assets/ingest/readers/formats/csv.py": "files for ingest, in the contract's own dialect",
    "platform_assets/quarantine/before_sending.py": "a sender's own file for ingest, whose other lines stay as they are",
    "platform_assets/sample/__init__.py": "sample files for ingest and for R",
    "platform_assets/sample/rows.py": "sample files for ingest",
}
"""Files that write CSV for programs, and why."""
WRITERS = {"to_csv", "write_csv", "DictWriter"}


def csv_writers(path: Path) -> list[int]:
    """Lines that write CSV by some other means."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and (
            node.attr in WRITERS
            or (node.attr == "writer" and isinstance(node.value, ast.Name) and node.value.id == "csv")
        ):
            found.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module in ("csv", "pyarrow.csv"):
            found.append(node.lineno)
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"(?i)\bcopy\b.*\bcsv\b", node.value)
        ):
            found.append(node.lineno)
    return found


def test_one_function_writes_csv_for_people() -> None:
    found = {p.relative_to(REPOSITORY).as_posix() for p in modules() if csv_writers(p)}
    assert found == set(MACHINES)


def test_no_script_of_r_writes_csv() -> None:
    # calls.R names the functions that a script may not call; preview.R hands a table to the dashboard's own reader, in a folder that goes
    others = {"calls.R", "preview.R"}
    scripts = [p for p in (REPOSITORY / "r_scripts").rglob("*.R") if "tests" not in p.parts and p.name not in others]
    assert scripts
    assert [
        p.name for p in scripts if re.search(r"\b(write\.(csv2?|table)|fwrite|write_csv2?)\s*\(", p.read_text())
    ] == []
