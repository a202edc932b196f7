"""Finds out why a run failed, from what the child reported or, when it could not, from what it left behind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.r_runtime.card import CodeLine, FailureKind, Frame, code_around
from resources.r_runtime.process import Exit
from resources.r_runtime.scrub import Scrubber

if TYPE_CHECKING:
    from resources.r_runtime.runtime import RRuntime

MOST_CALL = 140
_NO_MEMORY = re.compile(
    r"cannot allocate|bad_alloc|MemoryError|memory exhausted|out of memory", re.IGNORECASE
)
_R_TRACEBACK = re.compile(
    r"^Traceback:\n(?P<calls>(?: *\d+: .*\n(?:(?! *\d+: |An irrecoverable|Possible).*\n)*)+)", re.M
)
_TRACEBACK_CALL = re.compile(r"^ *\d+: (?P<call>.*(?:\n(?! *\d+: ).*)*)", re.M)


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a failure; `file` is a full path."""

    kind: FailureKind
    message: str
    file: str | None = None
    line: int | None = None
    end_line: int | None = None
    call: str | None = None
    phase: str = ""
    stack: tuple[Frame, ...] = ()

    def scrubbed(self, scrubber: Scrubber) -> Diagnosis:
        """The same, without values of the input tables."""
        texts = [self.message, self.call or "", *(frame.call for frame in self.stack)]
        message, call, *calls = scrubber.scrub_all(texts)
        stack = tuple(
            replace(frame, call=_short(text)) for frame, text in zip(self.stack, calls, strict=True)
        )
        return replace(self, message=message, call=_short(call) or None, stack=stack)

    def code(self, files: Sequence[Path]) -> tuple[CodeLine, ...]:
        """The author's lines around the failure."""
        path = next((file for file in files if str(file) == self.file), None)
        return code_around(path, self.line, self.end_line) if path else ()


def diagnose(
    ended: Exit, report: Mapping[str, Any] | None, samples: Path, files: Sequence[Path], runtime: RRuntime
) -> Diagnosis:
    """The most telling account of a failed run."""
    reported = _reported(report)
    if ended.timed_out:
        message = f"stopped after {runtime.timeout_seconds:g} seconds"
        if reported and reported.stack:
            return replace(reported, kind="timeout", message=message)
        return _with_last_sample(Diagnosis("timeout", message), samples, files)
    if reported:
        return reported
    if ended.code == 0 or (ended.code > 0 and "Traceback (most recent call last)" not in ended.stderr):
        message = "R ended before the function returned"
        return _with_last_sample(Diagnosis("quit", message), samples, files)
    if _NO_MEMORY.search(ended.stderr):
        limit = f" ({runtime.memory_limit_mb} MB)" if runtime.memory_limit_mb else ""
        message = f"the memory limit{limit} was reached"
        return _with_last_sample(Diagnosis("memory", message), samples, files)
    if ended.code > 0:
        return Diagnosis("platform", f"the process that hosts R failed: {_python_error(ended.stderr)}")
    if ended.signal_name == "SIGKILL":
        message = "the operating system killed R (SIGKILL)"
        return _with_last_sample(Diagnosis("killed", message), samples, files)
    return _crashed(ended, samples, files)


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
            Frame(frame["call"], _name(frame.get("file")), frame.get("line"))
            for frame in failure.get("stack") or []
        ),
    )


def _crashed(ended: Exit, samples: Path, files: Sequence[Path]) -> Diagnosis:
    """R prints its stack when C code breaks it, without lines: these are found by the text of the calls."""
    cause = re.search(r"\*\*\* caught (\w+) \*\*\*\n(?:address [^,]*, cause '([^']*)')?", ended.stderr)
    detail = f": {cause[2]}" if cause and cause[2] else ""
    diagnosis = Diagnosis("crash", f"R crashed ({ended.signal_name}{detail})")
    traceback = _R_TRACEBACK.search(ended.stderr)
    if traceback is None:
        return _with_last_sample(diagnosis, samples, files)
    calls = [" ".join(match["call"].split()) for match in _TRACEBACK_CALL.finditer(traceback["calls"])]
    frames, place = [], None
    for call in calls:  # innermost first
        found = _find_call(call, files)
        if found:
            frames.append(Frame(call, found[0].name, found[1]))
            place = place or found
    if place is None:
        return _with_last_sample(diagnosis, samples, files)
    frames.reverse()
    return replace(diagnosis, file=str(place[0]), line=place[1], stack=tuple(frames))


def _find_call(call: str, files: Sequence[Path]) -> tuple[Path, int] | None:
    wanted = re.sub(r"\s", "", call)[:60]
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
            if wanted in re.sub(r"\s", "", line).replace("'", '"'):
                return file, number
    return None


# A sample reads: 1#4 ".C" 1#4 "helper" 1#8 "main" - the statement that was running, then each call, innermost first,
# followed by the line that made it; 1 is the number of a file, named in the lines "#File 1: path" before.
_SAMPLE_ITEM = re.compile(r'"(?P<name>[^"]*)"|(?P<file>\d+)#(?P<line>\d+)')


def _with_last_sample(diagnosis: Diagnosis, samples: Path, files: Sequence[Path]) -> Diagnosis:
    """Add where R was at its last sample of the stack, at most a fifth of a second of computing before the end."""
    if not samples.is_file():
        return diagnosis
    names: dict[str, str] = {}
    last = ""
    for line in samples.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        if line.startswith("#File "):
            number, _, path = line[6:].partition(": ")
            names[number] = path
        elif line and not line.startswith("line profiling"):
            last = line
    known = {str(file) for file in files}
    frames: list[Frame] = []
    place: tuple[str, int] | None = None
    pending: str | None = None
    for item in _SAMPLE_ITEM.finditer(last):
        if item["name"] is not None:
            pending = item["name"]
            continue
        path, line_number = names.get(item["file"], ""), int(item["line"])
        if path not in known:
            continue
        place = place or (path, line_number)
        if pending:
            frames.append(Frame(f"{pending}()", Path(path).name, line_number))
    if place is None:
        return diagnosis
    frames.reverse()
    return replace(
        diagnosis,
        file=place[0],
        line=place[1],
        stack=tuple(frames[:15] + frames[-15:] if len(frames) > 30 else frames),
    )


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
