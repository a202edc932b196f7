"""Indicators side by side: what one step runs ahead for others is used only for exactly their work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platform_assets.indicators.ahead import Ahead
from platform_assets.indicators.compute import Work, compute, pending
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.script.header import read_indicator
from resources.r_runtime import Event, IndicatorFailed
from tests.conftest import Bench

HEAD = "sample_id,test_date,result,viral_load\n"


@pytest.fixture
def lab(bench: Callable[..., Bench]) -> Bench:
    made = bench()
    made.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    return made


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], Indicator]:
    """An indicator of a name with a body."""

    def write(name: str, body: str) -> Indicator:
        path = tmp_path / "r" / "indicators" / f"{name}.R"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "#' Title\n#' @input lab  result <text>\n#' @param n <integer> a number, default 1\n"
            f"#' @output n <integer>\n#' @owner team:test\n{name} <- function(lab, params) {{\n{body}\n}}\n"
        )
        return read_indicator(path)

    return write


@pytest.fixture
def begin(lab: Bench) -> Iterator[Callable[..., Ahead]]:
    """Run indicators ahead in one thread; what no test takes is thrown away."""
    begun: list[Ahead] = []

    def start(*indicators: Indicator) -> Ahead:
        works = pending([(i, None) for i in indicators], lab.platform.warehouse)
        begun.append(Ahead(lab.platform.warehouse, lab.platform.r, works, workers=1))
        return begun[-1]

    yield start
    for ahead in begun:
        ahead.discard()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_indicators_run_at_the_same_time(
    lab: Bench, script: Callable[[str, str], Indicator], begin: Callable[..., Ahead]
) -> None:
    first = script("first", "Sys.sleep(1.5); message('n = 1'); data.frame(n = 1L)")
    second = script("second", "Sys.sleep(1.5); message('n = 2'); data.frame(n = 2L)")
    warehouse, r = lab.platform.warehouse, lab.platform.r
    ahead = begin(second)
    made_first = compute(first, warehouse, r, ahead=ahead)
    began = time.monotonic()
    said: list[Event] = []
    made_second = compute(second, warehouse, r, on_event=said.append, ahead=ahead)
    waited = time.monotonic() - began
    assert made_first.result is not None
    assert made_second.result is not None
    # the second had slept while the first ran: its step did not wait for another start and another sleep
    assert waited < made_second.result.seconds
    assert [e.text for e in said if e.level == "info"] == ["n = 2"]
    assert lab.sql("SELECT n FROM indicators.second") == [(2,)]


def test_a_step_whose_input_has_changed_runs_again(
    lab: Bench, script: Callable[[str, str], Indicator], begin: Callable[..., Ahead]
) -> None:
    rows = script("rows", "data.frame(n = nrow(lab))")
    ahead = begin(rows)
    _until(lambda: bool(ahead._begun))
    lab.send("b.csv", HEAD + "B,2024-01-01,POS,1\n")
    compute(rows, lab.platform.warehouse, lab.platform.r, ahead=ahead)
    assert lab.sql("SELECT n FROM indicators.rows") == [(2,)]


def test_parameters_of_the_step_are_not_overruled(
    lab: Bench, script: Callable[[str, str], Indicator], begin: Callable[..., Ahead]
) -> None:
    number = script("number", "data.frame(n = params$n)")
    ahead = begin(number)
    _until(lambda: bool(ahead._begun))
    compute(number, lab.platform.warehouse, lab.platform.r, params={"n": 7}, ahead=ahead)
    assert lab.sql("SELECT n FROM indicators.number") == [(7,)]


def test_a_failure_is_told_by_its_own_step_and_stops_no_other(
    lab: Bench, script: Callable[[str, str], Indicator], begin: Callable[..., Ahead]
) -> None:
    broken = script("broken", "stop('no such luck')")
    whole = script("whole", "data.frame(n = 3L)")
    ahead = begin(broken, whole)
    _until(lambda: "whole" in ahead._begun)
    with pytest.raises(IndicatorFailed, match="no such luck"):
        compute(broken, lab.platform.warehouse, lab.platform.r, ahead=ahead)
    compute(whole, lab.platform.warehouse, lab.platform.r, ahead=ahead)
    assert lab.sql("SELECT n FROM indicators.whole") == [(3,)]


def test_nothing_is_left_of_what_was_taken_failed_or_not_asked_for(
    lab: Bench, script: Callable[[str, str], Indicator], begin: Callable[..., Ahead]
) -> None:
    scripts = [
        script("taken", "data.frame(n = 1L)"),
        script("broken", "stop('x')"),
        script("left", "data.frame(n = 1L)"),
    ]
    ahead = begin(*scripts)
    _until(lambda: "left" in ahead._begun)
    compute(scripts[0], lab.platform.warehouse, lab.platform.r, ahead=ahead)
    ahead.discard()
    assert list(lab.platform.warehouse.scratch.glob("[0-9]*-[0-9]*")) == []
    compute(scripts[2], lab.platform.warehouse, lab.platform.r, ahead=ahead)  # runs by itself
    assert lab.sql("SELECT n FROM indicators.left") == [(1,)]


def test_what_is_up_to_date_is_not_run_ahead(lab: Bench, script: Callable[[str, str], Indicator]) -> None:
    number = script("number", "data.frame(n = params$n)")
    warehouse = lab.platform.warehouse
    found: list[Work] = pending([(number, None)], warehouse)
    assert [w.indicator.name for w in found] == ["number"]
    compute(number, warehouse, lab.platform.r)
    assert pending([(number, None)], warehouse) == []
    assert len(pending([(number, {"n": 2})], warehouse)) == 1


CANCELLED = """
import atexit, sys, time
from pathlib import Path
from platform_assets.indicators.ahead import Ahead
from platform_assets.indicators.compute import pending
from platform_assets.indicators.script.header import read_indicator
from resources.r_runtime import RRuntime
from resources.lake.warehouse import Warehouse

warehouse = Warehouse(Path(sys.argv[1]))
works = pending([(read_indicator(Path(sys.argv[2])), None)], warehouse)
ahead = Ahead(warehouse, RRuntime(), works, workers=1)
atexit.register(ahead.abandon)
while not (ahead._begun and ahead._begun["slow"].events.qsize()):
    time.sleep(0.05)
raise KeyboardInterrupt
"""


def test_a_run_that_is_cancelled_does_not_wait_for_what_runs_ahead(
    lab: Bench, script: Callable[[str, str], Indicator]
) -> None:
    slow = script("slow", "message('sleeping'); Sys.sleep(500); data.frame(n = 1L)")
    home = lab.platform.warehouse.home
    done = subprocess.run(
        [sys.executable, "-c", CANCELLED, str(home), str(slow.path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "KeyboardInterrupt" in done.stderr
    # the supervisor of an R run sees the end of this process, and ends the run
    _until(lambda: not [p for p in Path("/proc").glob("[0-9]*/cmdline") if _mentions(p, str(home))])
    assert list(lab.platform.warehouse.scratch.glob("[0-9]*-[0-9]*")) == []


def _mentions(cmdline: Path, text: str) -> bool:
    try:
        return text.encode() in cmdline.read_bytes()
    except OSError:
        return False
