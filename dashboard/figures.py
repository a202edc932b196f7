"""One renderer: a figure, its table and its sentence are made of the same rows, so that they cannot disagree.

Ranking (organisations in order, with limits), funnel, trend (a control chart where the script gives one), published counts by period.
All numbers are those of the release; what is drawn between them is drawn, not computed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from dashboard.drawing import Axis, both, el, line, mark, path, reached, shortened, svg, text
from dashboard.shelf import Article, Row
from dashboard.words import MEANINGS, Scale, Tone, cell, grain_of, heading, many, order, period, tone

VIEWS = {
    "trend": "Over time",
    "ranking": "In order",
    "funnel": "Funnel",
    "counts": "Counts by period",
}
"""Kinds of figures -> what their tabs say."""
KEPT = 500
"""Figures of an indicator that stay in memory."""


@dataclass(frozen=True)
class Line:
    """A row of a figure and of its table."""

    key: str
    """By which a point finds its row."""
    name: str
    value: float | None
    tone: Tone
    own: bool
    chosen: bool
    """Own, or a chosen peer: drawn with its name."""
    said: str
    """The row in words."""
    cells: tuple[str, ...]
    row: Row = field(repr=False)


@dataclass(frozen=True)
class Figure:
    """What a reader gets."""

    view: str
    title: str
    sentence: str
    """What the picture shows; it is its alternative text, too."""
    head: tuple[str, ...]
    lines: tuple[Line, ...]
    picture: Markup
    note: str = ""
    """How to read it."""
    tones: tuple[Tone, ...] = ()
    """Shapes that are in it, for the key."""


def views(article: Article) -> list[str]:
    """The figures that the release's columns allow."""
    found: list[str] = []
    if not article.column("value"):
        return found
    if article.column("time"):
        found.append("trend")
    if article.column("unit"):
        found.append("ranking")
        if article.column("size") and article.has("funnel_lower_95", "funnel_upper_95"):
            found.append("funnel")
        if article.protected:
            found.append("counts")
    return found


def figure(
    article: Article, view: str, own: str = "", peers: Sequence[str] = (), since: dt.date | None = None
) -> Figure:
    """The figure `view` of an indicator, with the own organisation and chosen peers in front."""
    make = {"ranking": _ranking, "funnel": _funnel, "trend": _trend, "counts": _counts}[view]
    key = (view, own, tuple(peers), since)
    found = article.drawn.get(key)
    if found is None:
        found = make(article, own, tuple(peers), since)
        if len(article.drawn) < KEPT:  # whoever asks for ever other peers gets his figures, and nobody else's go
            article.drawn[key] = found
    return found


def one_line(article: Article, own: str) -> Line | None:
    """The row that says how an organisation stands (the last period, where there are periods); None where there is none."""
    if not article.column("value"):
        return None
    rows = article.of_unit(own) if own or not article.column("unit") else []
    rows = [row for row in rows if row[article.column("value")] is not None] or rows
    return _line(article, rows[-1], own, ()) if rows else None


def sentence(article: Article, found: Line) -> str:
    """How one row stands, in words."""
    return f"{found.said}."


# ---------------------------------------------------------------------------------------------------- rows


def _line(article: Article, row: Row, own: str, peers: Sequence[str]) -> Line:
    scale, unit, time = Scale.of(str(article.about["unit"])), article.column("unit"), article.column("time")
    value = row[article.column("value")]
    label = row.get("label")
    name = str(row[unit]) if unit and row[unit] is not None else "All together"
    grain = _grain(article)
    when = f", {period(row[time], grain)}" if time and row[time] else ""
    parts = [f"{name}{when}: {scale.written(value) if value is not None else 'too few to show'}"]
    if value is not None and row.get("lower_95") is not None and row.get("upper_95") is not None:
        parts.append(f"95 % limits {scale.written(row['lower_95'])} to {scale.written(row['upper_95'])}")
    elif value is not None and row.get("lower_limit") is not None and row.get("upper_limit") is not None:
        parts.append(f"usual variation {scale.written(row['lower_limit'])} to {scale.written(row['upper_limit'])}")
    said = parts[0] + (f" ({parts[1]})" if parts[1:] else "") + (f", {label}" if label else "")
    cause = row.get("special_cause")
    if cause and label not in (cause, None) and tone(str(label), article.direction) is not Tone.UNJUDGED:
        said += f": {cause}"
    return Line(
        key=f"r-{article.place[id(row)]}",
        name=period(row[time], grain) if time and row[time] else name,
        value=None if value is None else float(value),
        tone=tone(None if label is None else str(label), article.direction),
        own=bool(own) and name == own,
        chosen=bool(own and name == own) or name in peers,
        said=said,
        cells=tuple(_cells(article, row, scale, grain)),
        row=row,
    )


