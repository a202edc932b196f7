"""A look at the platform: what it remembers, what it tells of age and of runs that never started, and who can call it."""

import dataclasses
import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.definitions import FOLLOWING, build_definitions
from platform_assets.monitoring.lost import still_runs
from platform_assets.monitoring.watch import Watched
from resources.environment import Platform, Settings, resources_for
from resources.object_store import LocalStore
from resources.processes import started_at
from tests.conftest import lab_contract
from tests.monitoring.conftest import Watch
from tests.receivers import MailServer, mail_server

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 3, 4, 12, 0, tzinfo=dt.UTC)  # a Wednesday
MONDAY = dt.datetime(2026, 3, 9, 5, 0, tzinfo=dt.UTC)  # 06:00 in Amsterdam, in winter


@dg.asset
def fails() -> None:
    raise KeyError("x")


@dg.op
def work() -> None:
    return


@dg.job
def weekly() -> None:
    work()


SCHEDULE = dg.ScheduleDefinition(job=weekly, cron_schedule="0 6 * * 1", execution_timezone="Europe/Amsterdam")


# ---------------------------------------------------------------------------------------------------- what is remembered


def test_a_restarted_daemon_or_another_machine_sends_nothing_twice(watch: Watch) -> None:
    watch.run(fails)
    assert watch.look().told == 3  # log, mail, Slack
    home = watch.platform.settings.home
    watch.platform = resources_for("laptop", Settings(home=home))
    seen = watch.look()
    assert (seen.runs, seen.told) == (0, 0)
    (home / "state" / "monitoring.json").unlink()  # even one that has forgotten which runs it saw
    assert watch.look().told == 0
    assert watch.mails() == ["[ERROR] fails failed: KeyError"]


def test_what_failed_days_before_the_first_look_is_not_news(watch: Watch) -> None:
    watch.run(fails)
    seen = watch.look(dt.datetime.now(dt.UTC) + dt.timedelta(days=3))
    assert (seen.runs, seen.wrong) == (1, ())
    watch.run(fails)
    assert watch.look(dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).runs == 1


def test_many_runs_are_taken_a_hundred_at_a_time_and_none_is_left_out(watch: Watch) -> None:
    for _ in range(101):
        weekly.execute_in_process(instance=watch.instance)
    watch.run(fails)
    assert [watch.look().runs for _ in range(3)] == [100, 2, 0]
    assert watch.mails() == ["[ERROR] fails failed: KeyError"]


def test_a_mail_server_that_is_down_holds_up_nothing_and_gets_it_later(watch: Watch) -> None:
    @dg.asset
    def also_fails() -> None:
        raise TypeError("y")

    watch.mail.say_no = 3
    watch.run(fails, also_fails)
    seen = watch.look()
    assert seen.undelivered == 2
    assert "NOT delivered" in str(seen)
    assert (len(watch.hook.bodies), watch.mail.messages) == (2, [])
    assert watch.mail.say_no == 0  # three tries for the first alert, none for the second
    assert watch.look().undelivered == 0
    assert sorted(watch.mail.subjects) == ["[ERROR] also_fails failed: TypeError", "[ERROR] fails failed: KeyError"]
    assert len(watch.hook.bodies) == 2


# ---------------------------------------------------------------------------------------------------- what should have started


def test_a_weekly_run_that_never_started_is_told_and_over_when_it_starts(watch: Watch) -> None:
    watch.watched = Watched(schedules=[SCHEDULE])
    watch.look(NOW)  # last Monday's run was due before anybody watched
    watch.look(MONDAY + dt.timedelta(minutes=59))
    assert watch.mails() == []
    watch.look(MONDAY + dt.timedelta(minutes=61))
    watch.look(MONDAY + dt.timedelta(minutes=62))
    assert watch.mails() == ["[ERROR] weekly did not start on Monday 09 March at 06:00 (Europe/Amsterdam)"]
    weekly.execute_in_process(instance=watch.instance)  # by hand: that counts too
    watch.look(MONDAY + dt.timedelta(minutes=63))
    assert watch.mails() == ["[RESOLVED] weekly did not start on Monday 09 March at 06:00 (Europe/Amsterdam)"]


