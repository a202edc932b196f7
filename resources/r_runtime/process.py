"""The platform's side of the processes of one run: starts them, hears what they say, and sees them gone.

Neither gets anything of the platform's environment. What they are: resources.r_child.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CHILD = Path(__file__).resolve().parents[1] / "r_child"
_BARE = [sys.executable, "-I", "-S", "-B"]  # no environment, no site, no bytecode: what they import is handed to them
_LATE = 60.0  # seconds after which a supervisor that should have ended R is ended itself


@dataclass(frozen=True)
class Stopped:
    """Why the supervisor ended a run before its time."""

    kind: Literal["channel", "too_much"]
    message: str


@dataclass(frozen=True)
class Exit:
    """How the process that hosted R ended. `code` is negative for a signal, as in subprocess."""

    code: int
    timed_out: bool
    stderr: str
    printed_lines: int
    seconds: float
    peak_mb: float
    stopped: Stopped | None = None
    not_taken: str | None = None
    """Why an output of a successful run was left where it was."""
    gone: bool = True
    """Whether every process of the run has ended."""

    @property
    def signal_name(self) -> str | None:
        """`SIGSEGV`, `SIGKILL`, ...; None if it ended by itself."""
        if self.code >= 0:
            return None
        named = {number.value: number.name for number in signal.Signals}
        return named.get(-self.code, f"signal {-self.code}")

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Exit:
        """From the supervisor's last line."""
        stopped = told["stopped"]
        return cls(**{**told, "stopped": Stopped(**stopped) if stopped else None})


class SupervisorFailed(RuntimeError):
    """The process around R ended without telling how the run went. `str()` holds what it printed."""


def run_supervised(
    request: Path, environment: Mapping[str, str], on_message: Callable[[dict[str, Any]], None], seconds: float
) -> Exit:
    """Run the request (a file) and hand each checked message of R to `on_message`. Raises SupervisorFailed.

    `seconds` is when R is to be ended at the latest. On every way out of this function, exceptions included, the run is over.
    """
    supervisor = subprocess.Popen(
        [*_BARE, str(CHILD / "supervisor.py"), str(request)],
        stdin=subprocess.PIPE,  # held open: when this process dies, the supervisor sees its end
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=dict(environment),
        start_new_session=True,
        umask=0o077,
    )
    ended: Exit | None = None
    try:
        for line in _lines(supervisor, time.monotonic() + seconds + _LATE):
            message = json.loads(line)
            if "ended" in message:
                ended = Exit.of(message["ended"])
            else:
                on_message(message)
    finally:
        printed = _end(supervisor)
    if ended is None:
        raise SupervisorFailed(printed)
    return ended


def _lines(supervisor: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    """Lines as they come. Ends with the pipe, or at the deadline."""
    assert supervisor.stdout is not None
    rest: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(supervisor.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(1.0):
                continue
            data = os.read(supervisor.stdout.fileno(), 1 << 16)
            if not data:
                return
            first, *others = data.split(b"\n")
            for piece in others:
                yield b"".join([*rest, first])
                rest, first = [], piece
            rest.append(first)


def _end(supervisor: subprocess.Popen[bytes]) -> str:
    """Let go of the supervisor, which then ends the run, and wait for it; what it printed."""
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    assert supervisor.stderr is not None
    supervisor.stdout.close()  # so that it does not wait for a reader
    with contextlib.suppress(BrokenPipeError):
        supervisor.stdin.close()
    try:
        supervisor.wait(_LATE)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    with supervisor.stderr:
        return supervisor.stderr.read().decode(errors="replace")[-4000:]


class Reader:
    """The process that opens R's files, and writes them anew. It starts beside R and waits.

    work    see `resources.r_child.reader`
    """

    def __init__(self, work: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            [*_BARE, str(CHILD / "reader.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"LANG": "C.UTF-8", "TZ": "UTC", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
            umask=0o077,
        )
        self._write(work)

    def read(self, rows: int, seconds: float) -> str | None:
        """Rewrite the received files, of which the table should have `rows` rows; why not, where it cannot be done."""
        self._write({"rows": rows})
        try:
            told, _ = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"its files could not be read in {seconds:g} seconds"
        if self._process.returncode or not told:
            return "the process that reads its files did not survive them"
        problem = json.loads(told)["problem"]
        return None if problem is None else str(problem)

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
