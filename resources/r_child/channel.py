"""What comes through the event pipe of a run, read as hostile: the script can write to that pipe too.

Each line is one JSON object: `{"event": ...}`, `{"session": ...}` or, last, `{"report": ...}`. Whatever is not exactly what the
harness sends ends the run (`Misused`). What passes is made anew from checked parts, and its text holds no control characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from resources.r_child.kinds import kinds

MOST_BYTES = 32 << 20
MOST_LINE = 4 << 20
"""50 warnings of 4,000 characters, each written as twelve bytes, are 2.4 MB."""
MOST_EVENTS = 502
MOST_TEXT = 4_200
"""The harness cuts what it says after 4,000 characters; a failure may name the columns of a wide table."""
MOST_MESSAGE = 20_000

# What a terminal or a page could take for more than text: control characters, separators of lines, marks of direction, half characters.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_LEVELS = ("sandbox", "info", "warning", "note")

Message = dict[str, Any]


class Misused(ValueError):
    """The pipe holds what the harness does not send. `str()` says in a few words what; nothing of the content."""


def plain(text: str) -> str:
    """Text for logs and pages: line ends are \\n, other control characters are replaced by U+FFFD."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


class Channel:
    """Turns bytes into checked messages, in time that grows with their number only."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes in _pieces: a line that has not ended
        self._bytes = 0
        self._events = 0
        self._over = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. Raises Misused."""
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            raise Misused(f"more than {MOST_BYTES >> 20} MB")
        first, *others = data.split(b"\n")
        for piece in others:
            yield self._message(self._line(first))
            first = piece
        self._waiting += len(first)
        if self._waiting > MOST_LINE:
            raise Misused(f"a line of more than {MOST_LINE >> 20} MB")
        if first:
            self._pieces.append(first)

    def close(self) -> None:
        """At the end of the pipe. Raises Misused where a line is not finished."""
        if self._pieces:
            raise Misused("a line without an end")

    def _line(self, last: bytes) -> bytes:
        line = b"".join([*self._pieces, last])
        self._pieces, self._waiting = [], 0
        if len(line) > MOST_LINE:
            raise Misused(f"a line of more than {MOST_LINE >> 20} MB")
        return line

    def _message(self, line: bytes) -> Message:
        if self._over:
            raise Misused("a line after the report")
        try:
            read = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Misused("a line that is not JSON") from None
        if not isinstance(read, dict) or len(read) != 1:
            raise Misused("a line that is no message")
        ((kind, content),) = read.items()
        if kind == "event":
            return {"event": self._event(_object(content))}
        if kind == "session":
            self._count()
            return {"session": _session(_object(content))}
        if kind == "report":
            self._over = True
            return {"report": _report(_object(content))}
        raise Misused("a line that is no message")

    def _event(self, event: dict[str, Any]) -> Message:
        level = event.get("level")
        # the first line says which locks hold, before any of the script runs: the script cannot say it again
        if level not in _LEVELS or (level == "sandbox") != (self._events == 0):
            raise Misused("a message that the harness does not send")
        self._count()
        return {"level": level, "text": _text(event.get("text")), **_place(event)}

    def _count(self) -> None:
        self._events += 1
        if self._events > MOST_EVENTS + 4:  # two sessions, the sandbox, and the line that says that there are more
            raise Misused(f"more than {MOST_EVENTS} messages")


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Misused("a message of the wrong form")
    return value


def _list(value: Any, most: int) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most:
        raise Misused("a list of the wrong form")
    return value


def _text(value: Any, most: int = MOST_TEXT) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise Misused("a text of the wrong form")
    return plain(value)


def _line(value: Any, most: int = MOST_TEXT) -> str:
    """Text that stands in a line of others: names, versions, calls."""
    return _text(value, most).replace("\n", " ").replace("\t", " ")


def _number(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Misused("a number of the wrong form")
    return value


def _place(value: dict[str, Any]) -> Message:
    """File and line of the author's code; None where it is unknown."""
    file, line = value.get("file"), value.get("line")
    return {
        "file": None if file is None else _line(file),
        "line": None if line is None else _number(line, 10_000_000),
    }


def _warnings(value: Any) -> list[Message]:
    return [{"message": _text(_object(item).get("message")), **_place(item)} for item in _list(value, 100)]


def _session(session: dict[str, Any]) -> Message:
    packages = session.get("packages") or {}
    if len(_object(packages)) > 2000:
        raise Misused("a list of the wrong form")
    return {
        **{name: _line(session.get(name), 200) for name in ("r", "platform", "locale", "timezone")},
        "packages": {_line(name, 200): _line(version, 200) for name, version in packages.items()},
    }


def _report(report: dict[str, Any]) -> Message:
    ok = report.get("ok")
    if not isinstance(ok, bool):
        raise Misused("a report of the wrong form")
    checked: Message = {
        "ok": ok,
        "warnings": _warnings(report.get("warnings")),
        "notes": _warnings(report.get("notes")),
        "peak_kb": _number(report.get("peak_kb") or 0, 1 << 40),
    }
    if ok:
        return checked | {"rows": _number(report.get("rows"), 1 << 50)}
    failure = _object(report.get("failure"))
    if not (isinstance(kind := failure.get("kind"), str) and kind in kinds() and kinds()[kind].by_r):
        raise Misused("a failure that the harness does not know")
    end_line = failure.get("end_line")
    checked["failure"] = {
        "kind": failure["kind"],
        "message": _text(failure.get("message"), MOST_MESSAGE),
        **{name: _line(failure.get(name)) for name in ("call", "phase", "plot")},
        **_place(failure),
        "end_line": None if end_line is None else _number(end_line, 10_000_000),
        "stack": [
            {"call": _line(_object(frame).get("call")), **_place(frame)} for frame in _list(failure.get("stack"), 100)
        ],
    }
    return checked
