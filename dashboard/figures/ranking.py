"""Organisations beside each other: in order, and as a funnel. What is drawn between the release's numbers is drawn, not computed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from markupsafe import Markup

from dashboard.figures.drawing import Axis, both, el, line, mark, path, reached, shortened, svg, text
from dashboard.figures.lines import Figure, Line, about_own, grain_in, head, line_of, tally, tones
from dashboard.shelf import Article
from dashboard.words import Scale, cell, heading, many, period


def ranking(article: Article, own: str, peers: tuple[str, ...], _since: dt.date | None) -> Figure:
    """Organisations by their values, each with its limits."""
    lines = [line_of(article, row, own, peers) for row in article.latest]
    lines.sort(key=lambda found: (found.value is None, -(found.value or 0), found.name))
    return Figure(
        "ranking",
        _with_period(article, "In order"),
        about_own(lines) + tally(lines, "organisation"),
        head(article),
        tuple(lines),
        both(lambda width: _draw_ranking(article, lines, width)),
        _interval_note(article),
        tones(lines),
    )


def _draw_ranking(article: Article, lines: Sequence[Line], width: float) -> Markup:
    scale, unit = Scale.of(str(article.about["unit"])), article.column("unit")
    both_guides = article.reference is not None and article.target is not None
    step, top = 24, 48 if both_guides else 30
    names = [str(found.row[unit]) for found in lines]
    left = min(max((len(n) for n in names), default=4) * 7.2 + 12, width * 0.36)
    bottom = top + step * max(len(lines), 1)
    low, high = _limits(article)
    ends = [v for found in lines for v in (found.value, found.row.get(low), found.row.get(high)) if v is not None]
    axis = Axis.over([*ends, article.reference, article.target], left + 6, width - 26, count=3 if width < 500 else 6)
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
    return f"{words}, {period(last, grain_in(article))}" if last else words


def funnel(article: Article, own: str, peers: tuple[str, ...], _since: dt.date | None) -> Figure:
    """Organisations by their size, with the limits that chance leaves."""
    every = [line_of(article, row, own, peers) for row in article.latest]
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
        about_own(every) + tally(every, "organisation") + more,
        head(article),
        tuple(shown),
        both(lambda width: _draw_funnel(article, shown, judged, width)),
        "Small organisations differ by chance more than large ones: between the inner lines lie 95 %, between the outer ones 99.8 % of those "
        "that do not differ. An organisation outside is a question, not a verdict.",
        tones(shown),
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


def _guides(article: Article, axis: Axis, top: float, bottom: float, scale: Scale) -> list[Markup]:
    """Upright lines at what values are held against."""
    parts, above = [], 14
    for value, class_, words in (
        (article.reference, "reference", "held against"),
        (article.target, "target", "target"),
    ):
        if value is not None:
            parts.append(line(axis(value), top - above + 4, axis(value), bottom, class_))
            parts.append(
                text(f"{words} {scale.written(value)}", axis(value), top - above, "guide", _anchor(axis, value))
            )
            above += 18  # the next one's words stand above these, wherever the two lines are
    return parts


def _anchor(axis: Axis, value: float) -> str:
    share = (axis(value) - axis.start) / (axis.end - axis.start)
    return "start" if share < 0.25 else "end" if share > 0.75 else "middle"


def _few(ticks: Sequence[float], axis: Axis, scale: Scale) -> list[float]:
    """Ticks whose words do not overlap."""
    widest = max((len(scale.tick(t)) for t in ticks), default=1) * 7.5
    room = abs(axis.end - axis.start) / max(len(ticks) - 1, 1)
    return list(ticks[:: max(1, int(widest // room) + 1)])
