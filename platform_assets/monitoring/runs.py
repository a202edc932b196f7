"""Findings from runs: steps that failed or went well, checks that failed or passed, runs that take too long.

The message of an exception may quote a row, so it stays on the run's page; an alert has its type. What the platform itself says of a
failure (`dagster.Failure`: a sentence, or the failure card of an R script) has no values of patients and is sent.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from platform_assets.monitoring.findings import Finding, one_line, plain, without_quotes, wrong
from resources.notifier import Alert
from resources.text.markdown import unescaped

CARD = "failure card"
"""The metadata of a failed R step that holds its card (`platform_assets.components.indicators`)."""
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_TOLD_BY = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}
QUEUE_LIMIT = dt.timedelta(hours=1)
COMPARED = 10
"""So many last runs are what a run is compared with, if there are three at least."""


@dataclass(frozen=True)
class SlowRule:
    """When a run is slow: longer than `times` the median of its last runs, but never below `least`, and always above `most`."""

    times: float = 3.0
    least: dt.timedelta = dt.timedelta(minutes=10)
    most: dt.timedelta = dt.timedelta(hours=4)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> SlowRule:
        """PLATFORM_SLOW_TIMES, PLATFORM_SLOW_LEAST_MINUTES, PLATFORM_SLOW_MOST_MINUTES."""
        return cls(
            times=float(environment.get("PLATFORM_SLOW_TIMES", "3")),
            least=dt.timedelta(minutes=float(environment.get("PLATFORM_SLOW_LEAST_MINUTES", "10"))),
            most=dt.timedelta(minutes=float(environment.get("PLATFORM_SLOW_MOST_MINUTES", "240"))),
        )

    def limit(self, earlier: list[float]) -> dt.timedelta:
        """How long a run may take whose predecessors took so many seconds."""
        if len(earlier) < 3:
            return self.most
        usual = dt.timedelta(seconds=statistics.median(earlier) * self.times)
        return min(self.most, max(self.least, usual))


# ---------------------------------------------------------------------------------------------------- finished runs


def finished_after(instance: dg.DagsterInstance, cursor: int, limit: int = 100) -> list[tuple[int, str]]:
    """(position, run id) of the next `limit` runs that came to an end, oldest first. `cursor` is the last position seen, 0 for none."""
    kinds = dg.DagsterEventType
    wanted = (
        dg.RunStatusChangeRecordsFilter(kinds.RUN_SUCCESS, after_storage_id=cursor),
        dg.RunStatusChangeRecordsFilter(kinds.RUN_FAILURE, after_storage_id=cursor),
        dg.RunStatusChangeRecordsFilter(kinds.RUN_CANCELED, after_storage_id=cursor),
    )
    ended = [
        (record.storage_id, record.run_id)
        for one in wanted
        for record in instance.fetch_run_status_changes(one, limit, ascending=True).records
    ]
    # each kind gave its first `limit`, so the first `limit` of all are complete
    return sorted(ended)[:limit]


def run_findings(instance: dg.DagsterInstance, run: dg.DagsterRun, pages: str) -> Iterator[Finding]:
    """What the finished `run` says about its steps, its checks and itself. `pages` is the address of the Dagster UI."""
    yield Finding("slow_run", run.run_id)
    assets: dict[str, list[str]] = {}
    failed = False
    events = [
        r.event_log_entry.dagster_event for r in instance.get_records_for_run(run.run_id, of_type=_TOLD_BY).records
    ]
    for event in events:
        if event is None:
            continue
        step = event.step_key or ""
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED and event.asset_key:
            assets.setdefault(step, []).append(event.asset_key.to_user_string())
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            yield Finding("run_failure", _subject(run, step, assets))
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE and run.status != dg.DagsterRunStatus.CANCELED:
            # (the step in which somebody stopped a run ends as failed, too)
            failed = True
            yield wrong(_step_failed(event, run, step, assets, pages))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            yield from _check(event.asset_check_evaluation_data, run, pages)
    if run.status == dg.DagsterRunStatus.SUCCESS:
        yield Finding("run_failure", run.job_name)
    elif run.status == dg.DagsterRunStatus.FAILURE and not failed:
        yield wrong(
            Alert(
                kind="run_failure",
                subject=run.job_name,
                title=one_line(f"{_job(run)} ended without a failed step"),
                text="The run did not start, or its process was lost: out of memory, killed, or the machine went down.\n\n"
                + _about(run),
                link=_run_page(pages, run),
            )
        )


def _subject(run: dg.DagsterRun, step: str, assets: Mapping[str, list[str]]) -> str:
    """A step that makes assets is the same in every job; another step belongs to its job."""
    return step if step in assets else f"{run.job_name}/{step}"


def _step_failed(
    event: dg.DagsterEvent, run: dg.DagsterRun, step: str, assets: Mapping[str, list[str]], pages: str
) -> Alert:
    failure = event.step_failure_data
    made = assets.get(step, [])
    what = made[0] if len(made) == 1 else step
    told = failure.user_failure_data
    if told:
        card = told.metadata.get(CARD)
        # a script's card begins with its name, which `what` has already
        reason = str(told.description or "").removeprefix(f"{what.rpartition('/')[2]}: ")
        if card is not None:
            detail = plain(str(card.value))
        else:
            detail = reason = without_quotes(reason)
    else:
        error = failure.error
        while error is not None and error.cause is not None:
            error = error.cause
        reason = (error.cls_name if error else None) or "an error"
        detail = f"{reason}. Its message is on the run's page only, as it may quote data."
    title = one_line(f"{what} failed: {reason}")
    return Alert(
        kind="run_failure",
        subject=_subject(run, step, assets),
        title=title,
        text=_about(run, step) if title.endswith(detail) else f"{detail}\n\n{_about(run, step)}",
        link=_run_page(pages, run),
    )


def _check(evaluation: dg.AssetCheckEvaluation, run: dg.DagsterRun, pages: str) -> Iterator[Finding]:
    """Errors are told to people, warnings to the log: two kinds, so that nobody hears of the end of what they never heard of."""
    from platform_assets.ingest.quality import NOT_APPLICABLE

    said = unescaped(evaluation.description or "")
    if said == NOT_APPLICABLE:
        return  # neither right nor wrong
    asset = evaluation.asset_key.to_user_string()
    subject = f"{asset}:{evaluation.check_name}"
    kind = "check_failure" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "check_warning"
    for each in ("check_failure", "check_warning"):
        quiet = each == "check_warning"
        if evaluation.passed or each != kind:
            yield Finding(each, subject, quiet=quiet)
            continue
        alert = Alert(
            kind=kind,
            subject=subject,
            title=one_line(f"{asset}: the check {evaluation.check_name} failed"),
            text=f"{said}\n\n{_about(run)}".strip(),
            link=f"{pages}/assets/{asset}?view=checks",
            severity="warning" if quiet else "error",
        )
        yield wrong(alert, quiet=quiet)


# ---------------------------------------------------------------------------------------------------- runs that take too long


def slow_findings(instance: dg.DagsterInstance, now: dt.datetime, rule: SlowRule, pages: str) -> Iterator[Finding]:
    """One finding per run that is not finished: whether it is too slow, or has waited too long for its turn."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED))):
        run = record.dagster_run
        if record.start_time is None:
            waited, limit = now - record.create_timestamp.astimezone(dt.UTC), QUEUE_LIMIT
            words, advice = (
                "waits for its turn",
                "Is the daemon running, and does another run hold the queue or a pool?",
            )
        else:
            waited = now - dt.datetime.fromtimestamp(record.start_time, dt.UTC)
            # the comparison costs a query: only for a run that could be slow
            limit = rule.limit(_earlier(instance, run)) if waited > rule.least else rule.most
            words, advice = "is slow or hangs", "Its log shows the step that it is in; terminate it there if it hangs."
        if waited <= limit:
            yield Finding("slow_run", run.run_id)
            continue
        yield wrong(
            Alert(
                kind="slow_run",
                subject=run.run_id,
                title=one_line(f"{_job(run)} {words}: for more than {_minutes(limit)} now"),
                text=f"It has been {_minutes(waited)}; {_minutes(limit)} is the limit. {advice}\n\n{_about(run)}",
                link=_run_page(pages, run),
                severity="warning",
            )
        )