def test_a_daemon_that_gives_no_sign_of_life_is_seen_from_outside(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").touch()
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        watch.instance = instance
        assert [a.kind for a in watch.look(outside=True).wrong] == ["daemon"]
        assert watch.mails() == ["[ERROR] Dagster's daemon gives no sign of life: schedules and sensors stand still"]
        environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "dagster"), "DAGSTER_DISABLE_TELEMETRY": "yes"}
        empty = tmp_path / "workspace.yaml"
        empty.write_text("load_from: []\n")
        daemon = subprocess.Popen(
            [Path(sys.executable).with_name("dagster-daemon"), "run", "-w", str(empty)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = dt.datetime.now() + dt.timedelta(seconds=60)
            while watch.look(outside=True).wrong and dt.datetime.now() < until:
                pass
        finally:
            daemon.terminate()
            daemon.wait()
        assert watch.mails() == ["[RESOLVED] Dagster's daemon gives no sign of life: schedules and sensors stand still"]


# ---------------------------------------------------------------------------------------------------- age


def test_a_dataset_that_did_not_come_when_it_was_due_is_told_and_over_when_it_comes(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = lab_contract(
        quality={"max_quarantined": 1.0, "min_rows": 0, "freshness": {"cron": "0 9 * * 1", "grace_hours": 3}}
    )
    (ingest,) = [a for a in dataset_definitions(contract, "test").assets or () if isinstance(a, dg.AssetsDefinition)]
    watch.watched = Watched(contracts={"lab": contract})
    landing = watch.platform.settings.home / "landing" / "lab"
    landing.mkdir(parents=True)

    def send(name: str, when: dt.datetime) -> None:
        (landing / name).write_text(f"sample_id,test_date,result,viral_load\n{name[0].upper()},2024-01-01,POS,1\n")
        # a file arrives when it arrives, whatever time it bears: only the store can tell of another
        told = LocalStore.stat
        with monkeypatch.context() as patch:
            patch.setattr(
                LocalStore, "stat", lambda *a: (found := told(*a)) and dataclasses.replace(found, arrived=when)
            )
            assert watch.run(ingest).success

    now = dt.datetime.now(dt.UTC)
    watch.run(ingest)
    watch.look(now)  # never delivered: not in use yet
    send("a.csv", now)
    watch.look(now + dt.timedelta(minutes=20))
    assert watch.mails() == []
    later = now + dt.timedelta(days=15)  # nothing comes, nothing runs
    watch.look(later)
    assert watch.mails() == ["[WARNING] lab: nothing came when it was due"]
    watch.look(later + dt.timedelta(hours=1))
    assert watch.mails() == []
    watch.look(later + dt.timedelta(days=1, hours=1))
    assert watch.mails() == ["[STILL] lab: nothing came when it was due"]
    send("b.csv", later)
    watch.look(later + dt.timedelta(days=1, hours=2))
    assert watch.mails() == ["[RESOLVED] lab: nothing came when it was due"]


class Versions:
    """Two assets, of which the second is made from the first; the first has the data version that a test says."""

    def __init__(self) -> None:
        self.version = "1"

        @dg.asset(name="table")
        def table() -> dg.MaterializeResult:
            return dg.MaterializeResult(data_version=dg.DataVersion(self.version))

        @dg.asset(name="rate", deps=[table], group_name="indicators")
        def rate() -> None:
            return

        self.table, self.rate = table, rate
        repository = dg.Definitions([table, rate]).get_repository_def()
        self.watched = Watched.of(repository, {}, ("indicators",))


def test_a_computed_asset_that_is_behind_its_input_for_a_day_is_told_and_over_when_it_is_made(watch: Watch) -> None:
    two = Versions()
    watch.watched = two.watched
    assert two.watched.computed == {dg.AssetKey("rate"): {dg.AssetKey("table")}}
    watch.run(two.table, two.rate)
    two.version = "2"
    watch.run(two.table, two.rate, selection=[dg.AssetKey("table")])
    now = dt.datetime.now(dt.UTC)
    watch.look(now + dt.timedelta(hours=23))
    assert watch.mails() == []
    watch.look(now + dt.timedelta(hours=25))
    assert watch.mails() == ["[WARNING] rate is stale"]
    watch.run(two.table, two.rate, selection=[dg.AssetKey("rate")])
    watch.look(now + dt.timedelta(hours=26))
    assert watch.mails() == ["[RESOLVED] rate is stale"]


def test_an_input_that_was_made_again_without_a_change_makes_nothing_stale(watch: Watch) -> None:
    two = Versions()
    watch.watched = two.watched
    watch.run(two.table, two.rate)
    watch.run(two.table, two.rate, selection=[dg.AssetKey("table")])
    assert watch.look(dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).wrong == ()


def test_rows_that_were_erased_from_an_input_make_stale_what_was_computed_from_them(watch: Watch) -> None:
    two = Versions()
    watch.watched = two.watched
    watch.run(two.table, two.rate)
    watch.instance.report_runless_asset_event(dg.AssetMaterialization("table", description="Rows erased."))
    (alert,) = watch.look(dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).wrong
    assert alert.title == "rate is stale"


def test_a_computed_asset_that_was_never_made_is_told(watch: Watch) -> None:
    two = Versions()
    watch.watched = two.watched
    assert watch.look().wrong == ()  # nor was its input
    watch.run(two.table, two.rate, selection=[dg.AssetKey("table")])
    (alert,) = watch.look(dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)).wrong
    assert alert.title == "rate was never made"


# ---------------------------------------------------------------------------------------------------- who looks


def test_the_sensor_runs_by_default_and_watches_the_whole_platform(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.notifier.channels.channel.PAUSE", 0.001)
    definitions = build_definitions({"platform": platform})
    sensor = definitions.resolve_sensor_def("alerts")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    repository = definitions.get_repository_def()
    watched = Watched.of(repository, {}, FOLLOWING)
    assert dg.AssetKey(["validated", "lab_results"]) in watched.computed[dg.AssetKey(["indicators", "turnaround"])]
    assert [s.name for s in watched.schedules] == ["weekly_schedule"]
    with mail_server() as mail, dg.DagsterInstance.ephemeral() as instance:
        for name, value in smtp(mail).items():
            monkeypatch.setenv(name, value)
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["indicators", "turnaround"])], raise_on_error=False
        )
        for words in ("1 run(s) ended, 1 thing(s) wrong, 2 message(s) sent", "0 run(s) ended"):
            with dg.build_sensor_context(
                instance, repository_def=repository, resources={"platform": platform}
            ) as context:
                assert words in str(sensor.evaluate_tick(context).skip_message)
        (message,) = mail.messages
        assert "turnaround needs the table validated.lab_results, which is not there" in message.get_content()


