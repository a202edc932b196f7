"""The process that runs R, forked by `supervisor`: locks itself in, starts R, runs the script, writes the table.

It tells the supervisor what happens by JSON lines on a pipe: `{"event": ...}` while it runs and one `{"report": ...}` at the end.
The script can write to that pipe as well: `channel` reads it as hostile.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import resource
import signal
import sys
from typing import IO, Any

from resources.r_child.channel import MOST_MESSAGE
from resources.r_child.embedded import start_r

MOST_EVENTS = 500
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


class Pipe:
    """JSON lines to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._events = 0

    def event(self, level: str, text: str, file: str | None = None, line: int | None = None) -> None:
        """Tell the parent of a message. After MOST_EVENTS of them only the count is kept."""
        self._events += 1
        if self._events == MOST_EVENTS + 1:
            level, text, file, line = (
                "info",
                f"more than {MOST_EVENTS} messages; the rest is not shown",
                None,
                None,
            )
        if self._events <= MOST_EVENTS + 1:
            self._send({"event": {"level": level, "text": text, "file": file, "line": line}})

    def session(self, session: dict[str, Any]) -> None:
        """R's version and the packages loaded so far; sent more than once, the last one counts."""
        self._send({"session": session})

    def report(self, **report: Any) -> None:
        """The outcome, sent once."""
        self._send({"report": report})

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message, ensure_ascii=True).encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]


def main(request: dict[str, Any], events: int) -> None:
    """Run the request and leave without R's or Python's own farewell, which a script could have tampered with.

    `events` is the pipe to the supervisor.
    """
    pipe = Pipe(events)
    _limit(request["supervisor"], request["limits"])
    try:
        _status()
        _enter_sandbox(request, pipe)
        pipe.report(**_run(request, pipe))
    except NoSandbox as error:
        pipe.report(ok=False, failure={"kind": "platform", "message": str(error)})
    except MemoryError:
        pipe.report(ok=False, failure={"kind": "memory", "message": "not enough memory", "phase": "exchange"})
    _libc.fflush(None)
    os._exit(0)


def _limit(supervisor: int, limits: dict[str, Any]) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(1)
    most = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits["file_mb"] << 20,
        resource.RLIMIT_NOFILE: _MOST_OPEN,
        # the kernel counts all processes of this user, and does not count for root: the supervisor counts those of the run
        resource.RLIMIT_NPROC: _processes_of_user() + limits["processes"],
        # neither before other programs' turn, nor kept in memory: a desktop's user may have the right to both
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if limits["memory_limit_mb"]:
        most[resource.RLIMIT_AS] = limits["memory_limit_mb"] << 20
    for kind, value in most.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


_MOST_OPEN = 1024


def _processes_of_user() -> int:
    """Threads count as processes here."""
    count, user = 0, os.geteuid()
    if user == 0:
        return 0  # the kernel does not count them
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == user:
                    count += len(os.listdir(f"{entry.path}/task"))
    return count


class NoSandbox(RuntimeError):
    """The run may only happen locked in, and the kernel cannot."""


def _enter_sandbox(request: dict[str, Any], pipe: Pipe) -> None:
    from resources.r_child.locks import sandbox

    mode = request["limits"]["sandbox"]
    if mode == "off":
        pipe.event("sandbox", "off: the script can read this user's files and use the network")
        return
    state = sandbox.enter(request["readable"], [request["folder"], *_DEVICES])
    pipe.event("sandbox", str(state))
    if mode == "required" and not (state.files and state.network):
        raise NoSandbox("a sandbox for files and network is required and this kernel does not offer it")


