"""Contract -> one Ibis expression -> SQL: text is cleaned, read and judged by the engine. Heavy imports: not for definition time.

The input is a table `staged` with one text column per file column, `_file` and `_row`. Two queries come out: `typed` (every
row's typed values; NULL where the text could not be read) and `judged` (only wrong rows, with every reason). A cast stands
always behind a regular expression: what engines accept differs (12.7 as integer 13, 1e3, 2021/01/05), the gate does not.

Over 400 lines: how a text becomes a value, by type, is understood only beside the other types.
"""

from __future__ import annotations

import datetime as dt
import operator
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import ibis
import ibis.expr.types as ir
import pandera.backends.ibis.builtin_checks  # registers the Ibis form of every built-in check
import pandera.pandas as pa
from pandera.api.function_dispatch import Dispatcher
from pandera.api.ibis.types import IbisData

from platform_assets.contracts import model, words
from platform_assets.contracts.columns import AS_TEXT, Column, ColumnType
from platform_assets.contracts.compiling import schema
from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.dates import formats as dates
from platform_assets.contracts.dates import months
from platform_assets.contracts.model import Contract
from resources.text import spelling

_ = pandera.backends.ibis.builtin_checks  # imported for its side effect

MAX_SHAPE = 40
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MASKS = "9" * 10 + "A" * 26 + "a" * 26
_SPELLED = "spelled"


@ibis.udf.scalar.builtin(name="make_timestamp", signature=(("int64",), "timestamp"))
def _duckdb_moment(microseconds):  # type: ignore[no-untyped-def]
    """DuckDB: microseconds since 1970 as a time without a zone."""


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), "timestamp('UTC')"))
def _duckdb_in_zone(zone, moment):  # type: ignore[no-untyped-def]
    """DuckDB: a time without a zone, of the zone, as a moment."""


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
def _duckdb_shown(zone, moment):  # type: ignore[no-untyped-def]
    """DuckDB: what a clock in the zone shows at a moment."""


@ibis.udf.scalar.builtin(name="regexp_extract", signature=(("string", "string", "int64"), "string"))
def _duckdb_part(text, pattern, group):  # type: ignore[no-untyped-def]
    """DuckDB: what a group of the pattern found."""


@ibis.udf.scalar.builtin(name="REGEXP_EXTRACT", signature=(("string", "string"), "string"))
def _bigquery_part(text, pattern):  # type: ignore[no-untyped-def]
    """BigQuery: what the one group of the pattern found."""


@ibis.udf.scalar.builtin(name="TIMESTAMP_MICROS", signature=(("int64",), "timestamp('UTC')"))
def _bigquery_moment(microseconds):  # type: ignore[no-untyped-def]
    """BigQuery: microseconds since 1970 as a moment."""


@ibis.udf.scalar.builtin(name="DATETIME", signature=(("timestamp('UTC')", "string"), "timestamp"))
def _bigquery_shown(moment, zone):  # type: ignore[no-untyped-def]
    """BigQuery: what a clock in the zone shows at a moment."""


@dataclass(frozen=True)
class Clock:
    """How moments are read, in the words of an engine: Ibis has none that both engines understand, or that are as short."""

    zone: str
    dialect: str

    def moment(self, microseconds: ir.IntegerValue) -> ir.Value:
        """A moment from microseconds since 1970 (UTC)."""
        if self.dialect == "bigquery":
            return _bigquery_moment(microseconds)
        return _duckdb_in_zone("UTC", _duckdb_moment(microseconds))

    def shown(self, moment: ir.Value, zone: str = "") -> ir.Value:
        """What the clock shows at `moment`."""
        if self.dialect == "bigquery":
            return _bigquery_shown(moment, zone or self.zone)
        return _duckdb_shown(zone or self.zone, moment)

    def part(self, text: ir.StringValue, pattern: str) -> ir.StringValue:
        """What the one group of `pattern` finds in `text`."""
        found = _bigquery_part(text, pattern) if self.dialect == "bigquery" else _duckdb_part(text, pattern, 1)
        return cast(ir.StringValue, found)


