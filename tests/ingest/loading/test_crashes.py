"""kill -9 at random moments, and several processes at once: the old state or the new one, never anything between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from resources.environment import Platform
from tests.conftest import Bench, lab_contract

Make = Callable[..., Bench]
ROOT = Path(__file__).parents[3]
ROWS = 20_000
HEAD = "sample_id,test_date,result,viral_load\n"


@contextmanager
def worker(platform: Platform) -> Iterator[Callable[[], str]]:
    """A running load_worker: call it to send `load`; it returns the child's process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.loading.load_worker", str(platform.settings.home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"

    def load() -> str:
        assert process.stdin
        assert process.stdout
        process.stdin.write("load\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    load.ended = lambda: process.stdout.readline().split() if process.stdout else []  # type: ignore[attr-defined]
    try:
        yield load
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def _file(generation: int) -> str:
    """Every generation rewrites all keys, with its own number as the load; one row in fifty is wrong."""
    lines = (f"S{n},2024-{n % 12 + 1:02d}-01,{'what' if n % 50 == 0 else 'POS'},{generation}" for n in range(ROWS))
    return HEAD + "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.soak)])
def test_a_load_killed_at_any_moment_leaves_the_old_table_or_the_new_one(
    bench: Make, platform: Platform, kills: int
) -> None:
    draw = random.Random(7)
    lab = bench(partition={"by": "test_date", "unit": "month"})
    valid = ROWS - ROWS // 50
    lab.send("g0.csv", _file(0))
    generation, killed = 0, 0
    with worker(platform) as load:
        lab.drop("g1.csv", _file(1))
        started = time.monotonic()
        load()
        load.ended()  # type: ignore[attr-defined]
        whole = time.monotonic() - started
        generation = 1
        while killed < kills:
            lab.drop(f"g{generation + 1}.csv", _file(generation + 1))
            child = int(load())
            time.sleep(draw.uniform(0, whole * 1.1))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            status = int(load.ended()[1])  # type: ignore[attr-defined]
            killed += os.WIFSIGNALED(status)
            ((low, high, rows),) = lab.sql("SELECT min(viral_load), max(viral_load), count(*) FROM {validated}")
            assert low == high, "rows of two generations in one table"
            assert low in (generation, generation + 1)
            assert rows == valid
            lab.assert_nothing_lost()
            ((entries,),) = lab.sql("SELECT count(*) FROM platform.ledger")
            assert entries == low + 1
            load()  # the rerun completes, whatever was left behind
            assert int(load.ended()[1]) == 0  # type: ignore[attr-defined]
            generation += 1
            assert lab.sql("SELECT DISTINCT viral_load FROM {validated}") == [(generation,)]
            assert lab.sql("SELECT count(*) FROM {raw}") == [((generation + 1) * ROWS,)]
            assert lab.files("landing") == []
        lab.assert_nothing_lost()
    assert len(lab.files("archive")) == generation + 1


@pytest.mark.slow
def test_two_loads_and_a_reader_at_once(bench: Make, platform: Platform) -> None:
    """Two processes load the same dataset while a third reads: nothing fails, every read is of one generation."""
    lab = bench(partition={"by": "test_date", "unit": "month"})
    lab.send("g0.csv", _file(0))
    valid = ROWS - ROWS // 50
    stop, reads, torn = threading.Event(), [0], []

    def read() -> None:
        while not stop.is_set():
            ((low, high, rows),) = lab.sql("SELECT min(viral_load), max(viral_load), count(*) FROM {validated}")
            reads[0] += 1
            if low != high or rows != valid:
                torn.append((low, high, rows))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with worker(platform) as one, worker(platform) as two:
            for generation in range(1, 6):
                lab.drop(f"g{generation}.csv", _file(generation))
                one()
                two()
                for load in (one, two):
                    assert int(load.ended()[1]) == 0  # type: ignore[attr-defined]
    finally:
        stop.set()
        reader.join()
    assert torn == []
    assert reads[0] > 5
    assert lab.sql("SELECT DISTINCT viral_load FROM {validated}") == [(5,)]
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(6,)]
    lab.assert_nothing_lost()


def test_two_datasets_can_be_loaded_at_the_same_time(bench: Make) -> None:
    benches = [bench(lab_contract(name=f"lab{n}")) for n in range(3)]
    failures: list[BaseException] = []

    def load(lab: Bench) -> None:
        try:
            for n in range(3):
                lab.send(f"{n}.csv", HEAD + f"A{n},2024-01-01,POS,1\n")
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=load, args=(lab,)) for lab in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for lab in benches:
        assert lab.sql("SELECT count(*) FROM {validated}") == [(3,)]
        lab.assert_nothing_lost()
