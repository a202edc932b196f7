"""Takes rights away from the process that is about to run an author's R script. No root, no namespaces, no daemon.

Two locks of the Linux kernel, each used where it exists, and reported as it is:
- Landlock (5.13 and later): files outside the lists given, TCP (6.7), signals to other processes (6.12). Inside the folder that may
  be written only files and folders can be made: no links, pipes, sockets or devices.
- seccomp: what Landlock has no rule for, by families of system calls (`syscalls`): sockets of every kind, links, modes, owners and
  times of files, shared memory, keyrings, other processes, namespaces, mounts.

What stays open: whether a file exists, its size, mode and times (stat works everywhere).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resources.r_child import syscalls

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
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2

_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_SIGNALS_OF_FILES = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: the kernel would signal another process

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


def enter(read: Iterable[str], write: Iterable[str]) -> Sandbox:
    """Lock this process and its later children in, for good. Paths that do not exist are left out.

    Call it before any thread is started: a lock holds for the calling thread and what it starts.
    """
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock = _enter_landlock(read, write)
    return Sandbox(landlock, seccomp=_enter_seccomp(signals_are_kept=landlock >= 6))


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


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jump_true", ctypes.c_ubyte),
        ("jump_false", ctypes.c_ubyte),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filters", ctypes.POINTER(_Filter)))


def _enter_seccomp(signals_are_kept: bool) -> bool:
    """Refuse what `syscalls` names; True if the kernel took the rule."""
    machine = platform.machine()
    if machine not in syscalls.ARCHITECTURES:
        return False
    return install(machine, program_for(machine, signals_are_kept))


_Instruction = tuple[int, int, int, int]
_LOAD, _EQUAL, _ABOVE, _AT_LEAST, _HAS_BITS, _SKIP, _GIVE = 0x20, 0x15, 0x25, 0x35, 0x45, 0x05, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in struct seccomp_data, low words
_ALLOW = 0x7FFF0000
_ERROR = 0x00050000
_REFUSE, _NO_SUCH_CALL = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS


def program_for(machine: str, signals_are_kept: bool) -> list[_Instruction]:
    """The filter of R's process: refused families, calls that are allowed for oneself only, nothing that is newer than the table."""
    column = list(syscalls.ARCHITECTURES).index(machine)

    def numbers(names: Iterable[str]) -> list[int]:
        found = (syscalls.NUMBERS[name][column] for name in names)
        return [number for number in found if number is not None]

    refused = [name for family, names in syscalls.REFUSED.items() if family not in syscalls.ANSWERS for name in names]
    program: list[_Instruction] = [
        (_ABOVE, 0, 1, syscalls.LAST),
        (_GIVE, 0, 0, _NO_SUCH_CALL),
        *_refusals(numbers(refused)),
    ]
    for family, answer in syscalls.ANSWERS.items():
        program += _refusals(numbers(syscalls.REFUSED[family]), answer)
    for number in numbers(["clone3"]):
        program += [(_EQUAL, 0, 1, number), (_GIVE, 0, 0, _NO_SUCH_CALL)]
    for number in numbers(["clone"]):
        program += _if(number, _FIRST_ARGUMENT, [(_HAS_BITS, 1, 0, _NEW_NAMESPACES)])
    for number in numbers(["fcntl"]):
        last = len(_SIGNALS_OF_FILES) - 1
        tests = [(_EQUAL, last - i + 1, 0, command) for i, command in enumerate(_SIGNALS_OF_FILES)]
        program += _if(number, _SECOND_ARGUMENT, tests)
    for number in numbers(syscalls.ONLY_ITSELF):
        program += _if(number, _FIRST_ARGUMENT, [(_EQUAL, 0, 1, 0)])
    if not signals_are_kept:
        itself = [(_EQUAL, 0, 1, os.getpid())]
        for number in numbers(["kill", "tgkill"]):
            program += _if(number, _FIRST_ARGUMENT, itself)
        program += _refusals(numbers(name for name in syscalls.SIGNALS if name not in ("kill", "tgkill")))
    return program


def _refusals(numbers: Sequence[int], answer: int = errno.EPERM) -> list[_Instruction]:
    """Refuse these calls; go on with any other."""
    tests = [(_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    return [*tests, (_SKIP, 0, 0, 1), (_GIVE, 0, 0, _ERROR | answer)]


def _if(number: int, argument: int, tests: Sequence[_Instruction]) -> list[_Instruction]:
    """For the call `number`, look at an argument: the tests end before "allow", and jump one further to refuse."""
    return [
        (_EQUAL, 0, len(tests) + 3, number),
        (_LOAD, 0, 0, argument),
        *tests,
        (_GIVE, 0, 0, _ALLOW),
        (_GIVE, 0, 0, _REFUSE),
    ]


def deny_calls(machine: str, numbers: Sequence[int]) -> bool:
    """Refuse these system calls from now on; True if the kernel took the rule."""
    return install(machine, _refusals(numbers))


def install(machine: str, program: Sequence[_Instruction]) -> bool:
    """Put a filter on this process and what it starts. Calls of another architecture than `machine`'s are refused."""
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, syscalls.ARCHITECTURES[machine]),
        (_GIVE, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_GIVE, 0, 0, _REFUSE),
        *program,
        (_GIVE, 0, 0, _ALLOW),
    ]
    filters = (_Filter * len(instructions))(*(_Filter(*instruction) for instruction in instructions))
    given = _Program(len(instructions), filters)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(given), 0, 0) == 0
