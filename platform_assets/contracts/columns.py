"""A column of a contract: how its text is cleaned, what type it has, which values are right, how sensitive it is."""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from typing import Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from platform_assets.contracts.dates.formats import DateFormat, DateFormatError, ambiguous, read_format
from platform_assets.contracts.parsed import ParsedFrom
from platform_assets.strict import Name, Strict, TextList

RESERVED = {"rowid", "snapshot_id", "filename", "file_row_number", "file_index"}
"""Names of the engine's virtual columns: a column of ours would hide them."""
Limit = int | float | dt.date | Literal["today"]


class ColumnType(StrEnum):
    """What a column holds once its text has been read."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    CATEGORICAL = "categorical"
    LIST = "list"


NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT)
TEMPORAL = (ColumnType.DATE, ColumnType.TIMESTAMP)
TEXTUAL = (ColumnType.STRING, ColumnType.CATEGORICAL)
AS_TEXT = (*TEXTUAL, ColumnType.LIST)
"""Types whose values stay texts: a list is kept as it came, and taken apart in tables of its own."""


class Replacement(Strict):
    """Every match of the regular expression `pattern` (RE2 syntax) becomes `with`; ``\\1`` stands for the first group."""

    pattern: str
    text: str = Field(alias="with")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return regular_expression(value)


class Pattern(Strict):
    """A regular expression (RE2 syntax), and what it stands for in words that finish the sentence "The value is not ..."."""

    pattern: str
    says: str = Field(min_length=1)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return regular_expression(value)


class Column(Strict):
    """One column: how its text is cleaned, what type it has, which values are right, and how sensitive it is.

    Text is cleaned in this order: trim, replace, replace_pattern, case, null_tokens. Then it is read as `type`; then judged.
    """

    type: ColumnType
    description: str = ""
    role: Literal["identifier", "quasi_identifier", "sensitive", "organisation"] | None = None
    purpose: Name | None = None
    """Which key pseudonymises an identifier; the same purpose in two datasets gives the same pseudonym. Default: the column's name."""
    header: TextList = Field(default=(), alias="from")
    """The column's name(s) in the file, if other than its own."""
    from_matching: str | None = None
    """Regular expression of the column's name in the file, where that changes (``^Cases until``). One column matches it."""
    from_file_name: str | None = None
    """Regular expression with one group over the name of the file: where the file has no such column, every row gets what the group finds."""
    parsed_from: ParsedFrom | None = None
    """What the text of another column tells, by rules (user agents, referrers); the file has no such column."""
    required: bool = True
    """A missing value quarantines the row."""
    optional: bool = False
    """The file may lack the column altogether."""
    constant: str | int | float | bool | None = None
    """The column is not in the file: every row gets this value."""
    derived_from: TextList = ()
    """Where the value is missing, it is a stable hash of these columns' values. In a key: a row without the value takes that of
    a row with the same values of these columns, so that what came twice, once without id, is one row."""

    trim: bool = True
    replace: dict[str, str] = Field(default_factory=dict)
    replace_pattern: tuple[Replacement, ...] = ()
    case: Literal["upper", "lower"] | None = None
    null_tokens: tuple[str, ...] | None = None

    format: TextList = ()
    """How a date or timestamp may be written: `strptime` directives, or the name of a way of counting (see `contracts.dates.formats`)."""
    two_digit_years_from: int | None = Field(default=None, ge=1800, le=2100)
    """First of the hundred years that %y stands for: with 1930, 29 is 2029 and 30 is 1930."""
    decimal_separator: Literal[".", ","] = "."
    thousands_separator: Literal[".", ",", " ", "'"] | None = None
    precision: int = Field(default=18, ge=1, le=38)
    scale: int = Field(default=4, ge=0, le=18)
    true_values: tuple[str, ...] = ("true", "True", "TRUE")
    false_values: tuple[str, ...] = ("false", "False", "FALSE")

    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What stands between the items of a list."""
    wrapped: bool = False
    """Whether the delimiter stands before the first and behind the last item too (``|a|b|``); what is written otherwise is wrong."""
    max_items: int | None = Field(default=None, ge=1, le=900)

    matches: str | Pattern | None = None
    allowed: tuple[str | int | float, ...] = Field(default=(), alias="in")
    not_in: tuple[str | int | float, ...] = ()
    ge: Limit | None = None
    gt: Limit | None = None
    le: Limit | None = None
    lt: Limit | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    cumulative: bool = False
    """A running total: it may not be summed over time (take the last), and normally never falls."""

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str | Pattern | None) -> str | Pattern | None:
        return regular_expression(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _options_fit_the_type(self) -> Column:
        kind = self.type
        given = self.model_fields_set

        def only(fields: set[str], *kinds: ColumnType) -> None:
            wrong = sorted(given & fields)
            if wrong and kind not in kinds:
                raise ValueError(
                    f"'{wrong[0]}' does not apply to type {kind.value}, only to {', '.join(k.value for k in kinds)}"
                )

        only({"format", "two_digit_years_from"}, *TEMPORAL)
        only({"decimal_separator", "thousands_separator"}, *NUMERIC)
        only({"precision", "scale"}, ColumnType.DECIMAL)
        only({"true_values", "false_values"}, ColumnType.BOOLEAN)
        only({"matches", "min_length", "max_length", "case"}, *TEXTUAL)
        only({"allowed", "not_in"}, *TEXTUAL, ColumnType.INTEGER)
        only({"ge", "gt", "le", "lt"}, *NUMERIC, *TEMPORAL)
        only({"cumulative"}, *NUMERIC)
        only({"delimiter", "wrapped", "max_items"}, ColumnType.LIST)
        if kind is ColumnType.LIST and (self.delimiter is None or self.constant is not None):
            raise ValueError("a list says what stands between its items, e.g. delimiter: '|', and comes from the file")
        if self.role == "identifier" and kind is not ColumnType.STRING:
            raise ValueError("an identifier is a string: it is replaced by a pseudonym")
        if self.purpose and self.role != "identifier":
            raise ValueError("'purpose' names the key of an identifier: add 'role: identifier'")
        if kind is ColumnType.CATEGORICAL and not self.allowed:
            raise ValueError("a categorical column lists its values under 'in'")
        if self.optional and self.required and "required" in given:
            raise ValueError("a column that the file may lack cannot require a value: drop 'required' or 'optional'")
        if self.derived_from and (
            kind is not ColumnType.STRING or self.role == "identifier" or self.constant is not None
        ):
            raise ValueError(
                "a derived value is a hash: 'derived_from' goes with type string, no identifier and no constant"
            )
        if self.derived_from and self.required and "required" in given:
            raise ValueError("a value that is derived where it is missing is never missing: drop 'required'")
        if self.constant is not None and (self.header or self.optional or self.from_matching or self.from_file_name):
            raise ValueError("a constant column is not in the file: 'from' and 'optional' do not apply")
        if self.from_file_name is not None and re.compile(self.from_file_name).groups != 1:
            raise ValueError("'from_file_name' has exactly one group: the value")
        if self.from_file_name is not None and self.role == "identifier":
            raise ValueError(
                "an identifier in the name of a file would be shown in logs and in the ledger: it belongs into a column"
            )
        if self.from_matching is not None and self.header:
            raise ValueError("'from' and 'from_matching' both name the column in the file: keep one of them")
        if kind is not ColumnType.INTEGER and self.thousands_separator == self.decimal_separator:
            raise ValueError("thousands_separator and decimal_separator are the same")
        for limit in (self.ge, self.gt, self.le, self.lt):
            if limit is not None and (limit == "today" or isinstance(limit, dt.date)) != (kind in TEMPORAL):
                raise ValueError(f"limit {limit!r} does not fit type {kind.value}")
        for value in (*self.allowed, *self.not_in):
            if isinstance(value, str) != (kind in TEXTUAL):
                raise ValueError(
                    f"value {value!r} does not fit type {kind.value}: write text in quotes, numbers without"
                )
        self._formats_are_clear()
        return self

    def _formats_are_clear(self) -> None:
        if self.type in TEMPORAL:
            if not self.format:
                raise ValueError(f"a {self.type.value} declares its format, e.g. format: '%Y-%m-%d'")
            try:
                known = self.date_formats("UTC")
            except DateFormatError as error:
                raise ValueError(str(error)) from None
            short = [f.text for f in known if "short_year" in f.parts]
            if short and self.two_digit_years_from is None:
                raise ValueError(
                    f"{short[0]!r} has years of two digits: say which century they are of, e.g. two_digit_years_from: 1930 "
                    "(30 is then 1930, and 29 is 2029)"
                )
            if self.two_digit_years_from is not None and not short:
                raise ValueError("'two_digit_years_from' is for a format with %y, years of two digits")
            if self.type is ColumnType.TIMESTAMP and not any(f.has_time for f in known):
                raise ValueError("a timestamp's format tells the time (%H:%M); use type date otherwise")
            if self.type is ColumnType.DATE and not all(f.whole_days for f in known):
                raise ValueError("a date's format has no time; use type timestamp")
            clash = ambiguous(known)
            if clash:
                raise ValueError(
                    f"ambiguous: {clash[2]!r} is one day under {clash[0]} and another under {clash[1]}; keep one of them"
                )

    @field_validator("from_matching", "from_file_name")
    @classmethod
    def _names_compile(cls, value: str | None) -> str | None:
        return value if value is None else regular_expression(value)

    def date_formats(self, zone: str) -> tuple[DateFormat, ...]:
        """The formats in which a date or timestamp may be written; `zone` names the clock that the column is kept by."""
        first_year = {} if self.two_digit_years_from is None else {"first_year": self.two_digit_years_from}
        return tuple(read_format(text, zone=zone, **first_year) for text in self.format)

    @property
    def pattern(self) -> str | None:
        """The regular expression that a value matches."""
        return self.matches.pattern if isinstance(self.matches, Pattern) else self.matches

    @property
    def nullable(self) -> bool:
        """True where a row of a file may be without a value."""
        return self.optional or not self.required or bool(self.derived_from) or self.parsed_from is not None


def regular_expression(value: str) -> str:
    """`value`, if it is one that Python and the engines read alike. Raises ValueError."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from None
    if re.search(r"\(\?[=!<]|\\[1-9]", value):
        raise ValueError(
            f"{value!r}: look-around and back-references do not exist in the engines' regular expressions (RE2)"
        )
    return value
