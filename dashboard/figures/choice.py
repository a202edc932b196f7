"""Which figures an indicator has, and each of them: one renderer for figure, table and sentence (`lines`, `ranking`, `trend`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from dashboard.figures.lines import Figure, Line, line_of
from dashboard.figures.ranking import funnel, ranking
from dashboard.figures.trend import counts, own_counts, trend
from dashboard.shelf import Article

VIEWS = {
    "trend": "Over time",
    "ranking": "In order",
    "funnel": "Funnel",
    "counts": "Counts by period",
}
"""Kinds of figures -> what their tabs say."""
__all__ = ["VIEWS", "figure", "one_line", "own_counts", "sentence", "views"]
KEPT = 500
"""Figures of an indicator that stay in memory."""


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
    make = {"ranking": ranking, "funnel": funnel, "trend": trend, "counts": counts}[view]
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
    return line_of(article, rows[-1], own, ()) if rows else None


def sentence(article: Article, found: Line) -> str:
    """How one row stands, in words."""
    return f"{found.said}."
