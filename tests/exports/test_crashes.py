"""kill -9 between any two steps: every file arrives once, whole, under its final name, and the ledger says the truth."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exports.exporting import JANUARY, Shop

STEPS = 6


def killed(home: Path, steps: int, seconds: float | None = None) -> int:
    """The exit code of the process, killed at a step of the sending, or after some seconds whatever it does."""
    command = [sys.executable, "-m", "tests.exports.crashing", str(home), str(steps)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ))
    if seconds is not None:
        time.sleep(seconds)
        process.kill()
    process.communicate(timeout=120)
    return process.returncode


def demand_truth(shop: Shop) -> None:
    """After a cut: what the ledger says is sent lies there whole; then another visit ends it, once."""
    import hashlib

    for entry in shop.entries():
        if entry.state == "sent":
            assert hashlib.sha256(shop.lying()[entry.file]).hexdigest() == entry.sha256
    shop.make()
    shop.deliver()
    (entry,) = shop.entries()
    assert entry.state == "sent"
    assert {name: hashlib.sha256(data).hexdigest() for name, data in shop.lying().items()} == {entry.file: entry.sha256}
    assert [o.name for o in shop.place.store.walk("exports")] == [entry.object]
    assert shop.actions() == ["export.send"] * entry.attempts
    assert shop.deliver().sent == []


@pytest.mark.parametrize("steps", [1, 4, *(pytest.param(n, marks=pytest.mark.soak) for n in (0, 2, 3, 5))])
def test_killed_before_a_step_of_sending(tmp_path: Path, steps: int) -> None:
    shop = Shop(tmp_path)
    shop.place.deliver("w1.csv", *JANUARY)
    assert killed(tmp_path, steps) == (-9 if steps < STEPS else 0)
    demand_truth(shop)


@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 100))])
def test_killed_at_any_moment(tmp_path: Path, number: int) -> None:
    shop = Shop(tmp_path)
    shop.place.deliver("w1.csv", *JANUARY)
    killed(tmp_path, 99, seconds=random.Random(number).uniform(0.2, 4))
    demand_truth(shop)
