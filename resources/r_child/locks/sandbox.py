"""Takes rights away from the process that is about to run an author's R script. No root, no namespaces, no daemon.

Two locks of the Linux kernel, each used where it exists, and reported as it is:
- Landlock (5.13 and later): files outside the lists given, TCP (6.7), signals to other processes (6.12). Inside the folder that may
  be written only files and folders can be made: no links, pipes, sockets or devices.
- seccomp: what Landlock has no rule for, by families of system calls (`syscalls`): sockets of every kind, links, modes, owners and
  times of files, shared memory, keyrings, other processes, namespaces, mounts.

And root's privileges (capabilities) are given up, where the platform runs as root.

What stays open: whether a file exists, its size, mode and times (stat works everywhere).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from resources.r_child.locks import seccomp

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_FILE, _TRUNCATE, _IOCTL = 1 << 7, 1 << 8, 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_READING = _EXECUTE | _READ_FILE | _READ_DIR
# not here: links, pipes, sockets, devices, and moves from one folder into another (which hard links need as well)
_WRITING = _READING | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _TRUNCATE
_KNOWN_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of file rights that each version knows
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract unix sockets, signals
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 24, 47, 4
_CAPABILITIES_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Sandbox:
    """Which locks hold. `files` and `network` say what the script cannot reach."""

    landlock: int
    seccomp: bool

    @property
    def files(self) -> bool:
        """Files outside the allowed lists are closed."""
        return self.landlock > 0

    @property
    def network(self) -> bool:
        """The network is closed."""
        return self.seccomp

    def __str__(self) -> str:
        if not (self.files or self.network):
            return "none: the script can read this user's files and use the network"
        parts = [
            f"Landlock {self.landlock}: only its own folder, its inputs and R's libraries are open"
            if self.files
            else "no Landlock: the script can read this user's files",
            "seccomp: no network, no links, modes or shared memory"
            if self.network
            else self._network_without_seccomp(),
        ]
        return "; ".join(parts)

    def _network_without_seccomp(self) -> str:
        if self.landlock >= 4:
            return "no seccomp: TCP is closed by Landlock, UDP is open"
        return "no seccomp: the network is open"


def landlock_version() -> int:
    """Landlock's version in the running kernel; 0 if there is none."""
    return max(0, _libc.syscall(_LANDLOCK_CREATE, None, 0, 1))


def enter(read: Iterable[str], write: Iterable[str], *, alone: bool = False) -> Sandbox:
    """Lock this process and its later children in, for good. Paths that do not exist are left out.

    With `alone` it can start neither processes nor threads. Call it before any thread is started: a lock holds for the calling
    thread and what it starts.
    """
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities()
    landlock = _enter_landlock(read, write)
    return Sandbox(landlock, seccomp=seccomp.enter(signals_are_kept=landlock >= 6, alone=alone))


def _drop_capabilities() -> None:
    """What root may do beyond its own files (other users' files, files that cannot be removed, real-time, more memory): nothing of it.

    Others than root have none, and need none. Raises OSError.
    """
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    with contextlib.suppress(OSError), open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        for capability in range(int(file.read()) + 1):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # only root can, and only root could get them back
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    if _libc.capset(header, bytes(24)):  # effective, permitted and inheritable, twice 32 of each
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def _enter_landlock(read: Iterable[str], write: Iterable[str]) -> int:
    version = landlock_version()
    if not version:
        return 0
    rights = (1 << _KNOWN_RIGHTS[min(version, 5)]) - 1
    attributes = struct.pack("QQQ", rights, _TCP, _SCOPES)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return 0
    try:
        for path in read:
            _allow(ruleset, path, _READING & rights)
        for path in write:
            _allow(ruleset, path, _WRITING & rights)
        return version if _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, handle)
        if _libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0):
            raise OSError(ctypes.get_errno(), "Landlock refused a rule", path)
    finally:
        os.close(handle)
