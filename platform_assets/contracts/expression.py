"""Contract -> one Ibis expression -> SQL: text is cleaned, read and judged by the engine. Heavy imports: not for definition time.

The input is a table `staged` with one text column per file column, `_file` and `_row`. Two queries come out: `typed` (every
row's typed values; NULL where the text could not be read) and `judged` (only wrong rows, with every reason). A cast stands
always behind a regular expression: what engines accept differs (12.7 as integer 13, 1e3, 2021/01/05), the gate does not.
"""

from __future__ import annotations

import datetime as dt
import string
from typing import Any

import ibis
import ibis.expr.types as ir
import pandera.backends.ibis.builtin_checks  # registers the Ibis form of every built-in check
import pandera.pandas as pa
from pandera.api.function_dispatch import Dispatcher
from pandera.api.ibis.types import IbisData

from platform_assets.contracts import dates, model, schema
from platform_assets.contracts.columns import TEXTUAL, Column, ColumnType
from platform_assets.contracts.model import Contract
from platform_assets.contracts.queries import CompiledContract

_ = pandera.backends.ibis.builtin_checks  # imported for its side effect

MAX_SHAPE = 40
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MASKS = "9" * 10 + "A" * 26 + "a" * 26


def compile_contract(contract: Contract, today: dt.date, dialect: str = "duckdb") -> CompiledContract:
    """Compile `contract`. `today` is the day that the limit `today` stands for."""
    staged = ibis.table(
        {**dict.fromkeys(contract.file_columns, "string"), "_file": "string", "_row": "int64"}, name="staged"
    )
    cleaned = staged.mutate(**{n: clean(staged[n], c, contract) for n, c in contract.file_columns.items()})
    read_columns = {n: read(cleaned[n], c) for n, c in contract.file_columns.items()}
    constants = {
        n: ibis.literal(c.constant, type=ibis_type(c)) for n, c in contract.columns.items() if c.constant is not None
    }
    typed = cleaned.select(
        **{n: {**read_columns, **constants}[n] for n in contract.columns}, _file="_file", _row="_row"
    )

    raw = staged.mutate(**{n: clean(staged[n], contract.columns[n], contract) for n in contract.identifiers})

    both = cleaned.mutate(**{f"{n}__text": cleaned[n] for n in contract.file_columns}, **read_columns, **constants)
    wrong = _wrong(contract, both, today)
    if wrong:
        reasons = ibis.array([ibis.ifelse(bad, reason, ibis.null("string")) for bad, reason in wrong])
        found = both.filter(_any([bad for bad, _ in wrong])).mutate(_reasons=reasons.filter(lambda r: r.notnull()))
        judged = found.select("_file", "_row", "_reasons")
    else:  # a contract that asks nothing of a row
        judged = both.filter(ibis.literal(False)).select("_file", "_row", _reasons=ibis.null("array<string>"))
    raw_sql, typed_sql, judged_sql = (str(ibis.to_sql(e, dialect=dialect)) for e in (raw, typed, judged))
    return CompiledContract(raw_sql, typed_sql, judged_sql, _warned(contract, dialect))


# ------------------------------------------------------------------ clean -> read -> judge, in the order the data meets them


def clean(text: ir.StringValue, column: Column, contract: Contract) -> ir.StringValue:
    """Trim, replace, change case; null tokens become NULL."""
    if column.trim:
        text = _trimmed(text)
    if column.replace:
        text = text.cases(*column.replace.items(), else_=text)
    for replacement in column.replace_pattern:
        text = text.re_replace(replacement.pattern, replacement.text)
    if column.case:
        text = text.upper() if column.case == "upper" else text.lower()
    tokens = contract.null_tokens if column.null_tokens is None else column.null_tokens
    for token in tokens:
        text = text.nullif(token)
    return text


def _trimmed(text: ir.StringValue) -> ir.StringValue:
    """`text` without white space around it. Few cells have any: looking first takes a fifth of the time of trimming all."""
    around = text < "!"  # spaces, tabs and line ends sort before the first printable character
    for character in " \t\r\n":
        around = around | text.endswith(character)
    return ibis.ifelse(around, text.strip(), text)


def read(text: ir.StringValue, column: Column) -> ir.Value:
    """The typed value, NULL where `text` is not written as the contract says."""
    kind = ibis_type(column)
    if column.type in TEXTUAL:
        return text
    if column.type is ColumnType.BOOLEAN:
        return ibis.cases(
            (text.isin(list(column.true_values)), True),
            (text.isin(list(column.false_values)), False),
            else_=ibis.null("boolean"),
        )
    if column.type in model.TEMPORAL:
        return ibis.coalesce(*[_read_date(text, dates.read_format(f), kind) for f in column.format])
    plain = text
    if column.thousands_separator:
        plain = plain.replace(column.thousands_separator, "")
    if column.decimal_separator == ",":
        plain = plain.replace(",", ".")
    value = ibis.ifelse(text.re_search(number_gate(column)), plain.try_cast(kind), ibis.null(kind))
    return value.nullif(float("inf")).nullif(float("-inf")) if column.type is ColumnType.FLOAT else value