def _earlier(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[float]:
    """Seconds that the last successful runs of the same job and the same assets took."""
    done = dg.RunsFilter(job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    records = instance.get_run_records(done, limit=5 * COMPARED)
    same = [r for r in records if _chosen(r.dagster_run) == _chosen(run)]
    return [r.end_time - r.start_time for r in same[:COMPARED] if r.end_time and r.start_time]


def _chosen(run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    return frozenset(run.asset_selection or ())


def last_start(instance: dg.DagsterInstance, job: str) -> dt.datetime | None:
    """When `job` was last started (UTC), by whomever; None for never."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job), limit=20)
    starts = [r.start_time for r in records if r.start_time]
    return dt.datetime.fromtimestamp(max(starts), dt.UTC) if starts else None


# ---------------------------------------------------------------------------------------------------- words


def _job(run: dg.DagsterRun) -> str:
    # Dagster's own name for a run of chosen assets says nothing to people
    return "a run of assets" if run.job_name.startswith("__") else run.job_name


def _about(run: dg.DagsterRun, step: str = "") -> str:
    return f"{_job(run)}{f', step {step}' if step else ''}, run {run.run_id}"


def _run_page(pages: str, run: dg.DagsterRun) -> str:
    return f"{pages}/runs/{run.run_id}"


def _minutes(time: dt.timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
