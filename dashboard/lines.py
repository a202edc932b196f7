"""What a figure, its table and its sentence are made of: lines, each of one row of a release. No two of them can disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from dashboard.shelf import Article, Row
from dashboard.words import Scale, Tone, cell, grain_of, heading, many, order, period, tone


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


def line_of(article: Article, row: Row, own: str, peers: Sequence[str]) -> Line:
    """A row of the release as a line, in words, too."""
    scale, unit, time = Scale.of(str(article.about["unit"])), article.column("unit"), article.column("time")
    value = row[article.column("value")]
    label = row.get("label")
    name = str(row[unit]) if unit and row[unit] is not None else "All together"
    grain = grain_in(article)
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
        for column in columns_of(article)
    ]


def columns_of(article: Article) -> list[str]:
    """The table's columns: whose, when, how much, what it says; then the rest."""
    first = [article.column("unit"), article.column("time"), article.column("value")]
    first += ["label", "special_cause", "lower_95", "upper_95", article.column("size")]
    front = list(dict.fromkeys(column for column in first if column and article.has(column)))
    return [*front, *(column for column in article.about["columns"] if column not in front)]


def grain_in(article: Article) -> str:
    """Week, month, quarter or year: what the table's periods are; empty where it has none."""
    time = article.column("time")
    return grain_of([row[time] for row in article.rows if row[time] is not None]) if time else ""


def head(article: Article) -> tuple[str, ...]:
    """The headings of a line's cells."""
    return tuple(heading(column) for column in columns_of(article))


def tones(lines: Sequence[Line]) -> tuple[Tone, ...]:
    """What is in `lines`, for the key; concerns first."""
    return tuple(sorted({found.tone for found in lines}, key=order))


def tally(lines: Sequence[Line], what: str) -> str:
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


def about_own(lines: Sequence[Line]) -> str:
    """A row of the release as a line, in words, too."""
    mine = next((found for found in lines if found.own), None)
    return f"{mine.said}. " if mine else ""
