"""A source with `every` has a schedule of its own, which asks only where sources are on, and takes only what it fetched."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import dagster as dg

from platform_assets.components.dataset import dataset_definitions
from platform_assets.contracts.model import Contract
from resources.environment import Platform
from tests.conftest import LAB

SOURCE = {"kind": "http", "url": "http://127.0.0.1:1/x.csv", "every": "30 5 * * *"}


def _evaluated(platform: Platform, *, on: bool) -> dg.RunRequest | str | None:
    contract = Contract.model_validate({**LAB, "timezone": "Europe/Paris", "source": SOURCE})
    platform = replace(platform, settings=replace(platform.settings, sources=on))
    definitions = dg.Definitions.merge(
        dataset_definitions(contract, "test"), dg.Definitions(resources={"platform": platform})
    )
    schedule = definitions.resolve_schedule_def("source_lab")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 5 * * *", "Europe/Paris")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    with dg.build_schedule_context(
        resources=definitions.resources,
        scheduled_execution_time=dt.datetime(2026, 3, 2, 5, 30, tzinfo=dt.UTC),
        instance=dg.DagsterInstance.ephemeral(),
        repository_def=definitions.get_repository_def(),
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else data.skip_message


def test_it_asks_at_its_own_times_and_leaves_files_of_others_to_the_sensor(platform: Platform) -> None:
    request = _evaluated(platform, on=True)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"ingest_lab": {"config": {"only": []}}}}


def test_it_rests_where_sources_are_off(platform: Platform) -> None:
    assert "PLATFORM_SOURCES=on" in str(_evaluated(platform, on=False))


def test_without_every_there_is_none() -> None:
    plain = Contract.model_validate(LAB)
    assert not dataset_definitions(plain, "test").schedules
