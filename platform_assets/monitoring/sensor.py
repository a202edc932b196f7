"""The sensor that looks every minute. Everything heavy is imported when it looks, not when definitions load."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract
    from resources.environment import Platform

INTERVAL_SECONDS = 60
ELSEWHERE = "PLATFORM_ALERTS_BY"
"""``cron``: somebody else calls ``python -m platform_assets.monitoring check``, as in the cluster; the sensor then rests."""


def alerts_sensor(contracts: Mapping[str, Contract], groups: Sequence[str]) -> dg.SensorDefinition:
    """The sensor `alerts`; `groups` are the groups of computed assets, which follow what they are made from."""
    resting = os.environ.get(ELSEWHERE, "sensor") == "cron"

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED if resting else dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Tells people of failed runs and checks, stale assets, slow runs and a weekly run that never started: by the "
        "channels that PLATFORM_ALERT_... names, and always by a line of JSON on the log. See docs/operate.md.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from platform_assets.monitoring.watch import Watched, look

        platform: Platform = context.resources.platform
        if context.repository_def is None:
            raise RuntimeError(
                "the sensor `alerts` needs the repository that it stands in: evaluate it through Definitions"
            )
        watched = Watched.of(context.repository_def, contracts, groups)
        return dg.SkipReason(str(look(context.instance, platform, watched)))

    return alerts
