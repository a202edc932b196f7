"""SVG of our own: elements, axes, marks. Everything that comes from data is escaped; there are no styles in it, only classes and numbers.

A picture is drawn twice, for wide and for narrow windows (`style.css` shows one of them), so that letters have their size on a phone, too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from dashboard.words import Tone

WIDE, NARROW = 760, 350
LETTER = 6.8
"""Width of a letter of the pictures' text, about."""


def el(name: str, *children: object, **attributes: object) -> Markup:
    """One element; `class_` and names with ``_`` are written as XML has them. Attributes that are None are left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def together(parts: Iterable[Markup]) -> Markup:
    """Parts after each other."""
    return Markup("").join(parts)


def text(words: str, x: float, y: float, class_: str = "", anchor: str = "start") -> Markup:
    """Words that begin, end or stand in the middle at `x`."""
    return el("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A line."""
    return el("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, closed: bool = False) -> Markup:
    """A line through points."""
    steps = " ".join(f"{'L' if n else 'M'}{_number(x)} {_number(y)}" for n, (x, y) in enumerate(points))
    return el("path", d=steps + (" Z" if closed else ""), class_=class_)


def mark(x: float, y: float, tone: Tone, own: bool = False, r: float = 5) -> Markup:
    """A point whose shape tells its tone: triangle up (concern), diamond (difference), square (better), circle (ordinary), ring (not judged)."""
    size = r * (1.35 if own else 1)
    class_ = f"mark {tone.value}" + (" own" if own else "")
    if tone in (Tone.WORSE, Tone.PERHAPS_WORSE):
        corners = [(x, y - size * 1.2), (x + size * 1.1, y + size * 0.9), (x - size * 1.1, y + size * 0.9)]
    elif tone is Tone.DIFFERENT:
        corners = [(x, y - size * 1.25), (x + size * 1.25, y), (x, y + size * 1.25), (x - size * 1.25, y)]
    elif tone in (Tone.BETTER, Tone.PERHAPS_BETTER):
        s = size * 0.9
        corners = [(x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)]
    else:
        return el("circle", cx=x, cy=y, r=size, class_=class_)
    return path(corners, class_, closed=True)


def reached(shape: Markup, x: float, y: float, said: str, row: str) -> Markup:
    """A shape that can be reached by Tab, says its values, and leads to its row in the table."""
    around = el("circle", cx=x, cy=y, r=12, class_="around")
    return el("a", el("title", said), around, shape, href=f"#{row}", aria_label=said, class_="point")


@dataclass(frozen=True)
class Axis:
    """From values to places, with round ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    @classmethod
    def over(
        cls, values: Iterable[float | None], start: float, end: float, *, zero: bool = False, count: int = 5
    ) -> Axis:
        """An axis that holds all `values`; with `zero` it begins (or ends) there."""
        known = [v for v in values if v is not None] or [0.0, 1.0]
        low, high = min(known), max(known)
        if zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            low, high = (low - abs(low) * 0.1, high + abs(high) * 0.1) if low else (0.0, 1.0)
        step = _round_step((high - low) / max(count, 1))
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        ticks = tuple(n * step for n in range(first, last + 1))
        return cls(ticks[0], ticks[-1], start, end, ticks)

    def __call__(self, value: float) -> float:
        """Where `value` is."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough * 0.999)


def svg(width: float, height: float, name: str, parts: Iterable[Markup]) -> Markup:
    """A picture with the name by which it is read out."""
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        width=width,
        height=height,
        role="group",
        aria_label=name,
        class_="wide" if width >= WIDE else "narrow",
        xmlns="http://www.w3.org/2000/svg",
    )


def both(draw: Callable[[float], Markup]) -> Markup:
    """The picture for wide and for narrow windows."""
    return together(draw(width) for width in (WIDE, NARROW))


def wide_of(picture: Markup) -> tuple[Markup, float]:
    """The wide one of `both`, and how high it is."""
    drawing = picture.partition("</svg>")[0] + Markup("</svg>")
    found = re.match(r'<svg viewBox="0 0 [0-9.]+ ([0-9.]+)"', drawing)
    assert found, "made by `svg`"
    return drawing, float(found[1])


def shortened(words: str, width: float) -> str:
    """`words`, cut where they are wider than `width`."""
    most = max(int(width / LETTER), 4)
    return words if len(words) <= most else words[: most - 1] + "…"


def _number(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
