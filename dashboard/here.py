"""Who is here, what was chosen, which release: what every page is given, and what decides whose numbers it may show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dashboard import words
from dashboard.address import Chosen
from dashboard.freshness import Freshness
from dashboard.scripts import Scripts
from dashboard.shelf import Article, Book
from platform_assets.access.roles import Permission, Scope, User
from platform_assets.office import Office
from platform_assets.reports import own_cases
from platform_assets.reports.own_cases import Count, Only, Source


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

    def only(self, source: Source) -> dict[str, str]:
        """The filters of own cases that were chosen. Raises Missing where the script has none such."""
        only = dict(self.chosen.filters)
        try:
            own_cases.check_only(source, only)
        except ValueError as error:
            raise Missing(source.indicator.name) from error
        return only

    def counts(self, article: Article, grain: str = "", only: Only = MappingProxyType({})) -> list[Count] | None:
        """Exact own counts by `grain` (empty: the script's own), of the cases that are as `only` says; None where there are none to be had, or not for this user."""
        source, own = self.source(article), self.own(article)
        if source is None or not own or not self.user.may(Permission.EXPORT_ROWS):
            return None
        scope = Scope(source.unit, own)
        return own_cases.counts(self.office.audit, self.user, source, scope, self.office.warehouse, grain, only)

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


def through(article: Article) -> str:
    """Up to when the figure goes."""
    if article.protected and article.about["periods"]["last"]:
        grain = str(article.about["periods"]["grain"])
        first, last = (dt.date.fromisoformat(article.about["periods"][end]) for end in ("first", "last"))
        return f"{words.period(first, grain)} to {words.period(last, grain)}"
    time = article.column("time")
    days = [row[time] for row in article.rows if time and row[time] is not None]
    grain = words.grain_of(days)
    return f"{words.period(min(days), grain)} to {words.period(max(days), grain)}" if days else ""
