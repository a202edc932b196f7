"""Date and timestamp formats that a contract may declare: `strptime` directives, or the name of a way of counting (`COUNTS`).

A format is turned into a regular expression (the gate before any cast: engines disagree about what they accept, the gate does
not) and into the order of its parts, from which `expression` builds ISO text that every engine casts alike.

A moment that tells its offset from UTC, or counts from a moment in UTC, becomes the time that a clock on the wall shows then in the
zone of the contract. A time without an offset is kept as it is written. 24:00 is the midnight that ends the day (ISO 8601-1:2004).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from platform_assets.contracts.dates import months

_HALF = r"(?:[AaPp]\.?[Mm]\.?)"
_OFFSET = r"(?:[Zz]|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_YEAR = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # engines disagree about a year 0000
# directive -> (part of the date, pattern). %-d, %-m, %-H and %-I accept a missing leading zero; %d, %m, %H and %I do not.
_DIRECTIVES: dict[str, tuple[str, str]] = {
    "%Y": ("year", _YEAR),
    "%y": ("short_year", r"[0-9]{2}"),
    "%m": ("month", r"(?:0[1-9]|1[0-2])"),
    "%-m": ("month", r"(?:0?[1-9]|1[0-2])"),
    "%d": ("day", r"(?:0[1-9]|[12][0-9]|3[01])"),
    "%-d": ("day", r"(?:0?[1-9]|[12][0-9]|3[01])"),
    "%b": ("month_name", months.pattern(months.SHORT) + r"\.?"),
    "%B": ("month_name", months.pattern(months.LONG)),
    "%H": ("hour", r"(?:[01][0-9]|2[0-3])"),
    "%-H": ("hour", r"(?:[01]?[0-9]|2[0-3])"),
    "%I": ("hour12", r"(?:0[1-9]|1[0-2])"),
    "%-I": ("hour12", r"(?:0?[1-9]|1[0-2])"),
    "%p": ("half", _HALF),
    "%M": ("minute", r"[0-5][0-9]"),
    "%S": ("second", r"[0-5][0-9]"),
    "%f": ("fraction", r"[0-9]{1,6}"),
    "%z": ("offset", _OFFSET),
}
_MIDNIGHT = {"hour": "24", "minute": "00", "second": "00", "fraction": "0{1,6}"}
"""What the parts of a time look like at the end of a day."""
_TOKEN = re.compile(r"%-?[A-Za-z%]")
ZONED_YEARS = 2, 9_998
"""First and last year of a moment with an offset: the clock in the zone shows a year that exists."""
THIS_CENTURY = 2000
"""First of the hundred years that two digits stand for in the name of a file."""
SHOWN = dt.datetime(2026, 12, 31, 14, 30)
"""The moment by which people are shown a format: no other reading makes sense of it."""


class DateFormatError(ValueError):
    """A format that the platform cannot read unambiguously."""


@dataclass(frozen=True)
class Count:
    """A way of counting time from a first moment."""

    words: str
    """What it is, for people."""
    digits: str
    """Pattern of the whole number."""
    microseconds: int
    """How long one of what is counted is."""
    zero: int
    """What is counted on 1 January 1970, 00:00."""
    rounded: int
    """Microseconds to which a fraction is rounded: more digits are only how a fraction of a day is written."""
    zoned: bool = False
    """Whether it is counted in UTC; otherwise by the clock on the wall."""
    leap_1900: bool = False
    """Whether 60 stands for 29 February 1900, a day that never was, and smaller numbers are one day off."""


# By their number of digits the four are told apart, so that one column may hold several of them
COUNTS = {
    "excel": Count("an Excel day number", "[0-9]{1,6}", 86_400_000_000, 25_569, 1_000, leap_1900=True),
    "excel_1904": Count("an Excel day number (from 1904)", "[0-9]{1,6}", 86_400_000_000, 24_107, 1_000),
    "epoch": Count("seconds since 1970 (UTC)", "-?[0-9]{7,10}", 1_000_000, 0, 1, zoned=True),
    "epoch_ms": Count("milliseconds since 1970 (UTC)", "-?[0-9]{11,14}", 1_000, 0, 1, zoned=True),
}
"""Name -> way of counting. `excel` is the 1900 system of Excel, `excel_1904` that of old Macintosh workbooks."""
NO_DAY = 60
"""29 February 1900 in Excel's 1900 system."""