def compile_contract(contract: Contract, today: dt.date, dialect: str = "duckdb") -> CompiledContract:
    """Compile `contract`. `today` is the day that the limit `today` stands for."""
    spelled = ibis.table(
        {**dict.fromkeys(contract.file_columns, "string"), "_file": "string", "_row": "int64"}, name=_SPELLED
    )
    cleaned = spelled.mutate(**{n: clean(spelled[n], c, contract) for n, c in contract.file_columns.items()})
    clock = Clock(contract.zone, dialect)
    read_columns = {n: read(cleaned[n], c, clock) for n, c in contract.file_columns.items()}
    constants = {
        n: ibis.literal(c.constant, type=ibis_type(c)) for n, c in contract.columns.items() if c.constant is not None
    }
    typed = cleaned.select(
        **{n: {**read_columns, **constants}[n] for n in contract.columns}, _file="_file", _row="_row"
    )

    raw = spelled.mutate(**{n: clean(spelled[n], contract.columns[n], contract) for n in contract.identifiers})

    both = cleaned.mutate(**{f"{n}__text": cleaned[n] for n in contract.file_columns}, **read_columns, **constants)
    judged = _judged(both, _wrong(contract, both, today))
    all_columns = list(contract.file_columns)
    return CompiledContract(
        _over_staged(raw, spelled, list(contract.identifiers), contract, dialect),
        _over_staged(typed, spelled, all_columns, contract, dialect),
        _over_staged(judged, spelled, all_columns, contract, dialect),
        _warned(contract, dialect),
        _both_spellings(contract, dialect),
        _respelled(contract, dialect),
    )


def _over_staged(query: ir.Table, spelled: ir.Table, columns: list[str], contract: Contract, dialect: str) -> str:
    """`query` over the relation `staged`, whose `columns` are put into one spelling first: as a query of its own, since each is named in
    many places of what follows, and would be worked out in each of them."""
    staged = ibis.table(spelled.schema(), name="staged")
    identifiers = contract.identifiers
    first = staged.mutate(**{n: one_spelling(staged[n], dialect, identifier=n in identifiers) for n in columns})
    return f"WITH {_SPELLED} AS ({ibis.to_sql(first, dialect=dialect)}) {ibis.to_sql(query, dialect=dialect)}"


def _both_spellings(contract: Contract, dialect: str) -> str:
    if not contract.identifiers:
        return ""
    names = list(contract.identifiers)
    staged = ibis.table({**dict.fromkeys(names, "string"), "_file": "int64", "_row": "int64"}, name="staged")
    columns: dict[str, Any] = {"_file": staged["_file"], "_row": staged["_row"]}
    for name in names:
        text, column = staged[name], contract.columns[name]
        columns[name] = clean(one_spelling(text, dialect, identifier=True), column, contract)
        columns[f"{name}__was"] = clean(text, column, contract)
    return str(ibis.to_sql(staged.select(**columns), dialect=dialect))


def _respelled(contract: Contract, dialect: str) -> str:
    staged = ibis.table({**dict.fromkeys(contract.file_columns, "string"), "_file": "int64"}, name="staged")
    identifiers = contract.identifiers
    counts = {
        n: (staged[n] != one_spelling(staged[n], dialect, identifier=n in identifiers)).sum()
        for n in contract.file_columns
    }
    return str(ibis.to_sql(staged.group_by("_file").aggregate(**counts), dialect=dialect))


# ------------------------------------------------------------------ clean -> read -> judge, in the order the data meets them


@ibis.udf.scalar.builtin(name="strlen")
def _bytes_duckdb(text: str) -> int: ...  # type: ignore[empty-body]  # the engine's


@ibis.udf.scalar.builtin(name="nfc_normalize")
def _nfc_duckdb(text: str) -> str: ...  # type: ignore[empty-body]  # the engine's


@ibis.udf.scalar.builtin(name="BYTE_LENGTH")
def _bytes_bigquery(text: str) -> int: ...  # type: ignore[empty-body]  # the engine's


@ibis.udf.scalar.builtin(name="NORMALIZE")
def _nfc_bigquery(text: str) -> str: ...  # type: ignore[empty-body]  # the engine's


_WORDS = {"duckdb": (_bytes_duckdb, _nfc_duckdb), "bigquery": (_bytes_bigquery, _nfc_bigquery)}
"""Dialect -> length in bytes, normal form C."""


def one_spelling(text: ir.StringValue, dialect: str, *, identifier: bool) -> ir.StringValue:
    """`text` in one spelling, see `resources.text.spelling`. Most texts are ASCII and stay: their bytes are as many as their characters."""
    in_bytes, normal = _WORDS[dialect]
    seen = text.re_replace(spelling.SPACES, " ")
    if identifier:
        seen = seen.re_replace(spelling.UNSEEN, "").translate(spelling.LIKE_FROM, spelling.LIKE_TO)
    else:
        seen = seen.re_replace(spelling.INVISIBLE, "")
    return ibis.ifelse(in_bytes(text) == text.length(), text, normal(seen))


def clean(text: ir.StringValue, column: Column, contract: Contract) -> ir.StringValue:
    """Trim, replace, change case; null tokens become NULL. `text` is in one spelling, and so is what it is compared with."""
    if column.trim:
        text = _trimmed(text)
    if column.replace:
        text = text.cases(*((spelling.plain(k) or k, v) for k, v in column.replace.items()), else_=text)
    for replacement in column.replace_pattern:
        text = text.re_replace(replacement.pattern, replacement.text)
    if column.case:
        text = text.upper() if column.case == "upper" else text.lower()
    tokens = contract.null_tokens if column.null_tokens is None else column.null_tokens
    for token in tokens:
        text = text.nullif(spelling.plain(token))
    return text


