"""Processes of this machine."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ONE_BOUND = threading.Lock()


def alive(process: int) -> bool:
    """Whether there is a process of that number, whoever's it is."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def started_at(process: int) -> float | None:
    """When the process began, in seconds since 1970; None where this cannot be told (no /proc here, or it has ended).

    The times of the folder ``/proc/<process>`` do not say it: they are of when somebody first looked into it.
    """
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    # the name, in brackets, may hold anything; the start is the 22nd field, in ticks since the machine started (proc(5))
    ticks = int(status.rpartition(")")[2].split()[19])
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")


def default_signals() -> None:
    """What this process ignores or holds back, because whoever started the platform did, its children would ignore as well: no more."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # these two Python itself ignores
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def memory_bound(more: int) -> Iterator[None]:
    """Inside, this process gets at most `more` bytes beyond those that it has: what asks for more fails at once, and the process lives on.

    One at a time, as the bound is of the whole process. Only where the kernel tells what a process has (Linux).
    """
    with _ONE_BOUND:
        held = _data_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if held is None:
            yield
            return
        bound = min([held + more, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)])
        resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int | None:
    """What RLIMIT_DATA counts of this process (proc(5), VmData); None where this cannot be told."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmData:")]
    return int(found[0]) << 10 if found else None
