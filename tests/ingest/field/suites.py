"""Small files after what public test suites of readers describe (RFC 4180, csv-spectrum, csv-test-data, the issue lists of xlsx
readers, JSONTestSuite), each with what an independent reader makes of it. Written anew: nothing of those suites is copied."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.workbooks import S, X, book

HEAD = ("a", "b", "c")
Rows = list[tuple[str | None, ...]]

# ------------------------------------------------------------------ delimited text

BODIES: dict[str, list[list[str]]] = {
    "simple": [["1", "2", "3"]],
    "several": [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"]],
    "comma in quotes": [["John", "Doe, Jr.", "120 any st."], ["x", ",", ",,"]],
    "escaped quotes": [["1", 'ha "ha" ha', "3"], ["3", '"', '""'], ['"', "4", 'end"']],
    "newlines": [["1", "2", "3"], ["Once upon \na time", "5", "6"], ["7", "8\n", "\n9"]],
    "quotes and newlines": [["1", 'ha \n"ha" \nha', "3"], ["3", "4", "5"]],
    "crlf inside": [["1", "first\r\nsecond", "3"]],
    "empty cells": [["1", "", ""], ["2", "3", ""], ["", "", "4"]],
    "empty row": [["1", "2", "3"], ["", "", ""], ["4", "5", "6"]],
    "utf8": [["1", "2", "3"], ["4", "5", "ʤ"], ["日本", "Ελληνικά", "😀"]],
    "json in a cell": [["1", '{"type": "Point", "coordinates": [102.0, 0.5]}', "3"]],
    "leading zeros": [["007", "00", "-0"], ["+1", "1e5", "0x1F"]],
    "spaces": [[" a ", "  b", "c  "], ["a b", "a  b", "\tc"]],
    "only quotes": [['""""', "''", "`"]],
    "long cell": [["x" * 40_000, "2", "3"]],
    "formula": [["=1+1", "+1", "@x"]],
    "semicolons": [["a;b", ";", "c"]],
    "tabs": [["a\tb", "\t", "c"]],
    "backslashes": [["a\\", "\\n", 'b\\"c']],
    "nulls in words": [["NULL", "\\N", "NA"], ["None", "nil", "#N/A"]],
    "numbers": [["1,234.5", "1.234,5", "12345678901234567890"]],
    "hash": [["#", "# comment", "#3"], ["x", "# y", ""]],
    "apostrophes": [["O'Neil", "d'", "'"]],
    "hyphens": [["-", "--", "---"]],
}
DIALECTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "quoted": {"quoting": csv.QUOTE_ALL},
    "crlf": {"end": "\r\n"},
    "crlf quoted": {"end": "\r\n", "quoting": csv.QUOTE_ALL},
    "no last end": {"last": False},
    "bom": {"encoding": "utf-8-sig"},
    "bom crlf": {"encoding": "utf-8-sig", "end": "\r\n"},
    "blank lines": {"between": True},
    "cr": {"end": "\r"},
}


def delimited() -> Iterator[tuple[str, bytes, Rows]]:
    """(name, file, rows by Python's csv) of every body in every dialect."""
    for (body, rows), (dialect, options) in itertools.product(BODIES.items(), DIALECTS.items()):
        inside = any("\n" in cell or "\r" in cell for row in rows for cell in row)
        if options.get("end") == "\r" and inside:
            continue  # nobody can tell the ends of lines from what stands inside
        out = io.StringIO(newline="")
        end = options.get("end", "\n")
        csv.writer(out, quoting=options.get("quoting", csv.QUOTE_MINIMAL), lineterminator=end).writerows([HEAD, *rows])
        said = out.getvalue()
        if options.get("between") and not inside:
            said = end + said.replace(end, end * 2)
        if not options.get("last", True):
            said = said.removesuffix(end)
        data = said.encode(options.get("encoding", "utf-8"))
        read = list(csv.reader(io.StringIO(said, newline=""), strict=True))
        yield f"{body}, {dialect}.csv", data, expected([row for row in read if row][1:])


def expected(rows: Sequence[Sequence[str | None]]) -> Rows:
    """Rows as they are kept: an empty cell is no value, a row of empty cells is none; line breaks in a cell are ``\\n``."""
    kept = [tuple(cell.replace("\r\n", "\n") if cell else None for cell in row) for row in rows]
    return sorted((row for row in kept if any((cell or "").strip() for cell in row)), key=repr)


# ------------------------------------------------------------------ workbooks

CELLS: dict[str, tuple[Any, str | None]] = {
    "text": ("plain", "plain"),
    "blanks": ("  kept ", "  kept "),
    "line break": ("two\nlines", "two\nlines"),
    "markup": ("<b> & \"c\" 'd'", "<b> & \"c\" 'd'"),
    "astral": ("😀 日本", "😀 日本"),
    "escape": ("_x005F_x0041_ tab_x0009_", "_x0041_ tab\t"),
    "formula-like text": ("=1+1", "=1+1"),
    "number": (12, "12"),
    "float": (X("1.5"), "1.5"),
    "whole float": (X("7.0"), "7"),
    "exponent": (X("1E-7"), "0.0000001"),
    "large exponent": (X("1.5E+10"), "15000000000"),
    "seventeen digits": (X("0.30000000000000004"), "0.3"),
    "almost seven": (X("7.000000000000001"), "7"),
    "fifteen digits": (X("123456789012345"), "123456789012345"),
    "negative": (X("-0.5"), "-0.5"),
    "zero": (0, "0"),
    "true": (True, "true"),
    "false": (False, "false"),
    "error": (X("#DIV/0!", "e"), "#DIV/0!"),
    "computed": (X("3", f="1+2"), "3"),
    "computed text": (X("ab", "str", f="A1"), "ab"),
    "empty text": (X("", "str", f="A9"), None),
    "date": (X("45292", s=1), "2024-01-01"),
    "before the leap day": (X("59", s=1), "1900-02-28"),
    "after the leap day": (X("61", s=1), "1900-03-01"),
    "the day that never was": (X("60", s=1), "60"),
    "moment": (X("45292.5", s=2), "2024-01-01 12:00:00"),
    "seconds": (X("45292.573611111109", s=2), "2024-01-01 13:46:00"),
    "time": (X("0.75", s=3), "18:00:00"),
    "elapsed": (X("1.25", s=4), "30:00:00"),
    "per cent": (X("0.25", s=5), "0.25"),
    "currency": (X("1234.5", s=6), "1234.5"),
    "zeros before": (X("42", s=7), "00042"),
    "zeros with text": (X("42", s=8), "V-0042"),
    "social number": (X("123456789", s=9), "123-45-6789"),
    "too large for zeros": (X("1234567", s=7), "1234567"),
    "accounting": (X("5", s=10), "5"),
    "iso date": (X("2024-01-01", "d"), "2024-01-01"),
    "negative day": (X("-1", s=1), "-1"),
    "far day": (X("3000000", s=1), "3000000"),
    "coloured date": (X("45292", s=11), "2024-01-01"),
    "month in words": (X("45292", s=12), "2024-01-01"),
    "general in quotes": (X("5", s=13), "5"),
}
CODES = [
    "yyyy-mm-dd", "dd/mm/yyyy hh:mm", "h:mm AM/PM", "[h]:mm:ss", "0%", '"€" #,##0.00', "00000", '"V-"0000', "000-00-0000",
    '_-* #,##0_-;\\-* #,##0_-;_-* "-"_-;_-@_-', "[Red]d/m/yyyy;@", "[$-413]d mmmm yyyy", '0" days"',
]  # fmt: skip


def workbooks() -> Iterator[tuple[str, bytes, Rows]]:
    """(name, file, rows) of every cell, with texts in the cells and in the part that cells share."""
    for (name, (cell, said)), shared in itertools.product(CELLS.items(), (True, False)):
        data = book([S("Data", [list(HEAD), ["x", cell, name], ["y", None, "z"]])], formats=CODES, shared=shared)
        yield f"{name} {shared}.xlsx", data, sorted([("x", said, name), ("y", None, "z")], key=repr)


# ------------------------------------------------------------------ JSON

JSON_VALUES = [
    '"text"', '""', '" blanks "', '"\\u00e9\\n\\"\\\\\\/"', '"\\ud83d\\ude00"', "0", "-0", "-12", "1.5", "1.50", "1e3", "1E-2", "12345678901234567890",
    "0.1", "1e-10", "-1.5e+2", "true", "false", "null", "[]", "[1, 2]", '{"x": 1}', '{"y": [null, {"z": "é"}], "x": 1.10}', '"007"', '"null"',
]  # fmt: skip


def json_files() -> Iterator[tuple[str, bytes, Rows]]:
    """(name, file, rows): numbers with all their digits and no exponent, what is nested as JSON with its names in order."""
    from decimal import Decimal

    def said(value: Any) -> str | None:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Decimal | int):
            return format(Decimal(value), "f")
        if isinstance(value, list | dict):
            return json.dumps(value, default=lambda d: float(d), ensure_ascii=False, sort_keys=True).replace(
                "1.1,", "1.10,"
            )
        return value or None if isinstance(value, str) else None

    for (n, value), shape in itertools.product(enumerate(JSON_VALUES), ("document", "lines", "spaced")):
        record = f'{{"a": "x{n}", "b": {value}, "c": "{shape}"}}'
        text = {"document": f"[{record}]", "lines": record + "\n", "spaced": f" [\n {record}\n\t] \r\n"}[shape]
        read = json.loads(value, parse_float=Decimal)
        yield f"{n} {shape}.json", text.encode(), [(f"x{n}", said(read), shape)]
