"""Work that waits for others ends when it must, and takes only its own connections with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from resources import deadline
from resources.deadline import cut_lines, within
from resources.requesting import Permanent


@pytest.fixture
def lines() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two servers that accept and stay silent."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield one, other


def test_only_connections_to_that_server_are_cut(lines: tuple[socket.socket, socket.socket]) -> None:
    one, other = (socket.create_connection(line.getsockname()) for line in lines)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Permanent, match=r"longer than 0\.2 seconds.*ask later"):
        within(0.2, lambda: one.recv(1), lambda: cut_lines(*lines[0].getsockname()), "ask later")
    assert one.recv(1) == b""
    other.settimeout(0.1)
    with pytest.raises(TimeoutError):
        other.recv(1)
    assert len(os.listdir("/proc/self/fd")) == before
    one.close()
    other.close()


def test_results_and_troubles_come_through() -> None:
    assert within(5, lambda: 7, lambda: None, "") == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0, lambda: None, "")


def test_work_that_cannot_be_ended_is_left_behind(
    lines: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "LAST_SECONDS", 0.1)
    with socket.create_connection(lines[0].getsockname()) as waits, pytest.raises(Permanent, match="longer than"):
        within(0.1, lambda: waits.recv(1), lambda: None, "")