def _trimmed(text: ir.StringValue) -> ir.StringValue:
    """`text` without white space around it. Few cells have any: looking first takes a fifth of the time of trimming all."""
    around = text < "!"  # spaces, tabs and line ends sort before the first printable character
    for character in " \t\r\n":
        around = around | text.endswith(character)
    return ibis.ifelse(around, text.strip(), text)


def read(text: ir.StringValue, column: Column, clock: Clock) -> ir.Value:
    """The typed value, NULL where `text` is not written as the contract says."""
    kind = ibis_type(column)
    if column.type in AS_TEXT:
        return text
    if column.type is ColumnType.BOOLEAN:
        return ibis.cases(
            (text.isin([spelling.plain(v) for v in column.true_values]), True),
            (text.isin([spelling.plain(v) for v in column.false_values]), False),
            else_=ibis.null("boolean"),
        )
    if column.type in model.TEMPORAL:
        known = column.date_formats(clock.zone)
        values = [
            _read_count(text, f, f.count, column.type, clock) if f.count else _read_date(text, f, kind, clock)
            for f in known
        ]
        late = [_read_midnight(text, f, clock) for f in known if f.midnight]
        return ibis.coalesce(*values, *late)
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


def _read_date(text: ir.StringValue, fmt: dates.DateFormat, kind: str, clock: Clock) -> ir.Value:
    gate = text.re_search(fmt.pattern)
    if fmt.is_iso:
        return ibis.ifelse(gate, text.try_cast(kind), ibis.null(kind))
    part = {p: clock.part(text, fmt.capturing(p)) for p in fmt.parts}
    iso: Any = _day(part, fmt)
    if fmt.has_time:
        hour = _hour(part) if "hour12" in part else _two(part["hour"])
        iso = iso.concat(" ", hour, ":", part["minute"], ":", part.get("second", "00"))
    if "fraction" in part:
        iso = iso.concat(".", part["fraction"])
    if "offset" in part:
        first, last = dates.ZONED_YEARS
        year = iso.left(4)
        gate = gate & (year >= f"{first:04d}") & (year <= f"{last:04d}")
        return ibis.ifelse(
            gate, clock.shown((iso + _offset(part["offset"])).try_cast("timestamp('UTC')")), ibis.null(kind)
        )
    return ibis.ifelse(gate, iso.try_cast(kind), ibis.null(kind))


def _read_midnight(text: ir.StringValue, fmt: dates.DateFormat, clock: Clock) -> ir.Value:
    """The midnight that ends a day, where it is written as 24:00."""
    part = {p: clock.part(text, fmt.capturing(p, midnight=True)) for p in fmt.parts}
    day = _day(part, fmt)
    gate = text.re_search(fmt.midnight) & (day < "9999-12-31")  # no day comes after it
    return ibis.ifelse(gate, day.try_cast("date").cast("timestamp") + ibis.interval(days=1), ibis.null("timestamp"))


def _read_count(
    text: ir.StringValue, fmt: dates.DateFormat, count: dates.Count, kind: ColumnType, clock: Clock
) -> ir.Value:
    """A moment that is counted from a first one. A date is a whole number of days."""
    gate = text.re_search(fmt.pattern if kind is ColumnType.TIMESTAMP else r"^[0-9]{1,6}(?:[.]0+)?$")
    number = ibis.ifelse(gate, text, ibis.null("string")).try_cast("float64")
    if count.leap_1900:
        number = ibis.cases(
            (number < 1, ibis.null("float64")),
            (number < dates.NO_DAY, number + 1),
            (number < dates.NO_DAY + 1, ibis.null("float64")),
            else_=number,
        )
    steps = ((number - count.zero) * count.microseconds / count.rounded).round().cast("int64") * count.rounded
    return clock.shown(clock.moment(steps), "" if count.zoned else "UTC").cast(kind.value)


def _day(part: dict[str, Any], fmt: dates.DateFormat) -> Any:
    """The day in ISO 8601."""
    if "month_name" in part:
        names = months.LONG if "%B" in fmt.text else months.SHORT
        month = (
            part["month_name"].lower().replace(".", "").cases(*[(n, f"{m:02d}") for n, m in names.items()], else_="00")
        )
    else:
        month = _two(part["month"])
    year = part.get("year")
    if year is None:
        century, first = divmod(fmt.first_year, 100)
        early = part["short_year"] >= f"{first:02d}"
        year = ibis.ifelse(early, f"{century:02d}", f"{century + 1:02d}") + part["short_year"]
    return year.concat("-", month, "-", _two(part["day"]))


