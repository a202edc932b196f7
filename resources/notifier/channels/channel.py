"""What every channel is, and how it tries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol, Self

from resources.notifier.alert import Alert, NotDelivered

PREFIX = "PLATFORM_ALERT_"
TRIES = 3
PAUSE = 0.5
"""Seconds before the second try, doubled before the third."""


class Channel(Protocol):
    """One way to reach people."""

    timeout: float
    """Seconds that a try may wait; 0 for what does not wait."""

    @property
    def name(self) -> str:
        """What it is called in states and logs."""
        ...

    def send(self, alert: Alert, state: str) -> None:
        """Deliver; `state` is open, repeated or closed. Raises NotDelivered."""
        ...


class Kind(Channel, Protocol):
    """A channel that the environment can name."""

    settings: ClassVar[tuple[str, ...]]
    """Environment variables without PREFIX; the first one switches the channel on. None: it is always on."""
    secrets: ClassVar[tuple[str, ...]]
    """Those of `settings` that are secrets."""

    @classmethod
    def configured(cls, settings: Mapping[str, str]) -> Self | None:
        """The channel that the settings describe; None where they name none. Raises ValueError where one is missing."""
        ...


def tried(
    deliver: Callable[[], None],
    channel: str,
    faults: tuple[type[Exception], ...],
    worth_it: Callable[[Exception], bool],
    told_as: Callable[[Exception], str] = lambda error: type(error).__name__,
) -> None:
    """Call `deliver` up to TRIES times while it raises one of `faults` that is worth it.

    Raises NotDelivered with the kind of error only: messages may hold addresses.
    """
    for attempt in range(1, TRIES + 1):
        try:
            deliver()
            return
        except NotDelivered:
            raise
        except faults as error:
            if attempt == TRIES or not worth_it(error):
                raise NotDelivered(f"{channel}: not delivered after {attempt} tries ({told_as(error)})") from None
            time.sleep(PAUSE * 2 ** (attempt - 1))
