"""One look at the platform: what is wrong or right again since the last look, told through the notifier, once.

What has been seen lies beside the notifier's incidents in the object store (``state/monitoring.json``), so a restarted daemon, another
process or another machine goes on where the last look ended. One look at a time: a lock of the warehouse.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.monitoring.audit import audit_finding
from platform_assets.monitoring.findings import Finding, latest
from platform_assets.monitoring.lost import end_lost_runs
from platform_assets.monitoring.runs import SlowRule, finished_after, run_findings, slow_findings
from platform_assets.monitoring.stale import computed_findings, dataset_findings
from platform_assets.monitoring.starts import daemon_finding, start_findings
from resources.notifier import (
    Alert,
    Channel,
    JsonLog,
    NotDelivered,
    Notifier,
    State,
    StoreState,
    channels_from,
)

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract
    from resources.environment import Platform
    from resources.object_store import ObjectStore

STALE_EVERY = dt.timedelta(minutes=10)
"""Age is looked at less often than runs: it asks for the last event of every asset."""
BEFORE = dt.timedelta(days=1)
"""How far the very first look goes back: what failed long before anybody watched is not news."""
CHANNEL_TIMEOUT = 5.0
"""Seconds: a sensor's tick is cut off after a minute, and a mail server that does not answer must leave time for the other channels."""
PATIENCE = 60.0
"""Seconds for which a request to the bucket is repeated: the look itself is cut off after five minutes, and is to tell of it before."""
SEEN = "state/monitoring.json"


@dataclass(frozen=True)
class Watched:
    """What is watched besides runs."""

    contracts: Mapping[str, Contract] = field(default_factory=dict)
    schedules: Sequence[dg.ScheduleDefinition] = ()
    computed: Mapping[dg.AssetKey, set[dg.AssetKey]] = field(default_factory=dict)
    """Computed assets and what each is made from."""

    @classmethod
    def of(
        cls, repository: dg.RepositoryDefinition, contracts: Mapping[str, Contract], groups: Sequence[str]
    ) -> Watched:
        """Everything in `repository`; computed are the assets of `groups`."""
        graph = repository.asset_graph
        nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
        computed = {n.key: set(n.parent_keys) for n in nodes if n.group_name in groups and n.is_materializable}
        return cls(contracts, repository.schedule_defs, computed)


@dataclass(frozen=True)
class Seen:
    """What a look found."""

    runs: int
    """Runs that had ended since the last look."""
    wrong: tuple[Alert, ...]
    """What it saw to be wrong, told now or before."""
    told: int
    """Messages that channels took."""
    undelivered: int
    """Incidents that some channel has not been told yet."""

    def __str__(self) -> str:
        parts = [f"{self.runs} run(s) ended", f"{len(self.wrong)} thing(s) wrong", f"{self.told} message(s) sent"]
        if self.undelivered:
            parts.append(f"{self.undelivered} NOT delivered (tried again at the next look; the log says which channel)")
        return ", ".join(parts)


def look(
    instance: dg.DagsterInstance,
    platform: Platform,
    watched: Watched,
    *,
    channels: Sequence[Channel] | None = None,
    now: dt.datetime | None = None,
    outside: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Seen:
    """Look once and tell. `channels` are by default those of `environment`; `outside` says that the caller is not the daemon's sensor.

    Raises ValueError where the environment's settings contradict themselves.
    """
    moment = now or dt.datetime.now(dt.UTC)
    pages = environment.get("PLATFORM_UI_URL", "http://127.0.0.1:3000").rstrip("/")
    rule = SlowRule.from_environment(environment)
    reached = _bounded(channels_from(environment) if channels is None else channels)

    def lock(name: str) -> Callable[[], Any]:
        return lambda: platform.warehouse.lock(name)

    store = _state_of(platform, environment)
    if not platform.bucket:
        end_lost_runs(instance)
    with StoreState(store, lock("monitoring"), SEEN).change() as seen:
        since = dt.datetime.fromisoformat(seen.setdefault("since", moment.isoformat()))
        ended = finished_after(instance, seen.get("cursor", 0))
        findings = list(_of_runs(instance, [run_id for _, run_id in ended], since - BEFORE, pages))
        findings += slow_findings(instance, moment, rule, pages)
        findings += start_findings(instance, watched.schedules, moment, since, pages)
        # the daemon lives where its own sensor asks
        findings.append(daemon_finding(instance, pages) if outside else Finding("daemon", "dagster-daemon"))
        if moment - dt.datetime.fromisoformat(seen.get("age_looked_at", "2000-01-01T00:00:00+00:00")) >= STALE_EVERY:
            findings += dataset_findings(instance, watched.contracts, moment, pages)
            findings += computed_findings(instance, watched.computed, moment, pages)
            seen["age_looked_at"] = moment.isoformat()
        findings.append(audit_finding(platform, seen, reached, moment))
        told, undelivered = _tell(latest(findings), StoreState(store, lock("alerts")), reached, moment)
        if ended:
            seen["cursor"] = ended[-1][0]
    return Seen(len(ended), tuple(f.alert for f in latest(findings) if f.alert), told, undelivered)


def _state_of(platform: Platform, environment: Mapping[str, str]) -> ObjectStore:
    """Where it is remembered what was told: who only sends alerts needs no right to the bucket of deliveries."""
    bucket = environment.get("PLATFORM_STATE_BUCKET", "")
    if not (platform.bucket and bucket):
        return platform.store
    from resources.gcp.gcs_store import GCSStore

    return GCSStore(bucket, patience=PATIENCE)


def _of_runs(instance: dg.DagsterInstance, run_ids: Sequence[str], after: dt.datetime, pages: str) -> Iterator[Finding]:
    for run_id in run_ids:
        record = instance.get_run_record_by_id(run_id)
        if record is not None and (record.end_time or 0.0) >= after.timestamp():
            yield from run_findings(instance, record.dagster_run, pages)


def _tell(findings: Sequence[Finding], state: State, channels: Sequence[Channel], now: dt.datetime) -> tuple[int, int]:
    """Number of messages that channels took, and of incidents that still wait."""
    told: list[str] = []
    with _held(state) as held:
        people = Notifier(channels, held, now=lambda: now)
        log = Notifier([JsonLog()], held, now=lambda: now)
        told += people.retry()
        for finding in findings:
            teller = log if finding.quiet else people
            if finding.alert:
                told += teller.report(finding.alert)
            else:
                told += teller.resolve(finding.kind, finding.subject)
        names = {channel.name for channel in channels}
        waiting = sum(1 for entry in held.known.values() if names & set(entry["waiting"]))
    return len(told), waiting


@dataclass
class _Held:
    """A state that was read once and is written once, however many findings change it between."""

    known: dict[str, Any]

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The same dictionary each time."""
        yield self.known


@contextmanager
def _held(state: State) -> Iterator[_Held]:
    with state.change() as known:
        yield _Held(known)


@dataclass
class _OnceDown:
    """A channel that, once it failed, is left alone until the next look: waiting for it again and again would hold up the others."""

    channel: Channel
    name: str
    timeout: float
    down: bool = False

    def send(self, alert: Alert, state: str) -> None:
        """As the channel does, while it works."""
        if self.down:
            raise NotDelivered(f"{self.name}: not tried, as it has just failed")
        try:
            self.channel.send(alert, state)
        except NotDelivered:
            self.down = True
            raise


def _bounded(channels: Sequence[Channel]) -> list[Channel]:
    for channel in channels:
        channel.timeout = min(channel.timeout, CHANNEL_TIMEOUT)
    return [_OnceDown(channel, channel.name, channel.timeout) for channel in channels]
