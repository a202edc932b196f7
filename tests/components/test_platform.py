"""The whole platform as Dagster sees it, on sample data: definitions, the weekly job, what the UI shows, and what must not leak."""

from __future__ import annotations

import datetime as dt
import io
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from platform_assets.definitions import build_definitions
from platform_assets.exports import GROUP as EXPORTS
from platform_assets.releases import reading
from platform_assets.sample import write as write_sample
from platform_assets.sample.operations import INFECTED, POOR_OUTCOMES, REVISED
from platform_assets.summary import SHAPES, summary
from resources.environment import INDICATORS, Platform, Settings, resources_for
from resources.text.markdown import unescaped

UNTIL = dt.date(2026, 3, 16)
CANARY = "CANARY4711"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A laptop platform whose landing holds the sample data, with a canary among the identifiers of lab_results."""
    home = tmp_path_factory.mktemp("home")
    write_sample(home, UNTIL)
    return resources_for("laptop", Settings(home=home, settle_seconds=0))


@pytest.fixture(scope="module")
def weekly(sampled: Platform) -> Iterator[tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]]:
    job = build_definitions({"platform": sampled}).resolve_job_def("weekly")
    with dg.DagsterInstance.ephemeral() as instance:
        yield job.execute_in_process(instance=instance, raise_on_error=False), instance


def _definitions(platform: Platform) -> dg.Definitions:
    return build_definitions({"platform": platform})


def test_the_weekly_job_loads_checks_computes_and_publishes_everything(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    result, _ = weekly
    assert result.success
    made = {tuple(e.asset_key.path) for e in result.get_asset_materialization_events() if e.asset_key}
    expected = {tuple(k.path) for k in _definitions(sampled).resolve_asset_graph().materializable_asset_keys}
    assert made == {path for path in expected if path[0] != EXPORTS}  # these have windows, and runs of their own
    failed = [
        (e.asset_key.to_user_string(), e.check_name, e.description)
        for e in result.get_asset_check_evaluations()
        if not e.passed
    ]
    warned = {"drift", "freshness", "cumulative", "rules"}
    assert [f for f in failed if f[1] not in warned] == []
    assert not list((sampled.settings.home / "landing").rglob("*.csv"))


def test_nothing_new_changes_nothing_and_runs_no_r(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    _, instance = weekly
    with sampled.warehouse.connect(read_only=True) as connection:
        before = connection.execute("SELECT * FROM platform.ledger ORDER BY ALL").fetchall()
        made = connection.execute("SELECT * FROM platform.receipts ORDER BY ALL").fetchall()
    again = _definitions(sampled).resolve_job_def("weekly").execute_in_process(instance=instance)
    assert again.success
    with sampled.warehouse.connect(read_only=True) as connection:
        assert connection.execute("SELECT * FROM platform.ledger ORDER BY ALL").fetchall() == before
        assert connection.execute("SELECT * FROM platform.receipts ORDER BY ALL").fetchall() == made


def test_what_is_computed_follows_a_table_that_changed_and_is_left_alone_otherwise(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    _, instance = weekly
    definitions = _definitions(sampled)

    def tick(cursor: Any) -> tuple[set[str], Any]:
        found = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
        return {r.key.to_user_string() for r in found.results if r.true_subset.size}, found.cursor

    assert tick(None)[0] == set()  # all was made by the weekly run
    _, cursor = tick(None)
    instance.report_runless_asset_event(dg.AssetMaterialization(["validated", "population"]))
    requested, cursor = tick(cursor)
    assert requested == {"indicators/admissions_by_province", "products/drawn_counts", "products/releases"}
    assert tick(cursor)[0] == set()


def test_every_asset_tells_what_it_is(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    result, _ = weekly
    graph = _definitions(sampled).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = key.to_user_string()
        assert node.description, name
        assert node.owners, name
        assert node.kinds, name
        assert node.group_name == key.path[0], name
        if key.path[0] != "landing":
            assert "dagster/column_schema" in node.metadata or key.path[0] in ("products", EXPORTS), name
    personal = {
        "client_sales_by_type",
        "daily_sales",
        "deep_infections",
        "hip_revisions",
        "positivity_by_laboratory",
        "standardised_admissions",
        "textbook_outcome",
        "turnaround",
    }
    for event in result.get_asset_materialization_events():
        assert event.asset_key
        layer, name = event.asset_key.path
        counted = "dagster/row_count" in event.materialization.metadata
        assert counted == (
            (layer, name) not in (("products", "releases"), ("products", "drawn_counts"))
            and not (layer == "indicators" and name in personal)
        )


def test_what_is_computed_of_personal_data_shows_no_number_in_dagster(
    weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance],
) -> None:
    result, instance = weekly
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey(["indicators", "standardised_admissions"]):
            metadata = event.materialization.metadata
            assert "products/releases" in str(metadata["preview"].value)
            assert not [v for v in metadata.values() if "data:image/png" in str(v.value)]
    said = [e.user_message for e in instance.all_logs(result.run_id) if "standardised_admissions: " in e.user_message]
    assert any(
        re.search(r"Case mix: (\(number\)|<value>) stays.*odds of death x (\(number\)|<value>)", text) for text in said
    ), said


def test_the_indicator_shows_its_table_and_a_plot(weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]) -> None:
    result, _ = weekly
    (event,) = [
        e
        for e in result.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey(["indicators", "admissions_by_province"])
    ]
    metadata = event.materialization.metadata
    assert metadata["dagster/row_count"].value == 12
    preview = metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert len(preview.records) == 12
    plots = [
        v.value
        for v in metadata.values()
        if isinstance(v, dg.MarkdownMetadataValue) and "data:image/png" in str(v.value)
    ]
    assert len(plots) == 1


def test_the_release_holds_tables_plots_and_what_they_mean(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    release = reading.current(sampled.store)
    assert release
    (event,) = [
        e for e in weekly[0].get_asset_materialization_events() if e.asset_key == dg.AssetKey(["products", "releases"])
    ]
    assert event.materialization.metadata["release"].value == release.id
    assert set(release.indicators) == {path.stem for path in INDICATORS.glob("*.R")}
    for name, about in release.indicators.items():
        first = release.read(f"{name}/{name}.csv").decode().partition("\r\n")[0]
        assert first == ",".join(f'"{column}"' for column in about["columns"])
        for plot in about["plots"].values():
            assert release.read(f"{name}/{plot['file']}").count(b"<svg") == 1
        assert about["protected"] == (f"{name}/atoms.parquet" in release.files)
        assert about.get("audit", {}).get("verdict", "holds") == "holds"
        assert "rows" not in str(about.get("made_from", ""))


def test_what_the_sample_hides_is_found_in_protected_counts(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    release = reading.current(sampled.store)
    assert release

    def hospitals(indicator: str, label: str) -> set[str]:
        table = pd.read_csv(io.BytesIO(release.read(f"{indicator}/{indicator}.csv")))
        return set(table[table["label"].str.contains(label, regex=False)]["organisation"])

    assert hospitals("deep_infections", "concern") == {f"Hospital {INFECTED}"}
    assert hospitals("hip_revisions", "higher (99.8 %)") == {f"Hospital {REVISED}"}
    assert hospitals("textbook_outcome", "lower (99.8 %)") == {f"Hospital {POOR_OUTCOMES}"}


def test_the_summary_names_every_dataset_and_indicator(
    sampled: Platform, weekly: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]
) -> None:
    text = summary(sampled)
    assert SHAPES in text
    for name in ("lab_results", "municipal_admissions", "population", "admissions_by_province", "turnaround"):
        assert name in text


def test_no_identifier_appears_in_any_event_log_metadata_or_error(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    """A canary in good rows, in bad rows, in a broken line and in a refused file, once as the identifier and once elsewhere."""
    folder = platform.settings.home / "landing" / "lab_results"
    folder.mkdir(parents=True)
    head = "sample_id,test_date,result,viral_load,laboratory,clinic\n"
    rows = [
        f"{CANARY}-1,2024-01-01,POS,1,Lab,Clinic",
        f"{CANARY}-2,{CANARY},Positive{CANARY},{CANARY},Lab,Clinic",
        f"{CANARY}/3,2024-01-01,POS,1,Lab,{CANARY * 10}",
        f'"{CANARY}-4,2024-01-01',
        f"{CANARY}\xff,2024-01-01,POS,1,Lab,Clinic",
    ]
    (folder / "a.csv").write_bytes(head.encode() + "\n".join(rows).encode("latin-1") + b"\n")
    (folder / "b.csv").write_text(f"{CANARY},who\n{CANARY},knows\n")
    (folder / "c.csv").write_text(f"{head}{CANARY}-5,2024-01-01,POS,1,Lab,Clinic,{CANARY}\n")
    caplog.set_level(logging.DEBUG)
    definitions = _definitions(platform)
    job = definitions.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey([layer, "lab_results"]) for layer in ("raw", "validated", "quarantine")]
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
        events = "\n".join(str(record) for record in instance.all_logs(result.run_id))
    assert "quarantine" in events
    for text in (events, caplog.text):
        assert CANARY not in text
    with platform.warehouse.connect(read_only=True) as connection:
        assert CANARY in str(connection.execute("SELECT * FROM quarantine.lab_results").fetchall())  # it was there
        for table in ("raw.lab_results", "validated.lab_results", "platform.ledger"):
            shown = connection.execute(
                f"SELECT * EXCLUDE (clinic) FROM {table}" if "raw" in table else f"SELECT * FROM {table}"
            )
            if table == "raw.lab_results":
                assert all(CANARY not in str(row[0]) for row in shown.fetchall())
            else:
                assert CANARY not in str(shown.fetchall())


def test_a_held_delivery_fails_its_check_and_stops_what_depends_on_it(platform: Platform) -> None:
    folder = platform.settings.home / "landing" / "population"
    folder.mkdir(parents=True)
    (folder / "p.csv").write_text("Municipality_code;Municipality_name;Inhabitants\n" + "x;Place;many\n" * 20)
    definitions = _definitions(platform)
    selection = dg.AssetSelection.assets(["validated", "population"]).upstream() | dg.AssetSelection.assets(
        ["indicators", "admissions_by_province"]
    )
    keys = [k for k in selection.resolve(definitions.resolve_asset_graph()) if k.path[0] != "landing"]
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=keys, raise_on_error=False
        )
    made = {e.asset_key.to_user_string() for e in result.get_asset_materialization_events() if e.asset_key}
    assert "validated/population" not in made
    assert "indicators/admissions_by_province" not in made
    checks = {e.check_name: e for e in result.get_asset_check_evaluations() if e.asset_key.path[1] == "population"}
    assert not checks["quarantine_rate"].passed
    assert "20 of 20 rows (100.0%) are wrong" in unescaped(str(checks["quarantine_rate"].description))


def test_a_missing_key_fails_the_step_with_the_way_out(platform: Platform) -> None:
    bare = Platform(
        platform.settings, platform.warehouse, platform.store, resources_for("laptop", platform.settings).keys
    )
    folder = platform.settings.home / "landing" / "hospital_stays"
    folder.mkdir(parents=True)
    (folder / "s.csv").write_text(
        "stay_id,organisation,admission_date,age,length_of_stay,died\nH1,X,2024-01-01,1,1,0\n"
    )
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.delenv("PLATFORM_IDENTITY_KEY_STAY_ID", raising=False)
        result = (
            _definitions(bare)
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey(["validated", "hospital_stays"])], raise_on_error=False
            )
        )
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "python -m resources.identity" in str(failure.event_specific_data)
    assert (folder / "s.csv").exists()


def test_the_sensor_starts_one_run_for_all_files_that_have_stopped_changing(platform: Platform) -> None:
    definitions = _definitions(platform)
    instance = dg.DagsterInstance.ephemeral()
    sensor = definitions.resolve_sensor_def("landing_population")
    folder = platform.settings.home / "landing" / "population"
    folder.mkdir(parents=True)

    def tick(cursor: str | None) -> tuple[list[dg.RunRequest], str | None, str | None]:
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"platform": platform}) as context:
            data = sensor.evaluate_tick(context)
            return list(data.run_requests or []), data.cursor, data.skip_message

    requests, cursor, skipped = tick(None)
    assert (requests, skipped) == ([], "nothing waits in landing/population/")
    for n in range(3):
        (folder / f"{n}.csv").write_text("a")
    (folder / "half.csv.part").write_text("a")
    requests, cursor, skipped = tick(cursor)
    assert requests == []
    assert "3 file(s)" in str(skipped)
    (folder / "0.csv").write_text("ab")  # still growing: the others are taken
    (request,), cursor, _ = tick(cursor)
    assert request.tags["platform/files"] == "2"
    (folder / "0.csv").unlink()
    again, _, _ = tick(cursor)
    assert [r.run_key for r in again] == [request.run_key]  # the same key: Dagster starts no second run
    run = instance.create_run_for_job(definitions.resolve_job_def("weekly"), tags=dict(request.tags))
    again, _, skipped = tick(cursor)
    assert again == []
    assert "a run is taking them" in str(skipped)
    instance.report_run_failed(run)
    again, _, skipped = tick(cursor)
    assert again == []
    assert "left by a failed run" in str(skipped)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platform_assets.components.landing.RETRY_SECONDS", -1)
        (retried,), _, _ = tick(cursor)
    assert retried.run_key != request.run_key
    instance.dispose()
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_the_schedule_runs_on_monday_morning_in_amsterdam(platform: Platform) -> None:
    schedule = _definitions(platform).resolve_schedule_def("weekly_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * 1", "Europe/Amsterdam")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_loading_the_definitions_opens_nothing_and_imports_no_heavy_library() -> None:
    code = (
        "import sys, platform_assets.definitions;"
        "print([m for m in ('pandas', 'ibis', 'pandera', 'pyarrow', 'duckdb', 'rpy2', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_contract_with_a_mistake_is_refused_with_file_line_and_key(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    for name in ("platform_assets", "resources", "r_scripts"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    document = copy / "platform_assets" / "defs" / "surveillance" / "lab_results" / "defs.yaml"
    text = document.read_text()
    document.write_text(text.replace("le: today", "less: today", 1))
    done = subprocess.run(
        [sys.executable, "-c", "import platform_assets.definitions"],
        capture_output=True,
        text=True,
        cwd=copy,
        check=False,
    )
    assert done.returncode != 0
    assert "columns.test_date.less: there is no such key; did you mean le?" in done.stderr
    assert "lab_results/defs.yaml:" in done.stderr


def test_in_the_cluster_every_run_of_assets_has_a_pod_for_each_step(
    sampled: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no process that runs R holds the keys that loads need."""
    assert _executors(sampled) == {"in_process": {"weekly", "landing", "export", "__ASSET_JOB", "erase"}}
    for name, value in {
        "PLATFORM_ENV": "cloud",
        "PLATFORM_BUCKET": "bucket",
        "PLATFORM_LAKE": "gs://bucket/lake",
        "PLATFORM_CATALOG": "postgresql://user@localhost:5432/lake",
        "PLATFORM_IDENTITY_KEYS_DIR": "/etc/platform/identity-keys",
    }.items():
        monkeypatch.setenv(name, value)
    assert _executors(sampled) == {"k8s": {"weekly", "landing", "export", "__ASSET_JOB"}, "in_process": {"erase"}}
    # which runs no R, and holds them
    erase = _definitions(sampled).resolve_job_def("erase")
    assert "platform-identities" in erase.tags["dagster-k8s/config"]
    assert "platform-identities" not in str(_definitions(sampled).resolve_job_def("weekly").tags)


def _executors(sampled: Platform) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for job in _definitions(sampled).get_repository_def().get_all_jobs():
        # a sensor for each dataset and for each export has a job of its own
        name = next((kind for kind in ("landing", "export") if f"{kind}_" in job.name), job.name)
        found.setdefault(job.executor_def.name, set()).add(name)
    return found
