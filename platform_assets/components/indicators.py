"""Every R script in a folder becomes an indicator's asset, and what may leave of all of them a release. A new indicator is a new .R file, no more."""

import atexit
import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.components import literature
from platform_assets.components.metadata import Told, in_rows, made_from, shown, written_in
from platform_assets.components.releases import drawing_asset, release_asset
from platform_assets.components.unreadable import unreadable_asset
from platform_assets.contracts.files import read_contracts
from platform_assets.erasure.naming import naming_people
from platform_assets.indicators.model import HeaderError, Indicator
from platform_assets.indicators.script.header import list_indicators, read_indicator
from platform_assets.indicators.sensitivity import check_public, organisation_columns
from platform_assets.indicators.sql.file import list_sql
from resources.environment import REPOSITORY, Platform
from resources.text.markdown import Markdown, bullets, picture, plain, together

if TYPE_CHECKING:
    from platform_assets.indicators.ahead import Ahead
    from resources.r_runtime import Event

PREVIEW_ROWS = 25
_DEFS = REPOSITORY / "platform_assets" / "defs"
IN_PROCESS = ("in_process", "execute_in_process_executor")
"""Executors that take one step after the other in one process; the second is that of `dagster.materialize` and of tests."""
LAST = {"dagster/priority": "-1"}
"""The in-process executor takes every dataset's step before the first indicator's, so that all inputs are there when R runs ahead."""
NAMES = "names"
"""The check that warns of columns and parameters that are not there."""
_NAMES_IN_WORDS = (
    "The script asks only for columns and parameters that it declares. For others R gives NULL without a word, and sum(NULL) is 0: "
    "correct the name, or add the column to the @input line."
)
_TYPES = {"text": "string", "integer": "int", "number": "float", "flag": "bool", "date": "date", "time": "timestamp"}


class Indicators(dg.Component, dg.Model, dg.Resolvable):
    """Component ``platform_assets.components.Indicators``: the R scripts of a folder, relative to the repository."""

    folder: str = "r_scripts/indicators"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The assets of every script in the folder."""
        return dg.Definitions(assets=script_assets(REPOSITORY / self.folder))


def script_assets(folder: Path) -> list[dg.AssetsDefinition]:
    """An indicator for each script, and the release of all; a script that Dagster could not load is an asset that says so when it runs."""
    assets: list[dg.AssetsDefinition] = []
    found: dict[str, Indicator] = {}
    for path in list_indicators(folder):
        try:
            if is_taken(path.stem):
                # under another key, since its own belongs to the asset that was there first
                problem = (
                    f'{path.name}: the platform has another asset named "{path.stem}", from {_origin(path.stem)}; '
                    "rename the file and the function"
                )
                assets.append(unreadable_asset(path, f"{path.stem}_r", "r", problem))
            else:
                found[path.stem] = read_indicator(path)
        except HeaderError as error:
            assets.append(unreadable_asset(path, path.stem, "r", str(error)))
    readable: dict[str, Indicator] = {}
    organisations: dict[str, list[tuple[str, str]]] = {}
    contracts = read_contracts()
    for name, indicator in found.items():
        circle = _circle(name, found)
        if circle:
            problem = f"{indicator.path.name}: reads what is made from its own table ({' from '.join(circle)}): correct the @input line"
            assets.append(unreadable_asset(indicator.path, name, "r", problem))
            continue
        try:
            check_public(indicator, contracts, found)
            organisations[name] = organisation_columns(indicator, contracts, found)
        except HeaderError as error:
            assets.append(unreadable_asset(indicator.path, name, "r", str(error)))
            continue
        readable[f"indicators__{name}"] = indicator
        assets.append(indicator_asset(indicator, readable))
    published = {i.name: i for i in readable.values() if i.cases or i.public}
    return [*assets, drawing_asset(published, organisations), release_asset(published)] if published else assets


def is_taken(name: str) -> bool:
    """Whether an indicator or a product that is not an R script's has this name."""
    if name in ("drawn_counts", "releases"):
        return True
    sql = {path.stem for path in list_sql(_DEFS)}
    return name in {*sql, *literature.QUESTIONS, literature.GRAPH.path[-1]}


def _origin(name: str) -> str:
    """Where the asset comes from that has this name already, relative to the repository."""
    sql = next((path for path in list_sql(_DEFS) if path.stem == name), None)
    if sql is not None:
        return sql.relative_to(REPOSITORY).as_posix()
    return "platform_assets/components/literature.py"


def _circle(name: str, indicators: Mapping[str, Indicator]) -> list[str]:
    """The way from an indicator back to itself, by the tables that are read; empty where there is none."""
    ways, seen = [[name]], set[str]()
    for way in ways:  # grows while it is walked
        for table in indicators[way[-1]].inputs.values():
            if table.layer not in ("indicators", "products"):
                continue
            if table.table == name:
                return [*way, name]
            if table.table in indicators and table.table not in seen:
                seen.add(table.table)
                ways.append([*way, table.table])
    return []


