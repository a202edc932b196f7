"""Findings about what should have started: scheduled runs (the dead man's switch), and the daemon that starts them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg

from platform_assets.monitoring.findings import Finding, wrong
from platform_assets.monitoring.runs import last_start
from resources.notifier import Alert, missed_run, never_started

DAEMON = ("daemon", "dagster-daemon")
"""Kind and subject."""


def start_findings(
    instance: dg.DagsterInstance,
    schedules: Sequence[dg.ScheduleDefinition],
    now: dt.datetime,
    since: dt.datetime,
    pages: str,
) -> Iterator[Finding]:
    """One finding per schedule: whether its last planned run was started, by whomever. What was due before `since` is nobody's fault."""
    for schedule in schedules:
        crons = schedule.cron_schedule
        last = last_start(instance, schedule.job_name)
        zone = schedule.execution_timezone or "UTC"
        planned = [crons] if isinstance(crons, str) else crons
        missed = [due for cron in planned if (due := missed_run(cron, zone, last, now, installed=since))]
        if missed:
            yield wrong(never_started(schedule.job_name, max(missed), zone, f"{pages}/jobs/{schedule.job_name}"))
        else:
            yield Finding("never_started", schedule.job_name)


def daemon_finding(instance: dg.DagsterInstance, pages: str) -> Finding:
    """Whether the daemon gives signs of life. Only somebody outside the daemon can ask."""
    silent = {name: s for name, s in instance.get_daemon_statuses().items() if s.required and not s.healthy}
    if not silent:
        return Finding(*DAEMON)
    beats = [s.last_heartbeat.timestamp for s in silent.values() if s.last_heartbeat]
    last = f"{dt.datetime.fromtimestamp(max(beats), dt.UTC):%Y-%m-%d %H:%M} UTC" if beats else "never"
    return wrong(
        Alert(
            kind=DAEMON[0],
            subject=DAEMON[1],
            title="Dagster's daemon gives no sign of life: schedules and sensors stand still",
            text=f"Silent: {', '.join(sorted(silent)).lower().replace('_', ' ')}. Last sign: {last}. Start it again "
            "(`make ui` on one machine, the deployment `daemon` in the cluster).",
            link=f"{pages}/deployment/daemons",
        )
    )
