"""Stewards' work as Dagster sees it: the job that erases, and the logs as assets. Thin: the work is in the other modules."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import dagster as dg

from platform_assets.access.roles import Role, User
from platform_assets.components.metadata import Told
from platform_assets.contracts.model import Contract
from platform_assets.office import Office
from platform_assets.reports import logs
from platform_assets.reports.events import GROUP, log_key, publish_logs, rows_erased, shown
from resources.environment import Platform
from resources.text.markdown import plain

OWNER = "team:stewardship"


@dg.op(
    config_schema={"request": dg.Field(str, description="Number of an approved request.")},
    required_resource_keys={"platform"},
    description="Carries out one approved request for erasure, or goes on with one that was cut off.",
)
def erase_request(context: dg.OpExecutionContext) -> None:
    """See `platform_assets.erasure.eraser`."""
    office = Office.of(context.resources.platform)
    eraser = office.eraser(
        lambda step: Told(context).info(f"step: {step}"),
        lambda datasets, number: rows_erased(context.instance, datasets, number),
        lambda: nullcontext(context.instance),
    )
    request = eraser.requests.read(context.op_config["request"])
    user = User(request.approved_by, frozenset({Role.STEWARD}))
    document = eraser.execute(request.id, user)
    publish_logs(context.instance, office.warehouse, office.store)
    context.add_output_metadata({"certificate": document["request"], **document["found_and_removed"]})


def erase_job(tags: Mapping[str, Any] | None = None) -> dg.JobDefinition:
    """The job that erases, one request per run, in the run's own process; `tags` are its runs'."""

    @dg.job(
        name="erase",
        description="Removes the records of an approved request from every store, and issues a certificate.",
        executor_def=dg.in_process_executor,
        tags=tags,
    )
    def erase() -> None:
        erase_request()

    return erase


def definitions(contracts: dict[str, Contract], erasure_tags: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The erasure job, and the logs."""
    # raw is made by every load, whatever becomes of the rows; the deletion log is also made by every erasure
    loads = [dg.AssetKey(["raw", name]) for name in contracts]
    assets = [_log(logs.EXECUTION_LOG, loads), _log(logs.DELETION_LOG, [])]
    return dg.Definitions(jobs=[erase_job(erasure_tags)], assets=assets)


def _log(log: logs.Log, deps: list[dg.AssetKey]) -> dg.AssetsDefinition:
    updated: Any = dg.AutomationCondition.any_deps_updated().since_last_handled()

    @dg.asset(
        key=log_key(log),
        deps=deps,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"duckdb", "csv"},
        description=plain(log.description),
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(name, kind, description=plain(meaning))
                    for name, (kind, meaning) in log.columns.items()
                ]
            ),
            "dagster/table_name": log.table,
        },
        required_resource_keys={"platform"},
        automation_condition=updated & ~dg.AutomationCondition.in_progress() if deps else None,
    )
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        platform: Platform = context.resources.platform
        return dg.MaterializeResult(metadata=shown(log, logs.publish(log, platform.warehouse, platform.store)))

    return made