def indicator_asset(indicator: Indicator, all_indicators: Mapping[str, Indicator]) -> dg.AssetsDefinition:
    """The asset that runs `indicator` in R; unchanged script and inputs are not run again.

    `all_indicators` (name of the step -> indicator) is what may run side by side with it.
    """
    key = dg.AssetKey(["indicators", indicator.name])
    types = {"text": str, "integer": int, "number": float, "flag": bool}
    config = {
        name: dg.Field(types.get(p.type, str), is_required=False, description=p.help)
        for name, p in indicator.params.items()
    }

    @dg.asset(
        key=key,
        deps=[dg.AssetKey(list(i.asset_key)) for i in indicator.inputs.values()],
        group_name="indicators",
        kinds={"r", "table"},
        owners=[indicator.owner] if indicator.owner else None,
        code_version=indicator.code_version,
        description=_in_words(indicator),
        metadata={
            "dagster/column_schema": _schema(indicator),
            "dagster/table_name": f"indicators.{indicator.name}",
            **written_in(indicator.path),
            "script": dg.MetadataValue.path(str(indicator.path.relative_to(indicator.root.parent))),
            "definition version": indicator.version,
        },
        check_specs=[dg.AssetCheckSpec(NAMES, asset=key, description=_NAMES_IN_WORDS)],
        config_schema=config or None,
        required_resource_keys={"platform"},
        op_tags=LAST,
    )
    def run_indicator(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from platform_assets.indicators.compute import InputMissing, compute
        from platform_assets.releases.making import MADE
        from resources.r_runtime import Event, IndicatorFailed, RunResult

        platform: Platform = context.resources.platform
        pictures: dict[str, dg.MetadataValue] = {}

        def keep(result: RunResult) -> None:
            if not indicator.public:
                return  # drawn of what may not leave
            for name, plot in result.plots.items():
                for file in (plot.svg, plot.png):
                    platform.store.write(f"{MADE}/{indicator.name}/{name}{file.suffix}", file)
                pictures[plot.title or name] = shown(picture(plot.title, plot.png.read_bytes()))

        def tell(event: Event) -> None:
            log = Told(context).warning if event.level in ("warning", "note") else Told(context).info
            log(f"{indicator.name}: {'note: ' if event.level == 'note' else ''}{told(event, indicator)}")

        try:
            computed = compute(
                indicator,
                platform.warehouse,
                platform.r,
                params=context.op_execution_context.op_config if config else None,
                run_id=context.run.run_id,
                on_event=tell,
                keep=keep,
                ahead=_ahead(context, platform, all_indicators),
            )
        except InputMissing as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except IndicatorFailed as failed:
            Told(context).error(failed.card.text())
            _tell_stale(context, platform, indicator)
            card = shown(failed.card.markdown())
            raise dg.Failure(failed.card.summary, metadata={"failure card": card}, allow_retries=False) from None
        receipt, result = computed.receipt, computed.result
        exact: dict[str, Any] = (
            {
                "dagster/row_count": dg.MetadataValue.int(receipt.rows),
                **pictures,
                "preview": _preview(platform, indicator),
            }
            if indicator.public
            else {"preview": dg.MetadataValue.text("not shown: what is published of it is in products/releases")}
        )
        metadata: dict[str, Any] = {
            **exact,
            **made_from(receipt, rows=bool(indicator.public)),
            "R": receipt.session.get("r", ""),
        }
        if receipt.notes:
            metadata["notes on the script"] = _noted(receipt.notes)
        if result is None:
            for note in receipt.notes:
                Told(context).warning(f"{indicator.name}: note: {note}")
            metadata["run"] = "nothing ran: script, inputs and parameters are those of the last time"
        else:
            metadata |= {
                "seconds": round(result.seconds, 2),
                "R memory (MB)": round(result.child_peak_mb),
                "sandbox": result.sandbox,
            }
        asked = dg.AssetCheckResult(
            passed=not receipt.notes,
            check_name=NAMES,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"notes on the script": _noted(receipt.notes)} if receipt.notes else {},
        )
        data_version = dg.DataVersion(receipt.data_version)
        return dg.MaterializeResult(metadata=metadata, check_results=[asked], data_version=data_version)

    return run_indicator


_AHEAD: dict[str, "Ahead"] = {}


