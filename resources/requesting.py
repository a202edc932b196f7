"""Asking servers of others: what passes by itself is asked again, with growing pauses; what does not is told at once."""

from __future__ import annotations

import datetime as dt
import email.utils
import random
import time
from collections.abc import Callable
from typing import TypeVar

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
"""HTTP answers that may be another one in a while (RFC 9110: time-out, too early, too many, and the server's own trouble)."""

T = TypeVar("T")


class Passing(RuntimeError):
    """Trouble that may pass. `wait_seconds`: what the server asked for."""

    def __init__(self, problem: str, wait_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.wait_seconds = wait_seconds


class Permanent(RuntimeError):
    """Trouble that waiting does not mend; the message says what to check."""


def retried(ask: Callable[[], T], log: Callable[[str], None], what: str = "download") -> T:
    """What `ask` returns, called up to five times while it raises Passing.

    Raises Permanent at once, or Passing after the last time; both messages are for people.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except Passing as trouble:
            if attempt == ATTEMPTS:
                raise Passing(
                    f"{trouble}, {ATTEMPTS} times: the source seems to be down; the next run tries again"
                ) from None
            pause = trouble.wait_seconds
            if pause is None:
                pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)
            pause = min(pause, LONGEST_PAUSE_SECONDS)
            log(f"{what}: {trouble}, attempt {attempt + 1} of {ATTEMPTS} in {pause:.0f} s")
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def check_status(status: int, reason: str, retry_after: str | None) -> None:
    """Raises Passing or Permanent unless the HTTP `status` is a success."""
    if status < 400:
        return
    problem = f"the source answered {status} {reason}"
    if status in PASSING_STATUS:
        raise Passing(problem, seconds_of(retry_after))
    raise Permanent(f"{problem}: waiting does not help; check the address and the rights")


def seconds_of(retry_after: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number, or a date); None where it says nothing that can be read."""
    if not retry_after:
        return None
    if retry_after.isdigit():
        return float(retry_after)
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
