"""A limit of our own for work that waits for others: drivers' own time-outs do not cover a server that accepts and stays silent."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable
from typing import TypeVar

from resources.requesting import Permanent

T = TypeVar("T")
LAST_SECONDS = 5.0
"""How long work may take to end once its connection was cut."""


def within(seconds: float, work: Callable[[], T], cut: Callable[[], None], advice: str) -> T:
    """What `work` returns, or raises. After `seconds` its connection is `cut` and Permanent is raised: `advice` says what to do.

    Work that does not end even then is left behind in its thread, which ends with the process at the latest.
    """
    result: list[T] = []
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            trouble.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    finally:
        late = thread.is_alive()
        if late:
            cut()
            thread.join(LAST_SECONDS)
    if late:
        raise Permanent(f"it took longer than {seconds:g} seconds and was cut off: {advice}")
    if trouble:
        raise trouble[0]
    return result[0]


def cut_lines(host: str, port: int) -> None:
    """End this process's connections to a server, whatever they wait for. Drivers in C hand out no socket, so all that lead there are meant;
    a process asks one source at a time. Where the system does not list them (only Linux does) nothing is done.
    """
    with contextlib.suppress(OSError):
        there = {found[4][0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    with socket.socket(fileno=os.dup(int(name))) as line:
                        if line.getpeername()[:2] in {(address, port) for address in there}:
                            line.shutdown(socket.SHUT_RDWR)
