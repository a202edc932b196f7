"""Work on files of others, in a process of its own for each (see `child`). What it hands over is not trusted."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from platform_assets.ingest.readers.apart import child
from platform_assets.ingest.readers.apart.limits import Limits, setting
from platform_assets.ingest.readers.rows import FileRejected

ODD = "its reader handed over what no reader makes: it is damaged, or made to break in. Ask who sent it, then save it anew"
MAX_ANSWER = 16 << 20
MAX_SENTENCE = 2_000
ATTEMPTS = 2
"""A process may also be killed by someone else; what is the file's fault happens again."""
_START_SECONDS, _STARTS = 60, 5
_SPARE_SECONDS = 60
_REPOSITORY = Path(__file__).resolve().parents[4]
_AT_A_TIME = threading.BoundedSemaphore(2)
"""Files at a time in this process: the memory of the limits is there twice, however many people bring files to the console."""


class ReaderBroken(RuntimeError):
    """The reader's process cannot be started: something is wrong with the installation, not with a file."""


class _Died(FileRejected):
    """The process of a file was killed, or killed itself."""


class Child:
    """Runs functions in processes of their own. As a context manager: on leaving it no process is left.

    The first use takes half a second (a Python that imports what reading needs), each file some milliseconds.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits.from_environment()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._folders = 0

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        if self._channel:
            self._channel.close()
        if self._process:
            # not reaped yet, so its number cannot belong to another
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = self._channel = None

    def run(
        self,
        function: Callable[..., Any],
        *,
        files: Sequence[Path],
        folder: Path,
        warm: Sequence[str] = (),
        **arguments: Any,
    ) -> tuple[Any, Path]:
        """`function(target=..., limits=..., **arguments)`, in a process that can read `files` alone and write into `target` alone.

        Returns its result and that folder, which is made in `folder` and holds nothing but regular files, all of this user, none
        of them linked. `warm` is what it imports, done once for all files. Raises FileRejected where the function does, and where
        its process dies or goes beyond a limit; nothing is left in `folder` then.
        """
        seconds = self.limits.seconds_for(sum(file.stat().st_size for file in files))
        attempt = 0
        while True:
            attempt += 1
            limits = self.limits.within(shutil.disk_usage(folder).free)
            self._folders += 1
            target = folder / f"read-{os.getpid()}-{id(self)}-{self._folders}"
            target.mkdir(mode=0o700)
            job = child.Job(
                modules=(function.__module__, *warm),
                work=pickle.dumps((function, {"target": target, "limits": limits, **arguments})),
                readable=tuple(str(file.resolve()) for file in files),
                folder=str(target),
                memory=limits.memory_mb << 20,
                seconds=seconds,
                wall_seconds=3 * seconds,
                file_bytes=limits.unpacked_mb << 20,
            )
            try:
                with _AT_A_TIME:
                    ended = self._do(job)
                _refuse_unless_done(ended, job, limits)
                return _result(target, limits), target
            except _Died:
                shutil.rmtree(target, ignore_errors=True)
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                shutil.rmtree(target, ignore_errors=True)
                raise

    def _do(self, job: child.Job) -> dict[str, Any]:
        """How the process ended: its code (that of a killed one, where the first generation went with it), and whether late."""
        channel = self._channel or self._start()
        try:
            channel.settimeout(job.wall_seconds + _SPARE_SECONDS)
            child.send(channel, pickle.dumps(job))
            message = child.receive(channel)
        except OSError:
            message = None
        except BaseException:  # interrupted: what is under way must not answer the next question
            self.close()
            raise
        if message is None:
            self.close()
            return {"code": -signal.SIGKILL, "late": False}
        ended: dict[str, Any] = json.loads(message)
        if "broken" in ended:
            raise ReaderBroken(f"what reads files cannot be imported ({ended['broken']}): run `make setup`")
        return ended

    def _start(self) -> socket.socket:
        for _ in range(_STARTS):
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-s", "-P", "-m", child.__name__, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd=_REPOSITORY,
                    env=_ENVIRONMENT,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            self._channel = ours
            ours.settimeout(_START_SECONDS)
            with contextlib.suppress(OSError):
                if child.receive(ours) == b"ready":
                    return ours
            self.close()
        raise ReaderBroken(f"the process that reads files does not start ({sys.executable}): run `make setup`")


_ENVIRONMENT = {
    # no keys, no settings: only what Python and Arrow need to behave
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(_REPOSITORY),  # where the packages are not installed, as in the image
    "PYTHONDONTWRITEBYTECODE": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # gives memory back, and keeps to the limit of address space
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a process with threads should not fork
    "MALLOC_ARENA_MAX": "1",
}


def _refuse_unless_done(ended: dict[str, Any], job: child.Job, limits: Limits) -> None:
    if ended["late"] or ended["code"] == -signal.SIGXCPU:
        raise FileRejected(
            f"reading it took longer than {job.seconds} seconds: it is much larger inside than it looks, or made to be slow. "
            f"Deliver it in parts or as CSV; for a file that needs so long raise {setting('seconds')}"
        )
    if ended["code"] == child.NOT_LOCKED_IN:
        raise ReaderBroken("a process that reads files cannot be locked in on this machine: no file was looked at")
    if ended["code"]:
        how = signal.Signals(-ended["code"]).name if ended["code"] < 0 else f"code {ended['code']}"
        raise _Died(_too_much(limits, f"its reader died: {how}"))


def too_large(limits: Limits) -> str:
    """The sentence for what unpacks to more than the limit."""
    return (
        f"it unpacks to more than {limits.unpacked_mb:,} MB, which is refused as a bomb: deliver it in parts. For a file that is "
        f"so large raise {setting('unpacked_mb')}, and see that half of the disk is free"
    )


def _too_much(limits: Limits, what: str) -> str:
    return (
        f"it is damaged, or needs more than {limits.memory_mb:,} MB of memory to be read, much more than its size tells ({what}). "
        "Open it, keep nothing but the table (in a sheet: delete the empty rows and columns around it, Ctrl+End shows the last "
        f"cell) and save it anew, deliver it in parts, or as CSV. For a file that needs so much raise {setting('memory_mb')}"
    )


def _result(target: Path, limits: Limits) -> Any:
    """What a process has answered, held against what it may hand over."""
    odd = FileRejected(ODD)
    total, folder = 0, os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in os.listdir(folder):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            total += found.st_size
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.getuid():
                raise odd
        try:
            with open(os.open(child.ANSWER, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
                text = file.read(MAX_ANSWER + 1)
            answer = json.loads(text) if len(text) <= MAX_ANSWER else None
        except (OSError, ValueError, RecursionError):
            raise odd from None
    finally:
        os.close(folder)
    match answer:
        case {"result": result}:
            if total > (limits.unpacked_mb << 20) + len(text):
                raise FileRejected(too_large(limits))
            return result
        case {"refused": str(reason)}:
            raise FileRejected(reason[:MAX_SENTENCE])
        case {"failed": "MemoryError" | "ArrowMemoryError"}:
            raise FileRejected(_too_much(limits, "there was not enough memory for it"))
        case {"failed": "too large"}:
            raise FileRejected(too_large(limits))
        case {"failed": str(kind)}:
            raise FileRejected(f"it cannot be read ({kind[:60]}): it is damaged. Save it anew, or deliver it as CSV")
    raise odd
