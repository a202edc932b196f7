"""The schedule of a source that is asked at times of its own (`source.every`)."""

import dagster as dg

from platform_assets.contracts.model import Contract
from platform_assets.exports import GROUP
from resources.environment import Platform


def source_schedule(contract: Contract, ingest: dg.AssetsDefinition) -> dg.ScheduleDefinition:
    """Asks the source of `contract` at the times of its cron line, and loads what came of it; files of others wait for their sensor.

    Skipped where sources are off: a run would fetch nothing.
    """
    name = contract.name
    assert contract.source.every is not None

    @dg.schedule(
        name=f"source_{name}",
        target=dg.AssetSelection.assets(*ingest.keys).downstream() - dg.AssetSelection.groups(GROUP),
        cron_schedule=contract.source.every,
        execution_timezone=contract.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"platform"},
        description=f"Asks the source of {name} (where PLATFORM_SOURCES=on) and loads what it has.",
    )
    def asked(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        platform: Platform = context.resources.platform
        if not platform.settings.sources:
            return dg.SkipReason("sources are off (PLATFORM_SOURCES=on turns them on)")
        tick = context.scheduled_execution_time
        return dg.RunRequest(
            run_key=f"{name}-{tick:%Y%m%dT%H%M%z}", run_config={"ops": {f"ingest_{name}": {"config": {"only": []}}}}
        )

    return asked
