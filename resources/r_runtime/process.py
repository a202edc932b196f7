"""Starts the child of one run, listens to it, stops it in time, and leaves no process of it behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUN_MARK = "INDICATOR_RUN"
"""Environment variable that marks the child and everything it starts."""

_INTERRUPT_EVERY = 0.5  # seconds; R code may be holding interrupts back for a moment
_LAST_WORDS = 2.0  # seconds for R to print its traceback
_KEEP_STDERR = 64 * 1024


@dataclass(frozen=True)
class Exit:
    """How the child ended. `code` is negative for a signal, as in subprocess."""

    code: int
    timed_out: bool
    stderr: str
    printed_lines: int
    seconds: float
    peak_mb: float

    @property
    def signal_name(self) -> str | None:
        """`SIGSEGV`, `SIGKILL`, ...; None if it ended by itself."""
        return signal.Signals(-self.code).name if self.code < 0 else None


def run_child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    pipe: tuple[int, int],
    on_line: Callable[[bytes], None],
    timeout: float,
    grace: float,
    mark: str,
) -> Exit:
    """Run `command` in its own session and process group and hand each line of the pipe to `on_line`.

    After `timeout` seconds the child is interrupted (SIGINT), so that R can say where it was. `grace` seconds
    later the child gets SIGSEGV: R answers that with a traceback even from C code that cannot be interrupted.
    Then it is killed. On every way out of this function, exceptions included, the whole group is killed.
    """
    reader, writer = pipe
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**environment, RUN_MARK: mark},
            pass_fds=(writer,),
            start_new_session=True,
            umask=0o077,
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(os.close, reader)
        cleanup.callback(_end, child, mark)
        listener = cleanup.enter_context(contextlib.closing(_Listener(child, reader, on_line)))
        schedule = _stops(started + timeout, grace)
        when, stop = next(schedule)
        timed_out = False
        while not listener.exited:
            now = time.monotonic()
            if now >= when:
                timed_out = True
                stop(child)
                when, stop = next(schedule)
            listener.listen(min(0.2, max(0.01, when - now)))
        # What the script left running goes first: it could hold the pipes open.
        _signal_group(child, signal.SIGKILL)
        listener.drain()
        return Exit(
            code=child.wait(),
            timed_out=timed_out,
            stderr=listener.stderr.decode(errors="replace"),
            printed_lines=listener.printed_lines,
            seconds=time.monotonic() - started,
            peak_mb=listener.peak_kb / 1024,
        )


def _stops(deadline: float, grace: float) -> Iterator[tuple[float, Callable[[subprocess.Popen[bytes]], None]]]:
    """When to stop the child, and how, each attempt harder than the one before."""
    when = deadline
    while when < deadline + grace:
        yield when, lambda child: child.send_signal(signal.SIGINT)
        when += _INTERRUPT_EVERY
    yield deadline + grace, lambda child: child.send_signal(signal.SIGSEGV)
    while True:
        yield deadline + grace + _LAST_WORDS, lambda child: _signal_group(child, signal.SIGKILL)


class _Listener:
    """Reads the event pipe, counts what is printed, keeps the end of stderr, samples the child's memory."""

    def __init__(self, child: subprocess.Popen[bytes], reader: int, on_line: Callable[[bytes], None]) -> None:
        assert child.stdout is not None
        assert child.stderr is not None
        self._child, self._on_line = child, on_line
        self._reader, self._out, self._err = reader, child.stdout.fileno(), child.stderr.fileno()
        self._exit = os.pidfd_open(child.pid)
        self._selector = selectors.DefaultSelector()
        for descriptor in (self._reader, self._out, self._err, self._exit):
            self._selector.register(descriptor, selectors.EVENT_READ)
            if descriptor != self._exit:
                os.set_blocking(descriptor, False)
        self._rest = b""
        self.exited = False
        self.stderr = b""
        self.printed_lines = 0
        self.peak_kb = 0

    def listen(self, seconds: float) -> None:
        """Handle what arrives within `seconds`."""
        for key, _ in self._selector.select(seconds):
            if key.fd == self._exit:
                self.exited = True
            else:
                self._read(key.fd)
        self._sample_memory()

    def drain(self) -> None:
        """Read what the pipes still hold; does not wait for a stray process that keeps one open."""
        for descriptor in (self._out, self._err, self._reader):
            while self._read(descriptor):
                pass

    def close(self) -> None:
        self._selector.close()
        os.close(self._exit)
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()

    def _read(self, descriptor: int) -> bool:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
            return False
        if descriptor == self._out:
            self.printed_lines += data.count(b"\n")
        elif descriptor == self._err:
            self.stderr = (self.stderr + data)[-_KEEP_STDERR:]
        else:
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._on_line(line)
        return True

    def _sample_memory(self) -> None:
        with contextlib.suppress(OSError, StopIteration, ValueError):
            status = Path(f"/proc/{self._child.pid}/status").read_text(encoding="ascii", errors="replace")
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            self.peak_kb = max(self.peak_kb, int(peak.split()[1]))


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the child's process group. The child is not reaped yet, so its number cannot belong to another."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _end(child: subprocess.Popen[bytes], mark: str) -> None:
    _signal_group(child, signal.SIGKILL)
    child.wait()
    for pid in _marked(mark):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _marked(mark: str) -> list[int]:
    """Processes that left the group (setsid, daemons) but still carry the run's mark in their environment."""
    wanted, found = f"{RUN_MARK}={mark}".encode(), []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
