"""Processes of this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path


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
