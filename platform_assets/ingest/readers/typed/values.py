"""Values with a type as the text that a person would have typed, whatever kind of file they stand in: from here on all are judged alike.

A text stays as it is. What has a type (a number, a date, a truth value of Excel, Parquet or JSON) has no form of its own, so it takes
that which its column declares, as long as nothing of it is lost. What cannot be told exactly is `Unsure`, and is set aside.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from platform_assets.contracts.columns import AS_TEXT, TEMPORAL, Column, ColumnType
from platform_assets.contracts.dates.formats import written
from resources.text.spelling import has_ink

EXCEL_DIGITS = 15
"""Significant digits that Excel keeps and shows."""
EXACT = 2**53
"""From here on not every whole number has a floating-point number of its own."""
_SHOWN = Context(prec=EXCEL_DIGITS, rounding=ROUND_HALF_UP)
_WRITTEN_OUT = 40
"""A number with more zeros before or behind its digits is written with an exponent."""


NUL = "contains a NUL byte"
"""Why a row is none that has such a text, in files of every kind."""


class Unsure(ValueError):
    """Nobody can tell what the value was; the message is the reason for people, without the value."""


class TooLong(Unsure):
    """A number has more digits than is sane."""


class Texts:
    """How values of one column become text. Without a column: as in a header, or in a column that is not taken."""

    def __init__(self, column: Column | None = None, digits: int = 4_300, zone: str = "UTC") -> None:
        self.digits = digits
        self._kind = column.type if column else ColumnType.STRING
        self._formats = column.date_formats(zone) if column and column.type in TEMPORAL else ()
        truth = column if column and column.type is ColumnType.BOOLEAN else None
        self._list = column if column and column.type is ColumnType.LIST else None
        self.true = truth.true_values[0] if truth and truth.true_values else "true"
        self.false = truth.false_values[0] if truth and truth.false_values else "false"

    @property
    def is_text(self) -> bool:
        """Whether the column holds text: there a number is a name for something, and its form counts."""
        return self._kind in AS_TEXT

    def of(self, value: Any) -> str | None:
        """`value`, as Python has it; None where there is none. Raises Unsure, RecursionError for what is nested too deep."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return self.truth(value)
        try:
            if isinstance(value, float):
                text = self.float(value)
            elif isinstance(value, Decimal):
                text = plain(self._whole(value))
            elif isinstance(value, list) and self._list:
                return self._joined(value, self._list)
            elif isinstance(value, dict | list):
                return as_json(value, in_order=True)
            elif isinstance(value, dt.timedelta):
                return duration(value)
            elif isinstance(value, dt.date):
                return self.moment(value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time()))
            else:
                text = str(value)
        except Unsure:
            raise
        except ValueError:  # Python turns no number of so many digits into text
            raise TooLong(f"holds a number of more than {self.digits:,} digits") from None
        if text is not None and not isinstance(value, bytes) and len(text) > self.digits + 10:
            raise TooLong(f"holds a number of more than {self.digits:,} digits")
        return text

    def _whole(self, number: Decimal) -> Decimal:
        """In a column of text a whole number is one, also where its writer knows no whole numbers: 12345.0 is the identifier 12345."""
        whole = number.to_integral_value() if self.is_text and number.is_finite() and "." in str(number) else number
        return (whole or Decimal(0)) if whole == number else number

    def _joined(self, items: list[Any], column: Column) -> str | None:
        """A list of a file as the column writes it. Raises Unsure where an item holds the delimiter."""
        texts = [text for text in map(self.of, items) if text]
        mark = column.delimiter or ""
        if any(mark in text for text in texts):
            raise Unsure(f"holds a list with {mark} in an item, which is what stands between items")
        around = mark if column.wrapped and texts else ""
        return f"{around}{mark.join(texts)}{around}" or None

    def truth(self, value: bool) -> str:
        """A truth value."""
        return self.true if value else self.false

    def float(self, value: float, written: str | None = None) -> str | None:
        """A floating-point number by its shortest digits (`written`, where they are those of another width); None for one that is none."""
        if value != value:
            return None
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        if abs(value) >= EXACT and self._kind is not ColumnType.FLOAT:
            raise Unsure(
                "holds a number of more than 15 digits as a floating-point number, which keeps no more: deliver it as text"
            )
        return plain(Decimal(written or repr(value)), shortest=True)

    def excel(self, raw: str) -> str:
        """A number of a workbook as Excel shows it where the column is wide enough: 15 digits."""
        try:
            number = Decimal(raw)
        except ArithmeticError:
            return raw
        if not number.is_finite():
            return raw
        if abs(number) >= 10**EXCEL_DIGITS and self._kind is not ColumnType.FLOAT:
            raise Unsure(
                "holds a number of more than 15 digits in a number cell, of which Excel keeps 15: make the column text, enter it again"
            )
        return plain(_SHOWN.plus(number), shortest=True)

    def moment(self, moment: dt.datetime) -> str:
        """A date, with its time where it has one: in a format of the column that loses nothing of it, else as ISO text."""
        return written(self._formats, moment)


def duration(length: dt.timedelta) -> str:
    """A length of time in hours, as Excel shows it: ``26:00:00``."""
    seconds, rest = divmod(abs(length), dt.timedelta(seconds=1))
    fraction = f"{rest.microseconds:06d}".rstrip("0")
    text = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}" + (f".{fraction}" if fraction else "")
    return f"-{text}" if length < dt.timedelta() else text


def plain(number: Decimal, *, shortest: bool = False) -> str:
    """A number in digits, without an exponent; `shortest` leaves zeros at its end out."""
    if not number.is_finite():
        return str(number)
    if shortest:
        number = number.normalize() if number else Decimal(0)
    if abs(number.adjusted()) > _WRITTEN_OUT:
        return str(number)
    return format(number, "f")


def as_json(value: Any, *, ascii_only: bool = False, in_order: bool = False) -> str:
    """`value` as JSON, numbers with all their digits; `in_order` sorts the names of an object."""
    if isinstance(value, dict):
        names = sorted(value, key=str) if in_order else list(value)
        pairs = (
            f"{json.dumps(str(k), ensure_ascii=ascii_only)}: {as_json(value[k], ascii_only=ascii_only, in_order=in_order)}"
            for k in names
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_json(v, ascii_only=ascii_only, in_order=in_order) for v in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    if value != value:  # no number, which JSON has not
        return "null"
    return json.dumps(value, ensure_ascii=ascii_only, default=str)


def says_something(value: Any) -> bool:
    """Whether there is anything in a value: blanks alone are nothing."""
    return has_ink(value) if isinstance(value, str) else value not in (None, [], {})
