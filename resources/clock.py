"""What day it is, and what a clock on the wall shows: by PLATFORM_TIMEZONE, Europe/Amsterdam where that is not set.
A dataset may be kept by the clock of another zone.

Moments are kept in UTC. A zone is needed where people mean a day or an hour of theirs: `today` in a contract, when a delivery is due,
when the weekly job starts.
"""

from __future__ import annotations

import datetime as dt
import os
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

VARIABLE = "PLATFORM_TIMEZONE"
DEFAULT = "Europe/Amsterdam"


def zone() -> ZoneInfo:
    """The zone of this installation. Raises ValueError for one that does not exist."""
    name = os.environ.get(VARIABLE) or DEFAULT
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{VARIABLE}={name!r} is not known: give a name such as Europe/Paris or UTC") from None


def today(now: dt.datetime | None = None, where: str | None = None) -> dt.date:
    """The day here, or in the zone named `where`, now or at the moment `now`."""
    return local(now or dt.datetime.now(dt.UTC), where).date()


def local(moment: dt.datetime, where: str | None = None) -> dt.datetime:
    """A moment (with its zone) as the clock here, or in the zone named `where`, shows it."""
    return moment.astimezone(ZoneInfo(where) if where else zone())
