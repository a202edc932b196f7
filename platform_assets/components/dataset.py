"""A contract in YAML becomes a dataset's assets, checks and sensor.

`landing/<name>` is where files are dropped; `raw`, `validated` and `quarantine` are made by one step, in one transaction.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import BaseModel

from platform_assets.components.describe import contract_in_words, table_kinds, text_schema, validated_schema
from platform_assets.components.landing import Wanted, dataset_sensor
from platform_assets.components.metadata import Told
from platform_assets.components.source_schedule import source_schedule
from platform_assets.contracts.bundle import read_bundles
from platform_assets.contracts.files import read_contracts
from platform_assets.contracts.model import Contract
from platform_assets.engines import refusal
from platform_assets.engines.results import Loaded
from platform_assets.ingest import quality
from platform_assets.ingest.deliveries import landing_folder, look_of, never_taken
from platform_assets.ingest.ledger_in_words import describe, reasons_in_words
from platform_assets.ingest.load import LoadReport
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.tables import Tables
from platform_assets.ingest.worked_out import worked_out
from platform_assets.office import engine_of
from platform_assets.sources.collect import Collected, collect
from resources.environment import ENGINES, Platform, Settings
from resources.lake.warehouse import TableState
from resources.text.markdown import plain

MAX_SHOWN = 25
FETCHED = "fetched"
LANDING = "landing"
FETCHED_IN_WORDS = (
    "Everything that was wanted of the source could be fetched. What is in landing is loaded all the same."
)
LANDING_IN_WORDS = "What lies in landing is taken: no folders, no links, which are never looked into."


class Dataset(dg.Component):
    """Component ``platform_assets.components.Dataset``; its attributes are a `Contract`."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    @classmethod
    def get_model_cls(cls) -> type[BaseModel] | None:
        """The contract is the component's schema: Dagster reports errors with file, line and key."""
        return Contract

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Dataset":
        """Take the validated contract as it is."""
        assert isinstance(attributes, Contract)
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and the landing sensor."""
        return dataset_definitions(self.contract, domain=context.path.parent.name)


def dataset_definitions(contract: Contract, domain: str) -> dg.Definitions:
    """The Dagster definitions of `contract`, tagged with its `domain`. Raises NoFormat for a kind of file that nobody reads."""
    for fmt in contract.format:
        format_named(fmt.kind)
    refused = refusal(ENGINES.get(Settings.from_environment().engine, ""), contract)
    if refused:
        raise ValueError(refused)
    ingest = _ingest_asset(contract, domain)
    folder = landing_folder(contract.name)
    landing = dg.AssetSpec(
        ["landing", contract.name],
        group_name="landing",
        owners=[contract.owner],
        kinds={"file"},
        tags={"domain": domain},
        description=plain(
            f"Files as they came. Drop them in {folder}/ of DATA_HOME; once taken they are kept in archive/{contract.name}/, and files of "
            f"which nothing can be judged in rejected/{contract.name}/."
        ),
    )
    schedules = [source_schedule(contract, ingest)] if contract.source.every else []
    return dg.Definitions(assets=[landing, ingest], sensors=[dataset_sensor(contract, ingest)], schedules=schedules)


def _ingest_asset(contract: Contract, domain: str) -> dg.AssetsDefinition:
    name, tables = contract.name, Tables(contract)
    common: dict[str, Any] = {
        "owners": [contract.owner],
        "tags": {"domain": domain, **contract.tags},
        "code_version": contract.hash,
        "skippable": True,
    }
    raw, validated, quarantine = (dg.AssetKey([layer, name]) for layer in ("raw", "validated", "quarantine"))
    specs = [
        dg.AssetSpec(
            raw,
            deps=[dg.AssetKey(["landing", name])],
            group_name="raw",
            kinds=table_kinds(),
            description=plain(
                f"Rows of {name} as text, as they came; identifiers are pseudonyms. {contract.description}"
            ),
            metadata={"dagster/column_schema": text_schema(tables.raw_columns), "dagster/table_name": tables.raw},
            **common,
        ),
        dg.AssetSpec(
            validated,
            deps=[raw],
            group_name="validated",
            kinds=table_kinds(),
            description=contract_in_words(contract),
            metadata={"dagster/column_schema": validated_schema(contract), "dagster/table_name": tables.validated},
            **common,
        ),
        dg.AssetSpec(
            quarantine,
            deps=[raw],
            group_name="quarantine",
            kinds=table_kinds(),
            description=plain(f"Rows of {name} that broke a rule: original text and every reason. For stewards only."),
            metadata={
                "dagster/column_schema": text_schema(tables.quarantine_columns),
                "dagster/table_name": tables.quarantine,
            },
            **common,
        ),
    ]
    beside = {dg.AssetKey(table.name.split(".")): table for table in worked_out(contract)}
    specs += [
        dg.AssetSpec(
            key,
            deps=[validated],
            group_name="validated",
            kinds=table_kinds(),
            description=plain(table.meaning),
            metadata={"dagster/column_schema": text_schema(dict(table.columns)), "dagster/table_name": table.name},
            **common,
        )
        for key, table in beside.items()
    ]
    check_specs = [
        dg.AssetCheckSpec(check, asset=validated, description=plain(quality.DESCRIPTIONS[check]))
        for check in quality.check_names(contract)
    ]
    check_specs.append(dg.AssetCheckSpec(LANDING, asset=validated, description=LANDING_IN_WORDS))
    if contract.source.reaches_out:
        check_specs.append(dg.AssetCheckSpec(FETCHED, asset=validated, description=FETCHED_IN_WORDS))

    @dg.multi_asset(
        specs=specs,
        check_specs=check_specs,
        name=f"ingest_{name}",
        can_subset=True,
        required_resource_keys={"platform"},
    )
    def ingest(
        context: dg.AssetExecutionContext, config: Wanted
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        platform: Platform = context.resources.platform
        told = Told(context)
        collected = collect(contract.source, name, platform, told.info)
        only = None if config.only is None else {*config.only, *_looks(platform, name, collected)}
        engine = engine_of(platform)
        for bundle in read_bundles().values():
            if name in bundle.members:
                engine.load_bundle(bundle, read_contracts(), run_id=context.run.run_id, log=told.info)
        loaded = engine.load(contract, run_id=context.run.run_id, log=told.info, only=only)
        report, outcomes, held = loaded.report, loaded.outcomes, loaded.held
        broken = [
            o.check for o in outcomes if not o.passed and o.check in ("row_conservation", "unique_key") and o.blocking
        ]
        selected = context.selected_asset_keys
        for key in (raw, quarantine):
            if key in selected:
                yield _materialized(key, loaded.states[key.path[0]], _deliveries(report))
        if report.blocked or broken:
            why = ", ".join(broken) or "; ".join(describe(e) for e in report.entries[:3])
            told.error(f"{name}: not published, the last good table stays and is stale ({why})")
        elif validated in selected:
            metadata = {**_deliveries(report), **_partitions(contract, loaded)}
            metadata |= {name: dg.MetadataValue.int(number) for name, number in loaded.cost.items()}
            if held:
                metadata["held deliveries"] = dg.MetadataValue.text(", ".join(e.file for e in held[:MAX_SHOWN]))
            yield _materialized(validated, loaded.states["validated"], metadata)
            for key, table in beside.items():
                if key in selected and table.name in loaded.beside:
                    yield _materialized(key, loaded.beside[table.name], {})
        chosen = {key.name for key in context.selected_asset_check_keys}
        if FETCHED in chosen:
            outcomes = [*outcomes, _fetched(collected)]
        if LANDING in chosen:
            outcomes = [*outcomes, _left(never_taken(platform.store, name))]
        for outcome in outcomes:
            if outcome.check in chosen:
                yield _check_result(validated, outcome)

    return ingest


def _looks(platform: Platform, dataset: str, collected: Collected) -> set[str]:
    """What was just fetched, as the load knows it."""
    found = (platform.store.stat(f"{landing_folder(dataset)}/{file}") for file in collected.landed)
    return {look_of(o) for o in found if o}


def _left(names: list[str]) -> quality.Outcome:
    """Folders and links in landing."""
    text = (
        "nothing but files lies in landing"
        if not names
        else f"never taken: {', '.join(names[:5])} (folders and links are not looked into: put the files themselves into landing)"
    )
    return quality.Outcome(LANDING, not names, False, text, {"never_taken": len(names)})


def _fetched(collected: Collected) -> quality.Outcome:
    text = "; ".join(collected.failed[:5]) or f"{len(collected.landed)} files landed"
    numbers = {"landed": len(collected.landed), "failed": len(collected.failed)}
    return quality.Outcome(FETCHED, not collected.failed, False, text, numbers)


def _materialized(key: dg.AssetKey, state: TableState, metadata: dict[str, dg.MetadataValue]) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        asset_key=key,
        metadata={"dagster/row_count": dg.MetadataValue.int(state.rows), "snapshot": state.snapshot, **metadata},
        data_version=dg.DataVersion(str(state.snapshot)),
    )


def _deliveries(report: LoadReport) -> dict[str, dg.MetadataValue]:
    """What this run did, as one table: a row per delivery. Counts and names only."""
    if not report.entries:
        return {"deliveries": dg.MetadataValue.text("nothing new")}
    records = [
        dg.TableRecord(
            {
                "file": e.file,
                "status": e.status,
                "rows in": e.rows_in,
                "valid": e.valid,
                "new": e.inserted,
                "updated": e.updated,
                "unchanged": e.unchanged,
                "quarantined": e.quarantined,
                "superseded": e.superseded,
                "removed": e.removed,
                "why": e.reason or "; ".join(reasons_in_words(e)[:2]),
            }
        )
        for e in report.entries[:MAX_SHOWN]
    ]
    numbers = ("rows_in", "valid", "inserted", "updated", "unchanged", "quarantined", "superseded", "removed")
    metadata: dict[str, dg.MetadataValue] = {n: dg.MetadataValue.int(report.total(n)) for n in numbers}
    metadata["files"] = dg.MetadataValue.int(len(report.entries))
    metadata["seconds"] = dg.MetadataValue.float(round(report.seconds, 2))
    if records:
        metadata["deliveries"] = dg.MetadataValue.table(records)
    return metadata


def _partitions(contract: Contract, loaded: Loaded) -> dict[str, dg.MetadataValue]:
    """The last weeks or months of the table, with their rows."""
    if not contract.partition:
        return {}
    records = [dg.TableRecord({contract.partition.unit: p, "rows": n}) for p, n in loaded.partitions]
    return {"last partitions": dg.MetadataValue.table(records)} if records else {}


def _check_result(key: dg.AssetKey, outcome: quality.Outcome) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {
        n: dg.MetadataValue.text(v) if isinstance(v, str) else dg.MetadataValue.int(v)
        for n, v in outcome.numbers.items()
    }
    if outcome.table:
        metadata["detail"] = dg.MetadataValue.table([dg.TableRecord(row) for row in outcome.table])
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=outcome.check,
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN,
        description=plain(outcome.description),
        metadata=metadata,
    )
