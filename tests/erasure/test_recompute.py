"""After an erasure, what was computed from the erased rows is computed again, by a real daemon, without anybody asking for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import requests

from console.dagster_client import Client, DagsterError
from platform_assets.access.roles import Role, User
from platform_assets.definitions import build_definitions
from platform_assets.erasure.__main__ import main as erasure_command
from platform_assets.erasure.targets import Target
from platform_assets.office import Office
from platform_assets.summary import summary
from resources.environment import Platform, Settings, resources_for
from resources.lake.warehouse import scalar
from tests.console.conftest import REPOSITORY, environment_of, free_port

pytestmark = pytest.mark.slow
ANNA, STAN = (User(name, frozenset({Role.STEWARD})) for name in ("anna", "stan"))
HEADER = "sample_id,test_date,result,viral_load,laboratory,clinic"
ROWS = [f"AA-{n:03},2024-01-02,{'POS,9' if n % 3 else 'NEG,'},north,clinic" for n in range(60)]


def until(happened: Callable[[], bool], what: str, seconds: float = 600) -> None:
    """Wait until it `happened`. Runs are processes of their own: beside the tests of other processes they take minutes."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.3)


def all_is_done(client: Client) -> bool:
    """Whether no run is left. Raises AssertionError where one failed: to wait longer would not help."""
    states = {(run.job, run.id): run.status for run in client.runs()}
    failed = {run: status for run, status in states.items() if status in ("FAILURE", "CANCELED")}
    assert not failed, f"runs failed: {failed}"
    return set(states.values()) == {"SUCCESS"}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A laptop on which one delivery was loaded, and all that follows from it computed."""
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    made = resources_for("laptop", Settings(tmp_path, settle_seconds=0))
    made.store.write("landing/lab_results/week1.csv", "\n".join([HEADER, *ROWS, ""]).encode())
    definitions = build_definitions({"platform": made})
    assets = dg.AssetSelection.assets(["raw", "lab_results"]).downstream() - dg.AssetSelection.groups("exports")
    with dg.DagsterInstance.get() as instance:
        job = dg.define_asset_job("first", assets)
        ready = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("first")
        assert ready.execute_in_process(instance=instance).success
    return made


@pytest.fixture
def dagster(platform: Platform, tmp_path: Path) -> Iterator[Client]:
    """Webserver and daemon, as `make ui` starts them."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-m", "tests.erasure.daemon_location", "-h", "127.0.0.1"]
    with (tmp_path / "dagster.log").open("wb") as out:
        # a group of its own: what it starts ends with it
        server = subprocess.Popen(
            [*command, "-p", str(port)],
            cwd=REPOSITORY,
            stdout=out,
            stderr=out,
            env=dict(os.environ),
            start_new_session=True,
        )
        try:
            client = Client(f"http://127.0.0.1:{port}")
            until(lambda: answers(client), "Dagster answers")
            yield client
        finally:
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(10)


def answers(client: Client) -> bool:
    try:
        return requests.get(f"{client.url}/server_info", timeout=2).ok and bool(client.jobs())
    except (requests.RequestException, DagsterError):
        return False


def ticks(client: Client) -> int:
    """How often the sensor `recompute` has looked."""
    found = client.query(
        "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState { ticks { status } } } } }",
        s={
            "repositoryName": "__repository__",
            "repositoryLocationName": "tests.erasure.daemon_location",
            "sensorName": "recompute",
        },
    )["sensorOrError"]
    return sum(t["status"] in ("SKIPPED", "SUCCESS") for t in found["sensorState"]["ticks"])


def settled(client: Client) -> set[str]:
    """The runs that there are, once the sensor has looked twice more and started no other."""
    while True:
        until(lambda: all_is_done(client), "nothing runs any more")
        before, seen = {run.id for run in client.runs()}, ticks(client)
        until(lambda: ticks(client) > seen + 1, "the daemon has looked again")  # noqa: B023 - called at once
        if all_is_done(client) and {run.id for run in client.runs()} == before:
            return before


def counted(platform: Platform) -> int | None:
    """Cases in the indicator's table; None while there is none."""
    table = "indicators.positivity_by_laboratory"
    with platform.warehouse.connect(read_only=True) as connection:
        if not platform.warehouse.columns(connection, table):
            return None
        return int(scalar(connection, f"SELECT count(*) FROM {table}"))


def published(platform: Platform) -> dict[str, bytes]:
    """Every file of every release."""
    root = platform.settings.home / "products" / "releases"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_an_erasure_is_followed_by_the_indicators_without_a_human(platform: Platform, dagster: Client) -> None:
    assert counted(platform) == 60
    released = published(platform)
    assert len(released) > 8
    until(lambda: ticks(dagster) > 1, "the daemon has looked at what there is")
    before = settled(dagster)
    office = Office.of(platform)
    request = office.eraser().submit([Target("lab_results", {"sample_id": "AA-007"}, subject=True)], "letter 17", ANNA)
    office.eraser().requests.approve(request.id, STAN)
    config = {"ops": {"erase_request": {"config": {"request": request.id}}}}
    erasing = dagster.launch("erase", "stan", config)
    until(lambda: dagster.run(erasing).status in ("SUCCESS", "FAILURE"), "the erasure ends")
    assert dagster.run(erasing).status == "SUCCESS"
    until(lambda: counted(platform) == 59, "the indicator is computed again")
    followed = [run for run in dagster.runs() if run.id not in {*before, erasing}]
    assert {run.user for run in followed} == {"schedule or sensor"}
    # the command does as the job does; once the daemon has seen that all is made, as it takes what changes within the same look for made
    until(lambda: all_is_done(dagster), "nothing runs any more")
    seen = ticks(dagster)
    until(lambda: ticks(dagster) > seen + 2, "the daemon has looked at what was made")
    request = office.eraser().submit([Target("lab_results", {"sample_id": "AA-008"}, subject=True)], "letter 18", ANNA)
    office.eraser().requests.approve(request.id, STAN)
    assert erasure_command(["--by", "stan", "run", request.id]) == 0
    until(lambda: counted(platform) == 58, "the indicator is computed again")
    until(lambda: all_is_done(dagster), "nothing runs any more")
    assert published(platform) == released, "no published byte has moved"
    assert "rows erased from the tables since: lab_results 2" in summary(platform)
