"""A run that succeeds: what it gives back, what it says meanwhile, what it leaves behind."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import threading
import time
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.indicators import read_indicator
from platform_assets.indicators.schema import output_schema
from resources.r_child.reader import rewrite
from resources.r_child.types import arrow_schema
from resources.r_runtime import Event, IndicatorFailed, InputTable, RRuntime
from resources.r_runtime.runtime import HARNESS
from tests.r_runtime.conftest import SCRIPTS, VISITS, RunScript


def test_the_declared_columns_go_in_and_come_out(run: RunScript) -> None:
    ran = run("copies")

    assert ran.rows() == VISITS.drop_columns("not_declared").to_pylist()


def test_the_output_has_the_declared_types_and_passes_its_pandera_schema(run: RunScript) -> None:
    import pandas as pd

    result = run("copies").result
    assert result is not None
    table = pq.read_table(result.output)

    types = {"patient": "text", "visit_date": "date", "age": "integer", "score": "number"}
    assert table.schema.remove_metadata() == arrow_schema(types)
    output_schema(read_indicator(SCRIPTS / "copies.R")).validate(table.to_pandas(types_mapper=pd.ArrowDtype))
    assert result.rows == table.num_rows == 3


def test_a_run_tells_what_it_ran_with(run: RunScript) -> None:
    result = run("draws").result

    assert result is not None
    assert result.session.r.startswith("4.")
    assert result.session.packages["ggplot2"][0].isdigit()
    assert (result.session.locale, result.session.timezone) == ("C.UTF-8", "UTC")
    assert 0 < result.seconds < 60
    assert 50 < result.child_peak_mb < 1000
    assert result.parent_peak_mb > 10
    assert result.sandbox


def test_messages_and_warnings_arrive_while_the_script_runs(run: RunScript, visits: InputTable, tmp_path: Path) -> None:
    arrived: list[tuple[float, str]] = []

    def note(event: Event) -> None:
        arrived.append((time.monotonic(), str(event)))

    RRuntime().run(read_indicator(SCRIPTS / "talks.R"), {"visits": visits}, {}, tmp_path / "runs", note)

    steps = [moment for moment, text in arrived if text.startswith("step")]
    assert len(steps) == 3
    assert all(later - earlier > 0.2 for earlier, later in itertools.pairwise(steps))
    assert "step 2 of 3  [talks.R:6]" in [text for _, text in arrived]
    assert arrived[-1][1] == "2 printed lines are not shown; use message() for progress"


def test_what_a_script_prints_is_counted_and_never_shown(run: RunScript) -> None:
    ran = run("quotes_patients")

    assert ran.said == [
        "first patient: <value>",
        "checking row 2 of 3",
        "patient <value> aged <value> came on <value>",
        "4 printed lines are not shown; use message() for progress",
    ]


def test_an_error_that_the_script_handles_is_no_failure(run: RunScript) -> None:
    ran = run("handles_errors")

    assert ran.rows() == [{"n": 7}]
    assert ran.said == []


def test_a_question_gets_no_answer_and_does_not_hang(run: RunScript) -> None:
    assert run("asks").rows() == [{"n": 0}]


def test_parameters_arrive_typed(run: RunScript) -> None:
    moment = datetime(2021, 5, 4, 3, 2, 1)

    rows = run("with_params", must=3, yes=False, until=date(2021, 1, 2), at=moment, word=None).rows()

    assert {row["name"]: (row["class"], row["value"]) for row in rows} == {
        "word": ("character", "NA"),
        "n": ("integer", "5"),
        "x": ("numeric", "1.5"),
        "yes": ("logical", "FALSE"),
        "until": ("Date", "2021-01-02"),
        "at": ("POSIXct", "2021-05-04 03:02:01"),
        "must": ("integer", "3"),
    }


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, 'parameter "must" has no default: give must=<value>, or end its @param line with ", default <value>"'),
        ({"must": "many"}, 'parameter must: "many" is not a whole number such as 5'),
        ({"must": 1, "until": "1 May"}, 'parameter until: "1 May" is not a date: write it as 2020-03-01'),
        (
            {"must": 1, "nutil": 1},
            'unknown parameter "nutil"; the parameters are: word, n, x, yes, until, at, must',
        ),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(params: dict[str, object], message: str, run: RunScript) -> None:
    card = run("with_params", **params).failure()

    assert (card.kind, card.message) == ("arguments", message)


def test_the_same_seed_order_and_time_zone_every_time(run: RunScript) -> None:
    first, second = run("random"), run("random")

    assert first.result is not None
    assert second.result is not None
    assert first.result.output.read_bytes() == second.result.output.read_bytes()
    rows = first.rows()
    assert [row["word"] for row in rows] == ["A", "a", "b", "é"]
    assert {row["hour"] for row in rows} == {12}


def test_plots_are_kept_as_svg_and_png(run: RunScript) -> None:
    ran = run("draws")

    assert ran.result is not None
    assert {name: plot.title for name, plot in ran.result.plots.items()} == {
        "bars": "Bars by age",
        "lines": "Lines",
        "recorded": "Recorded",
    }
    for plot in ran.result.plots.values():
        svg = plot.svg.read_text(encoding="utf-8")
        assert svg.startswith("<?xml")
        assert svg.count("<path") > 3
        assert plot.png.read_bytes().startswith(b"\x89PNG")
        assert plot.png.stat().st_size > 2000
    # one warning for the two drawings of one plot
    assert len(ran.result.warnings) == 1


def test_an_input_that_lacks_a_declared_column_fails_with_its_name(
    run: RunScript, visits: InputTable, tmp_path: Path
) -> None:
    pq.write_table(VISITS.drop_columns("score"), visits.path)

    card = run("copies").failure()

    assert card.kind == "input"
    assert card.message.startswith('input visits: the table has no column "score"; it has patient,')


def test_an_input_of_another_type_fails_with_its_name(run: RunScript, visits: InputTable) -> None:
    pq.write_table(VISITS.set_column(2, "age", pa.array(["47", "83", None])), visits.path)

    card = run("copies").failure()

    assert (card.kind, card.message) == (
        "input",
        'input visits: column "age" is <text> in the table, @input says <integer>',
    )


def test_an_input_that_was_not_given_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="copies needs the input tables visits"):
        RRuntime().run(read_indicator(SCRIPTS / "copies.R"), {}, {}, tmp_path, lambda event: None)


def test_an_older_output_is_never_taken_for_a_new_one(run: RunScript, tmp_path: Path) -> None:
    earlier = run("well_behaved").result
    assert earlier is not None

    failed = run("fraction")
    again = run("well_behaved").result

    assert failed.result is None
    assert again is not None
    assert again.folder != earlier.folder
    assert earlier.output.is_file()


def test_what_the_harness_let_through_the_exchange_still_refuses(visits: InputTable, tmp_path: Path) -> None:
    harness = tmp_path / "harness"
    shutil.copytree(HARNESS, harness)
    with (harness / "contract.R").open("a", encoding="utf-8") as file:
        file.write("check_result <- function(value, spec) list(data = value[names(spec$outputs)])\n")
    indicator = read_indicator(SCRIPTS / "copies.R")
    outputs = {**indicator.outputs, "score": dataclasses.replace(indicator.outputs["score"], type="text")}

    with pytest.raises(IndicatorFailed) as failed:
        RRuntime(harness=harness).run(
            dataclasses.replace(indicator, outputs=outputs),
            {"visits": visits},
            {},
            tmp_path / "runs",
            lambda event: None,
        )

    assert failed.value.card.kind == "wrong_output"
    assert failed.value.card.message == 'column "score" left R as double, which is not <text>'


def test_the_reader_checks_the_files_itself(run: RunScript, tmp_path: Path) -> None:
    result = run("draws").result
    assert result is not None
    received = result.output.parent
    columns = {c.name: c.type for c in read_indicator(SCRIPTS / "draws.R").outputs.values()}

    def problem(rows: int = 1, most: tuple[int, int] = (10, 1)) -> str | None:
        output = tmp_path / "again"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        return rewrite(received, output, columns, list(result.plots), rows, most)

    assert problem() is None
    assert problem(2) == "the output file does not have the number of rows that the child reported"
    assert str(problem(most=(0, 1))).startswith("the table has more than 0 rows: ")
    assert str(problem(most=(10, 0))).startswith("the table holds more than 0 MB: ")
    (received / "lines.svg").write_text("<svg/>")
    assert problem() == "the plot lines.svg holds an element <svg>, which a plot must not"
    pq.write_table(pa.table({"n": ["1"]}), result.output)
    assert problem() == "the output file does not have the declared columns and types"
    result.output.write_bytes(b"PAR1")
    assert problem() == "the output file is not readable Parquet"


def test_programs_that_a_script_leaves_running_are_ended(run: RunScript) -> None:
    run("leaves_processes").rows()

    assert not _running("sleep", "987")
    assert not _running("sleep", "988")


def test_the_environment_of_the_platform_does_not_reach_the_script(
    run: RunScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDONYM_KEY", "do-not-tell")
    monkeypatch.setenv("R_PROFILE_USER", "/somewhere")

    seen = {row["name"]: row["value"] for row in run("shows_environment").rows()}

    assert "PSEUDONYM_KEY" not in seen
    assert "do-not-tell" not in seen.values()
    assert "R_PROFILE_USER" not in seen
    assert (seen["TZ"], seen["LC_ALL"], seen["OMP_NUM_THREADS"]) == ("UTC", "C.UTF-8", "1")


def test_runs_side_by_side_do_not_disturb_each_other(visits: InputTable, tmp_path: Path) -> None:
    scripts = ["copies", "fraction", "random", "well_behaved", "own_error", "copies"]
    outcomes: dict[int, str] = {}

    def one(number: int, script: str) -> None:
        try:
            RRuntime().run(
                read_indicator(SCRIPTS / f"{script}.R"),
                {"visits": visits},
                {},
                tmp_path / "runs",
                lambda event: None,
            )
            outcomes[number] = "ok"
        except IndicatorFailed as failed:
            outcomes[number] = failed.card.kind

    threads = [threading.Thread(target=one, args=job) for job in enumerate(scripts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [outcomes[number] for number in range(6)] == ["ok", "wrong_output", "ok", "ok", "error", "ok"]


def test_the_code_location_does_not_load_r_or_arrow_to_know_the_runtime() -> None:
    import subprocess
    import sys

    code = (
        "import sys, resources.r_runtime, platform_assets.indicators\n"
        "print([m for m in ('pyarrow', 'pandas', 'numpy', 'rpy2', 'pandera') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def _running(*words: str) -> bool:
    wanted = b"\0".join(word.encode() for word in words)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False


@pytest.mark.parametrize("memory_limit_mb", [550, 700])
def test_an_input_that_does_not_fit_the_memory_limit_is_a_failure_of_memory(
    memory_limit_mb: int, run: RunScript, visits: InputTable
) -> None:
    """With little room Arrow cannot read the column, with a little more R cannot hold it."""
    rows = 12_000_000
    wide = pa.table(
        {
            "patient": pa.nulls(rows, pa.string()),
            "visit_date": pa.nulls(rows, pa.date32()),
            "age": pa.nulls(rows, pa.int64()),
            "score": pa.nulls(rows, pa.float64()),
        }
    )
    pq.write_table(wide, visits.path, compression="zstd")

    card = run("well_behaved", RRuntime(memory_limit_mb=memory_limit_mb)).failure()

    assert card.kind == "memory", card.text()
    assert "memory" in card.message or "cannot allocate" in card.message
