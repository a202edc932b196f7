"""The lock on system calls: `syscalls` as a program for the kernel's filter (classic BPF)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterable, Sequence

from resources.r_child.locks import syscalls
from resources.r_child.locks.syscall_numbers import ARCHITECTURES, LAST, NUMBERS

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

_libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jump_true", ctypes.c_ubyte),
        ("jump_false", ctypes.c_ubyte),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filters", ctypes.POINTER(_Filter)))


_Instruction = tuple[int, int, int, int]
_LOAD, _EQUAL, _ABOVE, _AT_LEAST, _HAS_BITS, _SKIP, _GIVE = 0x20, 0x15, 0x25, 0x35, 0x45, 0x05, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_ARGUMENTS = 16  # low words of the arguments, each of eight bytes: the kernel reads no more of those that are looked at
_ALLOW = 0x7FFF0000
_ERROR = 0x00050000
_REFUSE, _NO_SUCH_CALL = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS


def enter(*, signals_are_kept: bool, alone: bool) -> bool:
    """Refuse what `syscalls` names; True if the kernel took the rule. For the arguments see `program_for`."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return False
    return install(machine, program_for(machine, signals_are_kept=signals_are_kept, alone=alone))


def program_for(machine: str, *, signals_are_kept: bool, alone: bool) -> list[_Instruction]:
    """The filter of `syscalls`, for a machine; what it does not decide is allowed.

    signals_are_kept  Landlock keeps signals inside the run, so the calls that send them may stay
    alone             neither processes nor threads can be started, nor programs
    """
    column = list(ARCHITECTURES).index(machine)

    def numbers(names: Iterable[str]) -> list[int]:
        found = (NUMBERS[name][column] for name in names)
        return [number for number in found if number is not None]

    refused = [name for family, names in syscalls.REFUSED.items() if family not in syscalls.ANSWERS for name in names]
    if alone:
        refused += ["clone", *syscalls.PROCESSES]
    program: list[_Instruction] = [
        (_ABOVE, 0, 1, LAST),
        (_GIVE, 0, 0, _NO_SUCH_CALL),
        *_refusals(numbers(refused)),
    ]
    for family, answer in syscalls.ANSWERS.items():
        program += _refusals(numbers(syscalls.REFUSED[family]), answer)
    for number in numbers(["clone3"]):
        program += [(_EQUAL, 0, 1, number), (_GIVE, 0, 0, _NO_SUCH_CALL)]
    for number in numbers(["clone"]):
        program += _if(number, 0, [(_HAS_BITS, 1, 0, _NEW_NAMESPACES)])
    for name, (argument, values, answer) in syscalls.ONLY_WITH.items():
        for number in numbers([name]):
            program += _if(number, argument, _one_of(values, then=0, otherwise=1), answer)
    for name, (argument, values, answer) in syscalls.NOT_WITH.items():
        for number in numbers([name]):
            program += _if(number, argument, _one_of(values, then=1, otherwise=0), answer)
    for number in numbers(syscalls.ONLY_ITSELF):
        program += _if(number, 0, [(_EQUAL, 0, 1, 0)])
    if not signals_are_kept:
        itself = [(_EQUAL, 0, 1, os.getpid())]
        for number in numbers(["kill", "tgkill"]):
            program += _if(number, 0, itself)
        program += _refusals(numbers(name for name in syscalls.SIGNALS if name not in ("kill", "tgkill")))
    return program


def _refusals(numbers: Sequence[int], answer: int = errno.EPERM) -> list[_Instruction]:
    """Refuse these calls; go on with any other."""
    tests = [(_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    return [*tests, (_SKIP, 0, 0, 1), (_GIVE, 0, 0, _ERROR | answer)]


def _one_of(values: Sequence[int], *, then: int, otherwise: int) -> list[_Instruction]:
    """Tests that go 0 (allow) or 1 (refuse) beyond their end, as the value is among `values` or not."""
    last = len(values) - 1
    return [
        (_EQUAL, last - index + then, otherwise if index == last else 0, value) for index, value in enumerate(values)
    ]


def _if(number: int, argument: int, tests: Sequence[_Instruction], answer: int = errno.EPERM) -> list[_Instruction]:
    """For the call `number`, look at an argument: the tests end before "allow", and jump one further to refuse."""
    return [
        (_EQUAL, 0, len(tests) + 3, number),
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        *tests,
        (_GIVE, 0, 0, _ALLOW),
        (_GIVE, 0, 0, _ERROR | answer),
    ]


def deny_calls(machine: str, numbers: Sequence[int]) -> bool:
    """Refuse these system calls from now on; True if the kernel took the rule."""
    return install(machine, _refusals(numbers))


def install(machine: str, program: Sequence[_Instruction]) -> bool:
    """Put a filter on this process and what it starts. Calls of another architecture than `machine`'s are refused."""
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
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
