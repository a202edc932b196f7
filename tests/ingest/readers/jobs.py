"""What tests let a reader's process do: things that no reader does, and a file that took one over would."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_assets.ingest.readers.apart.limits import Limits


def try_all(*, others: Path, target: Path, limits: Limits) -> dict[str, str]:
    """What a process can reach: name of what was tried -> what came of it."""
    (target / "mine").write_text("x")
    attempts: dict[str, Callable[[], Any]] = {
        "write mine": lambda: (target / "more").write_text("x"),
        "read others": lambda: (others / "secret").read_text(),
        "write others": lambda: (others / "new").write_text("x"),
        "read passwd": lambda: Path("/etc/passwd").read_text(),
        "read the parent's environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "network": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "signal the parent": lambda: os.kill(os.getppid(), 0),
    }
    came = {"environment": ",".join(sorted(os.environ)), "descriptors": ",".join(sorted(os.listdir("/proc/self/fd")))}
    for name, attempt in attempts.items():
        try:
            attempt()
            came[name] = "done"
        except Exception as error:  # noqa: BLE001 - whichever it is, it is told
            came[name] = type(error).__name__
    return came


def die(*, how: int, target: Path, limits: Limits) -> None:
    """Be killed."""
    os.kill(os.getpid(), how)


def break_memory(*, target: Path, limits: Limits) -> None:
    """Write where nothing is."""
    ctypes.string_at(1)


def eat(*, target: Path, limits: Limits) -> int:
    """Take memory without end."""
    taken = []
    while True:
        taken.append(bytearray(16 << 20))


def spin(*, target: Path, limits: Limits) -> None:
    """Compute without end."""
    while True:
        pass


def sleep(*, target: Path, limits: Limits) -> None:
    """Wait without end."""
    time.sleep(10_000)


def fill(*, target: Path, limits: Limits) -> None:
    """Write without end."""
    with (target / "large").open("wb") as file:
        while True:
            file.write(b"0" * (1 << 20))


def leave_something_behind(*, mark: str, target: Path, limits: Limits) -> bool:
    """Start a process in a session of its own that outlives this one."""
    if not os.fork():
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.execv("/usr/bin/sleep", [mark, "9999"])
    time.sleep(0.2)
    return True


def hand_over(*, what: str, other: Path, target: Path, limits: Limits) -> str:
    """Leave something else than a file of its own."""
    if what == "link":
        (target / "rows.parquet").symlink_to(other)
    elif what == "linked answer":
        (target / "answer.json").symlink_to(other)
    elif what == "fifo":
        os.mkfifo(target / "rows.parquet")
    elif what == "folder":
        (target / "rows.parquet").mkdir()
    elif what == "two names":
        (target / "a").write_text("x")
        os.link(target / "a", target / "b")
    return "done"


def answer(*, text: str, target: Path, limits: Limits) -> None:
    """Say something of one's own, and go before the honest answer is written."""
    (target / "answer.json").write_text(text)
    os._exit(0)


def nothing(*, target: Path, limits: Limits) -> str:
    """Do nothing."""
    return "fine"
