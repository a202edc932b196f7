"""The sensor of a dataset's landing folder: each file is taken once it is complete, whatever else arrives or grows beside it.

It remembers, from look to look, which files it saw at which version, and for which of them it asked a run. Names of files are remembered as
hashes: they may name somebody.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.model import Contract
from platform_assets.engines import LAYERS
from platform_assets.exports import GROUP
from platform_assets.ingest.deliveries import complete_files, landing_folder, look_of, never_taken
from resources.environment import Platform

SENSOR_INTERVAL_SECONDS = 30
RETRY_SECONDS = 900
MOST_FILES = 2_000
"""Of one run; the others are asked for at the next look."""
BATCH_TAG = "platform/batch"


class Wanted(dg.Config):
    """What a run of the sensor is to take. A run that somebody starts takes all that waits."""

    only: list[str] | None = None
    """Files in landing, by `ingest.deliveries.look_of`."""


@dataclass
class Memory:
    """What the sensor knows from its looks before."""

    seen: list[str] = field(default_factory=list)
    """Files that were there at the last look, by `look_of`."""
    asked: dict[str, str] = field(default_factory=dict)
    """File -> batch in which a run was asked to take it."""
    told: str = ""
    """What lay in landing and is never taken, when a run was last started to tell it."""

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        """From the sensor's cursor; what an older platform left there is no memory."""
        try:
            kept = json.loads(cursor or "{}")
        except ValueError:
            return cls()
        return cls(**kept) if isinstance(kept, dict) else cls()

    def write(self) -> str:
        """As the sensor's cursor."""
        return json.dumps({"seen": self.seen, "asked": self.asked, "told": self.told})


@dataclass(frozen=True)
class Tried:
    """What became of a batch."""

    runs: int = 0
    going: bool = False
    failed: bool = False
    ended: float = 0.0
    """When its last run came to an end, in seconds since 1970."""

    @property
    def rests(self) -> bool:
        """Whether it is too early to try it again."""
        return time.time() - self.ended < RETRY_SECONDS


def dataset_sensor(contract: Contract, ingest: dg.AssetsDefinition) -> dg.SensorDefinition:
    """Starts a run for the files that did not change since the last look."""

    def config(files: list[str]) -> dict[str, Any]:
        return {"ops": {f"ingest_{contract.name}": {"config": {"only": files}}}}

    return _landing_sensor(contract, ingest.keys, config, "this dataset and all that depends on it")


def bundle_sensor(bundle: Bundle) -> dg.SensorDefinition:
    """The same for archives. The run takes all that waits for the bundle and for its datasets."""
    keys = [dg.AssetKey([layer, name]) for name in bundle.members for layer in LAYERS]
    return _landing_sensor(bundle, keys, lambda _: {}, f"{', '.join(bundle.members)} and all that depends on them")


def _landing_sensor(
    waits: Contract | Bundle, keys: Iterable[dg.AssetKey], config: Callable[[list[str]], dict[str, Any]], starts: str
) -> dg.SensorDefinition:
    name, folder = waits.name, landing_folder(waits.name)

    @dg.sensor(
        name=f"landing_{name}",
        target=dg.AssetSelection.assets(*keys).downstream() - dg.AssetSelection.groups(GROUP),
        minimum_interval_seconds=SENSOR_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description=f"New files in {folder}/ start one run: {starts}.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        platform: Platform = context.resources.platform
        memory = Memory.read(context.cursor)
        # names and versions, not times of ticks: a file that was copied with an old date is still new here
        waiting = {look_of(o) for o in complete_files(platform.store, waits, settle_seconds=0)}
        strays = _batch(never_taken(platform.store, name))
        settled = sorted(waiting & set(memory.seen))
        memory.seen = sorted(waiting)
        memory.asked = {file: batch for file, batch in memory.asked.items() if file in waiting}
        tried = {batch: _tried(context.instance, batch) for batch in set(memory.asked.values())}
        files, why_not = _ready(settled, memory.asked, tried)
        if not files and strays not in ("", memory.told):
            memory.told = strays
            return dg.SensorResult(
                run_requests=[_request(name, f"strays-{strays}", [], config([]))], cursor=memory.write()
            )
        if not files:
            context.update_cursor(memory.write())
            if not waiting:
                return dg.SkipReason(f"nothing waits in {folder}/")
            return dg.SkipReason(f"{len(waiting)} file(s) in {folder}/, {why_not}")
        batch = _batch(files)
        memory.asked |= dict.fromkeys(files, batch)
        memory.told = strays
        number = tried[batch].runs if batch in tried else 0
        return dg.SensorResult(
            run_requests=[_request(name, f"{batch}-{number}", files, config(files))], cursor=memory.write()
        )

    return landing


def _ready(settled: list[str], asked: Mapping[str, str], tried: Mapping[str, Tried]) -> tuple[list[str], str]:
    """The files to ask a run for, and, where there are none, why not."""
    before = {file: tried[asked[file]] for file in settled if file in asked}
    if any(t.failed and t.rests for t in before.values()):
        # what failed was the load as a whole (no key, a full disk): it would fail for the others too
        return [], f"left by a failed run; tried again after {RETRY_SECONDS // 60} minutes"
    ready = [f for f in settled if f not in before or not (before[f].going or (before[f].ended and before[f].rests))]
    if ready:
        return ready[:MOST_FILES], ""
    if any(t.going for t in before.values()):
        return [], "a run is taking them"
    if before:
        return [], f"left by a run; tried again after {RETRY_SECONDS // 60} minutes"
    return [], "taken once they have stopped changing"


def _tried(instance: dg.DagsterInstance, batch: str) -> Tried:
    records = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: batch}))
    if not records:
        return Tried()
    last = max(records, key=lambda r: r.end_time or 0.0)
    return Tried(
        len(records),
        any(not r.dagster_run.is_finished for r in records),
        not last.dagster_run.is_success,
        last.end_time or 0.0,
    )


def _request(name: str, key: str, files: list[str], config: dict[str, Any]) -> dg.RunRequest:
    tags = {"platform/files": str(len(files))}
    if files:
        tags[BATCH_TAG] = _batch(files)
    return dg.RunRequest(run_key=f"{name}-{key}", tags=tags, run_config=config)


def _batch(names: Iterable[str]) -> str:
    """One name for all of them; '' for none."""
    listed = "\n".join(sorted(names))
    return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()[:16] if listed else ""