def test_the_sensor_rests_where_somebody_else_looks(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ALERTS_BY", "cron")
    sensor = build_definitions({"platform": platform}).resolve_sensor_def("alerts")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def smtp(mail: MailServer) -> dict[str, str]:
    return {
        "PLATFORM_ALERT_SMTP": f"127.0.0.1:{mail.port}",
        "PLATFORM_ALERT_SMTP_FROM": "platform@example.org",
        "PLATFORM_ALERT_SMTP_TO": "on-call@example.org",
        "PLATFORM_ALERT_SMTP_TLS": "off",
    }


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    """The command, as cron runs it."""
    bare = {k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "DATA_HOME")}
    return subprocess.run(
        [sys.executable, "-m", "platform_assets.monitoring", "check"],
        env={**bare, "DAGSTER_DISABLE_TELEMETRY": "yes", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_cron_looks_from_outside_tells_and_prints_what_is_wrong(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").touch()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        dg.materialize([fails], instance=instance, raise_on_error=False)
    with mail_server() as mail:
        environment = {"DAGSTER_HOME": str(home), "DATA_HOME": str(tmp_path / "data"), **smtp(mail)}
        done = check(**environment)
        assert (done.returncode, done.stderr.count('"event": "alert"')) == (0, 2), done.stderr
        assert json.loads(done.stderr.splitlines()[-1])["state"] == "open"
        assert done.stdout.splitlines() == [
            "error: fails failed: KeyError",
            "error: Dagster's daemon gives no sign of life: schedules and sensors stand still",
        ]
        assert len(mail.messages) == 2
        again = check(**environment)
        assert (again.returncode, len(mail.messages)) == (0, 2)
        assert "daemon" in again.stdout  # it is still so, and was told


def test_cron_without_an_instance_is_told_what_to_do(tmp_path: Path) -> None:
    done = check(DATA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "source .venv/bin/activate" in done.stderr


def test_a_look_that_was_not_possible_says_so_in_a_line_that_alerts_and_one_that_was_leaves_a_sign(
    tmp_path: Path,
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").touch()
    here = {"DAGSTER_HOME": str(home), "DATA_HOME": str(tmp_path / "data"), "PLATFORM_ALERTS_BY": "cron"}
    done = check(**here)
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "looked"
    cloud = {
        "PLATFORM_ENV": "cloud",
        "PLATFORM_BUCKET": "bucket",
        "PLATFORM_LAKE": str(tmp_path / "lake"),
        "PLATFORM_CATALOG": "postgresql://platform@127.0.0.1:1/lake",  # nobody listens there
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1",
    }
    done = check(**here, **cloud)
    assert done.returncode == 2
    line = json.loads(done.stderr.splitlines()[-1])
    assert (line["severity"], line["event"], line["error"]) == ("ERROR", "could_not_look", "CatalogError")


def test_a_process_that_has_the_number_of_one_that_is_gone_is_not_taken_for_it() -> None:
    now = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        began = started_at(process.pid)
        process.kill()
    assert began is not None
    assert abs(began - now) < 5
    assert still_runs(os.getpid(), now)
    assert not still_runs(os.getpid(), now - 10 * 86400)  # a run of ten days ago
    assert not still_runs(process.pid, now)


JOB = """
import os, time
from pathlib import Path
import dagster as dg

@dg.asset
def long() -> None:
    Path(os.environ["STARTED"]).touch()
    time.sleep(600)

defs = dg.Definitions([long], jobs=[dg.define_asset_job("job", executor_def=dg.in_process_executor)])
"""


def test_a_run_whose_process_was_killed_is_ended_and_told_and_one_that_lives_is_left_alone(
    watch: Watch, tmp_path: Path
) -> None:
    home, code = tmp_path / "dagster", tmp_path / "job.py"
    home.mkdir()
    (home / "dagster.yaml").touch()
    code.write_text(JOB)

    def started(name: str) -> subprocess.Popen[bytes]:
        sign = tmp_path / name
        process = subprocess.Popen(
            [Path(sys.executable).parent / "dagster", "job", "execute", "-f", str(code), "-j", "job"],
            env={**os.environ, "DAGSTER_HOME": str(home), "STARTED": str(sign), "DAGSTER_DISABLE_TELEMETRY": "yes"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not sign.exists():
            assert process.poll() is None
            time.sleep(0.1)
        return process

    dead, living = started("dead"), started("living")
    dead.kill()
    dead.wait()
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            watch.instance = instance
            watch.look()
            statuses = sorted(run.status.value for run in instance.get_runs())
            assert statuses == ["FAILURE", "STARTED"]
            assert watch.mails() == ["[ERROR] job ended without a failed step"]
    finally:
        living.kill()
        living.wait()
