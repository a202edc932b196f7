"""Takes rights away from the process that is about to run an author's R script. No root, no namespaces, no daemon.

Two locks of the Linux kernel, each used where it exists, and reported as it is:
- Landlock (5.13 and later): files outside the lists given, TCP (6.7), signals to other processes (6.12).
- seccomp: sockets of any kind. It also covers what Landlock cannot: UDP, and sockets in the file system.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_KNOWN_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of file rights that each version knows
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract unix sockets, signals
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2

# (audit architecture, number of socket(), number of io_uring_setup(), which could open sockets on its own)
_SYSCALLS = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
_X32_BIT = 0x40000000
_EACCES = 13

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
            "seccomp: no network" if self.network else self._network_without_seccomp(),
        ]
        return "; ".join(parts)

    def _network_without_seccomp(self) -> str:
        if self.landlock >= 4:
            return "no seccomp: TCP is closed by Landlock, UDP is open"
        return "no seccomp: the network is open"


def landlock_version() -> int:
    """Landlock's version in the running kernel; 0 if there is none."""
    return max(0, _libc.syscall(_LANDLOCK_CREATE, None, 0, 1))


def enter(read: Iterable[str], write: Iterable[str]) -> Sandbox:
    """Lock this process and its later children in, for good. Paths that do not exist are left out.

    Call it before any thread is started: a lock holds for the calling thread and what it starts.
    """
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return Sandbox(landlock=_enter_landlock(read, write), seccomp=_enter_seccomp())


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
            _allow(ruleset, path, (_EXECUTE | _READ_FILE | _READ_DIR) & rights)
        for path in write:
            _allow(ruleset, path, rights)
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


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jump_true", ctypes.c_ubyte),
        ("jump_false", ctypes.c_ubyte),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filters", ctypes.POINTER(_Filter)))


def _enter_seccomp() -> bool:
    known = _SYSCALLS.get(platform.machine())
    return known is not None and deny_calls(known[0], known[1:])


def deny_calls(architecture: int, numbers: Sequence[int]) -> bool:
    """Answer these system calls with "permission denied" from now on; True if the kernel took the rule."""
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, deny = 0x7FFF0000, 0x00050000 | _EACCES
    to_deny = len(numbers) + 1  # instructions from the first comparison of a number to the denial
    instructions = [
        (load, 0, 0, 4),  # architecture of the call
        (equal, 0, to_deny + 1, architecture),
        (load, 0, 0, 0),  # its number
        *((equal, to_deny - 1 - index, 0, number) for index, number in enumerate(numbers)),
        (at_least, 0, 1, _X32_BIT),
        (give, 0, 0, deny),
        (give, 0, 0, allow),
    ]
    filters = (_Filter * len(instructions))(*(_Filter(*instruction) for instruction in instructions))
    program = _Program(len(instructions), filters)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(program), 0, 0) == 0