def _scaled(article: Article) -> set[str]:
    """The columns that are written on the value's scale."""
    limits = ("lower_95", "upper_95", "centre", "lower_limit", "upper_limit", "target")
    funnel = tuple(f"funnel_{side}_{level}" for side in ("lower", "upper") for level in ("95", "998"))
    return {article.column("value"), *limits, *funnel}


def _cells(article: Article, row: Row, scale: Scale, grain: str) -> list[str]:
    scaled, time = _scaled(article), article.column("time")
    return [
        period(row[column], grain)
        if column == time and row[column] is not None
        else cell(row[column], article.kind(column), scale if column in scaled else None)
        for column in _columns(article)
    ]


def _columns(article: Article) -> list[str]:
    """The table's columns: whose, when, how much, what it says; then the rest."""
    first = [article.column("unit"), article.column("time"), article.column("value")]
    first += ["label", "special_cause", "lower_95", "upper_95", article.column("size")]
    front = list(dict.fromkeys(column for column in first if column and article.has(column)))
    return [*front, *(column for column in article.about["columns"] if column not in front)]


def _grain(article: Article) -> str:
    time = article.column("time")
    return grain_of([row[time] for row in article.rows if row[time] is not None]) if time else ""


def _head(article: Article) -> tuple[str, ...]:
    return tuple(heading(column) for column in _columns(article))


def _tones(lines: Sequence[Line]) -> tuple[Tone, ...]:
    return tuple(sorted({found.tone for found in lines}, key=order))


def _tally(lines: Sequence[Line], what: str) -> str:
    """How many of the rows say what."""
    concern = sum(found.tone in (Tone.WORSE, Tone.PERHAPS_WORSE) for found in lines)
    differ = sum(found.tone is Tone.DIFFERENT for found in lines)
    better = sum(found.tone in (Tone.BETTER, Tone.PERHAPS_BETTER) for found in lines)
    open_ = sum(found.tone is Tone.UNJUDGED for found in lines)
    parts = [f"{concern} a concern"] if concern else []
    parts += [f"{differ} different"] if differ else []
    parts += [f"{better} better"] if better else []
    parts += [f"{open_} not judged"] if open_ else []
    rest = ", ".join(parts) if parts else "nothing unusual in any"
    return f"Of {many(len(lines), what)}: {rest}."


# ---------------------------------------------------------------------------------------------------- ranking


def _ranking(article: Article, own: str, peers: tuple[str, ...], _since: dt.date | None) -> Figure:
    lines = [_line(article, row, own, peers) for row in article.latest]
    lines.sort(key=lambda found: (found.value is None, -(found.value or 0), found.name))
    return Figure(
        "ranking",
        _with_period(article, "In order"),
        _about_own(lines) + _tally(lines, "organisation"),
        _head(article),
        tuple(lines),
        both(lambda width: _draw_ranking(article, lines, width)),
        _interval_note(article),
        _tones(lines),
    )


def _draw_ranking(article: Article, lines: Sequence[Line], width: float) -> Markup:
    scale, unit = Scale.of(str(article.about["unit"])), article.column("unit")
    step, top = 24, 30
    names = [str(found.row[unit]) for found in lines]
    left = min(max((len(n) for n in names), default=4) * 7.2 + 12, width * 0.36)
    bottom = top + step * max(len(lines), 1)
    low, high = _limits(article)
    ends = [v for found in lines for v in (found.value, found.row.get(low), found.row.get(high)) if v is not None]
    axis = Axis.over([*ends, article.reference, article.target], left, width - 26, count=3 if width < 500 else 6)
    parts = [line(axis(t), top - 8, axis(t), bottom, "grid") for t in axis.ticks]
    parts += [text(scale.tick(t), axis(t), bottom + 18, "tick", "middle") for t in _few(axis.ticks, axis, scale)]
    parts += _guides(article, axis, top, bottom, scale)
    for n, found in enumerate(lines):
        y = top + step * n + step / 2
        if found.own:
            parts.append(el("rect", x=0, y=y - step / 2, width=width, height=step, class_="band-own"))
        words = shortened(names[n], left - 12)
        parts.append(
            text(words, left - 8, y + 4, "name own" if found.own else "name chosen" if found.chosen else "name", "end")
        )
        if found.value is None:
            parts.append(text("too few to show", left + 6, y + 4, "few"))
            continue
        a, b = found.row.get(low), found.row.get(high)
        if a is not None and b is not None:
            parts.append(line(axis(a), y, axis(b), y, "limits own" if found.own else "limits"))
        parts.append(
            reached(mark(axis(found.value), y, found.tone, found.own), axis(found.value), y, found.said, found.key)
        )
    return svg(width, bottom + 28, f"{article.title}: organisations in order", parts)


