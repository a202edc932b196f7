"""The lock on system calls: every call of the kernel is judged, and what is refused is refused by the kernel."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from resources.r_child.locks import syscalls
from resources.r_child.locks.seccomp import program_for
from resources.r_child.locks.syscall_numbers import ARCHITECTURES, LAST, NUMBERS

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
REFUSED = [name for family in syscalls.REFUSED.values() for name in family]
SOMETIMES = [*syscalls.SIGNALS, *syscalls.ONLY_ITSELF, *syscalls.PROCESSES, *syscalls.PARTLY]

# calls of 32-bit processes in the header that aarch64 shares with them; a 64-bit process has none of them
_OF_32_BIT = re.compile(r"\w+(64|64_64|_time64)$|mmap2|llseek|syscalls|arch_specific_syscall|fstatat|sync_file_range2")


def _of_header(machine: str) -> dict[str, int]:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not installed (linux-libc-dev)")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\w+)", header.read_text(encoding="utf-8"))
    return {name: int(number) for name, number in found if number.isdigit()}


def test_no_call_is_in_two_places() -> None:
    judged = [*REFUSED, *SOMETIMES, *syscalls.ALLOWED]
    assert len(judged) == len(set(judged))


@pytest.mark.parametrize("machine", HEADERS)
def test_every_call_of_the_kernels_table_is_judged(machine: str) -> None:
    named = {n for n, number in _of_header(machine).items() if number <= LAST}
    if machine == "aarch64":
        named = {n for n in named if not _OF_32_BIT.fullmatch(n) or n in NUMBERS or n in syscalls.ALLOWED}
    assert len(named) > 300 - 10
    assert named - {*REFUSED, *SOMETIMES, *syscalls.ALLOWED} == set()


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    header = _of_header(machine)
    assert set(NUMBERS) == {*REFUSED, *SOMETIMES}
    for name, numbers in NUMBERS.items():
        if numbers[column] is not None:
            assert header[name] == numbers[column], name
        else:
            assert name not in header, name


@pytest.mark.parametrize("machine", HEADERS)
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_no_jump_of_the_filter_leaves_it(machine: str, kept: bool, alone: bool) -> None:
    program = program_for(machine, signals_are_kept=kept, alone=alone)
    for place, (code, true, false, value) in enumerate(program):
        assert 0 <= true < 256
        assert 0 <= false < 256
        jump = value if code == 0x05 else max(true, false) if code & 7 == 5 else 0
        assert place + 1 + jump <= len(program), place  # one beyond is the final "allow"


LOCKED_IN = """
import ctypes, errno, json, os, sys
sys.path.insert(0, sys.argv[1])
from resources.r_child.locks import seccomp
from resources.r_child.locks import syscalls
from resources.r_child.locks.syscall_numbers import ARCHITECTURES, LAST, NUMBERS
import platform
kept, alone = sys.argv[2] == "kept", sys.argv[3] == "alone"
column = list(ARCHITECTURES).index(platform.machine())
call = ctypes.CDLL(None, use_errno=True).syscall
def tried(number, *arguments):
    ctypes.set_errno(0)
    return [call(number, *arguments), ctypes.get_errno()]
assert seccomp.install(platform.machine(), seccomp.program_for(platform.machine(), signals_are_kept=kept, alone=alone))
number = {name: numbers[column] for name, numbers in NUMBERS.items()}
told = {name: tried(n, -1, -1, -1, -1, -1, -1) for name, n in number.items()
        if n is not None and name not in (*syscalls.PARTLY, *syscalls.SIGNALS, *syscalls.ONLY_ITSELF, *syscalls.PROCESSES)}
told["newer"] = tried(LAST + 2, -1, -1, -1, -1)
told["x32"] = tried(0x40000000 + 39) if platform.machine() == "x86_64" else [-1, errno.EPERM]
told["clone3"] = tried(number["clone3"], 0, 0)
told["clone"] = [tried(number["clone"], flag, 0, 0, 0, 0) for flag in
                 (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)]
def by_argument(table, values):
    return {name: [tried(number[name], *([-1] * place), value, 0, 0, 0, 0) for value in values(allowed)]
            for name, (place, allowed, answer) in table.items()}
