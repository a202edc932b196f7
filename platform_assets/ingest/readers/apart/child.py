"""The processes in which files of others are read. Started by `process.Child`, never by hand.

Two generations. The first is warm (it has imported what reading needs), opens no file, and forks the second: one process for one file,
with limits, locked in, without keys, network, or any file but its own. Whatever a file does to its reader ends there: the first
generation tells how it ended, sweeps up what is left of it, and forks the next. So a file finds no trace of the one before.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from platform_assets.ingest.readers.rows import FileRejected
from resources.processes import default_signals
from resources.r_child.locks.sandbox import enter

ANSWER = "answer.json"
NOT_LOCKED_IN = 97
"""Exit code of a process that could not be limited and locked in: it has not looked at its file."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Job:
    """What one process is to do."""

    modules: tuple[str, ...]
    """Imported before the process is forked."""
    work: bytes
    """Pickled (function, keyword arguments); the function returns what JSON can say."""
    readable: tuple[str, ...]
    """Files and folders that it may read."""
    folder: str
    """The one folder in which it may write."""
    memory: int
    """Bytes of address space beside what the first generation has."""
    seconds: int
    """Processor time."""
    wall_seconds: int
    """By the clock."""
    file_bytes: int
    """Size of any file that it writes."""


def send(channel: socket.socket, message: bytes) -> None:
    """Send one message."""
    channel.sendall(struct.pack("=Q", len(message)) + message)


def receive(channel: socket.socket) -> bytes | None:
    """The next message; None where the other side is gone."""
    head = _exactly(channel, 8)
    return head and _exactly(channel, struct.unpack("=Q", head)[0])


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def serve(channel: socket.socket) -> None:
    """The first generation: a process per job, until the other side hangs up."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a job leaves behind becomes ours, and is ended
    os.umask(0o077)
    default_signals()  # the kernel's own signals tell which limit a job broke
    sys.meta_path.insert(0, _NoPandas())
    send(channel, b"ready")
    while (message := receive(channel)) is not None:
        job: Job = pickle.loads(message)  # our own parent's words
        try:
            for module in job.modules:
                importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - the parent raises it: no file is at fault
            send(channel, json.dumps({"broken": f"{type(error).__name__}: {error}"}).encode())
            continue
        child = os.fork()
        if not child:
            _work(job)
        ended = _end_of(child, job.wall_seconds, channel)
        _sweep()
        if ended is None:
            return
        send(channel, json.dumps(ended).encode())


def _end_of(child: int, seconds: float, channel: socket.socket) -> dict[str, Any] | None:
    """How the process ended; it is killed when its time is over, and when nobody waits for it any more (None)."""
    handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(channel, select.POLLRDHUP | select.POLLHUP)
        found = {descriptor for descriptor, _ in poll.poll(seconds * 1_000)}
    finally:
        os.close(handle)
    ended = handle in found
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not ended and found:
        return None
    return {"code": os.waitstatus_to_exitcode(status), "late": not ended}


def _sweep() -> None:
    """End what a job has left behind."""
    while True:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
        if not text.split():
            return
        for process in map(int, text.split()):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


class _NoPandas(MetaPathFinder):
    """pyarrow asks whether what it is given comes from pandas, and would import it for that: half a second for each file."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def allow_pandas() -> None:
    """For a reader that cannot do without it: from here on this process may import it."""
    # by its name: this module is `__main__` where it was started, so the class is there twice
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != _NoPandas.__name__]


# ------------------------------------------------------------------ the second generation


def _work(job: Job) -> None:
    """Do the job and end this process. The answer stands in the job's folder."""
    code = NOT_LOCKED_IN
    try:
        parent = os.getppid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(code)
        # what a library says when it dies may quote a value
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        os.closerange(3, 1 << 16)
        _limit(job)
        _lock_in(job)
        spare_collections()
        code = 1
        Path(job.folder, ANSWER).write_text(json.dumps(_answer(job)), encoding="ascii")
        code = 0
    finally:
        os._exit(code)


def spare_collections() -> None:
    """Look for circles of objects rarely: rows make none, and a third of a text reader's time goes by looking."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def _answer(job: Job) -> dict[str, Any]:
    function: Callable[..., Any]
    function, arguments = pickle.loads(job.work)
    try:
        return {"result": function(**arguments)}
    except FileRejected as refused:
        return {"refused": str(refused)}
    except OSError as error:
        return {"failed": "too large" if error.errno == errno.EFBIG else type(error).__name__}
    except Exception as error:  # noqa: BLE001 - of a bug in a reader too only the kind is told: its message may quote a value
        return {"failed": type(error).__name__}


def _limit(job: Job) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    for what, limit in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + job.memory),
        (resource.RLIMIT_FSIZE, job.file_bytes),
        (resource.RLIMIT_CORE, 0),  # the image of a process that died holds the file
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_NPROC, 0),  # no process or thread of its own
    ):
        resource.setrlimit(what, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (job.seconds, job.seconds + 5))  # SIGXCPU says why, SIGKILL comes after it
    with contextlib.suppress(OSError):  # where the machine runs out of memory, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _lock_in(job: Job) -> None:
    code = Path(__file__).resolve().parents[4]
    libraries = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/proc/self"]
    ours = [sys.prefix, sys.base_prefix, str(code / "platform_assets"), str(code / "resources")]
    enter(read=[*libraries, *ours, *job.readable], write=[job.folder], alone=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
