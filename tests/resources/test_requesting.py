"""What passes is asked again, what does not is told at once."""

from __future__ import annotations

import datetime as dt
import email.utils

import pytest

from resources import requesting
from resources.requesting import PASSING_STATUS, Passing, Permanent, check_status, retried, seconds_of


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(requesting.time, "sleep", slept.append)
    return slept


def _ask(troubles: list[Exception | str]) -> str:
    step = troubles.pop(0)
    if isinstance(step, Exception):
        raise step
    return step


def test_pauses_grow_and_a_server_that_names_one_gets_it(pauses: list[float]) -> None:
    script: list[Exception | str] = [Passing("a"), Passing("b", 7.0), Passing("c", 9999.0), Passing("d"), "done"]
    assert retried(lambda: _ask(script), lambda _: None) == "done"
    assert 0.5 <= pauses[0] <= 1
    assert pauses[1:3] == [7.0, requesting.LONGEST_PAUSE_SECONDS]
    assert 4 <= pauses[3] <= 8


def test_the_last_trouble_is_told_with_what_comes_next(pauses: list[float]) -> None:
    def ask() -> str:
        raise Passing("no answer")

    with pytest.raises(Passing, match="no answer, 5 times: the source seems to be down; the next run tries again"):
        retried(ask, lambda _: None)
    assert len(pauses) == requesting.ATTEMPTS - 1


def test_what_does_not_pass_is_asked_once(pauses: list[float]) -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise Permanent("gone")

    with pytest.raises(Permanent):
        retried(ask, lambda _: None)
    assert len(asked) == 1


@pytest.mark.parametrize("status", range(200, 600))
def test_each_status_is_of_one_class(status: int) -> None:
    if status < 400:
        check_status(status, "", None)
        return
    with pytest.raises(Passing if status in PASSING_STATUS else Permanent, match=str(status)):
        check_status(status, "", None)


def test_retry_after_is_a_number_or_a_date_or_nothing() -> None:
    assert seconds_of("12") == 12
    assert seconds_of("soon") is None
    assert seconds_of(None) is None
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    read = seconds_of(email.utils.format_datetime(moment, usegmt=True))
    assert read is not None
    assert 25 <= read <= 30
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 -0000") == 0
