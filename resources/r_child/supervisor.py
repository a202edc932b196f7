"""`python -I -S supervisor.py REQUEST`: the process around one R run. Started by resources.r_runtime, never by hand.

It forks the process that hosts R (`host`), reads what comes from it (`channel`), stops it in time and when it takes too much, ends
every process of the run, and only then copies what R left into a folder that R could never reach (`intake`), and clears R's own.

To the platform it writes JSON lines on its standard output: the checked messages, and `{"ended": ...}` last. It lives as long as its
standard input is open: when the platform dies, however, the run ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from resources.processes import default_signals
from resources.r_child import channel, family, intake
from resources.r_child.group import Group, make_group
from resources.r_child.types import most_bytes

_INTERRUPT_EVERY = 0.5  # seconds; R code may be holding interrupts back for a moment
_LAST_WORDS = 2.0  # seconds for R to print its traceback
_KEEP_STDERR = 64 * 1024
_MOST_PRINTED = 256 << 20
_LOOK_AT_PROCESSES = 0.1  # seconds; longer where the look itself takes long
_LOOK_AT_FOLDER = 1.0
_FREE_DISK = 256 << 20
_MOST_FILES = 100_000
_MOST_ENDED = 1_000
_VICTIM = b"500"  # oom_score_adj of R: when memory is short, the kernel takes R and not the platform


class TooMuch(Exception):
    """The run took more than it may; `str()` says of what."""


def main(request_path: str) -> None:
    """Run the request; the outcome is told by the pipe to the platform."""
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    family.adopt_orphans()
    Run(request).execute()


class Run:
    """One run, from the fork to the files that are taken."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request, self.limits = request, request["limits"]
        self.folder = intake.open_folder(request["folder"])
        # held from before R starts: whatever R puts in its place later, this is the folder that is looked into
        self.out = intake.open_folder("out", inside=self.folder)
        self.received = intake.open_folder(request["received"])
        self.channel = channel.Channel()
        self.report: channel.Message | None = None
        self.stderr, self.printed_lines, self.printed = b"", 0, 0
        self.peak_kb = 0
        self.timed_out = False
        self.stopped: dict[str, str] | None = None
        self.statuses: dict[int, int] = {}
        self.started = time.monotonic()
        self.selector = selectors.DefaultSelector()

    def execute(self) -> None:
        """Run R, end all of it, take what it left."""
        pipes = {name: os.pipe() for name in ("events", "out", "err")}
        self.request["supervisor"] = os.getpid()
        self.group = make_group()
        self.pid = os.fork()
        if not self.pid:
            _become_host(self.request, {name: pipe[1] for name, pipe in pipes.items()}, self.group)
        self.readers = {pipe[0]: name for name, pipe in pipes.items()}
        for reader, writer in pipes.values():
            os.close(writer)
            os.set_blocking(reader, False)
            self.selector.register(reader, selectors.EVENT_READ)
        self.exit = os.pidfd_open(self.pid)
        self.selector.register(self.exit, selectors.EVENT_READ)
        self.selector.register(0, selectors.EVENT_READ)
        try:
            self._watch()
        except channel.Misused as misused:
            self.stopped = {"kind": "channel", "message": f"what came through it: {misused}"}
        except TooMuch as much:
            self.stopped = {"kind": "too_much", "message": str(much)}
        seconds = time.monotonic() - self.started
        gone = self._end_all()
        if self.group:
            self.group.remove()
        problem = self._take() if gone and self._succeeded() else None
        if gone:
            with contextlib.suppress(OSError):  # the platform tries again, and says what stays
                intake.clear(self.request["folder"])
        status = self.statuses.get(self.pid)
        _tell(
            {
                "ended": {
                    "code": os.waitstatus_to_exitcode(status) if status is not None else -signal.SIGKILL,
                    "timed_out": self.timed_out,
                    "stderr": channel.plain(self.stderr.decode(errors="replace")),
                    "printed_lines": self.printed_lines,
                    "seconds": seconds,
                    "peak_mb": self.peak_kb / 1024,
                    "stopped": self.stopped,
                    "not_taken": problem,
                    "gone": gone,
                }
            }
        )

    # --- While it runs --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Until the host has ended. Raises Misused or TooMuch."""
        schedule = self._stops()
        when, stop = next(schedule)
        processes_at = self.started + _LOOK_AT_PROCESSES
        folder_at = self.started + _LOOK_AT_FOLDER
        while True:
            now = time.monotonic()
            if now >= when:
                self.timed_out = True
                stop()
                when, stop = next(schedule)
            if now >= processes_at:
                self._look_at_processes()
                processes_at = time.monotonic() + max(_LOOK_AT_PROCESSES, 30 * (time.monotonic() - now))
            if now >= folder_at:
                self._look_at_folder()
                folder_at = time.monotonic() + max(_LOOK_AT_FOLDER, 20 * (time.monotonic() - now))
            until = min(when, processes_at, folder_at)
            ready = {key.fd for key, _ in self.selector.select(min(0.2, max(0.01, until - now)))}
            if 0 in ready and not os.read(0, 65536):
                self._abandon()
            self._sample_memory()
            for reader in ready & self.readers.keys():
                self._read(reader)
            if self.exit in ready:
                break
        # what the script left running could write for ever: it ends before the pipes are emptied
        self._end_all()
        for reader in list(self.readers):
            while self._read(reader):
                pass
        self.channel.close()

    def _stops(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """When to stop R, and how, each attempt harder than the one before.

        It is interrupted, so that it can say where it was. SIGSEGV it answers with a traceback even from C code that cannot be
        interrupted. Then it is killed. It is not reaped before this process looks, so its number cannot belong to another.
        """
        deadline, grace = self.started + self.limits["timeout_seconds"], self.limits["grace_seconds"]
        when = deadline
        while when < deadline + grace:
            yield when, lambda: os.kill(self.pid, signal.SIGINT)
            when += _INTERRUPT_EVERY
        yield deadline + grace, lambda: os.kill(self.pid, signal.SIGSEGV)
        while True:
            yield deadline + grace + _LAST_WORDS, lambda: os.kill(self.pid, signal.SIGKILL)

    def _read(self, reader: int) -> bool:
        """Handle what a pipe holds; False if it holds nothing."""
        try:
            data = os.read(reader, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self.selector.unregister(reader)
            return False
        name = self.readers[reader]
        if name == "events":
            for message in self.channel.feed(data):
                self.report = message.get("report")
                _tell(message)
            return True
        self.printed += len(data)
        if self.printed > _MOST_PRINTED:
            raise TooMuch(f"it printed more than {_MOST_PRINTED >> 20} MB")
        if name == "out":
            self.printed_lines += data.count(b"\n")
        else:
            self.stderr = (self.stderr + data)[-_KEEP_STDERR:]
        return True

    def _look_at_processes(self) -> None:
        # orphans that came to this process and have ended; R's own host waits for the end of the watch
        with contextlib.suppress(ChildProcessError):
            peek = os.WEXITED | os.WNOHANG | os.WNOWAIT
            while (ended := os.waitid(os.P_ALL, 0, peek)) and ended.si_pid != self.pid:
                os.waitpid(ended.si_pid, 0)
        members = family.below()
        running = [member for member in members if not member.zombie]
        if len(members) - len(running) > _MOST_ENDED:  # for root the kernel has no limit to them
            raise TooMuch(f"it left more than {_MOST_ENDED:,} processes that had ended without asking how")
        if len(running) > self.limits["processes"]:
            raise TooMuch(f"it had more than {self.limits['processes']} processes at once")
        most = self.limits["memory_limit_mb"]
        if most and family.memory(running, most << 20) > most << 20:
            raise TooMuch(f"its processes together had more than {most} MB of memory")
        disk = os.fstatvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < _FREE_DISK:
            raise TooMuch("the disk was almost full")

    def _look_at_folder(self) -> None:
        most = self.limits["folder_mb"] << 20
        with contextlib.suppress(OSError):
            nameless = family.nameless_bytes(family.below(), os.fstat(self.folder).st_dev)
            if intake.used(self.folder, most - nameless, _MOST_FILES):
                raise TooMuch(
                    f"its folder held more than {most >> 20} MB, {_MOST_FILES:,} files, or folders too deep inside each other"
                )

    def _sample_memory(self) -> None:
        with contextlib.suppress(OSError, StopIteration, ValueError):
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                peak = next(line for line in file if line.startswith("VmHWM"))
            self.peak_kb = max(self.peak_kb, int(peak.split()[1]))

    def _end_all(self) -> bool:
        """End every process of the run. True when none is left."""
        if self.group:
            self.group.kill()
        return family.end_all(self.statuses)

    def _abandon(self) -> None:
        """The platform is gone: nothing of the run may outlive it, nor its data."""
        self._end_all()
        if self.group:
            self.group.remove()
        for part in ("folder", "received"):
            with contextlib.suppress(OSError):  # there is nobody left to tell; the other one still has to go
                intake.clear(self.request[part])
        os._exit(1)

    # --- Afterwards -----------------------------------------------------------------------------------------

    def _succeeded(self) -> bool:
        ok = bool(self.report and self.report["ok"])
        return ok and not self.timed_out and self.stopped is None and self.statuses.get(self.pid) == 0

    def _take(self) -> str | None:
        """Copy the expected files to where R cannot reach them; why not, where one is not what it should be."""
        try:
            for name in self.request["outputs"]:
                intake.take(self.out, name, most_bytes(name, self.limits["table_mb"]), self.received)
        except intake.NotTaken as reason:
            return str(reason)
        return None


def _tell(message: dict[str, Any]) -> None:
    """One line to the platform. If it does not listen any more, the watch ends the run (see `_abandon`)."""
    data = json.dumps(message, ensure_ascii=True).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(1, data) :]


def _become_host(request: dict[str, Any], pipes: dict[str, int], group: Group | None) -> None:
    """In the forked child: nothing of the supervisor's stays open; then R."""
    try:
        os.setsid()
        default_signals()
        if group:
            with contextlib.suppress(
                OSError
            ):  # then its processes are found by their descent, as where there is no group
                group.enter()
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, number in ((null, 0), (pipes["out"], 1), (pipes["err"], 2)):
            os.dup2(descriptor, number)
        events = os.dup2(pipes["events"], 3, inheritable=False)
        os.closerange(4, 1024)
        os.umask(0o077)
        os.chdir(request["folder"])
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
            file.write(_VICTIM)
        sys.path[:] = request["path"]

        from resources.r_child import host

        host.main(request, events)
    except BaseException:  # noqa: BLE001  # it must not run on as a second supervisor
        import traceback

        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
