"""The sensor of a landing folder, evaluated as the daemon does it: what is complete is taken, whatever else arrives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.components.landing import BATCH_TAG, Memory
from platform_assets.ingest.deliveries import complete_files, is_stray, look_of
from resources.environment import Platform
from tests.conftest import lab_contract

CONTRACT = lab_contract(source={"files": ["*"]})


class Looks:
    """A folder and its sensor, from look to look."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        made = dataset_definitions(CONTRACT, "test")
        (self.sensor,) = made.sensors or ()
        self.definitions = dg.Definitions.merge(made, dg.Definitions(resources={"platform": platform}))
        self.folder = platform.settings.home / "landing" / "lab"
        self.folder.mkdir(parents=True)
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor: str | None = None
        self.said: str | None = None

    def look(self) -> list[dg.RunRequest]:
        assert isinstance(self.sensor, dg.SensorDefinition)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"platform": self.platform},
        ) as context:
            data = self.sensor.evaluate_tick(context)
        self.cursor, self.said = data.cursor, data.skip_message
        return list(data.run_requests or [])

    def drop(self, name: str, data: str = "x") -> Path:
        (self.folder / name).write_text(data)
        return self.folder / name

    def names(self, request: dg.RunRequest) -> set[str]:
        only = request.run_config["ops"]["ingest_lab"]["config"]["only"]
        found = complete_files(self.platform.store, CONTRACT, settle_seconds=0)
        return {o.basename for o in found if look_of(o) in only}

    def run(self, request: dg.RunRequest, *, ends: str) -> None:
        """A run of the request: going, succeeded or failed."""
        job = dg.Definitions(jobs=[_job]).resolve_job_def("_job")
        run = self.instance.create_run_for_job(job, tags=dict(request.tags))
        if ends == "failed":
            self.instance.report_run_failed(run)
        elif ends == "succeeded":
            self.instance.report_dagster_event(
                dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, job_name="_job"), run.run_id
            )


@dg.job
def _job() -> None:
    """A run to look at."""


@pytest.fixture
def looks(platform: Platform) -> Iterator[Looks]:
    place = Looks(platform)
    yield place
    place.instance.dispose()


def test_a_device_that_drops_a_file_before_every_look_is_heard(looks: Looks) -> None:
    taken: set[str] = set()
    for number in range(6):
        looks.drop(f"dev_{number}.csv")
        for request in looks.look():
            taken |= looks.names(request)
            for name in looks.names(request):
                (looks.folder / name).unlink()
    assert taken == {f"dev_{number}.csv" for number in range(5)}  # each at the look after the one that saw it first


def test_a_file_that_grows_holds_up_no_other_and_is_not_taken_half(looks: Looks) -> None:
    looks.drop("done.csv")
    requests = []
    for number in range(5):
        looks.drop("growing.csv", "x" * (number + 1))
        requests += [looks.names(r) for r in looks.look()]
    assert requests[0] == {"done.csv"}
    assert all("growing.csv" not in names for names in requests)
    looks.look()
    assert any("growing.csv" in names for names in [looks.names(r) for r in looks.look()])


def test_a_file_that_is_being_taken_is_not_asked_for_twice_and_the_next_one_is(looks: Looks) -> None:
    looks.drop("a.csv")
    looks.look()
    (first,) = looks.look()
    looks.run(first, ends="going")
    assert looks.look() == []
    assert "a run is taking them" in str(looks.said)
    looks.drop("b.csv")
    looks.look()
    (second,) = looks.look()
    assert looks.names(second) == {"b.csv"}
    assert second.run_key != first.run_key


def test_after_a_failed_run_all_wait_and_after_a_good_one_only_what_it_left(looks: Looks) -> None:
    looks.drop("a.csv")
    looks.look()
    (first,) = looks.look()
    looks.run(first, ends="failed")
    looks.drop("b.csv")
    assert (looks.look(), looks.look()) == ([], [])  # a load that fails (no key, a full disk) would fail for b.csv, too
    assert "left by a failed run" in str(looks.said)
    good = Looks.__new__(Looks)
    good.__dict__ |= looks.__dict__ | {"instance": dg.DagsterInstance.ephemeral(), "cursor": None}
    (good.folder / "b.csv").unlink()
    good.look()
    (first,) = good.look()
    good.run(first, ends="succeeded")
    assert good.look() == []
    good.drop("b.csv")
    good.look()
    assert [good.names(r) for r in good.look()] == [{"b.csv"}]
    good.instance.dispose()


def test_what_programs_leave_for_themselves_is_never_a_delivery(looks: Looks) -> None:
    strays = (
        "~$lab.xlsx",
        "Thumbs.db",
        "desktop.ini",
        ".DS_Store",
        ".~lock.lab.ods#",
        "lab.csv.part",
        "lab.csv.crdownload",
    )
    for name in (*strays, "lab.csv~", "lab.csv.filepart", "#lab.csv#", "LAB.CSV.TMP"):
        assert is_stray(name)
        looks.drop(name)
    assert (looks.look(), looks.look()) == ([], [])
    assert looks.said == "nothing waits in landing/lab/"
    assert not any(map(is_stray, ("lab.csv", "~lab.csv", "Köln_2026.csv", "thumbs.csv", "part.csv")))


def test_folders_and_links_are_told_once(looks: Looks) -> None:
    (looks.folder / "sub").mkdir()
    (looks.folder / "sub" / "week1.csv").write_text("x")
    (looks.folder / "link.csv").symlink_to(looks.folder / "sub" / "week1.csv")
    (request,) = looks.look()
    assert request.run_config["ops"]["ingest_lab"]["config"]["only"] == []
    assert BATCH_TAG not in request.tags
    assert (looks.look(), looks.look()) == ([], [])
    job = looks.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=looks.instance, run_config=request.run_config)
    check = next(c for c in result.get_asset_check_evaluations() if c.check_name == "landing")
    assert not check.passed
    assert "link.csv, sub" in str(check.description)
    (looks.folder / "other").mkdir()
    assert len(looks.look()) == 1


def test_a_run_takes_what_it_was_asked_for_and_no_half_file_beside_it(looks: Looks) -> None:
    head = "sample_id,test_date,result,viral_load\n"
    looks.drop("a.csv", head + "A,2024-01-01,POS,1\n")
    looks.look()
    (request,) = looks.look()
    looks.drop("b.csv", head + "B,2024-01-01,P")
    job = looks.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=looks.instance, run_config=request.run_config)
    assert result.success
    assert [p.name for p in looks.folder.iterdir()] == ["b.csv"]


def test_what_an_older_platform_remembered_is_no_memory() -> None:
    assert Memory.read("0123456789abcdef") == Memory.read(None) == Memory()
    memory = Memory(["a"], {"a": "b"}, "c")
    assert Memory.read(memory.write()) == memory
