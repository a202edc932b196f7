"""Findings about age: datasets that were not delivered when they were due, and computed assets that are behind what they are made from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from platform_assets.monitoring.findings import Finding, one_line, wrong
from resources.notifier import Alert

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract

BEHIND = dt.timedelta(hours=24)
"""How long a computed asset may be older than what it is made from."""
LAST_DELIVERY = "last_delivery"
"""The metadata of a freshness check in which it notes when the last delivery came (`platform_assets.ingest.quality`)."""
EVALUATED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
DATA_VERSION = "dagster/data_version"
USED_VERSION = "dagster/input_data_version/"
"""Tags that Dagster puts on a materialization: the version of its data, and that of each input that it was made from."""


def dataset_findings(
    instance: dg.DagsterInstance, contracts: Mapping[str, Contract], now: dt.datetime, pages: str
) -> Iterator[Finding]:
    """One finding per dataset whose contract says when deliveries are due, by what its last `freshness` check noted.

    The check tells of the moment at which it ran; when nothing comes, nothing runs. A dataset that was never delivered is not in use.
    """
    from platform_assets.ingest import quality

    keys = {dg.AssetCheckKey(dg.AssetKey(["validated", name]), "freshness"): name for name in contracts}
    for key, record in instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys)).items():
        contract = contracts[keys[key]]
        event = record.event.dagster_event if record.event else None
        if contract.quality.freshness is None or event is None or event.event_type != EVALUATED:
            continue  # the check is running just now
        noted = event.asset_check_evaluation_data.metadata.get(LAST_DELIVERY)
        if noted is None:
            continue
        last = dt.datetime.fromisoformat(str(noted.value))
        due, before_due = quality.last_due(contract.quality.freshness, now, contract.timezone)
        subject = key.asset_key.to_user_string()
        if last > before_due:
            yield Finding("stale_asset", subject)
            continue
        yield wrong(
            Alert(
                kind="stale_asset",
                subject=subject,
                title=one_line(f"{contract.name}: nothing came when it was due"),
                text=f"Last delivery {last:%A %d %B %Y %H:%M}, due {due:%A %d %B %Y %H:%M}. Owner: {contract.owner}. What is computed "
                "from it stays as it is. Ask the sender.",
                link=f"{pages}/assets/{subject}?view=checks",
                severity="warning",
            )
        )


def computed_findings(
    instance: dg.DagsterInstance, parents: Mapping[dg.AssetKey, set[dg.AssetKey]], now: dt.datetime, pages: str
) -> Iterator[Finding]:
    """One finding per computed asset: whether an input changed more than a day ago and the asset still shows what was before."""
    keys = list({*parents, *(key for inputs in parents.values() for key in inputs)})
    last = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization
        for record in instance.get_asset_records(keys)
        if record.asset_entry.last_materialization
    }
    for key, inputs in parents.items():
        newer = {
            parent: last[parent].timestamp
            for parent in inputs
            if parent in last and _behind(last.get(key), parent, last[parent])
        }
        old = [parent for parent, at in newer.items() if now.timestamp() - at > BEHIND.total_seconds()]
        name = key.to_user_string()
        if not old:
            yield Finding("stale_asset", name)
            continue
        made = last.get(key)
        yield wrong(
            Alert(
                kind="stale_asset",
                subject=name,
                title=one_line(f"{name} {'is stale' if made else 'was never made'}"),
                text=f"Changed more than {BEHIND.total_seconds() / 3600:.0f} hours ago, and not taken up since: "
                f"{', '.join(sorted(k.to_user_string() for k in old))}. "
                + (f"It shows the state of {_moment(made.timestamp)}. " if made else "")
                + "Did its last run fail, or was it never started? Its page tells; materialize it there.",
                link=f"{pages}/assets/{name}",
                severity="warning",
            )
        )


def _behind(made: dg.EventLogEntry | None, parent: dg.AssetKey, given: dg.EventLogEntry) -> bool:
    """Whether `parent` has changed since it was used: it is newer, and its data are not known to be those that were used."""
    if made is None:
        return True
    if given.timestamp <= made.timestamp:
        return False
    used = _tags(made).get(USED_VERSION + parent.to_user_string())
    return used is None or used != _tags(given).get(DATA_VERSION)


def _tags(entry: dg.EventLogEntry) -> Mapping[str, str]:
    materialization = entry.asset_materialization
    return materialization.tags or {} if materialization else {}


def _moment(timestamp: float) -> str:
    return f"{dt.datetime.fromtimestamp(timestamp, dt.UTC):%Y-%m-%d %H:%M} UTC"
