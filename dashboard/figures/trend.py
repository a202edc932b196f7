"""One organisation over time: a control chart where the script gives one, and published counts by period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dashboard.figures.drawing import LETTER, Axis, both, el, line, mark, path, reached, shortened, svg, text
from dashboard.figures.lines import Figure, Line, grain_in, head, line_of, tally, tones
from dashboard.shelf import Article
from dashboard.words import Scale, Tone, heading, many, period


def trend(article: Article, own: str, peers: tuple[str, ...], since: dt.date | None) -> Figure:
    """The periods of one organisation, or of all together."""
    unit, time = article.column("unit"), article.column("time")
    whose = own or (peers[0] if peers else "")
    if unit and not whose:
        whose = article.units[0] if article.units else ""
    rows = [row for row in article.of_unit(whose) if row[time] is not None and (since is None or row[time] >= since)]
    lines = [line_of(article, row, own or whose, ()) for row in rows]
    known = [found for found in lines if found.value is not None]
    last = f"Last: {known[-1].said}. " if known else ""
    name = whose if unit else "All together"
    return Figure(
        "trend",
        f"Over time: {name}",
        last + tally(lines, grain_in(article) or "period") + _marked(article, lines),
        head(article),
        tuple(lines),
        both(lambda width: _draw_trend(article, lines, width)),
        "The band is the usual variation, of which the definition says what it is. Shapes other than circles break a rule of the "
        "control chart; the table says which."
        if article.has("lower_limit", "upper_limit")
        else "",
        tones(lines),
    )


def _draw_trend(article: Article, lines: Sequence[Line], width: float) -> Markup:
    scale, time, grain = Scale.of(str(article.about["unit"])), article.column("time"), grain_in(article)
    height, left, top = (340 if width > 500 else 300), 62, 14
    right, bottom = width - 16, height - 36
    days = [found.row[time] for found in lines]
    first, last = (min(days), max(days)) if days else (dt.date.min, dt.date.min)
    span = max((last - first).days, 1)
    # where hardly anything is expected the band has no end worth drawing: it would press all points to the floor
    most = max(
        (v for f in lines for v in (f.value, 3 * f.row["centre"] if f.row.get("centre") else None) if v is not None),
        default=None,
    )
    bands = {f.key: _within(f, most) for f in lines}
    up = Axis.over(
        [*(f.value for f in lines), *(v for band in bands.values() for v in band), article.target], bottom, top
    )

    def across(day: dt.date) -> float:
        return left + 8 + (day - first).days / span * (right - left - 16)

    parts = [line(left, up(t), right, up(t), "grid") for t in up.ticks]
    parts += [text(scale.tick(t), left - 6, up(t) + 4, "tick", "end") for t in up.ticks]
    every = max(len(days) // (3 if width < 500 else 7), 1)
    for day in days[every // 2 :: every]:
        words = period(day, grain)
        inside = min(across(day), width - 2 - len(words) * LETTER / 2)  # the last one is not cut off
        parts.append(text(words, inside, bottom + 20, "tick", "middle"))
    parts += _marks(article, lines, across, top, bottom, width)
    for low, high in _runs(lines, [one.at for one in changes(article, lines)]):
        part = lines[low:high]
        band = [(across(f.row[time]), up(bands[f.key][1])) for f in part]
        band += [(across(f.row[time]), up(bands[f.key][0])) for f in reversed(part)]
        parts.append(path(band, "usual", closed=True))
        parts.append(path([(across(f.row[time]), up(f.row["centre"])) for f in part], "reference"))
    if article.target is not None:
        parts.append(line(left, up(article.target), right, up(article.target), "target"))
        parts.append(text(f"target {scale.written(article.target)}", right - 4, up(article.target) - 6, "guide", "end"))
    parts.append(path([(across(f.row[time]), up(f.value)) for f in lines if f.value is not None], "series"))
    for found in lines:
        if found.value is not None:
            x, y = across(found.row[time]), up(found.value)
            shape = mark(x, y, found.tone, False, 3.5 if found.tone is Tone.ORDINARY else 5)
            parts.append(reached(shape, x, y, found.said, found.key))
    return svg(width, height, f"{article.title}: over time", parts)


def _within(found: Line, most: float | None) -> tuple[float, ...]:
    """The usual variation of a period, lower and upper, as far as it is drawn; empty where there is none."""
    low, high = found.row.get("lower_limit"), found.row.get("upper_limit")
    if low is None or high is None:
        return ()
    return low, high if most is None or most <= low else min(high, most)


@dataclass(frozen=True)
class Change:
    """Where the process was knowingly changed, as the script says."""

    at: int
    """The first of the lines that lies after it."""
    day: dt.date
    words: str


def changes(article: Article, lines: Sequence[Line]) -> list[Change]:
    """The changes that lie within `lines`."""
    time = article.column("time")
    found = []
    for said in article.about.get("since", ()):
        day = dt.date.fromisoformat(said["day"])
        at = next((n for n, one in enumerate(lines) if one.row[time] >= day), 0)
        if at:
            found.append(Change(at, day, said["words"]))
    return found


def _marked(article: Article, lines: Sequence[Line]) -> str:
    return "".join(f" Marked: {one.words} ({one.day:%d %b %Y})." for one in changes(article, lines))


def _marks(
    article: Article,
    lines: Sequence[Line],
    across: Callable[[dt.date], float],
    top: float,
    bottom: float,
    width: float,
) -> list[Markup]:
    """An upright line at each change, and what it was."""
    parts = []
    for n, one in enumerate(changes(article, lines)):
        x, y = across(one.day), top + 12 + 16 * (n % 3)
        right = x > width / 2
        parts.append(line(x, top, x, bottom, "change"))
        words = shortened(one.words, x - 70 if right else width - x - 20)
        parts.append(text(words, x - 5 if right else x + 5, y, "guide", "end" if right else "start"))
    return parts


def _runs(lines: Sequence[Line], begins: Collection[int]) -> list[tuple[int, int]]:
    """Stretches of neighbours that have limits; at each of `begins` limits start afresh."""
    found: list[tuple[int, int]] = []
    begun: int | None = None
    for n, one in enumerate([*lines, None]):
        has = one is not None and all(one.row.get(c) is not None for c in ("centre", "lower_limit", "upper_limit"))
        if has and begun is None:
            begun = n
        elif begun is not None and (not has or n in begins):
            found.append((begun, n))
            begun = n if has else None
    return found


def counts(article: Article, own: str, _peers: tuple[str, ...], since: dt.date | None) -> Figure:
    """The drawn counts of one organisation by period; a hidden one is drawn as hidden."""
    outcomes: dict[str, str] = dict(article.about["outcomes"])
    grain, atoms = str(article.about["periods"]["grain"]), article.atoms
    hidden_words = f"not shown ({article.about['policy']['threshold']} or fewer)"
    lines: list[Line] = []
    if atoms is not None and own:
        for n, atom in enumerate(atoms[atoms["organisation"] == own].sort_values("period").to_dict("records")):
            if since is not None and atom["period"] < since:
                continue
            when = period(atom["period"], grain)
            cells = [hidden_words if atom[f"{o}_hidden"] else f"{int(atom[o]):,}" for o in outcomes]
            said = f"{when}: " + ", ".join(f"{o} {c}" for o, c in zip(outcomes, cells, strict=True))
            row: dict[str, Any] = {o: None if atom[f"{o}_hidden"] else int(atom[o]) for o in outcomes}
            lines.append(Line(f"c-{n}", when, None, Tone.ORDINARY, True, True, said, (when, *cells), row))
    words = (
        f"Published counts of {own}, by {grain}: {many(len(lines), grain)}."
        if own
        else "Choose an organisation to see its published counts."
    )
    return Figure(
        "counts",
        f"Counts by {grain}" + (f": {own}" if own else ""),
        words,
        (grain, *(heading(o) for o in outcomes)),
        tuple(lines),
        both(lambda width: _draw_counts(article, list(outcomes), lines, width)) if lines else Markup(""),
        "Each count was drawn once, so that nobody is given away: multiples of 5, and small ones hidden (a dashed box). Figures are made of these.",
    )


def own_counts(article: Article, periods: Sequence[tuple[str, dict[str, int]]]) -> Markup:
    """A picture of an organisation's own exact counts, each period's by outcome; the table beside it has the numbers."""
    lines = [
        Line(f"o-{n}", when, None, Tone.ORDINARY, True, True, f"{when}: {_said(here)}", (when,), dict(here))
        for n, (when, here) in enumerate(periods)
    ]
    outcomes = list(periods[0][1]) if periods else []
    return both(lambda width: _draw_counts(article, outcomes, lines, width, "own cases")) if lines else Markup("")


def _said(here: dict[str, int]) -> str:
    return ", ".join(f"{outcome} {cases:,}" for outcome, cases in here.items())


def _draw_counts(
    article: Article, outcomes: Sequence[str], lines: Sequence[Line], width: float, what: str = "published counts"
) -> Markup:
    """The periods of one organisation, each a bar of its outcomes."""
    top, bar = 34, 18
    left = max(len(found.name) for found in lines) * (LETTER + 1) + 12
    step = bar + 10
    height = top + step * len(lines) + 30
    axis = Axis.over(
        [sum(v or 0 for v in f.row.values()) for f in lines], left, width - 20, zero=True, count=3 if width < 500 else 6
    )
    parts: list[Markup] = []
    x = float(left)
    for n, outcome in enumerate(outcomes):  # the key
        parts.append(el("rect", x=x, y=8, width=14, height=14, class_=f"part part-{n % 4}"))
        parts.append(text(heading(outcome), x + 20, 20, "tick"))
        x += 34 + 7.2 * len(outcome)
    parts += [line(axis(t), top, axis(t), height - 24, "grid") for t in axis.ticks]
    parts += [text(f"{t:,.0f}", axis(t), height - 8, "tick", "middle") for t in axis.ticks]
    for n, found in enumerate(lines):
        y, begun = top + step * n + 4, 0
        parts.append(text(found.name, left - 8, y + 13, "name", "end"))
        boxes = []
        for m, outcome in enumerate(outcomes):
            value = found.row[outcome]
            if value:
                boxes.append(
                    el(
                        "rect",
                        x=axis(begun),
                        y=y,
                        width=axis(begun + value) - axis(begun),
                        height=bar,
                        class_=f"part part-{m % 4}",
                    )
                )
                begun += value
        gone = sum(found.row[o] is None for o in outcomes)
        boxes += [
            el("rect", x=axis(begun) + 3 + 13 * m, y=y + 2, width=10, height=bar - 4, class_="gone")
            for m in range(gone)
        ]
        parts.append(el("g", el("title", found.said), *boxes))
    return svg(width, height, f"{article.title}: {what}", parts)
