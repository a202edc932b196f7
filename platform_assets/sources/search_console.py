"""Google Search Console: how a site was found, per site and day. Which days are here is remembered, so a hole in the middle is filled."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from platform_assets.sources.base import Fetched, GivenUp, Noted, Reach, Source, Window
from platform_assets.strict import Duration, Strict, TextList
from resources.credentials import optional
from resources.requesting import PASSING_STATUS, Passing, Permanent, retried, seconds_of

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

API = "https://searchconsole.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/webmasters.readonly"
PACIFIC = ZoneInfo("America/Los_Angeles")
"""By whose clock Google's days are."""
PAGE = 25_000
CAP = 50_000
"""Rows of a site, day and search type that Google gives at most."""
TIMEOUT = 10, 120
QUOTA = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
RATE = {"rateLimitExceeded", "userRateLimitExceeded"}


class Days(Strict):
    """Which days are wanted."""

    history: Duration = dt.timedelta(days=480)
    """How far back; Google keeps sixteen months."""
    lag: Duration = dt.timedelta(days=3)
    """The last so many days are asked for again each time, as their numbers still change."""


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
        import requests
        from google.auth.exceptions import GoogleAuthError

        base = reach.environment.get(f"PLATFORM_URL_{reach.dataset.upper()}") or API
        url = f"{base}/webmasters/v3/sites/{quote(site, safe='')}/searchAnalytics/query"
        try:
            session: AuthorizedSession = reach.kept("google", lambda: _session(reach, base))
            response = session.post(url, json=body, timeout=TIMEOUT, allow_redirects=False)
        except GoogleAuthError:
            raise GivenUp("Google does not know who asks: check the service account of the source") from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise Passing(f"{type(error).__name__} while reading") from None
        if response.status_code == 200:
            # numbers stay the text that they are: a float would round them
            rows = _document(response.content).get("rows", [])
            if not isinstance(rows, list):
                raise Permanent("the answer has no list of rows: Google's interface has changed")
            return rows
        raise _refused(response.status_code, _reason(response.content), response.headers.get("Retry-After"), site)


def _session(reach: Reach, base: str) -> tuple[Any, Any]:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2 import service_account

    key = optional(reach.environment, f"PLATFORM_SECRET_{reach.dataset.upper()}")
    try:
        credentials = (
            service_account.Credentials.from_service_account_info(json.loads(key), scopes=[SCOPE])
            if key
            else AnonymousCredentials()
            if base != API
            else google.auth.default(scopes=[SCOPE])[0]
        )
    except ValueError:
        raise GivenUp("the secret of the source is no service account's JSON") from None
    session = AuthorizedSession(credentials, max_refresh_attempts=1)
    return session, session.close


def _refused(status: int, reason: str, retry_after: str | None, site: str) -> Passing | Permanent:
    """By Google's reason, not by the number alone: 403 is a missing right, a rate and a quota."""
    if reason in QUOTA:
        return GivenUp(
            "Google's quota is used up; what came is kept, and the next visit goes on with the days that are missing"
        )
    if reason in RATE or status in PASSING_STATUS:
        return Passing(f"Google answered {status}", seconds_of(retry_after))
    if status in (401, 403, 404):
        return GivenUp("it may not be read: add the service account as a user of the property in Search Console", site)
    return Permanent(f"Google answered {status}: what is asked for is refused")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise Passing("the answer is no JSON") from None
    return document if isinstance(document, dict) else {}


def _reason(body: bytes) -> str:
    """The word by which Google tells what is wrong; '' where there is none."""
    try:
        errors = json.loads(body)["error"]["errors"]
        return str(errors[0]["reason"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def _name(site: str, day: dt.date) -> str:
    return f"{hashlib.sha256(site.encode()).hexdigest()[:8]}-{day:%Y%m%d}"