told["not_with"] = by_argument(syscalls.NOT_WITH, lambda values: values)
# each option near to one that is allowed, and what is behind it in 64 bits
told["only_with"] = by_argument(
    syscalls.ONLY_WITH,
    lambda values: [v for v in (*range(70), *(v + d for v in values for d in (-1, 1)), 0x40086602, 0x401c5820, 0x59616d61) if v not in values],
)
told["still_with"] = {"ioctl": tried(number["ioctl"], 1, 0x541B, 0)[1], "prctl": tried(number["prctl"], 15, b"name")}
told["fcntl_get"] = tried(number["fcntl"], 1, 1, 0)
told["of_parent"] = {name: tried(number[name], os.getppid(), 0, 0, 0) for name in syscalls.ONLY_ITSELF}
told["of_itself"] = tried(number["prlimit64"], 0, 7, 0, 0)
told["signals"] = {name: tried(number[name], os.getppid(), 0, 0, 0) for name in syscalls.SIGNALS}
told["signal_itself"] = tried(number["kill"], os.getpid(), 0)
if alone:
    told["alone"] = {name: tried(number[name], *([0x50f00] if name == "clone" else [0])) for name in ("clone", *syscalls.PROCESSES)
                     if number[name] is not None}
print(json.dumps(told))
"""


@pytest.mark.parametrize("alone", ["alone", "with others"])
@pytest.mark.parametrize("kept", ["kept", "not kept"])
def test_every_member_of_every_family_is_refused_by_the_kernel(kept: str, alone: str) -> None:
    if platform.machine() not in ARCHITECTURES:
        pytest.skip("no seccomp rule for this machine")
    project = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOCKED_IN), project, kept, alone],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    refused, no_such_call, fine = [-1, 1], [-1, 38], [0, 0]
    for family, names in syscalls.REFUSED.items():
        expected = [-1, syscalls.ANSWERS.get(family, 1)]
        assert {name: told[name] for name in names if name in told and told[name] != expected} == {}
    assert sum(name in told for name in REFUSED) > 80
    assert told["newer"] == told["clone3"] == no_such_call
    assert told["x32"] == refused
    assert told["clone"] == [refused] * 7
    for table, tried in ((syscalls.NOT_WITH, told["not_with"]), (syscalls.ONLY_WITH, told["only_with"])):
        for name, (_, _, answer) in table.items():
            assert {tuple(t) for t in tried[name]} == {(-1, answer)}, name
    assert told["still_with"]["ioctl"] != 25  # ENOTTY: the kernel looked at it
    assert told["still_with"]["prctl"] == fine
    if alone == "alone":
        assert set(map(tuple, told["alone"].values())) == {tuple(refused)}
    assert told["fcntl_get"] == fine
    assert set(map(tuple, told["of_parent"].values())) == {tuple(refused)}
    assert told["of_itself"][0] in (0, -1)
    assert told["of_itself"] != refused
    assert told["signal_itself"] == fine
    if kept == "not kept":
        assert set(map(tuple, told["signals"].values())) == {tuple(refused)}
    else:  # Landlock keeps them, which is not on in this test
        assert told["signals"]["kill"] == fine


INT_80 = """
#include <stdio.h>
int main(void) {
  long answer;
  /* kill(0 of the 32-bit table is 37), by the way of 32-bit programs: getpid is 20 */
  __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20) : "memory");
  printf("%ld", answer);
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there")
def test_the_way_in_for_32_bit_programs_is_closed(tmp_path: Path) -> None:
    source = tmp_path / "way.c"
    source.write_text(INT_80)
    subprocess.run(["gcc", "-o", str(tmp_path / "way"), str(source)], check=True)
    locked = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from resources.r_child.locks import seccomp\n"
        "assert seccomp.install('x86_64', seccomp.program_for('x86_64', signals_are_kept=True, alone=False))\n"
        "os.execv(sys.argv[2], [sys.argv[2]])"
    )
    project = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", locked, project, str(tmp_path / "way")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 0  # open, it would be the number of the process
