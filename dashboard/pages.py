"""What each page shows, as plain data for its template."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard import figures, words
from dashboard.address import Chosen
from dashboard.figures import VIEWS, Figure, Line
from dashboard.freshness import Age, Freshness
from dashboard.scripts import Scripts
from dashboard.shelf import Article, Book, Row
from platform_assets.access.roles import Permission, Scope, User
from platform_assets.office import Office
from platform_assets.releases.reading import benchmark
from platform_assets.reports import own_cases
from platform_assets.reports.own_cases import Count, Listed, Source


class Missing(LookupError):
    """There is no such page."""


class Foreign(LookupError):
    """It is there, and somebody else's."""


@dataclass(frozen=True)
class Here:
    """Who is here, what was chosen, which release."""

    office: Office
    user: User
    chosen: Chosen
    book: Book | None
    scripts: Scripts
    freshness: Freshness
    without_login: bool

    @property
    def old(self) -> bool:
        """Whether an earlier release was asked for."""
        return bool(self.chosen.release)

    def article(self, name: str) -> Article:
        """Raises Missing."""
        if self.book is None or name not in self.book.articles:
            raise Missing(name)
        return self.book.articles[name]

    def mine(self, article: Article) -> list[str]:
        """The organisations of this indicator that the user may choose as the own one."""
        if self.user.limited_to is None:
            return list(article.units)
        return [scope.value for scope in self.user.scopes if scope.column == article.column("unit")]

    def own(self, article: Article) -> str:
        """The own organisation on this page; empty where there is none."""
        mine = self.mine(article)
        if self.chosen.org:
            return self.chosen.org if self.chosen.org in mine else ""
        return mine[0] if mine and self.user.limited_to is not None else ""

    def check_org(self, articles: Sequence[Article]) -> None:
        """Raises Foreign where an organisation was chosen that is none of the user's, whether it exists or not."""
        if self.chosen.org and not any(self.chosen.org in self.mine(article) for article in articles):
            raise Foreign("An organisation was asked for on the dashboard that is not the own one")

    def source(self, article: Article) -> Source | None:
        """Where own cases are read; None where there are none."""
        script = self.scripts.get(article.name)
        return own_cases.source_of(script, self.office.contracts) if script else None

    def counts(self, article: Article) -> list[Count] | None:
        """Exact own counts; None where there are none to be had, or not for this user."""
        source, own = self.source(article), self.own(article)
        if source is None or not own or not self.user.may(Permission.EXPORT_ROWS):
            return None
        return own_cases.counts(self.office.audit, self.user, source, Scope(source.unit, own), self.office.warehouse)

    def to(self, path: str, **changes: object) -> str:
        """An address with what is chosen now."""
        return self.chosen.to(path, **changes)

    def page(self, path: str, **changes: object) -> str:
        """The address of another page."""
        return self.chosen.page(path, **changes)

    @property
    def eyes(self) -> list[tuple[str, str]]:
        """On a laptop without login: through whose eyes one can look (as in the address, and in words)."""
        found: dict[str, str] = {}
        for article in self.book.articles.values() if self.book and self.without_login else ():
            source = self.source(article)
            for unit in article.units if source else ():
                found[f"{article.column('unit')}={unit}"] = unit
        return list(found.items())


# ---------------------------------------------------------------------------------------------------- overview


@dataclass(frozen=True)
class Card:
    """One indicator on the overview."""

    article: Article
    own: str
    line: Line | None
    value: str
    against: str
    """What it is held against, in words."""
    sentence: str
    age: str


def overview(here: Here) -> dict[str, Any]:
    """Each indicator with how the own organisation stands, by concern; then those that are not by organisation."""
    articles = list(here.book.articles.values()) if here.book else []
    here.check_org(articles)
    cards = [_card(here, article) for article in articles]
    own = [card for card in cards if card.own in card.article.units]
    rest = [card for card in cards if card.own not in card.article.units]
    own.sort(key=lambda card: (words.order(card.line.tone) if card.line else len(words.Tone), card.article.title))
    choices = sorted({unit for article in articles for unit in here.mine(article)})
    return {"own": own, "rest": rest, "choices": choices, "stale": _stale(here, articles)}


