"""An export in YAML becomes an asset: its windows are partitions; a run makes the file of one and delivers what waits. A sensor asks for what is due."""

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel

from platform_assets.components.metadata import Told
from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.model import Contract
from platform_assets.exports import GROUP, ledger
from platform_assets.exports.ledger import PENDING, REFUSED, SENDING, SENT, UNANSWERED, Entry
from platform_assets.exports.making import Maker, NotMade
from platform_assets.exports.model import Export as Document
from platform_assets.exports.sending import Delivered, Sender, late
from platform_assets.exports.shelf import indicators_named
from platform_assets.exports.windows import check_names, windows
from platform_assets.office import Office
from platform_assets.releases.reading import NoRelease
from resources.clock import local, zone
from resources.environment import Platform
from resources.text.markdown import bullets, plain, together

INTERVAL_SECONDS = 300
MOST_RUNS = 20
"""At a look; the other windows are asked for at the next."""
RELEASES = dg.AssetKey(["products", "releases"])


class Export(dg.Component):
    """Component ``platform_assets.components.Export``; its attributes are a `platform_assets.exports.model.Export`."""

    def __init__(self, export: Document) -> None:
        self.export = export

    @classmethod
    def get_model_cls(cls) -> type[BaseModel] | None:
        """Dagster reports errors with file, line and key."""
        return Document

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Export":
        """Take what was written as it is."""
        assert isinstance(attributes, Document)
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The asset, its checks and its sensor."""
        return export_definitions(self.export, context.path, read_contracts())


def export_definitions(export: Document, folder: Path, contracts: dict[str, Contract]) -> dg.Definitions:
    """The definitions of `export`, whose YAML is in `folder`. Raises ValueError where it may not leave, or its files could not be named."""
    check_names(export)
    of_r = export.published is not None or (export.table or "").startswith("indicators.") or export.query is not None
    indicators = indicators_named() if of_r else {}

    def maker(platform: Platform) -> Maker:
        return Maker(export, folder, platform.warehouse, platform.store, contracts, indicators)

    # nothing is opened here: only what is written is looked at
    unopened: Any = None
    written = Maker(export, folder, unopened, unopened, contracts, indicators)
    written.check()
    key = dg.AssetKey([GROUP, export.name])
    deps = [RELEASES] if export.published else [dg.AssetKey(table.split(".")) for table in written.tables]
    partitions = _partitions(export)

    @dg.asset(
        key=key,
        deps=deps,
        group_name=GROUP,
        owners=[export.owner],
        kinds={export.file.kind},
        partitions_def=partitions,
        description=_in_words(export),
        required_resource_keys={"platform"},
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec("sent", asset=key, description="No file waits to be sent."),
            dg.AssetCheckSpec("answered", asset=key, description="No file was refused, and no answer is overdue."),
        ],
    )
    def deliver(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        platform: Platform = context.resources.platform
        if partitions and not context.has_partition_key:
            raise dg.Failure(
                "this export has a file for each window: choose one (in the Dagster UI, a partition)",
                allow_retries=False,
            )
        told, window = Told(context), context.partition_key if partitions else None
        try:
            made = maker(platform).make(window, local(dt.datetime.now(dt.UTC)))
        except (NotMade, NoRelease, ValueError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        told.info(f"{made.file}: {made.rows:,} rows" if made else "nothing new")
        done = Delivered()
        if platform.settings.deliveries:
            audit = Office.of(platform).audit
            done = Sender(export, platform.warehouse, platform.store, audit, os.environ, told.info).deliver()
        for file, problem in done.failed.items():
            told.error(f"{file} waits: {problem}")
        entries = ledger.read(platform.warehouse, export.name)
        if made or done.sent or done.answered:
            shown = made or next((e for e in entries if e.window_key == window), None)
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(shown, entries, done))
        yield from _checks(key, export, entries, on=platform.settings.deliveries)

    return dg.Definitions(assets=[deliver], sensors=[_sensor(export, deliver, maker)])


def _sensor(export: Document, asset: dg.AssetsDefinition, maker: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"export_{export.name}",
        target=dg.AssetSelection.assets(*asset.keys),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Asks for the files of closed windows, and for a visit where files wait or answers are missing. What failed is tried again each hour.",
    )
    def due(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        platform: Platform = context.resources.platform
        now = local(dt.datetime.now(dt.UTC))
        wanted = maker(platform).due(now)[:MOST_RUNS]
        open_ones = [
            e
            for e in ledger.read(platform.warehouse, export.name)
            if platform.settings.deliveries and _is_open(e, export)
        ]
        if open_ones and not wanted:  # one visit sees to all of them
            wanted = [open_ones[-1].window_key if export.window or export.dates else None]
        if not wanted:
            return dg.SkipReason("nothing is due")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{export.name}-{key or ''}-{now:%Y%m%dT%H}", partition_key=key) for key in wanted
            ]
        )

    return due


def _is_open(entry: Entry, export: Document) -> bool:
    answered = export.deliver.acknowledge is None
    return entry.state in (PENDING, SENDING) or (entry.state in (SENT, UNANSWERED) and not answered)


def _partitions(export: Document) -> dg.PartitionsDefinition[str] | None:
    if export.dates is not None:
        return dg.StaticPartitionsDefinition([window.key for window in windows(export)])
    if export.window is None:
        return None
    start, clock = next(islice(windows(export), 1)).key, zone().key
    if export.window.unit == "day":
        return dg.DailyPartitionsDefinition(start_date=start, timezone=clock)
    if export.window.unit == "week":
        return dg.WeeklyPartitionsDefinition(start_date=start, timezone=clock, day_offset=1)
    return dg.MonthlyPartitionsDefinition(start_date=start, timezone=clock)


def _metadata(entry: Entry | None, entries: list[Entry], done: Delivered) -> dict[str, Any]:
    states = Counter(e.state for e in entries)
    found: dict[str, Any] = {
        "files by state": ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    }
    if entry is not None:
        found |= {"dagster/row_count": entry.rows, "file": entry.file, "bytes": entry.bytes, "sha256": entry.sha256}
    if done.sent:
        found["sent"] = ", ".join(done.sent)
    return found


def _checks(key: dg.AssetKey, export: Document, entries: list[Entry], *, on: bool) -> Iterator[dg.AssetCheckResult]:
    waiting = [e for e in entries if e.state in (PENDING, SENDING)]
    why = "; ".join(f"{e.file}: {e.problem or 'not sent yet'}" for e in waiting[:5])
    off = "deliveries are off here (PLATFORM_DELIVERIES=on turns them on). "
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name="sent",
        passed=not waiting,
        severity=dg.AssetCheckSeverity.ERROR if on else dg.AssetCheckSeverity.WARN,
        description=plain(
            f"{'' if on else off}{len(waiting)} file(s) wait. {why}" if waiting else "all files are sent"
        ),
    )
    bad = [e for e in entries if e.state == REFUSED or late(e, export, ledger.now())]
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name="answered",
        passed=not bad,
        description=plain("; ".join(f"{e.file}: {e.problem or e.state}" for e in bad[:5]) or "no answer is missing"),
    )


def _in_words(export: Document) -> Any:
    said = [f"Goes to: {export.deliver.in_words}"]
    if export.row_level:
        said += [f"Rows of people, for {export.row_level.recipient}, on the ground of: {export.row_level.ground}"]
    return together(plain(export.description or f"The export {export.name}."), bullets(said))