@dataclass(frozen=True)
class DateFormat:
    """One declared format: its text, the gate and where each part of the date stands in it."""

    text: str
    parts: tuple[str, ...]
    """Parts in order of appearance: year, short_year, month, month_name, day, hour, hour12, half, minute, second, fraction, offset."""
    first_year: int = THIS_CENTURY
    """First of the hundred years that a year of two digits may be."""
    zone: str = "UTC"
    """Name of the zone whose clock a moment with an offset is shown by."""

    @property
    def count(self) -> Count | None:
        """The way of counting; None where the format is written in directives."""
        return COUNTS.get(self.text)

    @property
    def pattern(self) -> str:
        """The gate: an anchored regular expression without groups."""
        return _pattern(self.text)

    @property
    def grouped(self) -> str:
        """The same pattern with one capture group per part, in the order of `parts`."""
        return _pattern(self.text, groups=self.parts)

    def capturing(self, part: str, *, midnight: bool = False) -> str:
        """The pattern (with `midnight`, that of a time written as 24:00) with one group only: around `part`."""
        return _pattern(self.text, groups=(part,), midnight=midnight)

    @property
    def midnight(self) -> str:
        """The gate of a time written as 24:00, with one group per part; empty where the format has no such time."""
        return _pattern(self.text, groups=self.parts, midnight=True) if "hour" in self.parts else ""

    @property
    def is_iso(self) -> bool:
        """True where the text itself can be cast by any engine once the gate has let it through."""
        return self.text in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")

    @property
    def has_time(self) -> bool:
        """True where the format tells an hour."""
        return bool({"hour", "hour12"} & set(self.parts)) or bool(self.count)

    @property
    def whole_days(self) -> bool:
        """True where what is written may be no more than a day."""
        return not self.has_time or bool(self.count and not self.count.zoned)

    @property
    def zoned(self) -> bool:
        """True where what is written is a moment, whatever the clock on the wall."""
        return "offset" in self.parts or bool(self.count and self.count.zoned)

    @property
    def example(self) -> str:
        """What a text in this format looks like, for people."""
        if self.count:
            moment = SHOWN if self.count.zoned else dt.datetime.combine(SHOWN, dt.time())
            return f"{self.count.words} like {self.render(moment)}"
        return self.render(SHOWN)

    def parse(self, value: str) -> dt.datetime | None:
        """The moment that `value` denotes under this format, or None where it is not written so."""
        if self.count:
            return self._counted(value, self.count)
        late = False
        found = re.fullmatch(self.grouped, value)
        if not found and self.midnight:
            found, late = re.fullmatch(self.midnight, value), True
        if not found:
            return None
        part = dict(zip(self.parts, found.groups(), strict=True))
        hour = 0 if late else int(part.get("hour", 0))
        if "hour12" in part:
            hour = int(part["hour12"]) % 12 + (12 if part["half"][0] in "Pp" else 0)
        try:
            moment = dt.datetime(
                self._year(part),
                _month(part),
                int(part["day"]),
                hour,
                int(part.get("minute", 0)),
                int(part.get("second", 0)),
                int(part.get("fraction", "0").ljust(6, "0")),
            ) + dt.timedelta(days=late)
            if "offset" not in part:
                return moment
            first, last = ZONED_YEARS
            return self._local(moment - _offset(part["offset"])) if first <= self._year(part) <= last else None
        except (ValueError, OverflowError):
            return None

    def render(self, moment: dt.datetime) -> str:
        """`moment` written in this format, with leading zeros. `moment` is what a clock in the zone shows."""
        if self.count:
            return self._count_of(moment, self.count)
        text = self.text.replace("%-", "%")
        if "offset" in self.parts:
            offset = f"{moment.replace(tzinfo=ZoneInfo(self.zone)):%z}"
            text = text.replace("%z", f"{offset[:3]}:{offset[3:5]}")
        return moment.strftime(text.replace("%Y", f"{moment.year:04d}"))

    def _year(self, part: dict[str, str]) -> int:
        if "year" in part:
            return int(part["year"])
        return self.first_year + (int(part["short_year"]) - self.first_year) % 100

    def _local(self, moment: dt.datetime) -> dt.datetime:
        """What a clock in the zone shows at `moment` (UTC)."""
        return moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def _counted(self, value: str, count: Count) -> dt.datetime | None:
        if not re.fullmatch(self.pattern, value):
            return None
        number = float(value)
        if count.leap_1900:
            if int(number) == NO_DAY or number < 1:
                return None
            number += number < NO_DAY
        steps = int(
            (number - count.zero) * count.microseconds / count.rounded + 0.5 * (1 if number >= count.zero else -1)
        )
        try:
            moment = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=steps * count.rounded)
            return self._local(moment) if count.zoned else moment
        except OverflowError:
            return None

    def _count_of(self, moment: dt.datetime, count: Count) -> str:
        if count.zoned:
            moment = moment.replace(tzinfo=ZoneInfo(self.zone)).astimezone(dt.UTC).replace(tzinfo=None)
        number = (moment - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=count.microseconds) + count.zero
        if count.leap_1900 and number <= NO_DAY:
            number -= 1
        return f"{number:.9f}".rstrip("0").rstrip(".")


