"""A run's own control group: whatever a process does to get away from its parent, it ends with the group."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resources.processes import alive
from resources.r_child.group import Group, make_group

# a child, a daemon that leaves its parent and its session, and one that starts others without end
STARTED = """
import os, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60)
    os._exit(0)
os.wait()
if not os.fork():
    while True:
        pid = os.fork()
        if not pid:
            time.sleep(0.01)
            os._exit(0)
        os.waitpid(pid, os.WNOHANG)
os.write(1, b"%d\\n" % os.getpid())
time.sleep(60)
"""


@pytest.fixture
def group() -> Group:
    made = make_group()
    if made is None:
        pytest.skip("no control group (cgroup v2) can be made here")
    return made


def processes(group: Group) -> list[str]:
    return (group.folder / "cgroup.procs").read_text().split()


def test_all_of_a_group_end_at_once_and_it_is_gone(group: Group) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STARTED], stdout=subprocess.PIPE, text=True, preexec_fn=group.enter
    )
    assert started.stdout
    numbers = [int(started.stdout.readline()) for _ in range(2)]
    assert all(alive(number) for number in numbers)
    assert str(os.getpid()) not in processes(group)
    group.kill()
    assert started.wait(10) == -9
    until = time.monotonic() + 10
    while processes(group) and time.monotonic() < until:
        time.sleep(0.01)
    assert processes(group) == []
    group.remove()
    assert not group.folder.exists()


def test_a_group_whose_maker_was_killed_goes_when_the_next_is_made_and_no_other(group: Group) -> None:
    died = subprocess.run(
        [sys.executable, "-c", "from resources.r_child.group import make_group; print(make_group().folder)"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    left = Path(died.stdout.strip())
    assert left.exists()
    other = make_group()
    assert other is not None
    assert not left.exists()
    assert group.folder.exists()
    for made in (group, other):
        made.remove()
