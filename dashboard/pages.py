"""What each page shows, as plain data for its template."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard import words
from dashboard.address import ONLY
from dashboard.figures import choice as figures
from dashboard.figures.choice import VIEWS
from dashboard.figures.lines import Figure, Line
from dashboard.freshness import Age
from dashboard.here import Here, Missing, through
from dashboard.shelf import Article
from platform_assets.access.roles import Permission, Scope
from platform_assets.indicators.model import NOT_KNOWN
from platform_assets.quarantine.disputes import ANSWERS, REASONS, Dispute
from platform_assets.releases.reading import benchmark
from platform_assets.reports import own_cases, own_disputes
from platform_assets.reports.own_cases import Count, Listed, Only, Source

# ---------------------------------------------------------------------------------------------------- overview


@dataclass(frozen=True)
class Card:
    """One indicator on the overview."""

    article: Article
    own: str
    line: Line | None
    tone: words.Tone | None
    """What stands foremost: the own label, or of all organisations the one to look at first."""
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
    for listed in (own, rest):
        listed.sort(key=lambda card: (words.order(card.tone) if card.tone else len(words.Tone), card.article.title))
    choices = sorted({unit for article in articles for unit in here.mine(article)})
    return {"own": own, "rest": rest, "choices": choices, "stale": _stale(here, articles)}


def _card(here: Here, article: Article) -> Card:
    own = here.own(article)
    found = figures.one_line(article, own)
    scale = words.Scale.of(str(article.about["unit"]))
    against = f"held against {scale.written(article.reference)}" if article.reference is not None else ""
    if article.target is not None:
        against = f"target {scale.written(article.target)}, {article.about['target']['words']}"
    said, tone = (figures.sentence(article, found), found.tone) if found else ("", None)
    if not found and own:
        said = f"{own} is not in this release."
    elif not found and not own and (kinds := figures.views(article)):
        every = figures.figure(article, "ranking" if "ranking" in kinds else kinds[0])
        said, tone = every.sentence, (every.tones[0] if every.tones else None)
    said = said or "It has no single figure: its page has a table and pictures."
    value = scale.written(found.value) if found else "–"
    return Card(article, own, found, tone, value, against, said, through(article))


def _stale(here: Here, articles: Sequence[Article]) -> list[Age]:
    tables = sorted({str(table) for article in articles for table in article.about.get("made_from", ())})
    return [age for age in here.freshness.of(tables) if age.due is not None]


# ---------------------------------------------------------------------------------------------------- an indicator


def indicator(here: Here, name: str) -> dict[str, Any]:
    """Everything of one indicator."""
    article = here.article(name)
    here.check_org([article])
    own, figure, source = here.own(article), shown(here, article), here.source(article)
    only = here.only(source) if source else {}
    view, peers = figure.view if figure else "", _peers(here, article)
    return {
        "article": article,
        "own": own,
        "choices": here.mine(article),
        "line": figures.one_line(article, own),
        "views": [(key, VIEWS[key]) for key in figures.views(article)],
        "view": view,
        "figure": figure,
        "peers": peers,
        "peer_choices": [unit for unit in article.units if unit != own],
        "comparison": comparison(here, article, own, peers),
        "starts": _starts(article) if view in ("trend", "counts") else [],
        "before": before_label(here, article, own),
        "ages": here.freshness.of(article.about.get("made_from", ())),
        "counts": _count_table(article, here.counts(article, here.chosen.by, only), source, here.chosen.by, only),
        "pictures": list(article.about["plots"].items()),
        "through": through(article),
    }


def shown(here: Here, article: Article) -> Figure | None:
    """The figure that was chosen, or the first; None where the script gives none. Raises Missing."""
    every = figures.views(article)
    view = here.chosen.view or (every[0] if every else "")
    if view and view not in every:
        raise Missing(view)
    since = dt.date.fromisoformat(here.chosen.since) if here.chosen.since else None
    return figures.figure(article, view, here.own(article), _peers(here, article), since) if view else None


def _peers(here: Here, article: Article) -> tuple[str, ...]:
    return tuple(peer for peer in here.chosen.peer if peer in article.units)


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


def comparison(here: Here, article: Article, own: str, peers: tuple[str, ...]) -> dict[str, Any] | None:
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


def before_label(here: Here, article: Article, own: str, exact: bool = False) -> list[str]:
    """What to know before a label is read: how complete, how old, how it was protected (`exact`: it was not); as sentences."""
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
    mix = str(article.about.get("case_mix") or "")
    if mix:
        found.append(f"Fair: adjusted for {mix}; what else patients differ in is not.")
    elif "case_mix" in article.about and article.column("unit"):
        found.append("Fair: not adjusted for what patients differ in.")
    if exact:
        return found
    if article.protected:
        grain, last = article.about["periods"]["grain"], through(article)
        found.append(f"Age: {last}, by {grain}; later {grain}s are published when they are over and settled.")
        found.append("Protected: counts were drawn so that nobody is given away; limits hold what that may have moved.")
    else:
        found.append(f"Age: {through(article)}." if through(article) else "Age: as of the last release.")
        found.append(f"Not protected: the figures are public anyway ({article.about['why']}).")
    return found


NEWEST, DRAWN = 60, 26
"""Periods of own cases that a page lists, and draws; totals are of all."""


def _count_table(
    article: Article, counts: list[Count] | None, source: Source | None, by_: str, only: Only
) -> dict[str, Any] | None:
    """Own counts as a table (a row per period, a column per outcome), and as a picture."""
    if counts is None or source is None:
        return None
    outcomes = dict(source.cases.outcomes)
    by: dict[dt.date, dict[str, int]] = {}
    for count in counts:
        by.setdefault(count.period, dict.fromkeys(outcomes, 0))[count.outcome] = count.cases
    grain = by_ or source.cases.grain
    last = article.about["periods"]["last"] if article.protected else None
    fresh = words.after(dt.date.fromisoformat(last), source.cases.grain) if last else None
    newest = list(by.items())[:NEWEST]
    rows = [
        (
            day.isoformat(),
            words.period(day, grain),
            [(o, here[o]) for o in outcomes],
            fresh is not None and day >= fresh,
        )
        for day, here in newest
    ]
    return {
        "outcomes": list(outcomes.items()),
        "rows": rows,
        "totals": [(o, sum(here[o] for here in by.values())) for o in outcomes],
        "grain": grain,
        "grains": own_cases.GRAINS,
        "filters": [
            (f"{ONLY}{slice_.name}", words.heading(slice_.name), (*slice_.levels, NOT_KNOWN), only.get(slice_.name, ""))
            for slice_ in source.cases.slices.values()
        ],
        "only": _in_words(only),
        "more": len(by) - len(newest),
        "picture": figures.own_counts(
            article, [(words.period(day, grain), here) for day, here in newest[:DRAWN][::-1]]
        ),
        "drawn": min(DRAWN, len(newest)),
    }


def _in_words(only: Only) -> str:
    """``sex F, age 80 and over``; empty: all cases."""
    return ", ".join(f"{words.heading(name)} {level}" for name, level in only.items())


# ---------------------------------------------------------------------------------------------------- own cases


def own_source(here: Here, name: str) -> tuple[Article, Source, Scope]:
    """Where the own cases of an indicator are, and whose. Raises Foreign, Missing."""
    article = here.article(name)
    here.check_org([article])
    source, own = here.source(article), here.own(article)
    if source is None or not own:
        raise Missing(name)
    return article, source, Scope(source.unit, own)


def own_list(here: Here, name: str) -> dict[str, Any]:
    """The own cases behind a number. Raises Foreign, Missing, AccessDenied."""
    article, source, scope = own_source(here, name)
    outcome = here.chosen.outcome
    if outcome and outcome not in source.cases.outcomes:
        raise Missing(outcome)
    day, only = dt.date.fromisoformat(here.chosen.period) if here.chosen.period else None, here.only(source)
    found: Listed = own_cases.cases(
        here.office.audit,
        here.user,
        source,
        scope,
        here.office.warehouse,
        period=day,
        outcome=outcome,
        first=here.chosen.first,
        grain=here.chosen.by,
        only=only,
    )
    steps = [
        (f"{n + 1} to {min(n + own_cases.PAGE, found.total)}", n, n == found.first)
        for n in range(0, found.total, own_cases.PAGE)
    ]
    return {
        "article": article,
        "own": scope.value,
        "source": source,
        "reasons": REASONS,
        "abouts": [*source.variables, source.unit],
        "outcome": outcome,
        "meaning": source.cases.outcomes.get(outcome, "") if outcome else "",
        "when": words.period(day, here.chosen.by or source.cases.grain) if day else "all periods",
        "only": _in_words(only),
        "found": found,
        "amounts": sorted({amount.column for amount in source.cases.amounts.values()}),
        "steps": steps if len(steps) > 1 else [],
    }


def disputes(here: Here, name: str) -> dict[str, Any]:
    """What the own organisation said of its records, and what became of it. Raises Foreign, Missing, AccessDenied."""
    article, source, scope = own_source(here, name)
    contract = here.office.contracts[source.dataset]
    found = own_disputes.told(here.office.audit, here.user, source, scope, contract, here.office.warehouse)
    rows = [
        (
            one.record[:12] or "–",
            one.at.date(),
            one.by,
            f"{REASONS[one.reason]}{f': {words.heading(one.about)}' if one.about else ''}",
            " ".join(_fate(one)),
        )
        for one in reversed(found)
    ]
    return {"article": article, "own": scope.value, "rows": rows}


def _fate(one: Dispute) -> list[str]:
    """What became of it, as sentences."""
    if one.answered_at is None:
        return [one.since or "It waits for a steward."]
    said = f"Answer of {one.answered_at:%d %b %Y}: {ANSWERS[one.answer]}."
    return [said, *([f"“{one.words}”"] if one.words else []), *([one.since] if one.since else [])]


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
