"""What an indicator is made of: inputs, parameters, output columns and plots, as its header declares them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal, get_args

ColumnType = Literal["text", "integer", "number", "flag", "date", "time"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)

Direction = Literal["higher is better", "higher is worse", "neutral"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

OWNER = re.compile(r"team:[A-Za-z0-9_.-]+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
"""What an owner can be; Dagster refuses to load anything at all where one asset has another owner."""

ParamValue = str | int | float | bool | date | datetime | None


class HeaderError(ValueError):
    """A header that cannot be understood. `str()` names the file, the line and what to write instead."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        place = path.name if line is None else f"{path.name} line {line}"
        super().__init__(f"{place}: {reason}")


@dataclass(frozen=True)
class Column:
    """One column of an input or output table. `minimum` and `maximum` are inclusive; None means unbounded."""

    name: str
    type: ColumnType
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Input:
    """A table that the indicator reads, and the only columns of it that reach R."""

    name: str
    layer: str
    table: str
    columns: Mapping[str, Column]

    @property
    def asset_key(self) -> tuple[str, str]:
        """Layer and table, e.g. `("validated", "admissions")`."""
        return (self.layer, self.table)


@dataclass(frozen=True)
class Param:
    """A value that a run can set. Without a default it must be given."""

    name: str
    type: ColumnType
    help: str = ""
    default: str | None = None

    def parse(self, text: str) -> ParamValue:
        """The typed value of `text`; `NA` is None. Raises ValueError, in words for whoever typed it."""
        return parse_value(self.type, text)


@dataclass(frozen=True)
class Plot:
    """A plot that the function returns beside its data."""

    name: str
    title: str


Grain = Literal["week", "month", "quarter", "year"]
GRAINS: tuple[Grain, ...] = get_args(Grain)
"""What a published period can be; weeks begin on Monday."""

AmountKind = Literal["sum", "mean", "median"]


@dataclass(frozen=True)
class Amount:
    """A magnitude of the cases of a cell: the sum, mean or median of one column, published in steps.

    What a case brings is taken to lie between `low` and `high`; what lies outside counts as the nearest of the two.
    """

    name: str
    kind: AmountKind
    column: str
    low: float
    high: float
    step: float
    help: str = ""


NOT_KNOWN = "not known"
"""What a case is called that has no value in a slice."""


@dataclass(frozen=True)
class Slice:
    """A characteristic of cases by which an organisation filters its own; published figures are of all cases."""

    name: str
    """The column of the cases."""
    levels: tuple[str, ...]
    """Its values, in the order in which they are offered. A case may have none."""


@dataclass(frozen=True)
class Cases:
    """What a script that is published of personal data gives: one row per case. Its figures are made of their protected counts alone."""

    outcomes: Mapping[str, str]
    """What can become of a case, each case one of them -> its meaning."""
    amounts: Mapping[str, Amount]
    grain: Grain
    by_organisation: bool
    """Whether counts are per organisation and period, or per period alone."""
    settles: int
    """Days after the end of a period until its cases are taken to be complete."""
    slices: Mapping[str, Slice] = field(default_factory=dict)

    @property
    def grain_in_words(self) -> str:
        """As the header says it: ``month by organisation``."""
        return self.grain + (" by organisation" if self.by_organisation else "")

    @property
    def columns(self) -> dict[str, Column]:
        """The columns of the cases, as the script returns them."""
        kinds: dict[str, ColumnType] = {"record": "text"}
        if self.by_organisation:
            kinds["organisation"] = "text"
        kinds |= {"date": "date", "outcome": "text"}
        kinds |= {amount.column: "number" for amount in self.amounts.values()}
        kinds |= dict.fromkeys(self.slices, "text")
        return {name: Column(name, kind) for name, kind in kinds.items()}

    @property
    def atoms(self) -> dict[str, Column]:
        """The columns of the table that figures are made of: a row per organisation and period."""
        kinds: dict[str, ColumnType] = {"organisation": "text"} if self.by_organisation else {}
        kinds["period"] = "date"
        for outcome in self.outcomes:
            kinds |= {outcome: "integer", f"{outcome}_hidden": "flag", f"{outcome}_variance": "number"}
        kinds |= dict.fromkeys(self.amounts, "number")
        return {name: Column(name, kind) for name, kind in kinds.items()}


