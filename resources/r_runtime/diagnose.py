"""Finds out why a run failed, from what the child reported or, when it could not, from what it left behind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.r_runtime.card import CodeLine, Frame, code_around
from resources.r_runtime.model import Limits
from resources.r_runtime.process import Exit
from resources.r_runtime.scrub import Scrubber

if TYPE_CHECKING:
    from platform_assets.indicators import Indicator

MOST_CALL = 140
_JUDGED = ("input", "wrong_output")
"""Kinds of which the harness tells in which row of a table it found something."""
_MOST_CALLS = 200  # of a traceback: each is looked for in the script
_NO_MEMORY = re.compile(r"cannot allocate|bad_alloc|MemoryError|memory exhausted|out of memory", re.IGNORECASE)
_CAUSES = (
    *("memory not mapped", "invalid permissions", "invalid alignment", "non-existent physical address"),
    *("object specific hardware error", "illegal opcode", "illegal operand", "illegal trap"),
)
"""What R says of a signal that it caught; a script can write to the same place, so nothing else is taken from there."""
_R_TRACEBACK = re.compile(
    r"^Traceback:\n(?P<calls>(?: *\d+: .*\n(?:(?! *\d+: |An irrecoverable|Possible).*\n)*)+)", re.M
)
_TRACEBACK_CALL = re.compile(r"^ *\d+: (?P<call>.*(?:\n(?! *\d+: ).*)*)", re.M)


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a failure; `file` is a full path."""

    kind: str
    message: str
    file: str | None = None
    line: int | None = None
    end_line: int | None = None
    call: str | None = None
    phase: str = ""
    stack: tuple[Frame, ...] = ()
    ours: bool = False
    """The message is the platform's alone: nothing that a script wrote is in it."""

    def scrubbed(self, scrubber: Scrubber) -> Diagnosis:
        """The same, without values of the input tables."""
        texts = [self.message, self.call or "", *(frame.call for frame in self.stack)]
        message, call, *calls = scrubber.scrub_all(texts, own=self.kind in _JUDGED)
        message = self.message if self.ours else message
        stack = tuple(replace(frame, call=_short(text)) for frame, text in zip(self.stack, calls, strict=True))
        return replace(self, message=message, call=_short(call) or None, stack=stack)

    def code(self, files: Sequence[Path]) -> tuple[CodeLine, ...]:
        """The author's lines around the failure."""
        path = next((file for file in files if str(file) == self.file), None)
        return code_around(path, self.line, self.end_line) if path else ()


def diagnose(ended: Exit, report: Mapping[str, Any] | None, indicator: Indicator, limits: Limits) -> Diagnosis:
    """The most telling account of a failed run."""
    reported = _reported(report)
    if ended.stopped:
        return Diagnosis(ended.stopped.kind, ended.stopped.message, ours=True)
    if not ended.gone:
        return Diagnosis("platform", "processes of the run could not be ended", ours=True)
    if ended.not_taken:
        return Diagnosis("unsafe_output", ended.not_taken, ours=True)
    if ended.timed_out:
        message = f"stopped after {limits.timeout_seconds:g} seconds"
        if reported and reported.stack:
            return replace(reported, kind="timeout", message=message, ours=True)
        return _with_traceback(Diagnosis("timeout", message, ours=True), ended.stderr, indicator)
    if reported:
        return reported
    if _NO_MEMORY.search(ended.stderr):
        limit = f" ({limits.memory_limit_mb} MB)" if limits.memory_limit_mb else ""
        return Diagnosis("memory", f"the memory limit{limit} was reached", ours=True)
    if ended.code > 0 and "Traceback (most recent call last)" in ended.stderr:
        return Diagnosis("platform", f"the process that hosts R failed: {_python_error(ended.stderr)}")
    if ended.code >= 0:
        return Diagnosis("quit", "R ended before the function returned: compiled code called exit()", ours=True)
    if ended.signal_name == "SIGKILL":
        return Diagnosis("killed", "the operating system killed R (SIGKILL)", ours=True)
    cause = next((cause for cause in _CAUSES if f", cause '{cause}'" in ended.stderr), "")
    detail = f"{ended.signal_name}: {cause}" if cause else ended.signal_name
    return _with_traceback(Diagnosis("crash", f"R crashed ({detail})", ours=True), ended.stderr, indicator)


