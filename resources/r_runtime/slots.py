"""At most so many runs at once on this machine, whichever processes start them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Slots:
    """`count` places, each a locked file in `folder`. A place whose holder dies is free again at once."""

    folder: Path
    count: int

    @classmethod
    def one_per_core(cls, folder: Path) -> Slots:
        """As many places as this process may use cores."""
        return cls(folder, len(os.sched_getaffinity(0)))

    @contextlib.contextmanager
    def take(self, timeout_seconds: float | None = None) -> Iterator[int]:
        """Hold a place, waiting for one if need be; its number. Raises TimeoutError after `timeout_seconds`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            for number in range(self.count):
                handle = os.open(self.folder / f"slot-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(handle)
                    continue
                try:
                    yield number
                finally:
                    os.close(handle)
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"no free place among {self.count} for R runs in {timeout_seconds:g} seconds")
            time.sleep(0.1)