def _limits(article: Article) -> tuple[str, str]:
    """The columns between which a row's line is drawn."""
    return ("lower_95", "upper_95") if article.has("lower_95", "upper_95") else ("lower_limit", "upper_limit")


def _interval_note(article: Article) -> str:
    lines = "Lines: 95 % limits. " if article.has("lower_95", "upper_95") else ""
    return f"{lines}Shapes tell what the script's label says; each can be reached by the Tab key."


def _with_period(article: Article, words: str) -> str:
    time = article.column("time")
    last = max((row[time] for row in article.rows if row[time] is not None), default=None) if time else None
    return f"{words}, {period(last, _grain(article))}" if last else words


# ---------------------------------------------------------------------------------------------------- funnel


def _funnel(article: Article, own: str, peers: tuple[str, ...], _since: dt.date | None) -> Figure:
    every = [_line(article, row, own, peers) for row in article.latest]
    size = article.column("size")
    shown = [found for found in every if found.value is not None and found.row[size] is not None]
    shown.sort(key=lambda found: float(found.row[size]))
    judged = [found for found in shown if found.row["funnel_lower_95"] is not None]
    missing = len(every) - len(judged)
    more = (
        f" {many(missing, 'organisation is', 'organisations are')} not judged, and so without limits."
        if missing
        else ""
    )
    if not judged:
        more = " No organisation can be judged in this release: protection of small counts leaves too much uncertainty, so there are no limits to draw."
    return Figure(
        "funnel",
        "Funnel",
        _about_own(every) + _tally(every, "organisation") + more,
        _head(article),
        tuple(shown),
        both(lambda width: _draw_funnel(article, shown, judged, width)),
        "Small organisations differ by chance more than large ones: between the inner lines lie 95 %, between the outer ones 99.8 % of those "
        "that do not differ. An organisation outside is a question, not a verdict.",
        _tones(shown),
    )


def _draw_funnel(article: Article, shown: Sequence[Line], judged: Sequence[Line], width: float) -> Markup:
    scale, size = Scale.of(str(article.about["unit"])), article.column("size")
    height, left, top = (400 if width > 500 else 320), 62, 14
    right, bottom = width - 16, height - 46
    xs = [float(found.row[size]) for found in shown]
    names = [f"funnel_{side}_{level}" for level in ("998", "95") for side in ("lower", "upper")]
    limits = [found.row.get(n) for found in judged for n in names]
    across = Axis.over(xs, left, right, zero=True, count=3 if width < 500 else 6)
    up = Axis.over([*[f.value for f in shown], *limits, article.reference], bottom, top)
    parts = [line(left, up(t), right, up(t), "grid") for t in up.ticks]
    parts += [text(scale.tick(t), left - 6, up(t) + 4, "tick", "end") for t in up.ticks]
    parts += [text(cell(float(t), "number"), across(t), bottom + 18, "tick", "middle") for t in across.ticks]
    parts.append(
        text(
            f"{heading(size)}: {article.meaning(size)}"[: int((right - left) / 6)],
            (left + right) / 2,
            height - 8,
            "tick",
            "middle",
        )
    )
    if article.reference is not None:
        parts.append(line(left, up(article.reference), right, up(article.reference), "reference"))
    for name, class_ in zip(names, ("outer", "outer", "inner", "inner"), strict=True):
        points = [(across(float(f.row[size])), up(float(f.row[name]))) for f in judged if f.row.get(name) is not None]
        if len(points) > 1:
            parts.append(path(points, f"funnel {class_}"))
    for found in sorted(shown, key=lambda f: (f.own, f.chosen)):
        x, y = across(float(found.row[size])), up(float(found.value or 0))
        parts.append(reached(mark(x, y, found.tone, found.own), x, y, found.said, found.key))
        if found.chosen:
            end = x > (left + right) / 2
            parts.append(
                text(
                    found.name,
                    x - 12 if end else x + 12,
                    y - 10,
                    "name own" if found.own else "name chosen",
                    "end" if end else "start",
                )
            )
    return svg(width, height, f"{article.title}: funnel", parts)


# ---------------------------------------------------------------------------------------------------- trend