_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def _run(request: dict[str, Any], pipe: Pipe) -> dict[str, Any]:
    sys.modules["numpy"] = None  # type: ignore[assignment]  # pyarrow would import it: 0.1 s and 20 MB for nothing
    harness = start_r(request["harness"])
    import rpy2.rinterface as ri
    from rpy2.rinterface_lib.embedded import RRuntimeError

    from resources.r_child.exchange import Exchange, ExchangeError

    def event(level: Any, text: Any, file: Any, line: Any) -> Any:
        pipe.event(_scalar(level), _scalar(text), _scalar(file), _scalar(line))
        return ri.NULL

    def outcome(failure: dict[str, Any]) -> dict[str, Any]:
        pipe.session(_plain(harness["session_info"]()))
        return {
            "ok": False,
            "failure": failure,
            "warnings": _plain(session["warnings"]) or [],
            "notes": notes,
            "peak_kb": _peak_kb(),
        }

    callback = ri.rternalize(event)  # held by this name: R does not keep the Python function alive
    session = harness["new_session"](_to_r(request["spec"]), callback)
    exchange = Exchange(harness)
    harness["note_names"](session, _to_r({name: table["present"] for name, table in request["inputs"].items()}))
    notes = _plain(session["notes"])
    try:
        harness["forbid_quit"]()
        harness["fix_conditions"]()
        loaded = harness["load_script"](session)
        pipe.session(_plain(harness["session_info"]()))
        if _is_null(loaded):
            return outcome(_plain(session["failure"]))
        inputs = ri.ListSexpVector([_read(exchange, name, table) for name, table in request["inputs"].items()])
        names = ri.StrSexpVector(list(request["inputs"]))
        result = harness["call_with"](
            session,
            inputs,
            names,
            _to_r(request["params"]),
            _to_r(request["given"]),
            request["folder"] + "/out",
        )
        if _is_null(result):
            return outcome(_plain(session["failure"]))
    except ExchangeError as error:
        return outcome({"kind": "input", "message": str(error)[:MOST_MESSAGE], "phase": "exchange"})
    except RRuntimeError:
        # Outside of the harness's handlers: no memory for an input, an exhausted C stack, an interrupt between calls.
        message = str(_plain(ri.baseenv["geterrmessage"]())).strip()[:MOST_MESSAGE]
        kind = _plain(harness["kind_of_message"](message)) if message else "timeout"
        return outcome({"kind": kind, "message": message, "phase": _plain(session["phase"])})

    types = {name: column["type"] for name, column in request["spec"]["outputs"].items()}
    try:
        table = exchange.frame_to_arrow(result[0], types)
    except ExchangeError as error:
        return outcome({"kind": "wrong_output", "message": str(error)[:MOST_MESSAGE], "phase": "exchange"})

    import pyarrow.parquet as pq

    pq.write_table(table, request["output"], compression="zstd")
    pipe.session(_plain(harness["session_info"]()))
    return {
        "ok": True,
        "rows": table.num_rows,
        "warnings": _plain(session["warnings"]) or [],
        "notes": notes,
        "peak_kb": _peak_kb(),
    }


def _read(exchange: Any, name: str, table: dict[str, Any]) -> Any:
    from resources.r_child.exchange import ExchangeError

    try:
        return exchange.read_parquet(table["path"], table["columns"])
    except ExchangeError as error:
        raise ExchangeError(f"input {name}: {error}") from None


@functools.cache
def _status() -> IO[str]:
    """Opened before the sandbox: the kernel may drop a process file from its memory, and with it Landlock's leave to open it."""
    return open("/proc/self/status", encoding="ascii")


def _peak_kb() -> int:
    """Peak resident size. ru_maxrss would also count the parent's, from before the exec."""
    status = _status()
    status.seek(0)
    return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)


def _is_null(value: Any) -> bool:
    import rpy2.rinterface as ri

    return value is ri.NULL or type(value) is type(ri.NULL)


def _scalar(value: Any) -> Any:
    return None if _is_null(value) or not len(value) else _plain(value)


def _plain(value: Any) -> Any:
    """R list, or vector of length one, as Python dict, list or scalar."""
    import rpy2.rinterface as ri

    if _is_null(value):
        return None
    if isinstance(value, ri.ListSexpVector):
        names = value.names
        items = [_plain(item) for item in value]
        return items if _is_null(names) else dict(zip(names, items, strict=True))
    items = [None if item in (ri.NA_Character, ri.NA_Integer, ri.NA_Logical) else item for item in value]
    return items[0] if len(items) == 1 else items


def _to_r(value: Any) -> Any:
    """JSON value as R list, vector of length one or NULL."""
    import rpy2.rinterface as ri

    if value is None:
        return ri.NULL
    if isinstance(value, dict):
        vector = ri.ListSexpVector([_to_r(item) for item in value.values()])
        vector.names = ri.StrSexpVector(list(value))
        return vector
    if isinstance(value, list):
        return ri.StrSexpVector(value)
    kind = {bool: ri.BoolSexpVector, int: ri.IntSexpVector, float: ri.FloatSexpVector, str: ri.StrSexpVector}
    return kind[type(value)]([value])