def _ahead(
    context: dg.AssetExecutionContext, platform: Platform, all_indicators: Mapping[str, Indicator]
) -> "Ahead | None":
    """What this Dagster run computes side by side in this process; its first indicator begins it.

    None where each step has a process or pod of its own: there they run side by side anyway.
    """
    from platform_assets.indicators.ahead import Ahead
    from platform_assets.indicators.compute import pending

    run = context.run
    if context.job_def.executor_def.name not in IN_PROCESS:
        return None
    if run.run_id not in _AHEAD:
        while _AHEAD:
            _AHEAD.popitem()[1].discard()
        steps = run.step_keys_to_execute or context.job_def.graph.node_dict
        configured: Any = run.run_config.get("ops", {})
        wanted = [
            (indicator, configured.get(step, {}).get("config"))
            for step, indicator in all_indicators.items()
            # what reads another indicator comes when that one is done
            if step in steps and not any(i.asset_key[0] == "indicators" for i in indicator.inputs.values())
        ]
        ahead = _AHEAD[run.run_id] = Ahead(platform.warehouse, platform.r, pending(wanted, platform.warehouse))
        atexit.register(ahead.abandon)
    return _AHEAD[run.run_id]


def _tell_stale(context: dg.AssetExecutionContext, platform: Platform, indicator: Indicator) -> None:
    """Say how old the table is that stays in place."""
    from platform_assets.indicators import receipts

    with platform.warehouse.connect(read_only=True) as connection:
        receipt = receipts.last(connection, indicator.name)
    if receipt is None:
        Told(context).warning(f"{indicator.name}: there is no earlier table")
        return
    age = dt.datetime.now(dt.UTC).replace(tzinfo=None) - receipt.made_at
    words = f"{age.days} days" if age.days else f"{age.seconds // 3600} h {age.seconds % 3600 // 60} min"
    Told(context).warning(
        f"{indicator.name}: the table of {receipt.made_at:%Y-%m-%d %H:%M} UTC stays; it is stale ({words} old)"
    )
    context.log_event(
        dg.AssetObservation(
            context.asset_key, metadata={"stale since (UTC)": f"{receipt.made_at:%Y-%m-%d %H:%M}", "age": words}
        )
    )


def _noted(notes: Iterable[str]) -> dg.MetadataValue:
    """The notes as text: code and names of columns, no values."""
    return dg.MetadataValue.text("\n".join(notes))


def told(event: "Event", indicator: Indicator) -> str:
    """What a script says, for the log that everyone can open: of personal data without its numbers, which may be small counts.

    Where it says it, and notes on the script, keep theirs.
    """
    if indicator.public or event.level in ("note", "sandbox"):
        return str(event)
    return str(replace(event, text=_NUMBER.sub("(number)", event.text)))


_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d.,]*(?:e[-+]?\d+)?", re.IGNORECASE)


def _preview(platform: Platform, indicator: Indicator) -> dg.MetadataValue:
    """The first rows of a public table, without columns that name people: everyone who can open the UI sees metadata."""
    with platform.warehouse.connect(read_only=True) as connection:
        frame = connection.execute(f"SELECT * FROM indicators.{indicator.name} LIMIT {PREVIEW_ROWS}").df()
    texts = {c.name: frame[c.name].dropna().tolist() for c in indicator.outputs.values() if c.type == "text"}
    kept_back = naming_people(platform.warehouse, read_contracts(), texts)
    frame = frame.drop(columns=list(kept_back))
    for column in indicator.outputs.values():
        if column.type == "date" and column.name in frame:
            frame[column.name] = frame[column.name].dt.strftime("%Y-%m-%d")
    records = json.loads(frame.to_json(orient="records", date_format="iso", double_precision=3))
    shown = [{k: ("" if v is None else v) for k, v in row.items()} for row in records]
    return in_rows(shown, "no rows")


def _schema(indicator: Indicator) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(c.name, _TYPES[c.type], description=plain(c.help) or None)
            for c in indicator.computing.outputs.values()
        ]
    )


def _how_published(indicator: Indicator) -> str:
    if indicator.public:
        return f"as it is: {indicator.public}"
    if indicator.cases is None:
        return "not at all: the script gives no cases (@cases), of which counts could be protected"
    by = "organisation and " if indicator.cases.by_organisation else ""
    return f"counts per {by}{indicator.cases.grain}, protected, {indicator.cases.settles} days after its end"


def _in_words(indicator: Indicator) -> Markdown:
    facts = {
        "Unit": indicator.unit,
        "Direction": indicator.direction,
        "Smallest number compared": indicator.minimum and f"{indicator.minimum.n} {indicator.minimum.of}",
        "Published": _how_published(indicator),
        "Definition": f"version {indicator.version}",
    }
    said = [f"{name}: {value}" for name, value in facts.items() if value not in ("", None)]
    said += [
        f"Parameter {p.name}: {p.help}" + (f" (default {p.default})" if p.default else "")
        for p in indicator.params.values()
    ]
    return together(plain(indicator.title), plain(indicator.description), bullets(said))
