"""Scripts that attack the platform, with R as it is, through the front door: what they leave running."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from resources.r_child.group import make_group
from resources.r_runtime import RRuntime
from tests.r_runtime.attacks.attacking import DONE, PYTHON, Attack, mentions

DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); os.chdir('/'); os.closerange(0, 99); time.sleep({n})"
STUBBORN = (
    "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in range(1, 32) if s not in (9, 19)]; time.sleep({n})"
)
HARE = "import os, time; n = {n}; open('hare', 'w').close()\nwhile True:\n  time.sleep(0.003)\n  if os.fork(): os._exit(0)\n  os.setsid()"
SIBLING = "import ctypes, os, time; ctypes.CDLL(None).syscall({clone}, 0x8000 | 17, 0, 0, 0, 0) or time.sleep({n})"
LEFT = {
    "in the background": "sleep {n} &",
    "in a session of its own": "setsid sleep {n} >/dev/null 2>&1 &",
    "without environment": "setsid env -i /bin/sh -c 'sleep {n}' >/dev/null 2>&1 &",
    "nohup": "nohup sleep {n} >/dev/null 2>&1 &",
    "twice removed": "(setsid sh -c '(setsid sleep {n} >/dev/null 2>&1 &)' &)",
    "daemon": PYTHON + ' -I -c "' + DAEMON + '" >/dev/null 2>&1 &',
    "deaf to signals": PYTHON + ' -I -c "' + STUBBORN + '" >/dev/null 2>&1 &',
    "stopped": "(setsid sh -c 'kill -STOP $$; sleep {n}; true' attack-{n} >/dev/null 2>&1 &)",
    "always a new one": PYTHON + ' -I -c "' + HARE + '" >/dev/null 2>&1 &',
    "a sibling": PYTHON + ' -I -c "' + SIBLING + '" >/dev/null 2>&1 &',
    "holds the pipes open": "setsid sleep {n} &",
}


@pytest.mark.parametrize("ending", [DONE, 'stop("oops")', "tools::pskill(Sys.getpid(), 9); Sys.sleep(9)"])
def test_no_process_outlives_its_run(ending: str, attack: Attack, tmp_path: Path) -> None:
    clone = 56 if os.uname().machine == "x86_64" else 220
    numbers = {kind: 97_000_000 + os.getpid() * 20 + index for index, kind in enumerate(LEFT)}
    commands = [command.format(n=numbers[kind], clone=clone) for kind, command in LEFT.items()]
    lines = "\n".join(f"system({command!r})" for command in commands)
    watching = threading.Event()
    seen: set[str] = set()

    def watch() -> None:
        while not watching.is_set():
            seen.update(kind for kind, number in numbers.items() if mentions(str(number)))
            if list(tmp_path.glob("runs/*/r/hare")):  # which is too quick to be met
                seen.add("always a new one")
            if seen == set(LEFT):
                for folder in tmp_path.glob("runs/*/r"):
                    with contextlib.suppress(FileNotFoundError):  # cleared already
                        (folder / "go").touch()
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ran = attack(f"{lines}\nwhile (!file.exists('go')) Sys.sleep(0.1)\n{ending}")
    finally:
        watching.set()
        watcher.join()
    assert seen == set(LEFT)  # they did run
    for _ in range(20):  # what always is a new process is easily overlooked
        assert {kind for kind, number in numbers.items() if mentions(str(number))} == set()
    assert (ran.result is not None) == (ending == DONE)


def test_a_script_that_is_stopped_for_its_time_leaves_none_either(attack: Attack) -> None:
    number = 98_000_000 + os.getpid()
    limits = RRuntime(timeout_seconds=3, grace_seconds=0.5)
    card = attack(f"system('setsid env -i sleep {number} &')\nwhile (TRUE) Sys.sleep(0.1)", limits).failure()
    assert card.kind == "timeout"
    assert not mentions(str(number))


@pytest.mark.parametrize("number", [6, 9, 14, 15, 31, 34, 40, 64])
def test_whatever_signal_ends_r_is_told(number: int, attack: Attack) -> None:
    """Those without a name in Python too (34 and above)."""
    card = attack(f"tools::pskill(Sys.getpid(), {number}); Sys.sleep(20)").failure()
    assert card.kind in ("crash", "killed"), card.text()
    assert "SIG" in card.message or f"signal {number}" in card.message
    assert card.seconds < 15


def test_a_signal_that_the_platform_was_started_to_ignore_ends_r_all_the_same(attack: Attack) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        card = attack("tools::pskill(Sys.getpid(), 15); Sys.sleep(5)").failure()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert card.kind in ("crash", "killed"), card.text()


def test_all_of_a_run_is_in_a_control_group_of_its_own(attack: Attack) -> None:
    made = make_group()
    if made is None:
        pytest.skip("no control group (cgroup v2) can be made here")
    made.remove()
    seconds = f"2.0{os.getpid()}"  # tells our run from those of other processes
    ours: dict[Path, set[str]] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for group in made.folder.parent.glob("platform-run-*"):
                with contextlib.suppress(OSError):  # it ended between the two looks
                    numbers = (group / "cgroup.procs").read_text().split()
                    inside = {Path(f"/proc/{n}/cmdline").read_text().replace("\0", " ").strip() for n in numbers}
                    if any(seconds in command for command in inside):
                        ours.setdefault(group, set()).update(inside)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        attack(f"system('sleep {seconds}'); 1")
    finally:
        over.set()
        looker.join()
    (group,) = ours
    assert f"sleep {seconds}" in ours[group]
    assert len(ours[group]) > 1, "what R runs in is in it, too"
    assert not group.exists()


def test_a_forged_traceback_costs_little(attack: Attack) -> None:
    body = """
      system("(echo Traceback:; seq -f '%.0f: f(x)' 20000) >&2")
      tools::pskill(Sys.getpid(), 11); Sys.sleep(20)"""
    began = time.process_time()
    assert attack(body).failure().kind == "crash"
    assert time.process_time() - began < 5
