"""The failure card: what an R author needs to find and mend what went wrong, without values of patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resources.r_child.channel import plain
from resources.r_child.kinds import kinds
from resources.r_runtime.model import InputTable, Session, Warned
from resources.text import markdown
from resources.text.markdown import Markdown


@dataclass(frozen=True)
class Frame:
    """One call of the stack, and the author's line that made it."""

    call: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class CodeLine:
    """A line of the script; `marked` are those of the statement that failed."""

    number: int
    text: str
    marked: bool


@dataclass(frozen=True)
class FailureCard:
    """One failed run. Text that R produced has been scrubbed of values before it gets here."""

    indicator: str
    kind: str
    """One of `resources.r_child.kinds`."""
    message: str
    reproduce: str
    file: str | None = None
    line: int | None = None
    call: str | None = None
    phase: str = ""
    code: tuple[CodeLine, ...] = ()
    stack: tuple[Frame, ...] = ()
    warnings: tuple[Warned, ...] = ()
    notes: tuple[Warned, ...] = ()
    inputs: Mapping[str, InputTable] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    session: Session = field(default_factory=Session)
    sandbox: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0
    code_version: str = ""

    @property
    def headline(self) -> str:
        """One line for an alert: indicator, kind, place."""
        place = f" in {self.file} line {self.line}" if self.file and self.line else ""
        return f"{self.indicator}: {kinds()[self.kind].title}{place}"

    @property
    def summary(self) -> str:
        """The headline and what R said, in one line."""
        said = next((line.strip() for line in self.message.splitlines() if line.strip()), "")
        return f"{self.headline}: {said[:200]}" if said else self.headline

    def text(self) -> str:
        """The card for a log or a terminal."""
        blocks = [self.headline, _indent(self.message)]
        if self.code:
            blocks.append("\n".join(f"{'>' if c.marked else ' '} {c.number:4d} | {c.text}" for c in self.code))
        if self.stack:
            blocks.append("Call stack, outermost first\n" + _table([_frame(f) for f in self.stack]))
        if self.warnings:
            blocks.append(f"Warnings before it ({len(self.warnings)})\n" + _table(_warnings(self.warnings)))
        if self.notes:
            blocks.append(f"Notes on the script ({len(self.notes)})\n" + _table(_warnings(self.notes)))
        if self.inputs:
            blocks.append("Inputs\n" + _table([[name, *_input(table)] for name, table in self.inputs.items()]))
        if self.params:
            blocks.append("Parameters\n" + _table([[name, value] for name, value in self.params.items()]))
        if self.advice:
            blocks.append("What to do\n" + _indent(self.advice))
        blocks.append("Ran with\n" + _indent(self.ran_with))
        blocks.append("Reproduce\n" + _indent(self.reproduce))
        return "\n\n".join(blocks)

    def markdown(self) -> Markdown:
        """The card for a page: same content. R's words stand in blocks of code or are escaped."""
        blocks = [markdown.bold(self.headline), markdown.fenced(self.message)]

        def rows(heading: Markdown, header: Sequence[str], found: Iterable[Sequence[object]]) -> None:
            blocks.extend((heading, markdown.table(header, found)))

        if self.code:
            code = "\n".join(f"{'>' if c.marked else ' '} {c.number:4d} | {c.text}" for c in self.code)
            blocks.append(markdown.fenced(code, "r"))
        if self.stack:
            heading = markdown.beside(markdown.bold("Call stack"), markdown.plain("(outermost first)"))
            rows(heading, ["call", "from"], map(_frame, self.stack))
        for name, found in (("warning", self.warnings), ("note", self.notes)):
            if found:
                title = "Warnings before it" if name == "warning" else "Notes on the script"
                heading = markdown.beside(markdown.bold(title), markdown.plain(f"({len(found)})"))
                rows(heading, [name, "from"], _warnings(found))
        if self.inputs:
            listed = ([name, *_input(table)] for name, table in self.inputs.items())
            rows(markdown.bold("Inputs"), ["input", "table", "snapshot", "rows"], listed)
        if self.params:
            rows(markdown.bold("Parameters"), ["parameter", "value"], self.params.items())
        if self.advice:
            blocks.append(markdown.beside(markdown.bold("What to do"), markdown.plain(self.advice)))
        blocks.append(markdown.beside(markdown.bold("Ran with"), markdown.plain(self.ran_with)))
        blocks += [markdown.bold("Reproduce"), markdown.fenced(self.reproduce, "sh")]
        return markdown.together(*blocks)

    @property
    def advice(self) -> str:
        """What to do next, in words for the author."""
        return kinds()[self.kind].advice

    @property
    def ran_with(self) -> str:
        """R, packages, sandbox, time and memory."""
        parts = [f"R {self.session.r}" if self.session.r else "R did not get as far as to say its version"]
        parts += [f"{name} {version}" for name, version in self.session.packages.items()]
        limits = f"{self.seconds:.1f} s, {self.peak_mb:.0f} MB"
        return f"{', '.join(parts)}; code {self.code_version}; {limits}; sandbox: {self.sandbox or 'not entered yet'}"


class IndicatorFailed(Exception):
    """A run failed; `card` says how. `str()` is the card's text."""

    def __init__(self, card: FailureCard) -> None:
        self.card = card
        super().__init__(card.text())


def code_around(path: Path, line: int | None, end_line: int | None = None, around: int = 3) -> tuple[CodeLine, ...]:
    """The lines of the script around a statement; at most a dozen of the statement itself."""
    if line is None or not path.is_file():
        return ()
    lines = [plain(line) for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    last = min(max(end_line or line, line), line + 11)
    first_shown, last_shown = max(1, line - around), min(len(lines), last + around)
    return tuple(
        CodeLine(number, lines[number - 1], line <= number <= last) for number in range(first_shown, last_shown + 1)
    )


def _place(file: str | None, line: int | None) -> str:
    return f"{file} line {line}" if file and line else ""


def _frame(frame: Frame) -> list[str]:
    return [frame.call, _place(frame.file, frame.line)]


def _warnings(warnings: Sequence[Warned]) -> list[list[str]]:
    return [[warning.message, _place(warning.file, warning.line)] for warning in warnings[-10:]]


def _input(table: InputTable) -> list[str]:
    return [table.table, f"snapshot {table.snapshot}", f"{table.rows:,} rows"]


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns; a long first cell does not push the others out."""
    widths = [min(70, max(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
