"""The processes of a run: everything that descends from the supervisor, however it left its parent.

The supervisor is a "child subreaper": a process whose parent ends becomes the supervisor's own child, whatever session, name or
environment it gave itself. So `waitpid` knows for certain when none is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import time
from collections.abc import Iterable
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


def memory(members: Iterable[Member], enough: int) -> int:
    """Bytes of memory that these processes have of their own, together.

    Pages that processes share since a fork count for each at first; where that gives more than `enough`, in parts.
    """
    quick = sum(map(_own_memory, members))
    return quick if quick <= enough else sum(map(_proportional_memory, members))


def _own_memory(member: Member) -> int:
    try:
        with open(f"/proc/{member.pid}/statm", "rb") as file:
            resident, shared = map(int, file.read().split()[1:3])
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _proportional_memory(member: Member) -> int:
    try:
        with open(f"/proc/{member.pid}/smaps_rollup", "rb") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")))
    except OSError:
        return _own_memory(member)


def nameless_bytes(members: Iterable[Member], device: int) -> int:
    """Bytes on a device of files that these processes hold and that have no name any more, so that no folder shows them."""
    open_ones: dict[int, int] = {}
    mapped: dict[tuple[bytes, bytes], int] = {}
    for member in members:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for name in os.listdir(f"/proc/{member.pid}/fd"):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{member.pid}/fd/{name}")
                    if stat.S_ISREG(found.st_mode) and not found.st_nlink and found.st_dev == device:
                        open_ones[found.st_ino] = found.st_blocks * 512
            with open(f"/proc/{member.pid}/maps", "rb") as file:
                for line in file:
                    if line.endswith(b" (deleted)\n"):
                        span, _, offset, _, inode, _ = line.split(None, 5)
                        begin, end = (int(part, 16) for part in span.split(b"-"))
                        if int(inode) not in open_ones:
                            mapped[inode, offset] = end - begin
    return sum(open_ones.values()) + sum(size for (inode, _), size in mapped.items() if int(inode) not in open_ones)


def below() -> list[Member]:
    """The same as `descendants`, at a hundredth of the cost: by the kernel's lists of children.

    What starts or ends at that moment may be left out, so this is for looking again and again, not for making an end.
    """
    try:
        found, ways = [], _children(os.getpid())
        while ways:
            pid = ways.pop()
            member = _look_at(pid)
            if member:
                found.append(member)
                ways += _children(pid)
    except FileNotFoundError:  # a kernel that keeps no such lists
        return descendants()
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            if os.path.isdir(f"/proc/{pid}/task/{task}"):
                raise
        except ProcessLookupError:
            continue
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