@dataclass(frozen=True)
class Minimum:
    """Where the integer column `of` is below `n`, or missing, no other number of the row is published."""

    n: int
    of: str


@dataclass(frozen=True)
class Figure:
    """How the published table is read: which column is what. Empty: there is none."""

    value: str
    """The figure itself."""
    unit: str = ""
    """Whose row it is. Named as the column of the input that says which organisation a record belongs to, so that people find their own."""
    time: str = ""
    """First day of the period."""
    size: str = ""
    """How much stands behind the value: the axis of a funnel."""
    reference: str = ""
    """What values are held against: a number, or a column."""
    missing: str = ""
    """The outcome of cases that could not be used."""


@dataclass(frozen=True)
class Target:
    """A value to be reached, and who says so."""

    value: float
    words: str


@dataclass(frozen=True)
class Since:
    """A day on which the process was knowingly changed, and how."""

    day: date
    words: str


@dataclass(frozen=True)
class Indicator:
    """Everything the platform knows about an indicator before it runs."""

    name: str
    path: Path
    title: str
    outputs: Mapping[str, Column]
    inputs: Mapping[str, Input] = field(default_factory=dict)
    params: Mapping[str, Param] = field(default_factory=dict)
    plots: Mapping[str, Plot] = field(default_factory=dict)
    description: str = ""
    unit: str = ""
    direction: Direction = "neutral"
    version: str = "1"
    owner: str = ""
    minimum: Minimum | None = None
    cases: Cases | None = None
    """Where the function gives cases, of which a second one makes what is published."""
    figure: Figure | None = None
    """How the table is drawn; without it pages show the table as it is."""
    target: Target | None = None
    case_mix: str = ""
    """What the figure is adjusted for; empty: for nothing."""
    since: tuple[Since, ...] = ()
    """When the process was changed, in order: marked over time, and known to the script as `since`."""
    public: str = ""
    """Why the table may be published as it is; empty: it may not."""
    files: tuple[Path, ...] = ()
    code_version: str = ""

    @property
    def root(self) -> Path:
        """The folder that holds `indicators/` and `lib/`; helper files must lie inside it."""
        return self.path.parent.parent

    @property
    def computing(self) -> Indicator:
        """What runs on the inputs: the script itself, or, where it gives cases, the part that does."""
        if self.cases is None:
            return self
        return replace(self, outputs=self.cases.columns, plots={}, minimum=None)

    @property
    def figures(self) -> Indicator:
        """The part that makes table and plots of the counts, and reads nothing else."""
        if self.cases is None:
            raise ValueError(f"{self.name} gives no cases")
        atoms = Input("atoms", "releases", self.name, self.cases.atoms)
        return replace(self, name=f"{self.name}_figures", inputs={"atoms": atoms}, params={}, cases=None)


_FLAGS = {"TRUE": True, "FALSE": False, "true": True, "false": False, "T": True, "F": False}


def parse_value(kind: ColumnType, text: str) -> ParamValue:
    """Read a parameter as R would: `5`, `1.5`, `TRUE`, `2020-03-01`, `2020-03-01 12:30:00` (UTC), `NA`."""
    text = text.strip()
    if text == "NA":
        return None
    if kind == "text":
        quoted = re.fullmatch(r"(['\"])(.*)\1", text, re.DOTALL)
        return quoted[2] if quoted else text
    try:
        if kind == "integer" and re.fullmatch(r"[+-]?\d+L?", text):
            return int(text.rstrip("L"))
        if kind == "number" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
            number = float(text)
            if math.isfinite(number):
                return number
        if kind == "flag":
            return _FLAGS[text]
        if kind == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        if kind == "time" and re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?", text):
            return datetime.fromisoformat(text.rstrip("Z"))
    except (ValueError, KeyError):
        pass
    raise ValueError(f'"{text}" is not {_EXAMPLES[kind]}')


_EXAMPLES: dict[ColumnType, str] = {
    "text": "text",
    "integer": "a whole number such as 5",
    "number": "a number such as 1.5",
    "flag": "a flag: write TRUE or FALSE",
    "date": "a date: write it as 2020-03-01",
    "time": "a time: write it as 2020-03-01 12:30:00 (UTC)",
}
