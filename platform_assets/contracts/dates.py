"""Date and timestamp formats that a contract may declare, as `strptime` directives.

A format is turned into a regular expression (the gate before any cast: engines disagree about what they accept, the gate does
not) and into the order of its parts, from which `expression` builds ISO text that every engine casts alike.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

# English only, like %b and %B in the C locale
_SHORT = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def _either_case(names: tuple[str, ...]) -> str:
    return "(?:" + "|".join(f"[{n[0].upper()}{n[0]}]{n[1:]}" for n in names) + ")"


# directive -> (part of the date, pattern). %-d and %-m accept a missing leading zero; %d and %m do not.
_DIRECTIVES: dict[str, tuple[str, str]] = {
    "%Y": ("year", r"\d{4}"),
    "%m": ("month", r"(?:0[1-9]|1[0-2])"),
    "%-m": ("month", r"(?:0?[1-9]|1[0-2])"),
    "%d": ("day", r"(?:0[1-9]|[12]\d|3[01])"),
    "%-d": ("day", r"(?:0?[1-9]|[12]\d|3[01])"),
    "%b": ("month_name", _either_case(_SHORT)),
    "%B": ("month_name", _either_case(_LONG)),
    "%H": ("hour", r"(?:[01]\d|2[0-3])"),
    "%-H": ("hour", r"(?:[01]?\d|2[0-3])"),
    "%M": ("minute", r"[0-5]\d"),
    "%S": ("second", r"[0-5]\d"),
    "%f": ("fraction", r"\d{1,6}"),
}
_TOKEN = re.compile(r"%-?[A-Za-z%]")


class DateFormatError(ValueError):
    """A format that the platform cannot read unambiguously."""


@dataclass(frozen=True)
class DateFormat:
    """One declared format: its text, the gate and where each part of the date stands in it."""

    text: str
    pattern: str
    """Anchored regular expression without groups."""
    parts: tuple[str, ...]
    """Parts in order of appearance: year, month, month_name, day, hour, minute, second, fraction."""

    @property
    def grouped(self) -> str:
        """The same pattern with one capture group per part, in the order of `parts`."""
        return _pattern(self.text, groups=True)

    @property
    def is_iso(self) -> bool:
        """True where the text itself can be cast by any engine once the gate has let it through."""
        return self.text in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")

    @property
    def month_names(self) -> tuple[str, ...]:
        """Lower-case month names in the length that this format uses."""
        return _LONG if "%B" in self.text else _SHORT

    @property
    def has_time(self) -> bool:
        """True where the format tells an hour."""
        return "hour" in self.parts

    def parse(self, value: str) -> dt.datetime | None:
        """The moment that `value` denotes under this format, or None where it is not written so."""
        if not re.fullmatch(self.pattern, value):
            return None
        try:
            return dt.datetime.strptime(value, self.text.replace("%-", "%"))
        except ValueError:
            return None

    def render(self, moment: dt.datetime) -> str:
        """`moment` written in this format, with leading zeros."""
        return moment.strftime(self.text.replace("%-", "%"))


def _pattern(text: str, *, groups: bool) -> str:
    out, at = [], 0
    for token in _TOKEN.finditer(text):
        out.append(re.escape(text[at : token.start()]).replace(r"\ ", " ").replace(r"\-", "-").replace(r"\/", "/"))
        piece = _DIRECTIVES[token[0]][1]
        out.append(f"({piece})" if groups else piece)
        at = token.end()
    out.append(re.escape(text[at:]).replace(r"\ ", " "))
    return "^" + "".join(out) + "$"


@cache
def read_format(text: str) -> DateFormat:
    """Understand `text`, e.g. ``%d/%m/%Y``. Raises DateFormatError for an unknown directive or a format without a full date."""
    unknown = [token for token in _TOKEN.findall(text) if token not in _DIRECTIVES]
    if unknown:
        raise DateFormatError(f"{text!r}: unknown directive {unknown[0]}; use {' '.join(_DIRECTIVES)}")
    parts = tuple(_DIRECTIVES[token][0] for token in _TOKEN.findall(text))
    if len(set(parts)) != len(parts) or not ({"year", "day"} <= set(parts) and {"month", "month_name"} & set(parts)):
        raise DateFormatError(f"{text!r}: a format names year (%Y), month (%m, %b or %B) and day (%d) once each")
    clock = [p for p in ("hour", "minute", "second", "fraction") if p in parts]
    if clock != ["hour", "minute", "second", "fraction"][: len(clock)] or clock == ["hour"]:
        raise DateFormatError(f"{text!r}: a time is written as %H:%M, %H:%M:%S or %H:%M:%S.%f")
    if any(a.end() == b.start() and "%-" in (a[0] + b[0]) for a, b in pairwise(_TOKEN.finditer(text))):
        raise DateFormatError(f"{text!r}: %-d, %-m or %-H directly beside another directive cannot be told apart")
    return DateFormat(text, _pattern(text, groups=False), parts)


def ambiguous(formats: tuple[str, ...]) -> tuple[str, str, str] | None:
    """Two of `formats` that read one text as two different moments, with such a text; None where every text has one reading.

    Tried on every day of a year under each format, so it is exhaustive for day/month order.
    """
    known = [read_format(f) for f in formats]
    days = [dt.datetime(2021, 1, 1, 10, 11, 12) + dt.timedelta(days=n) for n in range(365)]
    for first in known:
        for second in known:
            if first is second:
                continue
            for day in days:
                text = first.render(day)
                other = second.parse(text)  # first: most formats refuse each other's text, which is quickly seen
                if other is not None and first.parse(text) not in (None, other):
                    return first.text, second.text, text
    return None
