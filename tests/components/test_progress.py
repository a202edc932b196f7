"""What `make run` shows of a run's log: of every step that failed, why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRESS = Path(__file__).parents[2] / "scripts" / "progress.py"
STEP = "2026-01-05 06:00:00 +0000 - dagster - {level} - weekly - 0a1b - {rest}"
FAILURE = "dagster._core.definitions.events.Failure: "


def shown(*lines: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(PROGRESS)], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def failed(step: str, *reasons: str) -> list[str]:
    said = [
        STEP.format(level="ERROR", rest=f'77 - {step} - STEP_FAILURE - Execution of step "{step}" failed.'),
        "",
        f"{reasons[0]}",
        "",
        "Stack Trace:",
        '  File "somewhere.py", line 1, in somewhere',
    ]
    for reason in reasons[1:]:
        said += ["", "The above exception was caused by the following exception:", reason, "", "Stack Trace:"]
    return said


def test_a_step_that_says_nothing_itself_is_shown_with_its_reason() -> None:
    problem = 'one.R line 4: @owner is "Anna"; write team:name or an e-mail address'
    run_failed = [STEP.format(level="ERROR", rest="77 - RUN_FAILURE - Steps failed."), "", FAILURE + problem]
    assert shown(*failed("indicators__one", FAILURE + problem), *run_failed) == [f"  ERROR indicators/one: {problem}"]


def test_the_cause_of_an_exception_is_shown() -> None:
    lines = failed(
        "indicators__one", "dagster.SomeError: Error occurred while executing op", "ValueError: no such thing"
    )
    assert shown(*lines) == [
        "  ERROR indicators/one: dagster.SomeError: Error occurred while executing op",
        "  ERROR indicators/one: ValueError: no such thing",
    ]


def test_a_failure_card_is_shown_once() -> None:
    card = [STEP.format(level="ERROR", rest="indicators__one - one: R error in one.R line 3"), "", "  object not found"]
    lines = failed("indicators__one", FAILURE + "one: R error in one.R line 3: object not found")
    assert shown(*card, *lines) == ["  ERROR one: R error in one.R line 3", "      object not found"]


def test_what_dagster_says_of_its_own_work_is_left_out() -> None:
    quiet = [
        STEP.format(level="DEBUG", rest="77 - indicators__one - STEP_START - Started execution of step."),
        STEP.format(level="DEBUG", rest="77 - RUN_START - Started execution of run."),
    ]
    told = STEP.format(level="WARNING", rest="raw__lab - lab: 3 rows are late")
    assert shown(*quiet, told) == ["  warning: lab: 3 rows are late"]
