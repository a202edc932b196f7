"""The address is the state: what was chosen stands in the query, in one order, and nowhere else."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams

from platform_assets.indicators.script.of_cases import MOST_SLICES
from platform_assets.reports.own_cases import GRAINS

MOST_PEERS = 200
LONGEST = 200
ONLY = "only_"
"""Begins the names of filters: ``only_sex=F``."""


class BadAddress(ValueError):
    """The address asks for what is not there."""


def _is_day(text: str) -> bool:
    """Whether it is a day of the calendar, written as the platform writes it."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Chosen:
    """What was chosen. Empty: what comes by itself."""

    org: str = ""
    """The organisation whose page it is."""
    view: str = ""
    """ranking, funnel, trend, counts."""
    peer: tuple[str, ...] = ()
    """Organisations to compare with."""
    release: str = ""
    """An earlier release, to see what was seen then."""
    period: str = ""
    """First day of the period of a list of cases."""
    outcome: str = ""
    """The outcome of a list of cases."""
    first: int = 0
    """The first case of a list that is shown."""
    since: str = ""
    """Periods from this day on."""
    filters: tuple[tuple[str, str], ...] = ()
    """Slices of own cases, and the value that cases are to have in each."""
    by: str = ""
    """Periods by which own cases are counted: week, month, quarter, year."""
    eyes: str = ""
    """On a laptop without login: through whose eyes, such as laboratory=north."""

    @classmethod
    def of(cls, query: QueryParams) -> Chosen:
        """Raises BadAddress."""
        first = query.get("first", "0")
        if not re.fullmatch(r"[0-9]{1,7}", first):
            raise BadAddress("`first` is a number")
        peers = tuple(dict.fromkeys(query.getlist("peer")))
        texts = {
            name: query.get(name, "") for name in ("org", "view", "release", "period", "outcome", "since", "by", "eyes")
        }
        if len(peers) > MOST_PEERS or any(
            len(text) > LONGEST or not text.isprintable() for text in (*texts.values(), *peers)
        ):
            raise BadAddress("the address is too long")
        for name in ("period", "since"):
            if texts[name] and not _is_day(texts[name]):
                raise BadAddress(f"`{name}` is a day, such as 2026-01-01")
        if texts["by"] not in ("", *GRAINS):
            raise BadAddress(f"`by` is one of {', '.join(GRAINS)}")
        filters = tuple(
            (name.removeprefix(ONLY), query[name]) for name in query if name.startswith(ONLY) and query[name]
        )
        if len(filters) > MOST_SLICES or any(
            len(text) > LONGEST or not text.isprintable() for pair in filters for text in pair
        ):
            raise BadAddress(f"cases are filtered by at most {MOST_SLICES} slices")
        return cls(**texts, peer=peers, first=int(first), filters=filters)

    def to(self, path: str, **changes: object) -> str:
        """The address of `path` with these choices, some of them changed."""
        chosen = replace(self, **changes)  # type: ignore[arg-type]
        pairs = [(name, value) for name, value in chosen.pairs if value]
        return quote(path, safe="/._-") + (f"?{urlencode(pairs)}" if pairs else "")

    def page(self, path: str, **changes: object) -> str:
        """The address of another page: organisation, release and eyes go along, other choices do not."""
        return Chosen(org=self.org, release=self.release, eyes=self.eyes).to(path, **changes)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Name and text of every choice."""
        single: Mapping[str, str] = {
            "org": self.org,
            "view": self.view,
            "since": self.since,
            "release": self.release,
            "by": self.by,
            "period": self.period,
            "outcome": self.outcome,
            "first": str(self.first) if self.first else "",
            "eyes": self.eyes,
        }
        return [
            *single.items(),
            *((ONLY + name, level) for name, level in self.filters),
            *(("peer", peer) for peer in self.peer),
        ]
