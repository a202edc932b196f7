"""What runs tell: failed steps with their card, failed checks, runs that take too long."""

import datetime as dt
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.indicators import Indicators
from platform_assets.monitoring.runs import SlowRule
from tests.monitoring.conftest import UI, Watch

CANARY = "CANARY4711"
BROKEN = """#' Mean score
#' @input visits  patient <text>, score <number>
#' @output patients <integer>, score <number>
#' @owner team:test
mean_score <- function(visits) {
  stop("no score for patient ", visits$patient[2], " with ", visits$score[1])
}
"""
REPAIRED = BROKEN.replace(
    'stop("no score for patient ", visits$patient[2], " with ", visits$score[1])',
    "data.frame(patients = nrow(visits), score = mean(visits$score))",
)


def mean_score(watch: Watch, text: str, monkeypatch: pytest.MonkeyPatch) -> dg.AssetsDefinition:
    """The asset of a script beside the platform's home, on a table of two patients."""
    root = watch.platform.settings.home.parent
    monkeypatch.setattr("platform_assets.components.indicators.REPOSITORY", root)
    path = root / "scripts" / "indicators" / "mean_score.R"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with watch.platform.warehouse.connect() as connection:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS validated.visits AS FROM (VALUES ('{CANARY}A', 1.5), ('{CANARY}B', 2.5)) v(patient, score)"
        )
    definitions = Indicators(folder="scripts/indicators").build_defs(dg.ComponentTree.for_test().load_context)
    return definitions.get_assets_def(["indicators", "mean_score"])


