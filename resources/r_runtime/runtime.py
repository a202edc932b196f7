"""Runs one R indicator in a fresh, locked-in child process: tables in, a checked table and plots out."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resources.r_runtime.card import FailureCard, IndicatorFailed
from resources.r_runtime.diagnose import Diagnosis, diagnose
from resources.r_runtime.model import Event, InputTable, PlotFile, RunResult, Session, Warned
from resources.r_runtime.output import OUTPUT, problem_with_output
from resources.r_runtime.process import Exit, run_child
from resources.r_runtime.scrub import Scrubber
from resources.r_runtime.slots import Slots

if TYPE_CHECKING:
    from platform_assets.indicators import Indicator

PROJECT = Path(__file__).resolve().parents[2]
HARNESS = PROJECT / "r_scripts" / "harness"


class RUnavailable(RuntimeError):
    """R is not installed, or not where it is looked for."""


@dataclass(frozen=True)
class RRuntime:
    """How indicators are run.

    timeout_seconds    after this the script is interrupted, `grace_seconds` later killed
    memory_limit_mb    address space of the child (RLIMIT_AS); None: no limit. R itself and its libraries take
                       about 600 MB of it
    sandbox            "best": what the kernel offers; "required": fail where files and network cannot both be
                       closed; "off"
    library            folders of R packages beside the system's
    slots              places shared with other processes; a run waits for one (None: no waiting)
    """

    timeout_seconds: float = 600.0
    memory_limit_mb: int | None = 4096
    grace_seconds: float = 5.0
    sandbox: Literal["best", "required", "off"] = "best"
    library: tuple[Path, ...] = ()
    slots: Slots | None = None
    harness: Path = HARNESS

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
        Raises IndicatorFailed with the failure card, whatever went wrong in the child.
        """
        missing = [name for name in indicator.inputs if name not in inputs]
        if missing:
            raise ValueError(f"{indicator.name} needs the input tables {', '.join(missing)}")
        chosen = {name: inputs[name] for name in indicator.inputs}

        def waiting() -> None:
            on_event(Event("info", "waiting for other R runs to end"))

        with self.slots.take(on_wait=waiting) if self.slots else contextlib.nullcontext():
            return _Run(self, indicator, chosen, params or {}, run_dir).execute(on_event, reproduce)

    def environment(self, folder: Path) -> dict[str, str]:
        """The whole environment of the child: nothing of the platform's own is handed on."""
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
            "PYTHONPATH": str(PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
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
        for part in ("tmp", "out"):
            (self.folder / part).mkdir(mode=0o700)
        self.output = self.folder / "out" / OUTPUT
        self.report: dict[str, Any] | None = None
        self.session = Session()
        self.last_place: str | None = None
        self.sandbox = ""
        columns = {name: {c.name: c.type for c in i.columns.values()} for name, i in indicator.inputs.items()}
        self.columns = columns
        code = "\n".join(file.read_text(encoding="utf-8-sig") for file in indicator.files)
        names = " ".join(f"{name} {table.table} {' '.join(table.present)}" for name, table in inputs.items())
        self.scrubber = Scrubber(
            [(table.path, columns[name]) for name, table in inputs.items()],
            public=f"{code}\n{names}\n{' '.join(self.given.values())}",
        )

    @property
    def params(self) -> dict[str, str]:
        """Every parameter as text: given, or else the default."""
        declared = self.indicator.params.items()
        defaults = {name: text_of(param.parse(param.default)) for name, param in declared if param.default is not None}
        return defaults | self.given

    def execute(self, on_event: Callable[[Event], None], reproduce: str | None) -> RunResult:
        reader, writer = os.pipe()
        request = self.folder / "request.json"
        request.write_text(json.dumps(self._request(writer), indent=1), encoding="utf-8")
        ended = run_child(
            [sys.executable, "-s", "-P", "-m", "resources.r_runtime.host", str(request)],
            environment=self.runtime.environment(self.folder),
            folder=self.folder,
            pipe=(reader, writer),
            on_line=lambda line: self._receive(line, on_event),
            timeout=self.runtime.timeout_seconds,
            grace=self.runtime.grace_seconds,
            mark=secrets.token_hex(16),
        )
        if ended.printed_lines:
            lines = "1 printed line is" if ended.printed_lines == 1 else f"{ended.printed_lines} printed lines are"
            on_event(Event("info", f"{lines} not shown; use message() for progress"))
        report = self.report
        if report and report["ok"] and ended.code == 0 and not ended.timed_out:
            problem = problem_with_output(self.folder / "out", self.indicator, report["rows"])
            if problem is None:
                return self._result(report, ended)
            diagnosis = Diagnosis("platform", problem)
        else:
            diagnosis = diagnose(ended, report, self.indicator, self.runtime)
        card = self._card(diagnosis, ended, reproduce)
        for part in ("tmp", "out"):  # what the script left there may hold patients' data
            shutil.rmtree(self.folder / part, ignore_errors=True)
        (self.folder / "card.txt").write_text(card.text(), encoding="utf-8")
        raise IndicatorFailed(card)

    def _request(self, pipe: int) -> dict[str, Any]:
        indicator = self.indicator
        harness = [str(file) for file in sorted(self.runtime.harness.glob("*.R"))]
        files = [str(file) for file in indicator.files]
        tables = {
            name: {**asdict(table), "path": str(table.path.resolve()), "columns": self.columns[name]}
            for name, table in self.inputs.items()
        }
        return {
            "pipe": pipe,
            "parent": os.getpid(),
            "folder": str(self.folder),
            "output": str(self.output),
            "harness": harness,
            "readable": [*_SYSTEM, sys.prefix, sys.base_prefix, str(PROJECT / "resources"), *harness, *files]
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
            },
            "inputs": tables,
            "params": {name: {"type": p.type, "default": p.default} for name, p in indicator.params.items()},
            "given": self.given,
            "limits": {
                "timeout_seconds": self.runtime.timeout_seconds,
                "memory_limit_mb": self.runtime.memory_limit_mb,
                "grace_seconds": self.runtime.grace_seconds,
                "sandbox": self.runtime.sandbox,
            },
        }

    def _receive(self, line: bytes, on_event: Callable[[Event], None]) -> None:
        message = json.loads(line)
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

    def _result(self, report: Mapping[str, Any], ended: Exit) -> RunResult:
        out = self.folder / "out"
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        return RunResult(
            output=self.output,
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


_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/opt/R", "/etc/R", "/etc/ld.so.cache", "/etc/alternatives"),
    *("/etc/localtime", "/etc/timezone", "/etc/fonts", "/var/cache/fontconfig"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
)


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


def _repeat_command(folder: Path) -> str:
    python = Path(sys.executable)
    with contextlib.suppress(ValueError):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), "-m", "resources.r_runtime", str(folder)])


def _file_name(path: str | None) -> str | None:
    return Path(path).name if path else None
