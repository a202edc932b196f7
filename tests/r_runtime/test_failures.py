"""One script for each way to fail: the card says what happened, where, and what to do."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resources.r_child.kinds import kinds
from resources.r_runtime import Event, FailureCard, InputTable, RRuntime
from resources.r_runtime.runtime import HARNESS
from resources.text.markdown import unescaped
from tests.r_runtime.conftest import CANARIES, SCRIPTS, RunScript
from tests.r_runtime.expected import EXPECTED, Expected

PROJECT = SCRIPTS.parents[3]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.script)
def test_the_card_says_what_happened_and_where(expected: Expected, run: RunScript) -> None:
    ran = run(expected.script)

    card = ran.failure()
    assert card.kind == expected.kind
    assert expected.message in card.message
    assert _marked(card) == expected.marked
    if expected.marked is not None:
        assert card.file == (expected.file or f"{expected.script}.R")
        assert card.line == next(line.number for line in card.code if line.marked)
    if expected.stack:
        assert _stack(card) == expected.stack
    assert len(card.warnings) == expected.warnings
    _is_complete(card)
    assert not [canary for canary in CANARIES if canary in ran.everything]


@pytest.mark.parametrize(
    ("script", "marked", "stack"),
    [
        ("loops_in_r", None, ("loops_in_r(visits) @", "count(0) @ loops_in_r.R:12")),
        ("sleeps", "Sys.sleep(1000)", ("sleeps(visits) @", "Sys.sleep(1000) @ sleeps.R:5")),
        (
            "loops_in_c",
            "x %*% x|product <- multiply(3000)",  # as it is stopped before or during the product
            ("loops_in_c(visits) @", "multiply(3000) @ loops_in_c.R:10"),
        ),
        (
            "waits_for_a_program",
            'system("sleep 1000")',
            ("waits_for_a_program(visits) @", 'system("sleep 1000") @ waits_for_a_program.R:5'),
        ),
    ],
)
def test_a_run_that_does_not_end_is_stopped_and_shows_where_it_was(
    script: str, marked: str | None, stack: tuple[str, ...], run: RunScript
) -> None:
    ran = run(script, RRuntime(timeout_seconds=4, grace_seconds=1))

    card = ran.failure()
    assert card.kind == "timeout"
    assert card.message == "stopped after 4 seconds"
    assert card.seconds < 10
    assert _stack(card) == stack
    if marked:
        assert _marked(card) in marked.split("|")
    else:  # interrupted on whichever line of the loop R was
        assert card.file == f"{script}.R"
        assert card.line in (5, 6)
    _is_complete(card)


def test_a_script_that_needs_too_much_memory_is_told_so(run: RunScript) -> None:
    card = run("memory", RRuntime(timeout_seconds=60, memory_limit_mb=1024)).failure()

    assert card.kind == "memory"
    assert "cannot allocate vector of size" in card.message
    assert _marked(card) == "parts[[i]] <- runif(1e7)"
    assert card.peak_mb < 1024
    _is_complete(card)


def test_the_one_command_of_the_card_repeats_the_failure(run: RunScript) -> None:
    card = run("helper_error").failure()

    command = shlex.split(card.reproduce)
    repeated = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert repeated.returncode == 1
    assert "helper_error: R error in rates.R line 4" in repeated.stdout
    assert "snapshot 4711" in repeated.stdout


def test_the_command_succeeds_once_the_script_is_mended(run: RunScript, tmp_path: Path) -> None:
    card = run("fraction").failure()
    request = Path(shlex.split(card.reproduce)[-1]) / "request.json"
    mended = tmp_path / "indicators" / "fraction.R"
    mended.parent.mkdir()
    script = SCRIPTS / "fraction.R"
    mended.write_text(script.read_text(encoding="utf-8").replace("2.5", "3"), encoding="utf-8")
    request.write_text(request.read_text(encoding="utf-8").replace(str(script), str(mended)), encoding="utf-8")

    repeated = subprocess.run(
        [sys.executable, "-m", "resources.r_runtime", str(request.parent)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=PROJECT,
    )

    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert repeated.stdout.startswith("3 rows in ")


def test_the_command_says_so_when_the_tables_are_gone(run: RunScript) -> None:
    card = run("fraction").failure()
    card.inputs["visits"].path.unlink()

    command = shlex.split(card.reproduce)
    repeated = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert repeated.returncode == 2
    assert "the files of input visits are gone" in repeated.stderr


def test_a_failed_run_leaves_no_data_behind(run: RunScript, tmp_path: Path) -> None:
    run("plot_error")

    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["card.txt", "request.json"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_markdown_card_holds_the_same_facts(run: RunScript) -> None:
    page = unescaped(run("helper_error").failure().markdown())

    assert page.startswith("**helper_error: R error in rates.R line 4**")
    assert '>    4 |     stop("a population of zero has no rate")' in page
    assert "| per_100(i, 0) | helper_error.R line 9 |" in page
    assert "| visits | validated/visits | snapshot 4711 | 3 rows |" in page
    assert "| three visits have no date | helper_error.R line 7 |" in page


def test_an_error_in_the_log_handler_still_ends_the_child(run: RunScript, tmp_path: Path) -> None:
    """The caller may be interrupted while it handles an event, as when a Dagster run is cancelled."""

    class Cancelled(BaseException):
        pass

    from platform_assets.indicators import read_indicator

    visits = InputTable(tmp_path / "visits.parquet", "validated/visits", "4711", 3)

    def cancel(event: Event) -> None:
        if event.text == "starting":
            raise Cancelled

    with pytest.raises(Cancelled):
        RRuntime().run(read_indicator(SCRIPTS / "loops_in_r.R"), {"visits": visits}, {}, tmp_path / "runs", cancel)

    assert not _processes_that_mention(str(tmp_path))


def _processes_that_mention(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if text in command:
                found.append(command)
    return found


def _marked(card: FailureCard) -> str | None:
    return next((line.text.strip() for line in card.code if line.marked), None)


def _stack(card: FailureCard) -> tuple[str, ...]:
    calls = (f"{f.call} @ {f.file}:{f.line}" if f.file else f"{f.call} @" for f in card.stack)
    return tuple(re.sub(r"\(\d{3,} times\)", "(N times)", call) for call in calls)


def _is_complete(card: FailureCard) -> None:
    """Every card tells inputs with snapshot and rows, session, sandbox, advice where there is any, one command."""
    text = card.text()
    assert re.search(r"visits +validated/visits +snapshot 4711 +3 rows", text)
    assert f"R {card.session.r}" in text
    assert re.fullmatch(r"\d+\.\d+\.\d+", card.session.r)
    assert card.sandbox
    assert card.sandbox in text
    assert card.code_version in text
    assert card.advice in text
    assert text.rstrip().endswith(card.reproduce)
    assert "\n" not in card.reproduce
    assert card.headline == text.splitlines()[0]
    assert card.summary.startswith(f"{card.headline}: ")
    assert "\n" not in card.summary
    assert dataclasses.replace(card, message="").text() != text


@pytest.mark.parametrize(
    "script",
    ["own_error", "builtin_error", "helper_error", "wrong_type", "returns_null", "syntax", "missing_package"],
)
def test_an_author_without_the_platform_sees_the_same_words(script: str, run: RunScript, tmp_path: Path) -> None:
    samples = tmp_path / "sample"
    samples.mkdir()
    (samples / "visits.csv").write_text(
        "patient,visit_date,age,score\nA,2019-03-17,47,1.5\nB,1987-11-30,83,2\nC,2001-06-08,,3\n",
        encoding="utf-8",
    )
    program = (
        f'source("{PROJECT}/r_scripts/dev.R"); '
        f'tryCatch(run_indicator("{script}", folder = "{SCRIPTS}", samples = "{samples}"), '
        'error = function(e) cat("CARD", conditionMessage(e), sep = ""))'
    )
    done = subprocess.run(["Rscript", "--vanilla", "-e", program], capture_output=True, text=True, check=True)

    card = run(script).failure()

    only_there = ("Inputs\n", "Parameters\n", "Ran with\n", "Reproduce\n")
    platform_card = "\n\n".join(
        block for block in re.split(r"\n\n(?=\S)", card.text()) if not block.startswith(only_there)
    )
    assert done.stdout.partition("CARD")[2] == platform_card


def test_every_kind_of_failure_has_its_words_and_both_cards_take_them_from_one_table() -> None:
    assert all(kind.title for kind in kinds().values())
    reported = {name for name, kind in kinds().items() if kind.by_r}
    harness = {file.name: file.read_text(encoding="utf-8") for file in HARNESS.glob("*.R")}
    raised = set(re.findall(r'fail\(\s*"(\w+)"', "".join(harness.values())))
    raised |= set(re.findall(r'\) "(\w+)"\n', harness["failures.R"]))  # kind_of()
    assert len(raised) > 5
    assert raised <= reported
    program = (
        f'source("{PROJECT}/r_scripts/dev.R"); '
        "cat(jsonlite::toJSON(setNames(as.list(dev$failure_kinds()$advice), dev$failure_kinds()$kind), auto_unbox = TRUE))"
    )
    done = subprocess.run(["Rscript", "--vanilla", "-e", program], capture_output=True, text=True, check=True)
    advice = json.loads(done.stdout)
    assert raised <= set(advice)
    # an author's own R has no limits and no channel, and fails in sight; a header is read before the platform runs anything
    assert set(advice) - set(kinds()) == {"header"}
    assert set(kinds()) - set(advice) == set(kinds()) - reported | {"platform"}
    assert all(kinds()[kind].advice == text for kind, text in advice.items() if kind != "header")


STARTS_A_LOOP = """
import sys
import time
from pathlib import Path
from platform_assets.indicators import read_indicator
from resources.r_runtime import InputTable, RRuntime
script, visits, folder = sys.argv[1:]
table = InputTable(Path(visits), "validated/visits", "1", 3)
RRuntime().run(read_indicator(script), {"visits": table}, {}, Path(folder), lambda event: print(event, flush=True))
"""


def test_a_killed_platform_leaves_no_r_behind(visits: InputTable, tmp_path: Path) -> None:
    script, folder = SCRIPTS / "loops_in_r.R", tmp_path / "runs"
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_LOOP, str(script), str(visits.path), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as platform:
        assert platform.stdout is not None
        while "starting" not in platform.stdout.readline():
            assert platform.poll() is None
        assert _processes_that_mention(str(folder))
        platform.kill()

    deadline = time.monotonic() + 5
    while _processes_that_mention(str(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _processes_that_mention(str(folder))


def test_the_card_notes_columns_that_are_not_there(run: RunScript) -> None:
    ran = run("misspells")
    card = ran.failure()
    assert (card.message, card.line) == ("argument is of length zero", 6)
    message = "visits$agge: the @input line has no column agge; it has patient, age"
    assert [(note.message, note.file, note.line) for note in card.notes] == [(message, "misspells.R", 5)]
    assert [str(event) for event in ran.events if event.level == "note"] == [f"{message}  [misspells.R:5]"]
    assert f"Notes on the script (1)\n  {message}  misspells.R line 5" in card.text()
    assert "**Notes on the script** (1)" in unescaped(card.markdown())