def failed_supervisor(printed: str) -> Diagnosis:
    """For a run of which nobody can say how it ended."""
    return Diagnosis("platform", f"the process around R failed: {_python_error(printed)}")


def _reported(report: Mapping[str, Any] | None) -> Diagnosis | None:
    failure = (report or {}).get("failure")
    if not failure:
        return None
    message = failure["message"]
    if failure.get("plot"):
        message = f'plot "{failure["plot"]}" could not be drawn: {message}'
    return Diagnosis(
        kind=failure["kind"],
        message=message,
        file=failure.get("file"),
        line=failure.get("line"),
        end_line=failure.get("end_line"),
        call=failure.get("call"),
        phase=failure.get("phase") or "",
        stack=tuple(
            Frame(frame["call"], _name(frame.get("file")), frame.get("line")) for frame in failure.get("stack") or []
        ),
    )


def _with_traceback(diagnosis: Diagnosis, stderr: str, indicator: Indicator) -> Diagnosis:
    """Add the stack that R printed on its way down. It has no lines: these are found by the text of the calls."""
    printed = _R_TRACEBACK.search(stderr)
    if printed is None:
        return diagnosis
    calls: list[str] = []  # innermost first, up to the call of the indicator
    for match in _TRACEBACK_CALL.finditer(printed["calls"]):
        calls.append(" ".join(match["call"].split()))
        if calls[-1].startswith(f"{indicator.name}("):
            break
        if len(calls) == _MOST_CALLS:
            return diagnosis
    else:
        return diagnosis
    frames: list[Frame] = []
    place: tuple[Path, int] | None = None
    for call, caller in zip(calls, [*calls[1:], ""], strict=True):
        found = _find_call(call, caller, indicator.files) if caller else None
        if found or not caller:
            frames.append(Frame(call, found[0].name if found else None, found[1] if found else None))
            place = place or found
    frames.reverse()
    return replace(
        diagnosis,
        stack=tuple(frames),
        file=str(place[0]) if place else None,
        line=place[1] if place else None,
    )


def _find_call(call: str, caller: str, files: Sequence[Path]) -> tuple[Path, int] | None:
    """The line that holds a call: the first one after the line that defines the function which makes it."""
    wanted = _squeeze(call)[:60]
    defines = re.compile(rf"\b{re.escape(caller.split('(', 1)[0])}\s*(?:<-|=)\s*(?:function|\\\\)")
    fallback = None
    for file in files:
        inside = False
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
            inside = inside or bool(defines.search(line))
            if wanted in _squeeze(line):
                if inside:
                    return file, number
                fallback = fallback or (file, number)
    return fallback


def _squeeze(code: str) -> str:
    return re.sub(r"\s", "", code).replace("'", '"')


def _python_error(stderr: str) -> str:
    """Type and place of the last Python error; its message may hold values and stays out."""
    places = re.findall(r'File "([^"]+)", line (\d+), in (\w+)', stderr)
    kind = re.findall(r"^(\w[\w.]*)(?:: .*)?$", stderr.strip(), re.M)
    name = kind[-1] if kind else "unknown error"
    at = f" in {Path(places[-1][0]).name} line {places[-1][1]}" if places else ""
    return f"{name}{at}"


def _name(path: str | None) -> str | None:
    return Path(path).name if path else None


def _short(text: str) -> str:
    return text if len(text) <= MOST_CALL else text[: MOST_CALL - 3] + "..."
