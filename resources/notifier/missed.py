"""The run that never started: nothing fails then, so nothing tells."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from resources.notifier.alert import Alert


def missed_run(
    cron: str,
    zone: str,
    last_started: dt.datetime | None,
    now: dt.datetime,
    *,
    grace: dt.timedelta = dt.timedelta(hours=1),
    installed: dt.datetime | None = None,
) -> dt.datetime | None:
    """The dead man's switch: when a run by `cron` (five fields, in `zone`) should have started and did not; None if all is well.

    `last_started` is when the job last started (UTC), None for never. Until `grace` after the planned time, and for times before
    `installed` (when the schedule came into being), nothing is missed.
    """
    from croniter import croniter

    local = now.astimezone(ZoneInfo(zone))
    planned = croniter(cron, (local - grace).replace(tzinfo=None) + dt.timedelta(seconds=1)).get_prev(dt.datetime)
    due = planned.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)
    if installed is not None and due < installed:
        return None
    return None if last_started is not None and last_started >= due else due


def never_started(job: str, due: dt.datetime, zone: str, link: str = "") -> Alert:
    """The alert of a run that `missed_run` found."""
    local = due.astimezone(ZoneInfo(zone))
    return Alert(
        kind="never_started",
        subject=job,
        title=f"{job} did not start on {local:%A %d %B at %H:%M} ({zone})",
        text="No run of it was started since. Is the daemon running, and is the schedule on? Start it by hand if it cannot wait.",
        link=link,
    )
