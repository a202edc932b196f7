"""Runs of this machine whose process is gone: killed, or the machine went down. Nobody else would ever end them, and as long as they
count as running, the queue has no room for others. (In the cluster Dagster asks Kubernetes.)"""

from __future__ import annotations

import dagster as dg

from resources.processes import alive, started_at

LOST = "The process of this run is gone: it was killed, or the machine went down. The next run completes what it had begun."

CLOCKS = 60.0
"""Seconds by which a clock may have been set between the start of a process and now."""


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark them as failed (or canceled, where that was asked for); returns their ids."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=statuses)):
        run = record.dagster_run
        process = _process(instance, run.run_id)
        if process is None or record.start_time is None or still_runs(process, record.start_time):
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message=LOST)
        else:
            instance.report_run_failed(run, message=LOST)
        ended.append(run.run_id)
    return ended


def _process(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that said that the run has started."""
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_START).records
    events = [r.event_log_entry.dagster_event for r in found]
    return next((e.pid for e in reversed(events) if e is not None and e.pid is not None), None)


def still_runs(process: int, since: float) -> bool:
    """Whether the process lives, and is the one that had this number at `since` (seconds since 1970)."""
    if not alive(process):
        return False
    began = started_at(process)
    return began is None or began <= since + CLOCKS
