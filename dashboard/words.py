"""Numbers, labels and dates as people read them. What a label means for a reader (a concern, a difference ...) is decided here, once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Tone(Enum):
    """What a label of R's says, with a shape that tells it apart without colour. In the order in which readers should look."""

    WORSE = "worse"
    PERHAPS_WORSE = "perhaps-worse"
    DIFFERENT = "different"
    BETTER = "better"
    PERHAPS_BETTER = "perhaps-better"
    ORDINARY = "ordinary"
    UNJUDGED = "unjudged"


MEANINGS: Mapping[Tone, str] = {
    Tone.WORSE: "a concern",
    Tone.PERHAPS_WORSE: "may be a concern",
    Tone.DIFFERENT: "different",
    Tone.BETTER: "better",
    Tone.PERHAPS_BETTER: "may be better",
    Tone.ORDINARY: "nothing unusual",
    Tone.UNJUDGED: "not judged",
}
SHAPES: Mapping[Tone, str] = {
    Tone.WORSE: "triangle",
    Tone.PERHAPS_WORSE: "pale triangle",
    Tone.DIFFERENT: "diamond",
    Tone.BETTER: "square",
    Tone.PERHAPS_BETTER: "pale square",
    Tone.ORDINARY: "circle",
    Tone.UNJUDGED: "ring",
}
"""What stands for it in a picture, where no key can be drawn."""
_ORDINARY = frozenset({"not different", "ordinary", "usual variation"})
_SURE = {"99.8": True, "95": False, "alarm": True, "alert": False, "country": True}


def tone(label: str | None, direction: str) -> Tone:
    """What `label` says, given which direction is better. A label that is not known here is not judged."""
    text = (label or "").lower()
    if text in _ORDINARY:
        return Tone.ORDINARY
    if text in ("concern", "improvement"):
        return Tone.WORSE if text == "concern" else Tone.BETTER
    side = re.search(r"\b(higher|high|lower|low)\b", text)
    sure = next((strong for word, strong in _SURE.items() if word in text), True if text in ("high", "low") else None)
    if side is None or sure is None:
        return Tone.UNJUDGED
    if direction == "neutral":
        return Tone.DIFFERENT
    worse = side[1].startswith("high") == (direction == "higher is worse")
    if worse:
        return Tone.WORSE if sure else Tone.PERHAPS_WORSE
    return Tone.BETTER if sure else Tone.PERHAPS_BETTER


def unit(text: str) -> str:
    """The unit without what only matters for numbers that are not written as percentages."""
    return text.replace(" (0 to 1)", "")


def together(unit_text: str, against: str) -> str:
    """Unit and what a value is held against; a unit that stands behind the number already is not said again."""
    return "; ".join(part for part in ("" if unit_text.isalpha() else unit(unit_text), against) if part)


def order(found: Tone) -> int:
    """Place in a list that is sorted by concern."""
    return list(Tone).index(found)


@dataclass(frozen=True)
class Scale:
    """How values of an indicator are written."""

    factor: float = 1
    decimals: int = 2
    suffix: str = ""

    @classmethod
    def of(cls, unit: str) -> Scale:
        """By the script's @unit: proportions are written as percentages."""
        if unit.startswith("proportion"):
            return cls(100, 1, " %")
        if unit.startswith(("percentage", "percent")):
            return cls(1, 1, " %")
        return cls(1, 2 if unit.startswith("ratio") else 1, f" {unit}" if unit.isalpha() else "")

    def written(self, value: float | None) -> str:
        """``9.1 %``; a dash where there is none."""
        if value is None:
            return "–"
        return f"{value * self.factor:,.{self.decimals}f}{self.suffix}"

    def tick(self, value: float) -> str:
        """At an axis: a unit of letters is not said again at each mark."""
        return self.written(value).removesuffix(self.suffix if self.suffix.strip().isalpha() else "")


def cell(value: Any, kind: str, scale: Scale | None = None) -> str:
    """A value of a table."""
    if value is None:
        return "–"
    if kind == "number" and scale is not None:
        return scale.written(float(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def period(day: dt.date, grain: str) -> str:
    """The period that begins on `day`."""
    if grain == "year":
        return f"{day.year}"
    if grain == "quarter":
        return f"{day.year} Q{(day.month - 1) // 3 + 1}"
    if grain == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    if grain == "month":
        return f"{day:%b %Y}"
    return f"{day:%d %b %Y}"


def after(day: dt.date, grain: str) -> dt.date:
    """The first day of the period after that which begins on `day`."""
    if grain == "week":
        return day + dt.timedelta(days=7)
    months = day.year * 12 + day.month - 1 + {"month": 1, "quarter": 3, "year": 12}[grain]
    return dt.date(months // 12, months % 12 + 1, 1)


def grain_of(days: list[dt.date]) -> str:
    """The grain of a column of first days, by the smallest gap."""
    gaps = [(b - a).days for a, b in zip(sorted(set(days)), sorted(set(days))[1:], strict=False)]
    smallest = min(gaps, default=0)
    return next(
        (g for g, least in (("year", 360), ("quarter", 85), ("month", 27), ("week", 7)) if smallest >= least), "day"
    )


def heading(name: str) -> str:
    """A column's name as a heading."""
    return name.replace("_", " ").replace(" 95", " 95 %").replace(" 998", " 99.8 %")


def many(number: int, one: str, more: str = "") -> str:
    """``1 case``, ``1,200 cases``."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def direction(text: str) -> str:
    """The direction as a sentence."""
    return {
        "higher is better": "Higher is better.",
        "higher is worse": "Lower is better.",
        "neutral": "Neither high nor low is better in itself: a difference is a question.",
    }[text]
