"""The code location: everything under `defs/`, the weekly job and its schedule, and the resources of this environment."""

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.components import stewardship as jobs
from platform_assets.contracts.files import read_contracts
from platform_assets.exports import GROUP as EXPORTS
from platform_assets.exports.shelf import read_exports
from platform_assets.indicators.script.header import list_indicators
from platform_assets.monitoring.sensor import alerts_sensor
from platform_assets.wide import executor, tags_with_keys
from resources.clock import zone
from resources.environment import INDICATORS, resources_for

WEEKLY = "0 6 * * 1"
FOLLOWING = ("indicators", "products")
COMPUTED = dg.AssetSelection.groups(*FOLLOWING, jobs.GROUP)
_SCRIPT_CHANGED: Any = dg.AutomationCondition.code_version_changed().since_last_handled()  # type: ignore[misc]
# a run that finds script, inputs and parameters as they were does no work, so following once too often costs little
FOLLOW = (_SCRIPT_CHANGED & ~dg.AutomationCondition.in_progress()) | dg.AutomationCondition.eager()


def build_definitions(
    resource_overrides: dict[str, Any] | None = None, *, recompute_seconds: int = 60
) -> dg.Definitions:
    """All definitions; tests replace resources by `resource_overrides`, e.g. ``{"platform": platform}``.

    `recompute_seconds` is how often the daemon looks whether something has to be computed again.
    """
    contracts = read_contracts()
    weekly = dg.define_asset_job(
        "weekly",
        selection=dg.AssetSelection.all() - dg.AssetSelection.groups(EXPORTS),
        description="The main job: every dataset, check, indicator and product. Exports have windows, and sensors of their own.",
    )
    schedule = dg.ScheduleDefinition(
        name="weekly_schedule",
        job=weekly,
        cron_schedule=WEEKLY,
        execution_timezone=zone().key,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Mondays at 06:00 ({zone().key}).",
    )
    recompute = dg.AutomationConditionSensorDefinition(
        "recompute",
        target=COMPUTED,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=recompute_seconds,
        description="Indicators, products and logs follow: when a table changed outside a run of theirs (rows were erased), or a script.",
    )
    places = {name: export.deliver.kind for name, (export, _) in read_exports().items()}
    resources = {"platform": resources_for(os.environ.get("PLATFORM_ENV", "laptop")), **(resource_overrides or {})}
    with warnings.catch_warnings():
        # the component tree's own use of code references, and the one call by which all computed assets get their condition
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        assets = dg.Definitions.merge(
            *_components(), jobs.definitions(contracts, tags_with_keys(os.environ))
        ).map_asset_specs(
            func=lambda s: s.replace_attributes(automation_condition=FOLLOW) if s.group_name in FOLLOWING else s
        )
    return dg.Definitions.merge(
        assets,
        dg.Definitions(
            jobs=[weekly],
            schedules=[schedule],
            sensors=[recompute, alerts_sensor(contracts, FOLLOWING)],
            resources=resources,
            executor=executor(os.environ, contracts, list_indicators(INDICATORS), places),
        ),
    )


def _components() -> Iterator[dg.Definitions]:
    """Every ``defs.yaml`` below `defs/`.

    The same component tree as `dg.load_from_defs_folder`, which besides imports every integration that is installed (dagster-gcp
    and with it pandas and BigQuery) to list them in the UI: two seconds on each start of each process.
    """
    package = Path(__file__).parent
    tree = dg.ComponentTree.for_project(path_within_project=package)
    for document in sorted((package / "defs").rglob("defs.yaml")):
        yield tree.build_defs_at_path(document.parent.relative_to(package / "defs"))
    yield dg.Definitions(component_tree=tree)


if "DAGSTER_HOME" not in os.environ:
    logging.getLogger("platform").warning(
        "DAGSTER_HOME is not set, so what runs now is forgotten by Dagster when it ends (the data stay). "
        "Set it to the folder of dagster.yaml: source .venv/bin/activate does so."
    )

defs = build_definitions()
