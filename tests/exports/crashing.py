"""A process that forks a child for every order: it makes or sends an export, and is killed at a given step.

A step is a call by which the child reaches a disk, a lock, the catalog or the tables, and the return from it. A child gets what is slow to begin
from its parent (modules, and idle engines, of one thread, that the parent itself never asks for anything after it was forked), so that a hundred
kills are no matter of minutes. An order is a line of JSON: phase and point; the answer is the number of steps that were begun, or -9.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

# read here, and not by each child: most of what a child would take is the time to read them
import duckdb  # noqa: F401
import duckdb_extension_ducklake  # type: ignore[import-untyped]  # noqa: F401
import duckdb_extension_sqlite_scanner  # type: ignore[import-untyped]  # noqa: F401
import pandas  # noqa: F401
import pyarrow  # noqa: F401

from resources.lake import warehouse
from tests.exports.exporting import Shop

REACHING = frozenset(
    {
        *("execute", "commit", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "open", "write"),
        *("truncate", "flush", "fchmod", "chmod", "flock", "lockf", "send", "sendall", "connect"),
    }
)


class Steps:
    """Counts steps, and kills this process at number `point`."""

    def __init__(self, point: int) -> None:
        self.point, self.begun = point, 0

    def __call__(self, frame: FrameType, event: str, what: Any) -> None:
        if event not in ("c_call", "c_return") or what.__name__ not in REACHING:
            return
        if self.begun == self.point:
            os.kill(os.getpid(), signal.SIGKILL)
        self.begun += 1


def work(shop: Shop, phase: str, point: int) -> int:
    """Carry an order out; how many steps it took."""
    steps = Steps(point)
    act: Callable[[], Any] = shop.make if phase == "make" else shop.deliver
    sys.setprofile(steps)
    act()
    sys.setprofile(None)
    return steps.begun


def main(home: str, changes: str, environment: str) -> None:
    """Answer orders until there are no more."""
    shop = Shop(Path(home), **json.loads(changes))
    shop.environment |= json.loads(environment)
    shop.place.warehouse.threads = 1  # a thread would not be there in the child
    shop.entries()
    with shop.place.warehouse.connect():
        pass
    ours = os.getpid()
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for key, engines in list(warehouse._IDLE.items()):
                    if key[0] == ours:
                        warehouse._IDLE[(os.getpid(), *key[1:])] = engines
                os.write(writing, str(work(shop, **json.loads(line))).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(f"{-9 if killed else told or 'failed'}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
