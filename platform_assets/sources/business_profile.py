"""Google Business Profile: what people did who found a place on Google, per location and day. A month of a location is asked for at a time."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from platform_assets.sources.base import Fetched, GivenUp, Noted, Reach, Source, Window
from platform_assets.sources.google import PACIFIC, Days, asked, short
from platform_assets.strict import TextList
from resources.requesting import Passing, Permanent, retried

PERFORMANCE = "https://businessprofileperformance.googleapis.com"
LOCATIONS = "https://mybusinessbusinessinformation.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/business.manage"
PAGE = 100

Metric = Literal[
    "BUSINESS_IMPRESSIONS_DESKTOP_MAPS",
    "BUSINESS_IMPRESSIONS_DESKTOP_SEARCH",
    "BUSINESS_IMPRESSIONS_MOBILE_MAPS",
    "BUSINESS_IMPRESSIONS_MOBILE_SEARCH",
    "BUSINESS_DIRECTION_REQUESTS",
    "CALL_CLICKS",
    "WEBSITE_CLICKS",
    "MESSAGING_CLICKS",
    "BUSINESS_BOOKINGS",
    "BUSINESS_FOOD_MENU_CLICKS",
]


class BusinessProfileSource(Source):
    """Daily numbers of all locations of some accounts. It signs in with the service account whose JSON is ``PLATFORM_SECRET_<DATASET>``, which
    must be a manager of each account, or with the machine's own identity."""

    lands: ClassVar[str] = "json"
    kind: Literal["business_profile"]
    accounts: TextList
    """Accounts, e.g. ``accounts/5448030039``."""
    metrics: tuple[Metric, ...] = ("CALL_CLICKS", "WEBSITE_CLICKS", "BUSINESS_DIRECTION_REQUESTS")
    """What is counted."""
    days: Days = Field(default_factory=lambda: Days(lag=dt.timedelta(days=4)))
    """Which days are wanted."""

    @field_validator("accounts")
    @classmethod
    def _are_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(a.startswith("accounts/") and a.removeprefix("accounts/").isalnum() for a in value):
            raise ValueError("'accounts' names one or more accounts, as accounts/<number>")
        return value

    def refusal(self, formats: Sequence[tuple[str, str | None]]) -> str:
        """See `Source`."""
        return super().refusal(formats) or (
            "" if all(r is None for _, r in formats) else "this source writes a record per line: leave 'records' out"
        )

    @property
    def brings_changes(self) -> bool:
        """A delivery is one month of one location: others stay."""
        return True

    def discover(self, done: MutableMapping[str, Noted], now: dt.datetime, reach: Reach) -> list[Window]:
        """Months of locations of which days are missing, or still change. An account that cannot be read is a piece that fails."""
        found: list[Window] = []
        for account in self.accounts:
            try:
                locations = self._locations(account, reach)
            except (Passing, Permanent) as trouble:
                if isinstance(trouble, GivenUp) and trouble.group is None:
                    raise
                found.append(Window(short(account), json.dumps({"trouble": str(trouble)}), account))
                continue
            for location in locations:
                found += self._months(location, done, now)
        return found

    def _months(self, location: str, done: MutableMapping[str, Noted], now: dt.datetime) -> list[Window]:
        """The newest first. Noted of a month is the last of its days that was asked for."""
        last = now.astimezone(PACIFIC).date() - dt.timedelta(days=1)
        first = last - self.days.history + dt.timedelta(days=1)
        fresh = last - self.days.lag
        found, end = [], last
        while end >= first:
            begin = max(end.replace(day=1), first)
            name = f"{short(location)}-{end:%Y%m}"
            known = done.get(name, {})
            whole = known.get("last", "") >= str(end) and known.get("first", "9") <= str(begin)
            if not whole or end > fresh:
                found.append(Window(name, json.dumps([location, str(begin), str(end)]), location))
            end = end.replace(day=1) - dt.timedelta(days=1)
        return found

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """One month of one location, a record per line: location, date, metric, value. A day without a value is 0."""
        what = json.loads(window.what)
        if isinstance(what, dict):
            raise GivenUp(str(what["trouble"]), window.group)
        location, begin, end = what
        first, last = dt.date.fromisoformat(begin), dt.date.fromisoformat(end)
        query: list[tuple[str, str]] = [("dailyMetrics", metric) for metric in self.metrics]
        for name, day in (("startDate", first), ("endDate", last)):
            query += [(f"dailyRange.{name}.{part}", str(getattr(day, part))) for part in ("year", "month", "day")]
        path = f"v1/{location}:fetchMultiDailyMetricsTimeSeries"
        answer = retried(lambda: asked(reach, PERFORMANCE, SCOPE, path, location, query=query), reach.log, "month")
        records = self._records(location, first, last, answer)
        lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        out.write_bytes(lines)
        noted = {"first": begin, "last": end, "content": hashlib.sha256(lines).hexdigest()}
        changed = bool(records) and noted["content"] != done.get("content")
        return Fetched(changed, f"{reach.dataset}.jsonl", noted)

    def _records(self, location: str, first: dt.date, last: dt.date, answer: dict[str, Any]) -> list[dict[str, str]]:
        """What the answer says, which is of the days that were asked for, or nothing of it is taken."""
        found = []
        try:
            for series in answer.get("multiDailyMetricTimeSeries", []):
                for each in series["dailyMetricTimeSeries"]:
                    metric = each["dailyMetric"]
                    for value in each["timeSeries"].get("datedValues", []):
                        day = dt.date(*(int(value["date"][part]) for part in ("year", "month", "day")))
                        if not first <= day <= last or metric not in self.metrics:
                            raise Permanent(
                                "the answer is of other days or metrics than were asked for: nothing of it is taken"
                            )
                        found.append(
                            {"location": location, "date": str(day), "metric": metric, "value": value.get("value", "0")}
                        )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Permanent("the answer has another form than is known: Google's interface has changed") from None
        return found

    def _locations(self, account: str, reach: Reach) -> list[str]:
        names: list[str] = []
        token, seen = "", set[str]()
        while True:
            query = {"readMask": "name", "pageSize": str(PAGE)} | ({"pageToken": token} if token else {})
            answer = retried(
                lambda query=query: asked(reach, LOCATIONS, SCOPE, f"v1/{account}/locations", account, query=query),  # type: ignore[misc]
                reach.log,
                "page",
            )
            names += [str(each.get("name", "")) for each in answer.get("locations", []) if isinstance(each, dict)]
            token = str(answer.get("nextPageToken") or "")
            if not token:
                break
            if token in seen:
                raise Permanent("the next page of locations is one that was read before")
            seen.add(token)
        if not all(name.startswith("locations/") and name.removeprefix("locations/").isalnum() for name in names):
            raise Permanent("the answer names places in another way than is known: Google's interface has changed")
        return names
