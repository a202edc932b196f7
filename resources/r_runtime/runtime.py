"""Runs one R indicator in a fresh, locked-in process: tables in, a checked table and plots out.

A run has a folder of its own, in which the script's files are kept apart from ours:

    request.json, card.txt   ours; R can neither see nor reach what lies beside `r`
    r/                       R's: its home, `tmp` and `out`. Nothing of ours is written there once R has begun
    received/                what the supervisor took out of `r/out` when every process of the run was dead
    output/                  what the reader made of that, and what the platform uses

Over 400 lines: one run from its request to its card, in the order in which it happens.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.identity import in_reach
from resources.r_child import intake
from resources.r_child.types import TABLE, most_bytes
from resources.r_runtime.card import FailureCard, IndicatorFailed
from resources.r_runtime.diagnose import Diagnosis, diagnose, failed_supervisor
from resources.r_runtime.model import Event, InputTable, Limits, PlotFile, RunResult, Session, Warned
from resources.r_runtime.process import CHILD, Exit, Reader, SupervisorFailed, run_supervised
from resources.r_runtime.scrub import Scrubber
from resources.r_runtime.slots import Slots

if TYPE_CHECKING:
    from platform_assets.indicators import Indicator

PROJECT = Path(__file__).resolve().parents[2]
HARNESS = PROJECT / "r_scripts" / "harness"


class RUnavailable(RuntimeError):
    """R is not installed, or not where it is looked for."""


class KeysInReach(RuntimeError):
    """R was to run where identity keys can be read, and must not there."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"R does not run where identity keys can be read, and here {', '.join(names)} can: nothing was run. Steps of R have pods of "
            "their own without the secret platform-identities (see docs/cloud.md)"
        )


