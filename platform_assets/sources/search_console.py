"""Google Search Console: how a site was found, per site and day. Which days are here is remembered, so a hole in the middle is filled."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from platform_assets.sources.google import PACIFIC, Days, asked, short
from platform_assets.strict import TextList
from resources.requesting import Permanent, retried

API = "https://searchconsole.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/webmasters.readonly"
PAGE = 25_000
CAP = 50_000
"""Rows of a site, day and search type that Google gives at most."""


class SearchConsoleSource(Source):
    """Clicks and impressions of sites. It signs in with the service account whose JSON is ``PLATFORM_SECRET_<DATASET>`` (a user of each
    property), or with the machine's own identity."""

    lands: ClassVar[str] = "json"
    kind: Literal["search_console"]
    sites: TextList
    """Properties, e.g. ``sc-domain:example.org`` or ``https://www.example.org/``."""
    dimensions: tuple[Literal["query", "page", "country", "device", "searchAppearance"], ...] = ("query", "page")
    """By what a day is taken apart. Sums over queries are less than the day: rare ones are left out by Google."""
    search_type: Literal["web", "image", "video", "news", "discover", "googleNews"] = "web"
    """Where was searched."""
    state: Literal["final", "all"] = "final"
    """final: numbers that change no more; all: fresh ones too."""
    days: Days = Field(default_factory=Days)
    """Which days are wanted."""

    @field_validator("sites")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("'sites' names one or more properties, each once")
        return value

    def refusal(self, formats: Sequence[tuple[str, str | None]]) -> str:
        """See `Source`."""
        return super().refusal(formats) or (
            "" if all(r is None for _, r in formats) else "this source writes a record per line: leave 'records' out"
        )

    @property
    def brings_changes(self) -> bool:
        """A delivery is one day of one site: others stay."""
        return True

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """Days that are missing, the newest first, and the last few again. The day that is going on is none."""
        today = now.astimezone(PACIFIC).date()
        days = [today - dt.timedelta(days=n) for n in range(1, self.days.history.days + 1)]
        fresh = today - self.days.lag
        return [
            Window(name, json.dumps([site, str(day)]), site)
            for site in self.sites
            for day in days
            if (name := _name(site, day)) not in done or day >= fresh
        ]

    def discover(self, done: MutableMapping[str, Noted], now: dt.datetime, reach: Reach) -> list[Window]:
        """See `wanted`; days that are wanted no more are forgotten."""
        wanted = {window.name for window in self.wanted({}, now)}
        for name in done.keys() - wanted:
            del done[name]
        return self.wanted(done, now)

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """One day of one site, a record per line. A day without rows is done, and leaves no file."""
        site, day = json.loads(window.what)
        rows, content = 0, hashlib.sha256()
        with out.open("wb") as file:
            while True:
                body = {
                    "startDate": day,
                    "endDate": day,
                    "dimensions": ["date", *self.dimensions],
                    "type": self.search_type,
                    "dataState": self.state,
                    "rowLimit": PAGE,
                    "startRow": rows,
                }
                page = retried(lambda body=body: self._asked(site, body, reach), reach.log, "page")  # type: ignore[misc]
                for row in page:
                    line = json.dumps(self._record(site, day, row), ensure_ascii=False).encode() + b"\n"
                    content.update(line)
                    file.write(line)
                rows += len(page)
                if len(page) < PAGE or rows >= CAP:
                    break
        if rows >= CAP:
            reach.log(
                f"{site} {day}: Google gives no more than {CAP:,} rows a day; the rest is only in its bulk export"
            )
        noted = {"rows": str(rows), "content": content.hexdigest()}
        changed = rows > 0 and done.get("content") != noted["content"]
        return Fetched(changed, f"{reach.dataset}.jsonl", noted)

    def _record(self, site: str, day: str, row: Any) -> dict[str, Any]:
        keys = row.get("keys") if isinstance(row, dict) else None
        if not isinstance(keys, list) or len(keys) != len(self.dimensions) + 1:
            raise Permanent("the answer has other keys than were asked for: Google's interface has changed")
        if keys[0] != day:
            raise Permanent("the answer is of another day than was asked for: nothing of it is taken")
        numbers = {name: row.get(name, "0") for name in ("clicks", "impressions", "ctr", "position")}
        return {"site": site, "date": day, **dict(zip(self.dimensions, keys[1:], strict=True)), **numbers}

    def _asked(self, site: str, body: Mapping[str, Any], reach: Reach) -> list[Any]:
        path = f"webmasters/v3/sites/{quote(site, safe='')}/searchAnalytics/query"
        rows = asked(reach, API, SCOPE, path, site, body=body).get("rows", [])
        if not isinstance(rows, list):
            raise Permanent("the answer has no list of rows: Google's interface has changed")
        return rows


def _name(site: str, day: dt.date) -> str:
    return f"{short(site)}-{day:%Y%m%d}"
