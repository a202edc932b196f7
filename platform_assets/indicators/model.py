"""What an indicator is made of: inputs, parameters, output columns and plots, as its header declares them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    minimum_n: int | None = None
    files: tuple[Path, ...] = ()
    code_version: str = ""

    @property
    def root(self) -> Path:
        """The folder that holds `indicators/` and `lib/`; helper files must lie inside it."""
        return self.path.parent.parent


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
