"""The zone of an installation: the day and the hour that people mean."""

from __future__ import annotations

import datetime as dt

import pytest

from platform_assets.contracts.model import Freshness
from platform_assets.ingest.quality import last_due
from resources import clock

MIDNIGHT = dt.datetime(2024, 7, 1, 22, 30, tzinfo=dt.UTC)


def test_amsterdam_is_meant_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clock.VARIABLE, raising=False)
    assert clock.zone().key == "Europe/Amsterdam"
    assert clock.today(MIDNIGHT) == dt.date(2024, 7, 2)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", 1),
        ("Europe/Amsterdam", 2),
        ("America/New_York", 1),
        ("Asia/Tokyo", 2),
        ("Pacific/Kiritimati", 2),
        ("", 2),
    ],
)
def test_the_day_is_that_of_the_zone(monkeypatch: pytest.MonkeyPatch, zone: str, day: int) -> None:
    monkeypatch.setenv(clock.VARIABLE, zone)
    assert clock.today(MIDNIGHT) == dt.date(2024, 7, day)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe"])
def test_a_zone_that_does_not_exist_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv(clock.VARIABLE, zone)
    with pytest.raises(ValueError, match=r"PLATFORM_TIMEZONE=.* is not known: give a name such as"):
        clock.zone()


# the clock goes forward on 31 March (Amsterdam) and 10 March (New York), back on 27 October and 3 November
@pytest.mark.parametrize(
    ("zone", "now", "due"),
    [
        ("Europe/Amsterdam", "2024-03-30T08:30", "2024-03-30T08:00"),
        ("Europe/Amsterdam", "2024-03-31T07:30", "2024-03-31T07:00"),
        ("Europe/Amsterdam", "2024-10-27T07:30", "2024-10-26T07:00"),
        ("Europe/Amsterdam", "2024-10-27T08:30", "2024-10-27T08:00"),
        ("America/New_York", "2024-03-10T13:30", "2024-03-10T13:00"),
        ("America/New_York", "2024-03-10T12:30", "2024-03-09T14:00"),
        ("America/New_York", "2024-11-03T14:30", "2024-11-03T14:00"),
        ("UTC", "2024-03-31T09:30", "2024-03-31T09:00"),
    ],
)
def test_a_delivery_is_due_at_nine_by_the_clock_on_the_wall(
    monkeypatch: pytest.MonkeyPatch, zone: str, now: str, due: str
) -> None:
    monkeypatch.setenv(clock.VARIABLE, zone)
    found, before = last_due(Freshness(cron="0 9 * * *"), moment(now))
    assert found == moment(due)
    assert (found.hour, before.hour, (found.date() - before.date()).days) == (9, 9, 1)


def test_hours_of_grace_are_hours_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the morning on which the clock goes forward, nine o'clock is nine hours after midnight by the wall, and eight by a watch."""
    monkeypatch.setenv(clock.VARIABLE, "Europe/Amsterdam")
    grace = Freshness(cron="0 0 * * *", grace_hours=5)
    assert last_due(grace, moment("2024-03-31T03:59"))[0] == moment("2024-03-29T23:00")
    assert last_due(grace, moment("2024-03-31T04:01"))[0] == moment("2024-03-30T23:00")


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
