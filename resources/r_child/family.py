"""The processes of a run: everything that descends from the supervisor, however it left its parent.

The supervisor is a "child subreaper": a process whose parent ends becomes the supervisor's own child, whatever session, name or
environment it gave itself. So `waitpid` knows for certain when none is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Member:
    """One process; `started` (clock ticks since boot) tells it from a later one of the same number."""

    pid: int
    parent: int
    started: int
    zombie: bool


def adopt_orphans() -> None:
    """From now on descendants that lose their parent become children of this process. Raises OSError."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this kernel has no child subreapers")


def descendants() -> list[Member]:
    """All processes below this one, at this moment; those that have ended and wait to be reaped among them."""
    below: dict[int, list[Member]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            member = _look_at(int(entry))
            if member:
                below.setdefault(member.parent, []).append(member)
    found, ways = [], [os.getpid()]
    while ways:
        members = below.pop(ways.pop(), [])
        found += members
        ways += [member.pid for member in members]
    return found


def end_all(statuses: dict[int, int], patience: float = 30.0) -> bool:
    """End every descendant. True when none is left; False where some would not go within `patience` seconds.

    All are stopped before any is killed, again and again until no new one appears: what is stopped can start nothing.
    `statuses` receives how those ended that were reaped (pid -> wait status).
    """
    deadline = time.monotonic() + patience
    while reap(statuses):
        stopped: set[Member] = set()
        while new := [member for member in descendants() if not member.zombie and member not in stopped]:
            for member in new:
                _signal(member, signal.SIGSTOP)
            stopped.update(new)
        for member in stopped:
            _signal(member, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def reap(statuses: dict[int, int]) -> bool:
    """Take note of children that have ended. True while there are others."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not pid:
            return True
        statuses[pid] = status


def _look_at(pid: int) -> Member | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may hold anything
    except OSError:
        return None
    return Member(pid, int(fields[1]), int(fields[19]), fields[0] == b"Z")


def _signal(member: Member, number: signal.Signals) -> None:
    """Signal exactly this process: its number may have been given to a stranger since."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(member.pid)
        try:
            now = _look_at(member.pid)
            if now and now.started == member.started:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