@dataclass(frozen=True)
class RRuntime(Limits):
    """How indicators are run: within which limits (see `Limits`), and

    library            folders of R packages beside the system's
    slots              places shared with other processes; a run waits for one (None: no waiting)
    beside_keys        whether R may run in a process that could read identity keys; in the cluster it may not
    """

    library: tuple[Path, ...] = ()
    slots: Slots | None = None
    harness: Path = HARNESS
    beside_keys: bool = True

    @property
    def limits(self) -> Limits:
        """The limits alone."""
        return Limits(**{limit.name: getattr(self, limit.name) for limit in fields(Limits)})

    def run(
        self,
        indicator: Indicator,
        inputs: Mapping[str, InputTable],
        params: Mapping[str, object] | None,
        run_dir: Path,
        on_event: Callable[[Event], None],
        *,
        reproduce: str | None = None,
    ) -> RunResult:
        """Run `indicator` and return where its table and plots are.

        Everything is written to a new folder inside `run_dir`, so that nothing older can be taken for the result.
        `params` overrides the header's defaults. `reproduce` is the command that the failure card names; by
        default the one that repeats this run from the same files.
        Raises IndicatorFailed with the failure card, whatever went wrong in the child; KeysInReach.
        """
        if not self.beside_keys and (names := in_reach(os.environ)):
            raise KeysInReach(names)
        missing = [name for name in indicator.inputs if name not in inputs]
        if missing:
            raise ValueError(f"{indicator.name} needs the input tables {', '.join(missing)}")
        chosen = {name: inputs[name] for name in indicator.inputs}

        def waiting() -> None:
            on_event(Event("info", "waiting for other R runs to end"))

        with self.slots.take(on_wait=waiting) if self.slots else contextlib.nullcontext():
            return _Run(self, indicator, chosen, params or {}, run_dir).execute(on_event, reproduce)

    def environment(self, folder: Path) -> dict[str, str]:
        """The whole environment of the processes of a run, whose folder is `folder`: nothing of the platform's own is handed on."""
        program = shutil.which("R")
        if program is None:
            raise RUnavailable("R is not installed: run `make setup`, or install r-base-core")
        home = {name: value for name, value in _r_variables(program).items() if name.startswith("R_")}
        return home | {
            "PATH": f"{Path(program).parent}:/usr/local/bin:/usr/bin:/bin",
            # R's own value also names the system's libraries, which may hold another Python of the same version
            "LD_LIBRARY_PATH": f"{home['R_HOME']}/lib",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "en",
            "TZ": "UTC",
            "R_LIBS": ":".join(map(str, self.library)),
            "R_LIBS_USER": str(folder / "none"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "R_DATATABLE_NUM_THREADS": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        }


@functools.lru_cache(maxsize=1)
def _r_variables(program: str) -> dict[str, str]:
    """What R's own start script puts into the environment (R_HOME, library paths)."""
    bare = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    done = subprocess.run([program, "CMD", "env", "-0"], env=bare, capture_output=True, check=True, timeout=30)
    pairs = (entry.partition("=") for entry in done.stdout.decode().split("\0") if entry)
    return {name: value for name, _, value in pairs}


class _Run:
    """One run, from the new folder to the result or the card."""

    def __init__(
        self,
        runtime: RRuntime,
        indicator: Indicator,
        inputs: Mapping[str, InputTable],
        params: Mapping[str, object],
        run_dir: Path,
    ) -> None:
        self.runtime, self.indicator, self.inputs = runtime, indicator, inputs
        self.given = {name: text_of(value) for name, value in params.items()}
        run_dir.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{indicator.name}-", dir=run_dir)).resolve()
        self.r, self.received, self.output = (self.folder / part for part in ("r", "received", "output"))
        for part in (self.r, self.r / "tmp", self.r / "out", self.received, self.output):
            part.mkdir(mode=0o700)
        self.report: dict[str, Any] | None = None
        self.session = Session()
        self.last_place: str | None = None
        self.sandbox = ""
        columns = {name: {c.name: c.type for c in i.columns.values()} for name, i in indicator.inputs.items()}
        self.columns = columns
        code = "\n".join(file.read_text(encoding="utf-8-sig") for file in indicator.files)
        limits = runtime.limits
        names = " ".join(f"{name} {table.table} {' '.join(table.present)}" for name, table in inputs.items())
        self.scrubber = Scrubber(
            [(table.path, columns[name]) for name, table in inputs.items()],
            # with what messages of the platform name: parameters, and the limits of a table
            public=f"{code}\n{names}\n{' '.join((*self.given, *self.given.values()))}\n{limits.rows:,} {limits.table_mb:,}",
        )

    @property
    def params(self) -> dict[str, str]:
        """Every parameter as text: given, or else the default."""
        declared = self.indicator.params.items()
        defaults = {name: text_of(param.parse(param.default)) for name, param in declared if param.default is not None}
        return defaults | self.given

    def execute(self, on_event: Callable[[Event], None], reproduce: str | None) -> RunResult:
        request = self.folder / "request.json"
        request.write_text(json.dumps(self._request(), indent=1), encoding="utf-8")
        reader = Reader(self._work())
        try:
            ended, diagnosis = self._run(request, reader, on_event)
        except BaseException:
            self._clear(self.r, self.received, self.output)
            raise
        finally:
            reader.close()
        if ended.printed_lines:
            lines = "1 printed line is" if ended.printed_lines == 1 else f"{ended.printed_lines} printed lines are"
            on_event(Event("info", f"{lines} not shown; use message() for progress"))
        if not self._clear(self.r, self.received):
            left = f"files that the script made cannot be removed: remove {self.folder} by hand, it may hold rows of the inputs"
            diagnosis = Diagnosis("platform", left, ours=True)
        if diagnosis is None:
            return self._result(ended)
        self._clear(self.output)
        card = self._card(diagnosis, ended, reproduce)
        # as a new file: with the sandbox off a script can put something in this place
        with open(self.folder / "card.txt", "x", encoding="utf-8", opener=_only_for_owner) as file:
            file.write(card.text())
        raise IndicatorFailed(card)

    def _run(self, request: Path, reader: Reader, on_event: Callable[[Event], None]) -> tuple[Exit, Diagnosis | None]:
        """How R ended, and what is wrong; nothing: `output` holds the table and the plots."""
        limits = self.runtime.limits
        try:
            ended = run_supervised(
                request,
                self.runtime.environment(self.r),
                lambda message: self._receive(message, on_event),
                limits.timeout_seconds + limits.grace_seconds,
            )
        except SupervisorFailed as error:
            return Exit(0, False, str(error), 0, 0.0, 0.0, gone=False), failed_supervisor(str(error))
        report = self.report
        failed = ended.stopped or ended.not_taken or ended.timed_out or ended.code or not ended.gone
        if failed or not (report and report["ok"]):
            return ended, diagnose(ended, report, self.indicator, limits)
        problem = reader.read(report["rows"], max(60.0, limits.timeout_seconds)) or self._problem_with_output()
        return ended, Diagnosis("unsafe_output", problem) if problem else None

    def _clear(self, *parts: Path) -> bool:
        """Remove folders of the run; False where something stays."""
        whole = True
        for part in parts:
            try:
                intake.clear(str(part))
            except OSError:
                whole = False
        return whole

    def _problem_with_output(self) -> str | None:
        """The reader has opened what a script made: neither is it taken at its word."""
        try:
            folder = intake.open_folder(str(self.output))
        except OSError:
            return "the folder of its results is not ours any more"
        try:
            for name in self._outputs():
                os.close(intake.open_file(folder, name, most_bytes(name, self.runtime.table_mb)))
        except intake.NotTaken as reason:
            return str(reason)
        finally:
            os.close(folder)
        return None

    def _outputs(self) -> list[str]:
        return [TABLE, *(f"{plot}.{suffix}" for plot in self.indicator.plots for suffix in ("svg", "png"))]

    def _work(self) -> dict[str, Any]:
        """What the reader is asked."""
        return {
            "path": _python_path(),
            "readable": _python_folders(),
            "received": str(self.received),
            "output": str(self.output),
            "columns": {column.name: column.type for column in self.indicator.outputs.values()},
            "plots": list(self.indicator.plots),
            **{name: getattr(self.runtime, name) for name in ("memory_limit_mb", "rows", "table_mb", "sandbox")},
        }

    def _request(self) -> dict[str, Any]:
        indicator = self.indicator
        harness = [str(file) for file in sorted(self.runtime.harness.glob("*.R"))]
        files = [str(file) for file in indicator.files]
        tables = {
            name: {**asdict(table), "path": str(table.path.resolve()), "columns": self.columns[name]}
            for name, table in self.inputs.items()
        }
        return {
            "path": _python_path(),
            "folder": str(self.r),
            "output": str(self.r / "out" / TABLE),
            "received": str(self.received),
            "outputs": self._outputs(),
            "harness": harness,
            "readable": [*_python_folders(), *_OF_R, *harness, *files]
            + [table["path"] for table in tables.values()]
            + [str(folder) for folder in self.runtime.library],
            "spec": {
                "name": indicator.name,
                "script": str(indicator.path),
                "files": files,
                "outputs": {
                    c.name: {"type": c.type, "minimum": c.minimum, "maximum": c.maximum}
                    for c in indicator.outputs.values()
                },
                "plots": list(indicator.plots),
                "inputs": {name: list(i.columns) for name, i in indicator.inputs.items()},
                "params": list(indicator.params),
                "since": [one.day.isoformat() for one in indicator.since],
                "minimum": asdict(indicator.minimum) if indicator.minimum else None,
            },
            "inputs": tables,
            "params": {name: {"type": p.type, "default": p.default} for name, p in indicator.params.items()},
            "given": self.given,
            "limits": asdict(self.runtime.limits),
        }

    def _receive(self, message: Mapping[str, Any], on_event: Callable[[Event], None]) -> None:
        if "report" in message:
            self.report = message["report"]
            return
        if "session" in message:
            self.session = Session.of(message["session"])
            return
        event = message["event"]
        if event["level"] == "sandbox":
            self.sandbox = event["text"]
            on_event(Event("sandbox", f"sandbox: {self.sandbox}"))
            return
        said = Event(event["level"], self.scrubber.scrub(event["text"]), _file_name(event["file"]), event["line"])
        if said.file:
            self.last_place = f"{said.file} line {said.line}"
        on_event(said)

    def _result(self, ended: Exit) -> RunResult:
        report, out = self.report, self.output
        assert report is not None
        return RunResult(
            output=out / TABLE,
            rows=report["rows"],
            plots={
                name: PlotFile(name, plot.title, out / f"{name}.svg", out / f"{name}.png")
                for name, plot in self.indicator.plots.items()
            },
            warnings=self._warnings(report["warnings"]),
            notes=self._warnings(report["notes"]),
            session=self.session,
            sandbox=self.sandbox,
            params=self.params,
            seconds=ended.seconds,
            child_peak_mb=max(ended.peak_mb, report["peak_kb"] / 1024),
            parent_peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            folder=self.folder,
        )

    def _warnings(self, warnings: list[dict[str, Any]]) -> tuple[Warned, ...]:
        texts = self.scrubber.scrub_all([warning["message"] for warning in warnings])
        return tuple(
            Warned(text, _file_name(warning.get("file")), warning.get("line"))
            for text, warning in zip(texts, warnings, strict=True)
        )

    def _card(self, diagnosis: Diagnosis, ended: Exit, reproduce: str | None) -> FailureCard:
        report = self.report or {}
        if (
            diagnosis.file is None
            and diagnosis.kind in ("killed", "quit", "crash", "memory", "timeout")
            and self.last_place
        ):
            diagnosis = replace(diagnosis, message=f"{diagnosis.message}; its last message came from {self.last_place}")
        scrubbed = diagnosis.scrubbed(self.scrubber)
        return FailureCard(
            indicator=self.indicator.name,
            kind=scrubbed.kind,
            message=scrubbed.message,
            file=_file_name(scrubbed.file),
            line=scrubbed.line,
            call=scrubbed.call,
            phase=scrubbed.phase,
            code=scrubbed.code(self.indicator.files),
            stack=scrubbed.stack,
            warnings=self._warnings(report.get("warnings") or []),
            notes=self._warnings(report.get("notes") or []),
            inputs=self.inputs,
            params=self.params,
            session=self.session,
            sandbox=self.sandbox,
            seconds=ended.seconds,
            peak_mb=max(ended.peak_mb, (report.get("peak_kb") or 0) / 1024),
            code_version=self.indicator.code_version,
            reproduce=reproduce or _repeat_command(self.folder),
        )


_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone")
_OF_R = (
    *("/opt/R", "/etc/R", "/etc/alternatives", "/etc/fonts", "/var/cache/fontconfig"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
)


def _python_path() -> list[str]:
    """Where the processes of a run find Python's packages; they look nowhere else."""
    return [path for path in sys.path if path and Path(path).is_absolute()]


def _python_folders() -> list[str]:
    return [*_SYSTEM, sys.prefix, sys.base_prefix, str(CHILD)]


def text_of(value: object) -> str:
    """A parameter as it is written in a header: TRUE, 5, 2020-03-01, NA."""
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _only_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _repeat_command(folder: Path) -> str:
    python = Path(sys.executable)
    with contextlib.suppress(ValueError):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), "-m", "resources.r_runtime", str(folder)])


def _file_name(path: str | None) -> str | None:
    return Path(path).name if path else None