@dg.asset
def counts(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("broken"):
        raise ValueError(f"patient {CANARY} has no date")


def counted(watch: Watch, *, broken: bool) -> dg.ExecuteInProcessResult:
    tags = {"broken": "yes"} if broken else {}
    return dg.materialize([counts], instance=watch.instance, tags=tags, raise_on_error=False)


def test_a_failing_script_is_one_mail_with_its_card_and_no_patient(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    result = watch.run(mean_score(watch, BROKEN, monkeypatch))
    assert not result.success
    watch.look()
    (message,) = watch.mail.messages
    assert message["Subject"].startswith("[ERROR] indicators/mean_score failed: R error in mean_score.R line 6")
    text = message.get_content()
    assert ">    6 |" in text
    assert "| visits | validated.visits |" in text
    assert "dagster asset materialize --select indicators/mean_score" in text
    assert f"{UI}/runs/{result.run_id}" in text
    for sent in (str(message), json.dumps(watch.hook.bodies), caplog.text):
        assert CANARY not in sent
    watch.mails()
    watch.run(mean_score(watch, BROKEN, monkeypatch))  # still broken
    watch.look()
    watch.look()
    assert watch.mails() == []
    assert watch.run(mean_score(watch, REPAIRED, monkeypatch)).success
    watch.look()
    (over,) = watch.mails()
    assert over.startswith("[RESOLVED] indicators/mean_score failed: R error in mean_score.R line 6")


def test_another_error_is_told_by_its_type_as_its_message_may_quote_a_row(watch: Watch) -> None:
    counted(watch, broken=True)
    watch.look()
    (message,) = watch.mail.messages
    assert message["Subject"] == "[ERROR] counts failed: ValueError"
    assert CANARY not in str(message) + json.dumps(watch.hook.bodies)


def test_what_the_platform_says_of_a_failure_is_told_without_what_it_quotes(watch: Watch) -> None:
    @dg.asset
    def needs_more() -> None:
        raise dg.Failure(f"load population first; found '{CANARY}'", allow_retries=False)

    watch.run(needs_more)
    watch.look()
    assert watch.mails() == ["[ERROR] needs_more failed: load population first; found '...'"]


def test_what_failed_and_went_well_before_anybody_looked_is_no_news(watch: Watch) -> None:
    counted(watch, broken=True)
    counted(watch, broken=False)
    assert watch.look().runs == 2
    assert watch.mails() == []


def test_two_steps_that_fail_are_two_incidents_and_a_step_behind_them_none(watch: Watch) -> None:
    @dg.asset
    def first() -> None:
        raise KeyError("x")

    @dg.asset
    def second() -> None:
        raise TypeError("y")

    @dg.asset(deps=[first])
    def third() -> None:
        return

    watch.run(first, second, third)
    watch.look()
    assert sorted(watch.mails()) == ["[ERROR] first failed: KeyError", "[ERROR] second failed: TypeError"]


def test_a_job_without_assets_is_told_by_its_own_name(watch: Watch) -> None:
    @dg.op
    def tidy() -> None:
        raise OSError("disk")

    @dg.job
    def nightly() -> None:
        tidy()

    nightly.execute_in_process(instance=watch.instance, raise_on_error=False)
    assert [a.subject for a in watch.look().wrong] == ["nightly/tidy"]


def test_a_run_whose_process_was_lost_is_told_and_over_when_the_job_runs_again(watch: Watch) -> None:
    @dg.op
    def work() -> None:
        return

    @dg.job
    def weekly() -> None:
        work()

    run = watch.instance.create_run_for_job(weekly)
    watch.instance.report_run_failed(run)
    watch.look()
    assert watch.mails() == ["[ERROR] weekly ended without a failed step"]
    weekly.execute_in_process(instance=watch.instance)
    watch.look()
    assert watch.mails() == ["[RESOLVED] weekly ended without a failed step"]


LONG = """
import time
from pathlib import Path
import dagster as dg

@dg.op
def sleeps() -> None:
    Path("started").touch()
    time.sleep(60)

@dg.job(executor_def=dg.in_process_executor)
def long():
    sleeps()
"""


def test_a_run_that_somebody_stopped_is_no_failure(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    (tmp_path / "long.py").write_text(LONG)
    run = subprocess.Popen(
        [Path(sys.executable).with_name("dagster"), "job", "execute", "-f", "long.py", "-j", "long"],
        cwd=tmp_path,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "started").exists():
        assert run.poll() is None
        time.sleep(0.05)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        watch.instance = instance
        instance.report_run_canceling(instance.get_runs()[0])  # as the UI's "terminate" does
        run.send_signal(signal.SIGTERM)
        run.wait()
        (stopped,) = instance.get_runs()
        assert stopped.status == dg.DagsterRunStatus.CANCELED
        failures = instance.get_records_for_run(stopped.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        assert len(failures) == 1
        seen = watch.look()
    assert (seen.runs, seen.wrong) == (1, ())


def test_a_failed_check_of_a_successful_run_is_told_and_over_when_it_passes(watch: Watch) -> None:
    passes = {"quarantine_rate": False}

    @dg.asset(name="lab", check_specs=[dg.AssetCheckSpec("quarantine_rate", asset="lab")])
    def checked() -> dg.MaterializeResult:
        description = "12 of 20 rows quarantined (60.0%; limit 5.0% per delivery)"
        result = dg.AssetCheckResult(
            check_name="quarantine_rate", passed=passes["quarantine_rate"], description=description
        )
        return dg.MaterializeResult(check_results=[result])

    assert watch.run(checked).success
    watch.look()
    (message,) = watch.mail.messages
    assert "12 of 20 rows quarantined" in message.get_content()
    assert f"{UI}/assets/lab?view=checks" in message.get_content()
    assert watch.mails() == ["[ERROR] lab: the check quarantine_rate failed"]
    watch.run(checked)
    watch.look()
    assert watch.mails() == []
    passes["quarantine_rate"] = True
    watch.run(checked)
    watch.look()
    assert watch.mails() == ["[RESOLVED] lab: the check quarantine_rate failed"]


def test_a_check_that_only_warns_is_a_line_on_the_log_and_calls_nobody(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    passes = {"drift": False}

    @dg.asset(name="lab", check_specs=[dg.AssetCheckSpec("drift", asset="lab")])
    def checked() -> dg.MaterializeResult:
        severity = dg.AssetCheckSeverity.WARN
        result = dg.AssetCheckResult(check_name="drift", passed=passes["drift"], severity=severity)
        return dg.MaterializeResult(check_results=[result])

    def lines() -> list[tuple[str, str, str]]:
        found = [json.loads(r.message) for r in caplog.records if r.name == "platform.alerts"]
        caplog.clear()
        return [(line["severity"], line["state"], line["subject"]) for line in found]

    with caplog.at_level(logging.INFO, logger="platform.alerts"):
        watch.run(checked)
        watch.look()
        assert lines() == [("WARNING", "open", "lab:drift")]
        passes["drift"] = True
        watch.run(checked)
        watch.look()
        assert lines() == [("INFO", "closed", "lab:drift")]
    assert watch.mails() == []


# ---------------------------------------------------------------------------------------------------- slow runs


@dg.op
def wait() -> None:
    return


@dg.job
def hourly() -> None:
    wait()


def started(watch: Watch) -> dg.DagsterRun:
    """A run of `hourly` that has started and goes on."""
    run = watch.instance.create_run_for_job(hourly)
    kind = dg.DagsterEventType.RUN_START
    watch.instance.report_dagster_event(dg.DagsterEvent(kind.value, hourly.name), run.run_id)
    return run


def test_a_run_that_takes_much_longer_than_the_last_ones_is_told_once_and_over_when_it_ends(watch: Watch) -> None:
    for _ in range(3):
        hourly.execute_in_process(instance=watch.instance)
    run = started(watch)
    now = dt.datetime.now(dt.UTC)
    watch.look(now + dt.timedelta(minutes=9))
    assert watch.mails() == []
    watch.look(now + dt.timedelta(minutes=11))
    watch.look(now + dt.timedelta(minutes=12))
    assert watch.mails() == ["[WARNING] hourly is slow or hangs: for more than 10 minutes now"]
    watch.instance.report_run_canceled(run)
    watch.look(now + dt.timedelta(minutes=13))
    assert watch.mails() == ["[RESOLVED] hourly is slow or hangs: for more than 10 minutes now"]


def test_a_run_without_predecessors_is_slow_after_the_longest_time_that_is_allowed(watch: Watch) -> None:
    started(watch)
    watch.environment["PLATFORM_SLOW_MOST_MINUTES"] = "60"
    now = dt.datetime.now(dt.UTC)
    assert watch.look(now + dt.timedelta(minutes=59)).wrong == ()
    (alert,) = watch.look(now + dt.timedelta(minutes=61)).wrong
    assert "60 minutes is the limit" in alert.text


def test_a_run_that_nobody_takes_from_the_queue_is_told(watch: Watch) -> None:
    watch.instance.create_run_for_job(hourly)
    now = dt.datetime.now(dt.UTC)
    assert watch.look(now + dt.timedelta(minutes=59)).wrong == ()
    (alert,) = watch.look(now + dt.timedelta(minutes=61)).wrong
    assert alert.title == "hourly waits for its turn: for more than 60 minutes now"


@pytest.mark.parametrize(
    ("earlier", "minutes"),
    [([], 240), ([600, 600], 240), ([600, 600, 600], 30), ([60, 60, 6000], 10), ([7200, 7200, 7200], 240)],
)
def test_the_limit_follows_the_median_between_two_bounds(earlier: list[float], minutes: float) -> None:
    assert SlowRule().limit(earlier) == dt.timedelta(minutes=minutes)