def number_gate(column: Column) -> str:
    """The regular expression that a number's text must match before it is cast."""
    point = "\\" + column.decimal_separator if column.decimal_separator == "." else column.decimal_separator
    whole = r"\d+"
    if column.type is ColumnType.INTEGER:
        whole = r"\d{1,18}"
    if column.type is ColumnType.DECIMAL:
        whole = rf"\d{{1,{column.precision - column.scale}}}"
    if column.thousands_separator:
        mark = "\\" + column.thousands_separator if column.thousands_separator == "." else column.thousands_separator
        whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|{whole})"
    if column.type is ColumnType.INTEGER:
        return rf"^[+-]?{whole}$"
    if column.type is ColumnType.DECIMAL:
        return rf"^[+-]?{whole}(?:{point}\d{{0,{column.scale}}})?$"
    return rf"^[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,3}})?$"


def ibis_type(column: Column) -> str:
    """The engine's type of the column's values."""
    return {
        ColumnType.INTEGER: "int64",
        ColumnType.DECIMAL: f"decimal({column.precision}, {column.scale})",
        ColumnType.FLOAT: "float64",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.DATE: "date",
        ColumnType.TIMESTAMP: "timestamp",
    }.get(column.type, "string")


def _read_date(text: ir.StringValue, fmt: dates.DateFormat, kind: str) -> ir.Value:
    if fmt.is_iso:
        iso: Any = text
    else:
        part = {p: text.re_extract(fmt.grouped, n) for n, p in enumerate(fmt.parts, start=1)}
        if "month_name" in part:
            numbers = [(m, f"{n:02d}") for n, m in enumerate(fmt.month_names, start=1)]
            part["month"] = part["month_name"].lower().cases(*numbers, else_="00")
        two = {
            n: ibis.ifelse(part[n].length() == 1, "0" + part[n], part[n]) for n in ("month", "day", "hour") if n in part
        }
        iso = part["year"] + "-" + two["month"] + "-" + two["day"]
        if fmt.has_time:
            iso = iso + " " + two["hour"] + ":" + part["minute"] + ":" + part.get("second", ibis.literal("00"))
        if "fraction" in part:
            iso = iso + "." + part["fraction"]
    return ibis.ifelse(text.re_search(fmt.pattern), iso.try_cast(kind), ibis.null(kind))


def _any(conditions: list[ir.BooleanValue]) -> ir.BooleanValue:
    """True where one of `conditions` is: as a balanced tree, since a chain of hundreds is too deep to be compiled."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return _any(conditions[:half]) | _any(conditions[half:])


def _wrong(contract: Contract, both: ir.Table, today: dt.date) -> list[tuple[ir.BooleanValue, ir.StringValue]]:
    """For every rule: where it is broken, and the reason as people read it (``column: what is wrong, found a value like 99-99``)."""
    wrong: list[tuple[Any, Any]] = []
    rules = schema.pandera_schema(contract, today)
    for name, column in contract.file_columns.items():
        text, value = both[f"{name}__text"], both[name]
        found = ibis.ifelse(text.isnull(), ", found nothing", ibis.literal(", found a value like ") + shape(text))
        if column.type not in TEXTUAL:
            wrong.append((text.notnull() & value.isnull(), ibis.literal(f"{name}: is not {expected(column)}") + found))
        if not column.nullable:
            wrong.append((text.isnull(), ibis.literal(f"{name}: value is missing")))
        for check in rules.columns[name].checks:
            wrong.append((~_holds(check, both, name), ibis.literal(f"{name}: {check.error}") + found))
    for check in rules.checks:
        wrong.append((~_holds(check, both, None), ibis.literal(f"row: {check.error}")))
    return wrong


def expected(column: Column) -> str:
    """What the column's text should look like, for people."""
    words = {
        ColumnType.INTEGER: "a whole number",
        ColumnType.DECIMAL: f"a number with at most {column.scale} digits after '{column.decimal_separator}'",
        ColumnType.FLOAT: f"a number (decimals after '{column.decimal_separator}')",
        ColumnType.BOOLEAN: f"one of {', '.join((*column.true_values, *column.false_values))}",
    }
    if column.type in model.TEMPORAL:
        return f"a {column.type.value} written as {' or '.join(column.format)}"
    return words.get(column.type, "text")


def shape(text: ir.StringValue) -> ir.StringValue:
    """The kind of a value without the value: digits become 9, letters A or a, what is not ASCII ?. NULL for no value."""
    return text.re_replace(r"[^ -~]", "?").translate(_LETTERS, _MASKS).left(MAX_SHAPE)


def _holds(check: pa.Check, table: ir.Table, column: str | None) -> Any:
    """True where `check` holds, and where it cannot be told because a value is missing."""
    function = check._check_fn
    if isinstance(function, Dispatcher):
        result = function(IbisData(table, column), **check._check_kwargs)
        ok = result.op().values[column].to_expr() if isinstance(result, ir.Table) else result
    else:
        ok = function(table[column] if column else table)
    return ok.fill_null(True)


def _warned(contract: Contract, dialect: str) -> str:
    rules = [r for r in contract.rules if r.severity == "warn"]
    if not rules:
        return ""
    typed = ibis.table({n: ibis_type(c) for n, c in contract.columns.items()}, name="typed")
    counts = {r.name: (~_holds(schema.rule_check(r), typed, None)).sum().fill_null(0) for r in rules}
    return str(ibis.to_sql(typed.aggregate(**counts), dialect=dialect))
