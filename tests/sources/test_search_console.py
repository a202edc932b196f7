"""Search Console against a stand-in that judges requests and answers by Google's own document: each day once, holes filled, one site never
stops another."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.sources import search_console
from platform_assets.sources.collect import Collected, collect
from platform_assets.sources.search_console import SearchConsoleSource
from resources import requesting
from resources.environment import Platform
from tests.resources.google_standin import Interface, Refused, google, service_account

NOW = dt.datetime(2026, 3, 10, 6, 30, tzinfo=dt.UTC)  # still the ninth in California
CANARY = "PATIENT-4711"


@dataclass
class Google:
    """What the stand-in says of each site and day, and what goes wrong."""

    interface: Interface
    address: str
    key: str
    counts: dict[tuple[str, str], int]
    trouble: dict[tuple[str, str], list[Refused]]

    def answer(self, parts: Mapping[str, str], body: Any) -> Any:
        site, day = parts["siteUrl"], body["startDate"]
        if self.trouble.get((site, day)):
            raise self.trouble[site, day].pop(0)
        count = self.counts.get((site, day), 1)
        numbers = range(body["startRow"], min(count, body["startRow"] + body["rowLimit"]))
        rows = [
            {"keys": [day, f"{CANARY} {n}", "/x"], "clicks": 1, "impressions": 2, "ctr": 0.5, "position": 1.05}
            for n in numbers
        ]
        return {"rows": rows, "responseAggregationType": "byPage"} if rows else {"responseAggregationType": "byPage"}

    def asked(self) -> list[tuple[str, str]]:
        found = [(parts["siteUrl"], body["startDate"]) for parts, body in self.interface.seen]
        self.interface.seen.clear()
        return found


@pytest.fixture(scope="module")
def standin() -> Iterator[Google]:
    interface = Interface("searchconsole.v1")
    with google([interface]) as address:
        made = Google(interface, address, service_account(address), {}, {})
        interface.answers["webmasters.searchanalytics.query"] = lambda parts, body: made.answer(parts, body)
        yield made


@pytest.fixture
def there(standin: Google, monkeypatch: pytest.MonkeyPatch) -> Google:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("PLATFORM_URL_SEARCHES", standin.address)
    monkeypatch.setenv("PLATFORM_SECRET_SEARCHES", standin.key)
    standin.counts.clear()
    standin.trouble.clear()
    standin.interface.seen.clear()
    return standin


@pytest.fixture
def online(platform: Platform) -> Platform:
    return replace(platform, settings=replace(platform.settings, sources=True))


A, B = "sc-domain:example.org", "https://www.example.org/"
SOURCE = {"kind": "search_console", "sites": [A, B], "days": {"history": "5 days", "lag": "2 days"}}
DAYS = [f"2026-03-0{n}" for n in (8, 7, 6, 5, 4)]


def ask(platform: Platform, said: list[str] | None = None) -> Collected:
    source = SearchConsoleSource.model_validate(SOURCE)
    return collect(source, "searches", platform, (said if said is not None else []).append, NOW)


def landed(platform: Platform) -> list[dict[str, Any]]:
    files = (platform.settings.home / "landing" / "searches").glob("*")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_each_day_comes_once_and_the_last_ones_again(there: Google, online: Platform) -> None:
    assert len(ask(online).landed) == 10
    assert there.asked() == [(site, day) for site in (A, B) for day in DAYS]
    assert sorted({(r["site"], r["date"]) for r in landed(online)}) == sorted((s, d) for s in (A, B) for d in DAYS)
    assert landed(online)[0]["position"] == "1.05"
    assert ask(online) == Collected()  # the last days were asked for, and are the same
    assert there.asked() == [(site, day) for site in (A, B) for day in DAYS[:2]]
    there.counts[A, DAYS[0]] = 2
    assert len(ask(online).landed) == 1


def test_a_hole_is_filled_and_a_day_without_rows_is_done(there: Google, online: Platform) -> None:
    there.trouble[A, DAYS[3]] = [Refused(500, "backendError")] * 5
    there.counts[B, DAYS[4]] = 0
    found = ask(online)
    assert (len(found.landed), len(found.failed)) == (8, 1)
    there.asked()
    assert len(ask(online).landed) == 1
    assert (A, DAYS[3]) in there.asked()
    ask(online)
    assert (B, DAYS[4]) not in there.asked()


def test_one_site_that_may_not_be_read_does_not_stop_the_other(there: Google, online: Platform) -> None:
    there.trouble[A, DAYS[0]] = [Refused(403, "forbidden", CANARY)]
    said: list[str] = []
    found = ask(online, said)
    assert (len(found.landed), len(found.failed)) == (5, 1)
    assert "may not be read" in found.failed[0]
    assert CANARY not in f"{found} {said}"
    assert [s for s, _ in there.asked()].count(A) == 1


def test_at_the_end_of_the_quota_what_came_is_kept(there: Google, online: Platform) -> None:
    there.trouble[A, DAYS[2]] = [Refused(403, "quotaExceeded", CANARY)]
    found = ask(online)
    assert (len(found.landed), len(found.failed)) == (2, 1)
    assert "quota" in found.failed[0]
    assert len(there.asked()) == 3
    assert len(ask(online).landed) == 8


def test_a_rate_is_waited_for_and_many_rows_come_in_pages(
    there: Google, online: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.trouble[A, DAYS[0]] = [Refused(403, "rateLimitExceeded"), Refused(429, "rateLimitExceeded")]
    monkeypatch.setattr(search_console, "PAGE", 10)
    monkeypatch.setattr(search_console, "CAP", 30)
    there.counts |= {(A, DAYS[0]): 25, (B, DAYS[0]): 99}
    said: list[str] = []
    ask(online, said)
    rows = [r["query"] for r in landed(online) if r["date"] == DAYS[0] and r["site"] == A]
    assert sorted(rows) == sorted(f"{CANARY} {n}" for n in range(25))
    assert "no more than 30 rows" in str(said)
    assert CANARY not in str(said)


def test_an_answer_of_another_day_is_refused(there: Google, online: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        there, "answer", lambda parts, body: {"rows": [{"keys": ["2020-01-01", "x", "/"], "clicks": 1}]}
    )
    found = ask(online)
    assert found.landed == []
    assert "another day" in found.failed[0]


def test_a_contract_replaces_the_day_of_a_site() -> None:
    said = {
        "name": "searches",
        "description": "Searches.",
        "owner": "team:web",
        "source": SOURCE,
        "format": {"kind": "json"},
        "load": {"mode": "upsert", "key": ["site", "date", "query", "page"], "replaces": ["site", "date"]},
        "columns": {
            "site": {"type": "string"},
            "date": {"type": "date", "format": "%Y-%m-%d"},
            "query": {"type": "string"},
            "page": {"type": "string"},
            "clicks": {"type": "integer", "ge": 0},
        },
    }
    assert Contract.model_validate(said).load.replaces == ("site", "date")
    with pytest.raises(ValueError, match="upsert"):
        Contract.model_validate({**said, "load": {"mode": "append"}})