def _month(part: dict[str, str]) -> int:
    if "month" in part:
        return int(part["month"])
    name = part["month_name"].rstrip(".").lower()
    return months.SHORT.get(name) or months.LONG.get(name) or 0


def _offset(text: str) -> dt.timedelta:
    if text in "Zz":
        return dt.timedelta()
    digits = text[1:].replace(":", "")
    ahead = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -ahead if text[0] == "-" else ahead


@cache
def _pattern(text: str, *, groups: tuple[str, ...] = (), midnight: bool = False) -> str:
    if text in COUNTS:
        return f"^{COUNTS[text].digits}(?:[.][0-9]+)?$"
    out, at = [], 0
    for token in _TOKEN.finditer(text):
        out.append(_literal(text[at : token.start()]))
        part, piece = _DIRECTIVES[token[0]]
        piece = _MIDNIGHT.get(part, piece) if midnight else piece
        out.append(f"({piece})" if part in groups else piece)
        at = token.end()
    return "^" + "".join([*out, _literal(text[at:])]) + "$"


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\ ", " ").replace(r"\-", "-").replace(r"\/", "/")


@cache
def read_format(text: str, first_year: int = THIS_CENTURY, zone: str = "UTC") -> DateFormat:
    """Understand `text`, e.g. ``%d/%m/%Y``. Raises DateFormatError for an unknown directive or a format without a full date."""
    if text in COUNTS:
        return DateFormat(text, (), first_year, zone)
    tokens = _TOKEN.findall(text)
    unknown = [token for token in tokens if token not in _DIRECTIVES]
    if unknown:
        raise DateFormatError(
            f"{text!r}: unknown directive {unknown[0]}; use {' '.join(_DIRECTIVES)}, or one of {', '.join(COUNTS)} alone"
        )
    parts = tuple(_DIRECTIVES[token][0] for token in tokens)
    there = set(parts)
    if (
        len(there) != len(parts)
        or "day" not in there
        or len({"year", "short_year"} & there) != 1
        or len({"month", "month_name"} & there) != 1
    ):
        raise DateFormatError(
            f"{text!r}: a format names year (%Y or %y), month (%m, %b or %B) and day (%d) once each, or is one of {', '.join(COUNTS)}"
        )
    if ("hour12" in there) != ("half" in there) or {"hour", "hour12"} <= there:
        raise DateFormatError(f"{text!r}: %I (hours to twelve) and %p (AM or PM) go together, and %H goes without them")
    order = ["hour", "minute", "second", "fraction"]
    clock = ["hour" if p == "hour12" else p for p in parts if p in (*order, "hour12")]
    if clock != order[: len(clock)] or clock == ["hour"]:
        raise DateFormatError(f"{text!r}: a time is written as %H:%M, %H:%M:%S or %H:%M:%S.%f (or %I:%M %p)")
    if "offset" in there and not clock:
        raise DateFormatError(f"{text!r}: %z (the offset from UTC) belongs to a time: write %H:%M too")
    if any(a.end() == b.start() and "%-" in (a[0] + b[0]) for a, b in pairwise(_TOKEN.finditer(text))):
        raise DateFormatError(f"{text!r}: %-d, %-m or %-H directly beside another directive cannot be told apart")
    return DateFormat(text, parts, first_year, zone)


def written(formats: Iterable[DateFormat], moment: dt.datetime) -> str:
    """`moment`, which is in no doubt, as a text that `formats` read as just that; ISO text where none of them can say it."""
    for fmt in sorted(formats, key=lambda f: f.zoned):
        text = fmt.render(moment)
        if fmt.parse(text) == moment:
            return text
    return moment.isoformat(sep=" ").removesuffix(" 00:00:00")


def ambiguous(formats: Iterable[DateFormat]) -> tuple[str, str, str] | None:
    """Two of `formats` that read one text as two different moments, with such a text; None where every text has one reading.

    Tried on every day of a year under each format, so it is exhaustive for day/month order.
    """
    known = list(formats)
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
