"""One table, written as every kind of file that the platform reads, by means of others where there are any."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.ingest.readers.files import zipped
from tests.workbooks import S, X, book

Value = str | int | Decimal | dt.date | dt.datetime | bool | None
Row = Sequence[Value]
DATE, MOMENT = "%d-%m-%Y", "%Y-%m-%d %H:%M"
FORMATS: dict[str, str] = {"day": DATE, "moment": MOMENT}
"""Column -> how its dates are written in text."""
RAGGED = 'only "one" cell'


def text(value: Value, column: str) -> str | None:
    """A value as a person types it into the column: a date in its format, unless that would lose something."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):
        moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        fmt = FORMATS.get(column)
        if fmt and dt.datetime.strptime(moment.strftime(fmt), fmt) == moment:
            return moment.strftime(fmt)
        return str(moment.date()) if moment.time() == dt.time() else str(moment)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def delimited(
    names: Sequence[str], rows: Sequence[Row], *, sep: str = ",", quoting: Any = csv.QUOTE_MINIMAL, end: str = "\n",
    blanks: bool = False, ragged: bool = False, encoding: str = "utf-8", last_end: bool = True,
) -> bytes:  # fmt: skip
    """Delimited text. `blanks` puts blanks around quotation marks, `ragged` a line of one cell at the end."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=sep, quoting=csv.QUOTE_ALL if blanks else quoting, lineterminator=end)
    writer.writerow(names)
    writer.writerows([text(v, n) for n, v in zip(names, row, strict=True)] for row in rows)
    said = out.getvalue()
    if blanks:
        lines = [
            sep.join(
                f'  "{(text(v, n) or "").replace(chr(34), chr(34) * 2)}" ' for n, v in zip(names, row, strict=True)
            )
            for row in rows
        ]
        said = end.join([sep.join(names), *lines]) + end
    if ragged:
        said += RAGGED.replace('"', "") + end
    return (said if last_end else said.removesuffix(end)).encode(encoding)


def excel(names: Sequence[str], rows: Sequence[Row], **options: Any) -> bytes:
    """A workbook with numbers, dates and truth values as what they are."""
    base = dt.datetime(1904, 1, 1) if options.get("date_1904") else dt.datetime(1899, 12, 30)

    def cell(value: Value) -> Any:
        if isinstance(value, str):
            return re.sub("_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", value)
        if isinstance(value, dt.date) and not isinstance(value, bool):
            moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
            return X(repr((moment - base) / dt.timedelta(days=1)), s=2 if moment.time() != dt.time() else 1)
        if isinstance(value, Decimal):
            return X(repr(float(value)))  # as Excel computes: seventeen digits
        return value

    table = [list(names), *([cell(v) for v in row] for row in rows)]
    return book([S("Data", table)], formats=["dd/mm/yyyy", "yyyy-mm-dd hh:mm"], **options)


def _said(value: Value, column: str) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, bool):
        return text(value, column)
    return value


def json_text(names: Sequence[str], rows: Sequence[Row], *, lines: bool = False, **options: Any) -> bytes:
    """JSON: numbers and truth values as such, dates as text."""

    class Number(float):
        def __init__(self, value: Decimal) -> None:
            self.said = format(value, "f")

        def __repr__(self) -> str:
            return self.said

    def value(given: Value, column: str) -> Any:
        return Number(given) if isinstance(given, Decimal) else _said(given, column)

    records = [{n: value(v, n) for n, v in zip(names, row, strict=True)} for row in rows]
    if lines:
        return "".join(json.dumps(r, **options) + "\n" for r in records).encode()
    return json.dumps(records, **options).encode()


def parquet(names: Sequence[str], rows: Sequence[Row], *, typed: bool = True, floats: bool = False) -> bytes:
    """Parquet: a column has the type of its values where all of them have one, else it is text."""
    columns = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        kinds = {type(v) for v in values if v is not None}
        if typed and kinds == {int} and all(abs(v) < 2**53 for v in values if isinstance(v, int)):
            whole = [v for v in values if v is None or isinstance(v, int)]
            columns.append(pa.array(whole, pa.int64()).cast(pa.float64() if floats else pa.int64()))
        elif typed and kinds == {bool}:
            columns.append(pa.array(values, pa.bool_()))
        elif typed and kinds == {dt.date}:
            columns.append(pa.array(values, pa.date32()))
        elif typed and kinds and kinds <= {dt.datetime, dt.date}:
            moments = [dt.datetime.combine(v, dt.time()) if type(v) is dt.date else v for v in values]
            columns.append(pa.array(moments, pa.timestamp("us")))
        elif typed and kinds == {Decimal}:
            columns.append(pa.array([float(v) if isinstance(v, Decimal) else None for v in values], pa.float64()))
        else:
            columns.append(pa.array([text(v, name) for v in values], pa.string()))
            if typed:
                columns[-1] = columns[-1].dictionary_encode()
    sink = io.BytesIO()
    noted = {"by": f"typed {typed}, floats {floats}"}  # two deliveries are never the same bytes
    pq.write_table(pa.table(columns, names=list(names)).replace_schema_metadata(noted), sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Sequence[str], Sequence[Row]], bytes]] = {
    "comma clean.csv": delimited,
    "comma ragged.csv": lambda n, r: delimited(n, r, ragged=True),
    "comma quoted.csv": lambda n, r: delimited(n, r, quoting=csv.QUOTE_ALL),
    "comma quoted ragged.csv": lambda n, r: delimited(n, r, quoting=csv.QUOTE_ALL, ragged=True),
    "comma blanks.csv": lambda n, r: delimited(n, r, blanks=True),
    "comma blanks ragged.csv": lambda n, r: delimited(n, r, blanks=True, ragged=True),
    "comma windows.csv": lambda n, r: delimited(n, r, end="\r\n", encoding="utf-8-sig"),
    "comma windows ragged.csv": lambda n, r: delimited(n, r, end="\r\n", ragged=True, last_end=False),
    "semi clean.csv": lambda n, r: delimited(n, r, sep=";", last_end=False),
    "semi ragged.csv": lambda n, r: delimited(n, r, sep=";", ragged=True),
    "tab clean.tsv": lambda n, r: delimited(n, r, sep="\t"),
    "tab blanks ragged.tsv": lambda n, r: delimited(n, r, sep="\t", blanks=True, ragged=True),
    "wide.csv": lambda n, r: delimited(n, r, encoding="utf-16"),
    "packed.csv.gz": lambda n, r: gzip.compress(delimited(n, r, quoting=csv.QUOTE_ALL, end="\r\n")),
    "packed.zip": lambda n, r: zipped({"comma inside.csv": delimited(n, r, sep=",", last_end=False)}),
    "inline.xlsx": excel,
    "shared.xlsx": lambda n, r: excel(n, r, shared=True),
    "1904.xlsx": lambda n, r: excel(n, r, date_1904=True),
    "document.json": json_text,
    "pretty.json": lambda n, r: json_text(n, r, indent=2, ensure_ascii=False),
    "lines.jsonl": lambda n, r: json_text(n, r, lines=True),
    "document.json5": lambda n, r: json_text(n, r)[:-1] + b", /* end */]",
    "typed.parquet": parquet,
    "floats.parquet": lambda n, r: parquet(n, r, floats=True),
    "texts.parquet": lambda n, r: parquet(n, r, typed=False),
}
"""Name of the file -> what writes it. Those called ragged hold one line more, which is no row."""
KINDS = [
    {"kind": "csv", "files": "comma*"},
    {"kind": "csv", "delimiter": ";", "files": "semi*"},
    {"kind": "csv", "encoding": "utf-16", "files": "wide*"},
    {"kind": "csv", "files": "packed*"},
    {"kind": "tsv", "files": "*.tsv"},
    *({"kind": kind} for kind in ("xlsx", "json", "json5", "parquet")),
]
