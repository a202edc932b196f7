"""What goes into a run of an R indicator and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

EventLevel = Literal["sandbox", "info", "warning", "note"]
SandboxMode = Literal["best", "required", "off"]


@dataclass(frozen=True)
class Limits:
    """What one run may take.

    timeout_seconds    after this the script is interrupted, `grace_seconds` later killed
    memory_limit_mb    address space of each process of the run (RLIMIT_AS), and memory of all of them together; None: no limit. R
                       itself and its libraries take about 600 MB of address space
    processes          processes at once, R among them
    file_mb, folder_mb one file, and all files of the run together, also those that have no name any more
    rows, table_mb     rows of the table that it returns, and MB of its values: it is shown to people, in pages and spreadsheets
    sandbox            "best": what the kernel offers; "required": fail where files and network cannot both be closed; "off"
    """

    timeout_seconds: float = 600.0
    grace_seconds: float = 5.0
    memory_limit_mb: int | None = 4096
    processes: int = 64
    file_mb: int = 2048
    folder_mb: int = 4096
    rows: int = 5_000_000
    table_mb: int = 512
    sandbox: SandboxMode = "best"


@dataclass(frozen=True)
class InputTable:
    """One input of a run: a Parquet file that holds the rows of `table` at `snapshot`."""

    path: Path
    table: str
    snapshot: str
    rows: int
    present: tuple[str, ...] = ()
    """All columns of the table, declared by the indicator or not; for notes on the script."""


@dataclass(frozen=True)
class Event:
    """Something that the script said while it ran, without values of the input tables."""

    level: EventLevel
    text: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = f"  [{self.file}:{self.line}]" if self.file else ""
        return f"{self.text}{where}"


@dataclass(frozen=True)
class Warned:
    """A warning of R, or a note on the script, and the author's line that it is about."""

    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = f"  [{self.file}:{self.line}]" if self.file else ""
        return f"{self.message}{where}"


@dataclass(frozen=True)
class Session:
    """What the script ran in. Part of the receipt of a table."""

    r: str = ""
    platform: str = ""
    locale: str = ""
    timezone: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, report: Mapping[str, Any] | None) -> Session:
        """From the child's report; empty if the child did not come that far."""
        if not report:
            return cls()
        return cls(
            r=report["r"] or "",
            platform=report["platform"] or "",
            locale=report["locale"] or "",
            timezone=report["timezone"] or "",
            packages=dict(report["packages"] or {}),
        )


@dataclass(frozen=True)
class PlotFile:
    """One drawn plot: SVG to keep, PNG (960 x 600) to preview."""

    name: str
    title: str
    svg: Path
    png: Path


@dataclass(frozen=True)
class RunResult:
    """A successful run. `output` is a Parquet file with exactly the declared columns and types.

    `notes` name columns and parameters that the script asks for and that are not there: R gives NULL for them, without a word.

    Memory is the peak resident size in MB: `child_peak_mb` of the process that ran R, `parent_peak_mb` of the
    calling process up to now.
    """

    output: Path
    rows: int
    plots: Mapping[str, PlotFile]
    warnings: tuple[Warned, ...]
    notes: tuple[Warned, ...]
    session: Session
    sandbox: str
    params: Mapping[str, str]
    seconds: float
    child_peak_mb: float
    parent_peak_mb: float
    folder: Path