def _card(here: Here, article: Article) -> Card:
    own = here.own(article)
    found = figures.one_line(article, own)
    scale = words.Scale.of(str(article.about["unit"]))
    against = f"held against {scale.written(article.reference)}" if article.reference is not None else ""
    if article.target is not None:
        against = f"target {scale.written(article.target)}, {article.about['target']['words']}"
    said = figures.sentence(article, found) if found else ""
    if not found and own:
        said = f"{own} is not in this release."
    elif not found and not own and (shown := figures.views(article)):
        said = figures.figure(article, "ranking" if "ranking" in shown else shown[0]).sentence
    value = scale.written(found.value) if found else "–"
    return Card(article, own, found, value, against, said, _through(article))


def _through(article: Article) -> str:
    """Up to when the figure goes."""
    if article.protected and article.about["periods"]["last"]:
        grain = str(article.about["periods"]["grain"])
        first, last = (dt.date.fromisoformat(article.about["periods"][end]) for end in ("first", "last"))
        return f"{words.period(first, grain)} to {words.period(last, grain)}"
    time = article.column("time")
    days = [row[time] for row in article.rows if time and row[time] is not None]
    grain = words.grain_of(days)
    return f"{words.period(min(days), grain)} to {words.period(max(days), grain)}" if days else ""


def _stale(here: Here, articles: Sequence[Article]) -> list[Age]:
    tables = sorted({str(table) for article in articles for table in article.about.get("made_from", ())})
    return [age for age in here.freshness.of(tables) if age.due is not None]


# ---------------------------------------------------------------------------------------------------- an indicator


def indicator(here: Here, name: str) -> dict[str, Any]:
    """Everything of one indicator."""
    article = here.article(name)
    here.check_org([article])
    own, shown = here.own(article), figures.views(article)
    view = here.chosen.view or (shown[0] if shown else "")
    if view and view not in shown:
        raise Missing(view)
    peers = tuple(peer for peer in here.chosen.peer if peer in article.units)
    since = dt.date.fromisoformat(here.chosen.since) if here.chosen.since else None
    return {
        "article": article,
        "own": own,
        "choices": here.mine(article),
        "line": figures.one_line(article, own),
        "views": [(key, VIEWS[key]) for key in shown],
        "view": view,
        "figure": figures.figure(article, view, own, peers, since) if view else None,
        "peers": peers,
        "peer_choices": [unit for unit in article.units if unit != own],
        "comparison": _comparison(here, article, own, peers),
        "starts": _starts(article) if view in ("trend", "counts") else [],
        "before": _before(here, article, own),
        "ages": here.freshness.of(article.about.get("made_from", ())),
        "counts": _count_table(article, here.counts(article), here.source(article)),
        "pictures": list(article.about["plots"].items()),
        "through": _through(article),
    }


def _starts(article: Article) -> list[tuple[str, str]]:
    """Days from which a figure over time can begin."""
    time = article.column("time")
    days = sorted({row[time] for row in article.rows if time and row[time] is not None})
    if not days and article.atoms is not None:
        days = sorted(set(article.atoms["period"]))
    grain = words.grain_of(days) if time else str(article.about["periods"]["grain"])
    return [(day.isoformat(), words.period(day, grain)) for day in days[:-1]]


@dataclass(frozen=True)
class Share:
    """The share of one outcome, of drawn counts, for different groups."""

    outcome: str
    meaning: str
    groups: tuple[str, ...]


def _comparison(here: Here, article: Article, own: str, peers: tuple[str, ...]) -> dict[str, Any] | None:
    """Shares of outcomes: own, country, peers; of drawn counts. None where there are no counts by organisation."""
    atoms = article.atoms
    if atoms is None or not article.column("unit") or here.book is None:
        return None
    policy = here.book.release.policy(article.name)
    missing = article.column("missing")
    outcomes = {name: said for name, said in article.about["outcomes"].items() if name != missing}
    columns = [c for name in outcomes for c in (name, f"{name}_hidden")]
    counted = atoms[["organisation", *columns]]
    rows = []
    for outcome, meaning in outcomes.items():
        values: list[float | None] = []
        if own:
            mine = counted[counted["organisation"] == own][list(outcomes)].sum()
            values.append(float(mine[outcome] / mine.sum()) if mine.sum() else None)
        values.append(benchmark(counted, outcome, policy, without=own))
        if peers:
            values.append(benchmark(counted, outcome, policy, without=own, among=peers))
        rows.append(
            Share(outcome, str(meaning), tuple("not shown" if v is None else f"{100 * v:.1f} %" for v in values))
        )
    groups = [*([own] if own else []), "all others" if own else "all", *([f"{len(peers)} peers"] if peers else [])]
    few = bool(peers) and len(peers) < policy.peers
    return {"groups": groups, "rows": rows, "least": policy.peers, "few": few}