def _trend(article: Article, own: str, peers: tuple[str, ...], since: dt.date | None) -> Figure:
    unit, time = article.column("unit"), article.column("time")
    whose = own or (peers[0] if peers else "")
    if unit and not whose:
        whose = article.units[0] if article.units else ""
    rows = [row for row in article.of_unit(whose) if row[time] is not None and (since is None or row[time] >= since)]
    lines = [_line(article, row, own or whose, ()) for row in rows]
    known = [found for found in lines if found.value is not None]
    last = f"Last: {known[-1].said}. " if known else ""
    name = whose if unit else "All together"
    return Figure(
        "trend",
        f"Over time: {name}",
        last + _tally(lines, _grain(article) or "period"),
        _head(article),
        tuple(lines),
        both(lambda width: _draw_trend(article, lines, width)),
        "The band is the usual variation, from how much one period differs from the next. Shapes other than circles break a rule of the "
        "control chart; the table says which."
        if article.has("lower_limit", "upper_limit")
        else "",
        _tones(lines),
    )


def _draw_trend(article: Article, lines: Sequence[Line], width: float) -> Markup:
    scale, time, grain = Scale.of(str(article.about["unit"])), article.column("time"), _grain(article)
    height, left, top = (340 if width > 500 else 300), 62, 14
    right, bottom = width - 16, height - 36
    days = [found.row[time] for found in lines]
    first, last = (min(days), max(days)) if days else (dt.date.min, dt.date.min)
    span = max((last - first).days, 1)
    values = [v for f in lines for v in (f.value, f.row.get("lower_limit"), f.row.get("upper_limit")) if v is not None]
    up = Axis.over([*values, article.target], bottom, top)

    def across(day: dt.date) -> float:
        return left + 8 + (day - first).days / span * (right - left - 16)

    parts = [line(left, up(t), right, up(t), "grid") for t in up.ticks]
    parts += [text(scale.tick(t), left - 6, up(t) + 4, "tick", "end") for t in up.ticks]
    every = max(len(days) // (3 if width < 500 else 7), 1)
    parts += [text(period(d, grain), across(d), bottom + 20, "tick", "middle") for d in days[every // 2 :: every]]
    for low, high in _runs(lines):
        part = lines[low:high]
        band = [(across(f.row[time]), up(f.row["upper_limit"])) for f in part]
        band += [(across(f.row[time]), up(f.row["lower_limit"])) for f in reversed(part)]
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


def _runs(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """Stretches of neighbours that have limits."""
    found: list[tuple[int, int]] = []
    begun: int | None = None
    for n, one in enumerate([*lines, None]):
        has = one is not None and all(one.row.get(c) is not None for c in ("centre", "lower_limit", "upper_limit"))
        if has and begun is None:
            begun = n
        if not has and begun is not None:
            found.append((begun, n))
            begun = None
    return found


# ---------------------------------------------------------------------------------------------------- counts


def _counts(article: Article, own: str, _peers: tuple[str, ...], since: dt.date | None) -> Figure:
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


def _draw_counts(article: Article, outcomes: Sequence[str], lines: Sequence[Line], width: float) -> Markup:
    left, top, bar = 70, 34, 18
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
    return svg(width, height, f"{article.title}: published counts", parts)


# ---------------------------------------------------------------------------------------------------- shared


def _guides(article: Article, axis: Axis, top: float, bottom: float, scale: Scale) -> list[Markup]:
    """Upright lines at what values are held against."""
    parts = []
    for value, class_, words in (
        (article.reference, "reference", "held against"),
        (article.target, "target", "target"),
    ):
        if value is not None:
            parts.append(line(axis(value), top - 10, axis(value), bottom, class_))
            parts.append(text(f"{words} {scale.written(value)}", axis(value), top - 14, "guide", _anchor(axis, value)))
    return parts


def _anchor(axis: Axis, value: float) -> str:
    share = (axis(value) - axis.start) / (axis.end - axis.start)
    return "start" if share < 0.25 else "end" if share > 0.75 else "middle"


def _few(ticks: Sequence[float], axis: Axis, scale: Scale) -> list[float]:
    """Ticks whose words do not overlap."""
    widest = max((len(scale.tick(t)) for t in ticks), default=1) * 7.5
    room = abs(axis.end - axis.start) / max(len(ticks) - 1, 1)
    return list(ticks[:: max(1, int(widest // room) + 1)])


def _about_own(lines: Sequence[Line]) -> str:
    mine = next((found for found in lines if found.own), None)
    return f"{mine.said}. " if mine else ""


def meaning(found: Tone) -> str:
    """For the key."""
    return MEANINGS[found]