def _hour(part: dict[str, Any]) -> Any:
    """The hour of 24, from an hour of twelve and its half of the day."""
    halves = [(f"{h:02d}{half}", f"{h % 12 + 12 * (half == 'p'):02d}") for half in "ap" for h in range(1, 13)]
    return (_two(part["hour12"]) + part["half"].lower().left(1)).cases(*halves, else_="99")


def _two(number: Any) -> Any:
    return ibis.ifelse(number.length() == 1, ibis.literal("0") + number, number)


def _offset(text: Any) -> Any:
    """An offset as +01:00."""
    digits = text.replace(":", "")
    minutes = ibis.ifelse(digits.length() == 5, digits.right(2), "00")
    return ibis.ifelse(text.upper() == "Z", "+00:00", digits.left(3).concat(":", minutes))


def _judged(both: ir.Table, wrong: list[tuple[ir.BooleanValue, ir.StringValue]]) -> ir.Table:
    """The rows that break a rule of `wrong`, with every reason."""
    if not wrong:  # a contract of optional text: nothing can be wrong
        return both.filter(ibis.literal(False)).select("_file", "_row", _reasons=ibis.null("array<string>"))
    reasons = ibis.array([ibis.ifelse(bad, reason, ibis.null("string")) for bad, reason in wrong])
    return (
        both.filter(_joined(operator.or_, [bad for bad, _ in wrong]))
        .mutate(_reasons=reasons.filter(lambda r: r.notnull()))
        .select("_file", "_row", "_reasons")
    )


def _joined(joint: Callable[[Any, Any], Any], conditions: list[ir.BooleanValue]) -> ir.BooleanValue:
    """`conditions` joined by `joint` (and, or): as a balanced tree, since a chain of hundreds is too deep to be compiled."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    joined: ir.BooleanValue = joint(_joined(joint, conditions[:half]), _joined(joint, conditions[half:]))
    return joined


def _wrong(contract: Contract, both: ir.Table, today: dt.date) -> list[tuple[ir.BooleanValue, ir.StringValue]]:
    """For every rule: where it is broken, and the reason as people read it (``column: what is wrong, found a value like 99-99``)."""
    wrong: list[tuple[Any, Any]] = []
    rules = schema.pandera_schema(contract, today)
    for name, column in contract.file_columns.items():
        text, value = both[f"{name}__text"], both[name]
        found = ibis.ifelse(text.isnull(), ", found nothing", ibis.literal(", found a value like ") + shape(text))
        if column.type not in AS_TEXT:
            wrong.append((text.notnull() & value.isnull(), ibis.literal(f"{name}: is not {expected(column)}") + found))
        if not column.nullable:
            wrong.append((text.isnull(), ibis.literal(f"{name}: value is missing")))
        if column.role == "identifier":
            hidden = text.re_search(spelling.UNSAYABLE)
            wrong.append((hidden, ibis.literal(f"{name}: holds a character that cannot be seen") + found))
        for check in rules.columns[name].checks:
            wrong.append((~_holds(check, both, name), ibis.literal(f"{name}: {check.error}") + found))
    again = _header_again(contract, both)
    if again is not None:
        wrong.append((again, ibis.literal("row: is the header once more, as where files were joined")))
    for check in rules.checks:
        wrong.append((~_holds(check, both, None), ibis.literal(f"row: {check.error}")))
    return wrong


def _header_again(contract: Contract, both: ir.Table) -> ir.BooleanValue | None:
    """Where a row is the header: its identifiers, or without these all its cells, are the names of their columns."""
    names = list(contract.identifiers) or list(contract.file_columns)
    if not contract.identifiers and len(names) < 2:
        return None  # one column may well hold its own name
    is_name = [
        both[f"{name}__text"].lower().isin([spelling.folded(h) for h in contract.columns[name].header or (name,)])
        for name in names
    ]
    return _joined(operator.and_, is_name).fill_null(False)


def expected(column: Column) -> str:
    """What the column's text should look like, for people."""
    plain = {
        ColumnType.INTEGER: "a whole number",
        ColumnType.DECIMAL: f"a number with at most {column.scale} digits after '{column.decimal_separator}'",
        ColumnType.FLOAT: f"a number (decimals after '{column.decimal_separator}')",
        ColumnType.BOOLEAN: f"one of {', '.join((*column.true_values, *column.false_values))}",
    }
    if column.type in model.TEMPORAL:
        return (
            f"a {'date' if column.type is ColumnType.DATE else 'date and time'} like {words.formats_in_words(column)}"
        )
    return plain.get(column.type, "text")


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
