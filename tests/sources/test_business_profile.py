"""Business Profile against a stand-in that judges requests and answers by Google's own documents."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from platform_assets.sources import business_profile
from platform_assets.sources.business_profile import BusinessProfileSource
from platform_assets.sources.collect import Collected, collect
from resources import requesting
from resources.environment import Platform
from tests.resources.google_standin import Interface, Refused, google, service_account
from tests.sources.test_search_console import CANARY, NOW

A, B = "accounts/1", "accounts/2"
SOURCE = {
    "kind": "business_profile",
    "accounts": [A, B],
    "metrics": ["CALL_CLICKS", "WEBSITE_CLICKS"],
    "days": {"history": "40 days", "lag": "2 days"},
}


@dataclass
class Google:
    """What the stand-in says, and what goes wrong: account or location -> errors."""

    address: str
    key: str
    seen: list[tuple[str, str, str]]
    trouble: dict[str, list[Refused]]
    calls: str = "7"

    def locations(self, parts: Mapping[str, str], query: Any) -> Any:
        account = parts["accountsId"]
        if self.trouble.get(account):
            raise self.trouble[account].pop(0)
        if query.get("pageToken"):
            return {"locations": [{"name": f"locations/{account}02"}]}
        return {"locations": [{"name": f"locations/{account}01"}], "nextPageToken": "more"}

    def numbers(self, parts: Mapping[str, str], query: Any) -> Any:
        location = parts["locationsId"]
        begin, end = (
            dt.date(*(int(query[f"dailyRange.{which}.{part}"][0]) for part in ("year", "month", "day")))
            for which in ("startDate", "endDate")
        )
        self.seen.append((location, str(begin), str(end)))
        if self.trouble.get(location):
            raise self.trouble[location].pop(0)
        days = [begin + dt.timedelta(days=n) for n in range((end - begin).days + 1)]
        dated: list[dict[str, Any]] = [{"date": {"year": d.year, "month": d.month, "day": d.day}} for d in days]
        dated[-1]["value"] = self.calls
        series = [{"dailyMetric": m, "timeSeries": {"datedValues": dated}} for m in query["dailyMetrics"]]
        return {"multiDailyMetricTimeSeries": [{"dailyMetricTimeSeries": series}]}


@pytest.fixture(scope="module")
def standin() -> Iterator[Google]:
    places, numbers = Interface("mybusinessbusinessinformation.v1"), Interface("businessprofileperformance.v1")
    with google([places, numbers]) as address:
        made = Google(address, service_account(address), [], {})
        places.answers["mybusinessbusinessinformation.accounts.locations.list"] = lambda p, q: made.locations(p, q)
        name = "businessprofileperformance.locations.fetchMultiDailyMetricsTimeSeries"
        numbers.answers[name] = lambda p, q: made.numbers(p, q)
        yield made


@pytest.fixture
def there(standin: Google, monkeypatch: pytest.MonkeyPatch) -> Google:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("PLATFORM_URL_PLACES", standin.address)
    monkeypatch.setenv("PLATFORM_SECRET_PLACES", standin.key)
    standin.seen.clear()
    standin.trouble.clear()
    standin.calls = "7"
    return standin


@pytest.fixture
def online(platform: Platform) -> Platform:
    return replace(platform, settings=replace(platform.settings, sources=True))


def ask(platform: Platform, said: list[str] | None = None) -> Collected:
    source = BusinessProfileSource.model_validate(SOURCE)
    return collect(source, "places", platform, (said if said is not None else []).append, NOW)


def landed(platform: Platform) -> list[dict[str, str]]:
    files = sorted((platform.settings.home / "landing" / "places").glob("*"), key=lambda f: f.stat().st_mtime_ns)
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_months_of_all_locations_come_once_and_the_last_days_again(there: Google, online: Platform) -> None:
    """Forty days until the eighth of March are three months."""
    assert len(ask(online).landed) == 12
    months = [("2026-03-01", "2026-03-08"), ("2026-02-01", "2026-02-28"), ("2026-01-28", "2026-01-31")]
    assert there.seen == [(place, *m) for place in ("101", "102", "201", "202") for m in months]
    rows = landed(online)
    assert len(rows) == 4 * 2 * 40
    assert {"location": "locations/101", "date": "2026-02-28", "metric": "CALL_CLICKS", "value": "7"} in rows
    assert {"location": "locations/101", "date": "2026-02-27", "metric": "CALL_CLICKS", "value": "0"} in rows
    there.seen.clear()
    assert ask(online) == Collected()
    assert there.seen == [(place, *months[0]) for place in ("101", "102", "201", "202")]
    there.calls = "8"
    assert len(ask(online).landed) == 4


def test_one_account_or_location_does_not_stop_the_others(there: Google, online: Platform) -> None:
    there.trouble = {"1": [Refused(403, "forbidden", CANARY)], "201": [Refused(403, "forbidden", CANARY)]}
    said: list[str] = []
    found = ask(online, said)
    assert (len(found.landed), len(found.failed)) == (3, 2)
    assert all("may not be read" in each for each in found.failed)
    assert CANARY not in f"{found} {said}"
    assert len(ask(online).landed) == 9


def test_at_the_end_of_the_quota_what_came_is_kept(there: Google, online: Platform) -> None:
    there.trouble = {"102": [Refused(429, "quotaExceeded")]}
    found = ask(online)
    assert (len(found.landed), len(found.failed)) == (3, 1)
    assert len(ask(online).landed) == 9


def test_an_answer_outside_of_what_was_asked_for_is_refused(
    there: Google, online: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the names of the range are not understood, and the whole history is sent."""
    dated = [{"date": {"year": 2020, "month": 1, "day": 1}, "value": "1"}]
    series = [{"dailyMetric": "CALL_CLICKS", "timeSeries": {"datedValues": dated}}]
    answer = {"multiDailyMetricTimeSeries": [{"dailyMetricTimeSeries": series}]}
    monkeypatch.setattr(there, "numbers", lambda parts, query: answer)
    found = ask(online)
    assert (len(found.landed), len(found.failed)) == (0, 12)
    assert "other days or metrics" in found.failed[0]


def test_metrics_are_those_that_google_has_and_does_not_give_up() -> None:
    method = next(
        m for m in Interface("businessprofileperformance.v1").methods if m["id"].endswith("MultiDailyMetricsTimeSeries")
    )
    enum = method["parameters"]["dailyMetrics"]
    there_are = {n for n, old in zip(enum["enum"], enum["enumDeprecated"], strict=True) if not old}
    assert set(business_profile.Metric.__args__) == there_are - {"DAILY_METRIC_UNKNOWN"}  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="accounts/<number>"):
        BusinessProfileSource.model_validate({**SOURCE, "accounts": ["1"]})
