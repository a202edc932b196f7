"""Places for runs are shared by processes and given back whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platform_assets.indicators import read_indicator
from resources.r_runtime import Event, InputTable, RRuntime
from resources.r_runtime.slots import Slots
from tests.r_runtime.conftest import SCRIPTS

HOLD = """
import sys, time
from pathlib import Path
from resources.r_runtime.slots import Slots
with Slots(Path(sys.argv[1]), 1).take():
    print("held", flush=True)
    time.sleep(60)
"""


def test_there_are_only_so_many_places(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)

    with slots.take() as first, slots.take() as second:
        assert {first, second} == {0, 1}
        with pytest.raises(TimeoutError, match="no free place among 2"), slots.take(timeout_seconds=0.2):
            pass
    with slots.take(timeout_seconds=0.2):
        pass


def test_a_place_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError), Slots(tmp_path, 1).take(timeout_seconds=0.2):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()

    with Slots(tmp_path, 1).take(timeout_seconds=1):
        pass


def test_there_is_one_place_per_core(tmp_path: Path) -> None:
    assert Slots.one_per_core(tmp_path).count == len(os.sched_getaffinity(0))


def test_a_run_waits_for_its_place(tmp_path: Path, visits: InputTable) -> None:
    slots = Slots(tmp_path / "slots", 1)
    events: list[Event] = []
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("60", "1.5"), str(tmp_path / "slots")], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        result = RRuntime(slots=slots).run(
            read_indicator(SCRIPTS / "well_behaved.R"),
            {"visits": visits},
            {},
            tmp_path / "runs",
            events.append,
        )

    assert result.rows == 1
    assert str(events[0]) == "waiting for other R runs to end"
    assert time.monotonic() - started > 1.5