def _before(here: Here, article: Article, own: str) -> list[str]:
    """What to know before a label is read: how complete, how old, how it was protected; as sentences."""
    found = []
    missing = article.column("missing")
    if missing:
        words_of = str(article.about["outcomes"].get(missing, "")) or words.heading(missing)
        counts = here.counts(article)
        if counts is not None:
            gone, every = sum(c.cases for c in counts if c.outcome == missing), sum(c.cases for c in counts)
            found.append(f"Complete: {gone:,} of {words.many(every, 'own record')} could not be used ({words_of}).")
        else:
            atoms = article.atoms
            gone = int(atoms[missing].sum()) if atoms is not None else 0
            found.append(f"Complete: about {gone:,} records of all organisations could not be used ({words_of}).")
    if article.protected:
        grain, last = article.about["periods"]["grain"], _through(article)
        found.append(f"Age: {last}, by {grain}; later {grain}s are published when they are over and settled.")
        found.append("Protected: counts were drawn so that nobody is given away; limits hold what that may have moved.")
    else:
        found.append(f"Age: {_through(article)}." if _through(article) else "Age: as of the last release.")
        found.append(f"Not protected: the figures are public anyway ({article.about['why']}).")
    return found


def _count_table(article: Article, counts: list[Count] | None, source: Source | None) -> dict[str, Any] | None:
    """Own counts as a table: a row per period, a column per outcome."""
    if counts is None or source is None:
        return None
    outcomes = list(source.cases.outcomes)
    by: dict[dt.date, dict[str, int]] = {}
    for count in counts:
        by.setdefault(count.period, dict.fromkeys(outcomes, 0))[count.outcome] = count.cases
    grain = source.cases.grain
    last = article.about["periods"]["last"]
    rows = [
        (
            day.isoformat(),
            words.period(day, grain),
            [(o, here[o]) for o in outcomes],
            last is not None and day.isoformat() > last,
        )
        for day, here in by.items()
    ]
    return {
        "outcomes": [(o, source.cases.outcomes[o]) for o in outcomes],
        "rows": rows,
        "totals": [(o, sum(here[o] for here in by.values())) for o in outcomes],
        "grain": grain,
    }


# ---------------------------------------------------------------------------------------------------- own cases


def own_list(here: Here, name: str) -> dict[str, Any]:
    """The own cases behind a number. Raises Foreign, Missing, AccessDenied."""
    article = here.article(name)
    here.check_org([article])
    source, own = here.source(article), here.own(article)
    if source is None or not own:
        raise Missing(name)
    outcome = here.chosen.outcome
    if outcome and outcome not in source.cases.outcomes:
        raise Missing(outcome)
    day = dt.date.fromisoformat(here.chosen.period) if here.chosen.period else None
    found: Listed = own_cases.cases(
        here.office.audit,
        here.user,
        source,
        Scope(source.unit, own),
        here.office.warehouse,
        period=day,
        outcome=outcome,
        first=here.chosen.first,
    )
    steps = [
        (f"{n + 1} to {min(n + own_cases.PAGE, found.total)}", n, n == found.first)
        for n in range(0, found.total, own_cases.PAGE)
    ]
    return {
        "article": article,
        "own": own,
        "source": source,
        "outcome": outcome,
        "meaning": source.cases.outcomes.get(outcome, "") if outcome else "",
        "when": words.period(day, source.cases.grain) if day else "all periods",
        "found": found,
        "amounts": sorted({amount.column for amount in source.cases.amounts.values()}),
        "steps": steps if len(steps) > 1 else [],
    }


# ---------------------------------------------------------------------------------------------------- what changed


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
            f"It goes up to {_through(now).rpartition(' to ')[2]} now, and went up to {_through(then).rpartition(' to ')[2]}."
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


# ---------------------------------------------------------------------------------------------------- about


def about(here: Here) -> dict[str, Any]:
    """How to read all this, and on what it stands."""
    articles = list(here.book.articles.values()) if here.book else []
    tables = sorted({str(table) for article in articles for table in article.about.get("made_from", ())})
    return {
        "articles": articles,
        "ages": here.freshness.of(tables),
        "may_see_cases": here.user.may(Permission.EXPORT_ROWS),
    }


__all__ = [
    "Card",
    "Change",
    "Figure",
    "Foreign",
    "Here",
    "Missing",
    "about",
    "changed",
    "indicator",
    "overview",
    "own_list",
]
