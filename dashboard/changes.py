"""Which figures are others than in the release before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard import figures, words
from dashboard.here import Here, through
from dashboard.shelf import Article, Book, Row


@dataclass(frozen=True)
class Change:
    """Of one indicator since the release before."""

    article: Article
    said: tuple[str, ...]


def changed(here: Here, before: Book | None) -> dict[str, Any]:
    """Which figures are others than in the release before, in words."""
    now = here.book
    if now is None:
        return {"before": None, "changes": [], "same": []}
    here.check_org(list(now.articles.values()))
    changes, same = [], []
    for name, article in now.articles.items():
        then = before.articles.get(name) if before else None
        said = _differences(then, article, here.own(article)) if before else []
        if said:
            changes.append(Change(article, tuple(said)))
        elif before:
            same.append(article)
    gone = [then.title for name, then in (before.articles.items() if before else ()) if name not in now.articles]
    return {"before": before, "changes": changes, "same": same, "gone": gone}


def _differences(then: Article | None, now: Article, own: str) -> list[str]:
    if then is None:
        return ["It is new."]
    said = []
    versions = [str(a.about["definition_version"]) for a in (then, now)]
    if versions[0] != versions[1]:
        said.append(f"The definition is {versions[1]} now, and was {versions[0]}.")
    if now.protected and then.protected and now.about["periods"]["last"] != then.about["periods"]["last"]:
        said.append(
            f"It goes up to {through(now).rpartition(' to ')[2]} now, and went up to {through(then).rpartition(' to ')[2]}."
        )
    old, new = _by_unit(then, now), _by_unit(now, now)
    common = [column for column in now.about["columns"] if column in then.about["columns"]]
    moved = [u for u in new if u in old and any(new[u][c] != old[u][c] for c in common)]
    mine = [unit for unit in moved if unit == own] if own else []
    for unit in mine:
        was = _in_words(then, unit)
        said.append(f"{_in_words(now, unit)} {f'Before: {was}' if was else 'Before it was another value.'}")
    labels = [unit for unit in moved if unit not in mine and old[unit].get("label") != new[unit].get("label")]
    if labels:
        listed = ", ".join(f"{unit} (was {old[unit].get('label')}, is {new[unit].get('label')})" for unit in labels[:5])
        said.append(f"Labels changed: {listed}{' and others' if len(labels) > 5 else ''}.")
    rest = len(moved) - len(mine)
    if rest:
        what = "organisation" if now.column("unit") else "period"
        said.append(f"Figures of {words.many(rest, f'other {what}' if mine else what)} changed.")
    added = [unit for unit in new if unit not in old]
    if added:
        said.append(f"New: {', '.join(added[:5])}{' and others' if len(added) > 5 else ''}.")
    return said


def _by_unit(article: Article, named: Article) -> dict[str, Row]:
    """Whose row -> the row, of the last period; by period where there is one unit only. Columns are as `named` calls them."""
    unit, time = named.column("unit"), named.column("time")
    rows = [row for row in article.rows if not time or row.get(time) is not None]
    if unit and unit in article.about["columns"]:
        rows.sort(key=lambda row: row[time] if time else 0)
        return {str(row[unit]): row for row in rows}
    if time and time in article.about["columns"]:
        return {words.period(row[time], words.grain_of([r[time] for r in rows])): row for row in rows}
    return {str(n): row for n, row in enumerate(rows)}


def _in_words(article: Article, unit: str) -> str:
    found = figures.one_line(article, unit)
    return f"{found.said}." if found else ""
