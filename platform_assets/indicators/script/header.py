"""Reads an indicator's header and code version from the text of its .R file; R is not needed.

The same grammar is read by `r_scripts/harness/author/header.R` for authors without Python; a test holds the two
together.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import cast

from platform_assets.indicators.model import (
    COLUMN_TYPES,
    DIRECTIONS,
    GRAINS,
    OWNER,
    Cases,
    Column,
    ColumnType,
    Direction,
    Figure,
    Grain,
    HeaderError,
    Indicator,
    Input,
    Minimum,
    Param,
    Plot,
    Since,
    Target,
)
from platform_assets.indicators.script import rtext
from platform_assets.indicators.script.code import HARNESS, code_version, files_of, read_code
from platform_assets.indicators.script.of_cases import NAME, NUMBER, OfCases, named

SINGLE = (
    "unit",
    "direction",
    "version",
    "owner",
    "minimum_n",
    "grain",
    "settles",
    "publish",
    "figure",
    "target",
    "case_mix",
)
TAGS = ("input", "param", "output", "plot", "cases", "amount", "slices", "since", *SINGLE)

_COLUMN = re.compile(r"(?:`(?P<quoted>[^`]+)`|(?P<plain>[^\s,<>`]+))\s*<(?P<type>[^<>]*)>")
_TYPE = re.compile(r"(?P<type>\w+)(?:\s+(?P<low>-?[\d.]+?)?\.\.(?P<high>-?\d[\d.]*)?)?")
_INPUT = re.compile(r"(?P<name>\S+)(?:\s+from\s+(?P<source>[^\s<]\S*))?(?:\s+(?P<columns>.*))?", re.DOTALL)
_SOURCE = re.compile(r"(?P<layer>[a-z][a-z0-9_]*)/(?P<table>[a-z][a-z0-9_]*)")
_PARAM = re.compile(r"(?P<name>\S+)\s+<(?P<type>\w+)>\s*(?P<help>.*?)(?:,?\s*\bdefault\s+(?P<default>.+))?", re.DOTALL)
_MINIMUM = re.compile(r"(?P<n>\d+) of (?P<of>\S+)")
_GRAIN = re.compile(r"(?P<grain>\w+)(?P<by> by organisation)?")
_SETTLES = re.compile(r"(?P<n>\d+) (?P<unit>days|weeks)")
_FIGURE = re.compile(
    r"value (?P<value>\w+)(?:, unit (?P<unit>\w+))?(?:, time (?P<time>\w+))?(?:, size (?P<size>\w+))?"
    r"(?:, reference (?P<reference>[\w.]+))?(?:, missing (?P<missing>\w+))?"
)
_TARGET = re.compile(rf"(?P<value>{NUMBER}) (?P<words>\S.*)", re.DOTALL)
_PUBLISH = re.compile(r"public (?P<reason>.{10,})", re.DOTALL)
_SINCE = re.compile(r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}) (?P<words>\S.{0,59})")


def list_indicators(folder: Path) -> list[Path]:
    """The indicator files of a folder, by name: every `<name>.R` directly in it."""
    return sorted(path for path in folder.glob("*.R") if not path.name.startswith("."))


def read_indicator(path: Path | str, harness: Path = HARNESS) -> Indicator:
    """Read one `.R` file. Raises HeaderError, which names file, line and remedy."""
    path = Path(path).resolve()
    code = read_code(path)
    header = _Header(path)
    for line, tag, text in _tags(path, code, header):
        header.add(line, tag, text)
    header.check_complete()
    masked = rtext.mask(code)
    _check_function(path, code, masked, header)
    files = files_of(path, code, masked)
    return header.indicator(files, code_version(path, files, harness))


def _tags(path: Path, code: str, header: _Header) -> Iterator[tuple[int, str, str]]:
    """Line, tag and text of the first block of `#'` lines, continuations joined; prose goes to the header."""
    current: tuple[int, str, str] | None = None
    open_tag, begun = False, False
    for number, line in enumerate(code.splitlines(), 1):
        if not line.startswith("#'"):
            if begun:
                break
            continue
        begun = True
        body = line[2:].strip()
        if body.startswith("@"):
            if current:
                yield current
            tag, _, text = body[1:].partition(" ")
            current, open_tag = (number, tag, text.strip()), True
        elif current is None:
            header.prose.append(body)
        elif not body:
            open_tag = False
        elif open_tag:
            current = (current[0], current[1], f"{current[2]} {body}")
        else:
            raise HeaderError(path, number, "text after the tags; write the description above the first tag")
    if current:
        yield current


class _Header:
    """The declarations of one file, gathered tag by tag."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prose: list[str] = []
        self.inputs: dict[str, Input] = {}
        self.params: dict[str, Param] = {}
        self.outputs: dict[str, Column] = {}
        self.plots: dict[str, Plot] = {}
        self.of_cases = OfCases()
        self.since: dict[dt.date, str] = {}
        self.single: dict[str, str] = {}

    def add(self, line: int, tag: str, text: str) -> None:
        if tag not in TAGS:
            known = ", ".join(f"@{name}" for name in TAGS)
            raise self.error(line, f"unknown tag @{tag}; the tags are {known}")
        if not text:
            raise self.error(line, f"@{tag} is empty")
        if tag == "input":
            self._input(line, text)
        elif tag == "param":
            self._param(line, text)
        elif tag == "output":
            for column in self._columns(line, tag, text):
                if column.name in self.outputs:
                    raise self.error(line, f'column "{column.name}" is declared twice')
                self.outputs[column.name] = column
        elif tag == "plot":
            name, _, title = text.partition(" ")
            self._new(line, tag, name, self.plots)
            if name == "data":
                raise self.error(line, '@plot cannot be named "data": that is the name of the table')
            self.plots[name] = Plot(name, title.strip() or name)
        elif tag in ("cases", "amount", "slices"):
            try:
                self.of_cases.add(tag, text)
            except ValueError as error:
                raise self.error(line, str(error)) from None
        elif tag == "since":
            self._since(line, text)
        else:
            self._single(line, tag, text)

    def error(self, line: int | None, reason: str) -> HeaderError:
        return HeaderError(self.path, line, reason)

    def _new(self, line: int, tag: str, name: str, known: Collection[str]) -> None:
        try:
            named(tag, name, known)
        except ValueError as error:
            raise self.error(line, str(error)) from None

    def _since(self, line: int, text: str) -> None:
        match = _SINCE.fullmatch(text)
        try:
            day = dt.date.fromisoformat(match["day"]) if match else None
        except ValueError:
            day = None
        if match is None or day is None:
            raise self.error(
                line, f'@since is "{text}"; write a day and at most 60 letters on what changed: 2026-03-01 new triage'
            )
        if day in self.since:
            raise self.error(line, f"@since {day} is declared twice")
        self.since[day] = match["words"]

    def _input(self, line: int, text: str) -> None:
        match = cast("re.Match[str]", _INPUT.fullmatch(text))
        name = match["name"]
        self._new(line, "input", name, self.inputs)
        if name == "params":
            raise self.error(line, '@input cannot be named "params": that is the argument for parameters')
        layer, table = "validated", name
        if match["source"]:
            source = _SOURCE.fullmatch(match["source"])
            if source is None:
                raise self.error(
                    line,
                    f'cannot read "from {match["source"]}"; write layer/table, as in: from indicators/other',
                )
            layer, table = source["layer"], source["table"]
        columns = self._columns(line, "input", match["columns"] or "")
        if not columns:
            raise self.error(line, f'@input "{name}" names no columns; write: @input {name} column <type>, ...')
        names = [column.name for column in columns]
        for column in names:
            if names.count(column) > 1:
                raise self.error(line, f'column "{column}" is declared twice')
        self.inputs[name] = Input(name, layer, table, {column.name: column for column in columns})

    def _param(self, line: int, text: str) -> None:
        match = _PARAM.fullmatch(text)
        if match is None:
            raise self.error(line, "cannot read @param; write: @param name <type> what it does, default value")
        self._new(line, "param", match["name"], self.params)
        kind = self._type(line, match["type"])
        default = match["default"].strip() if match["default"] else None
        param = Param(match["name"], kind, match["help"].strip(), default)
        if default is not None:
            try:
                param.parse(default)
            except ValueError as error:
                raise self.error(line, f"default of @param {param.name}: {error}") from None
        self.params[param.name] = param

    def _single(self, line: int, tag: str, text: str) -> None:
        if tag in self.single:
            raise self.error(line, f"@{tag} is declared twice")
        if tag == "direction" and text not in DIRECTIONS:
            raise self.error(line, f'@direction is "{text}"; write one of: {", ".join(DIRECTIONS)}')
        if tag == "owner" and not OWNER.fullmatch(text):
            raise self.error(line, f'@owner is "{text}"; write team:name or an e-mail address')
        for of, form, example in _FORMS:
            if tag == of and not form.fullmatch(text):
                raise self.error(line, f'@{tag} is "{text}"; write {example}')
        self.single[tag] = text

    def _type(self, line: int, name: str) -> ColumnType:
        if name not in COLUMN_TYPES:
            raise self.error(line, f"unknown type <{name}>; the types are {', '.join(COLUMN_TYPES)}")
        return name

    def _columns(self, line: int, tag: str, text: str) -> list[Column]:
        if not text:
            return []
        matches = list(_COLUMN.finditer(text))
        if not matches or text[: matches[0].start()].strip(" ,"):
            unread = text[: matches[0].start()] if matches else text
            raise self.error(line, f'@{tag}: cannot read "{unread.strip(" ,")}"; write: column <type>, column <type>')
        columns = []
        for match, following in zip(matches, [*matches[1:], None], strict=True):
            rest = text[match.end() : following.start() if following else len(text)].strip()
            note = "" if rest.startswith(",") else rest.rstrip(", ")
            if (rest.startswith(",") and rest.strip(" ,")) or (note and tag == "input"):
                raise self.error(line, f'@{tag}: cannot read "{rest.strip(" ,")}"; write: column <type>, column <type>')
            columns.append(self._column(line, match["quoted"] or match["plain"], match["type"], note))
        return columns

    def _column(self, line: int, name: str, declared: str, note: str) -> Column:
        match = _TYPE.fullmatch(declared.strip())
        if match is None:
            raise self.error(
                line, f"cannot read <{declared}>; write <number>, or <number 0..100> for the values allowed"
            )
        kind = self._type(line, match["type"])
        low, high = match["low"], match["high"]
        if (low or high) and kind not in ("integer", "number"):
            raise self.error(line, f"<{declared}>: only an integer or number column can have limits")
        try:
            return Column(name, kind, note, float(low) if low else None, float(high) if high else None)
        except ValueError:
            raise self.error(line, f"cannot read the limits of <{declared}>; write <number 0..100>") from None

    def check_complete(self) -> None:
        while self.prose and not self.prose[0]:
            self.prose.pop(0)
        if not self.prose:
            raise self.error(1, "no title; begin the file with a line such as #' Admissions by province")
        if not self.inputs:
            raise self.error(None, "no @input line; write: #' @input table column <type>, column <type>")
        if not self.outputs:
            raise self.error(None, "no @output line; write: #' @output column <type>, column <type>")
        minimum = self._minimum()
        if minimum and (minimum.of not in self.outputs or self.outputs[minimum.of].type != "integer"):
            raise self.error(None, f'@minimum_n: "{minimum.of}" is no <integer> column of @output')
        outcomes = self.of_cases.outcomes
        for tag in ("grain", "settles"):
            if bool(outcomes) != (tag in self.single):
                raise self.error(None, "@cases, @grain and @settles go together: write all three, or none")
        if wrong := self.of_cases.wrong():
            raise self.error(None, wrong)
        if outcomes and "publish" in self.single:
            raise self.error(None, "@publish public is for tables that are published as they are: leave out @cases")
        self._check_figure()
        if self.since and not (self._figure() or Figure("")).time:
            raise self.error(None, "@since is drawn over time: name the column of the period in @figure ... time")

    def _check_figure(self) -> None:
        figure = self._figure()
        if figure is None:
            return
        for part, name, kinds in (
            ("value", figure.value, ("number", "integer")),
            ("unit", figure.unit, ("text",)),
            ("time", figure.time, ("date",)),
            ("size", figure.size, ("number", "integer")),
            ("reference", "" if re.fullmatch(NUMBER, figure.reference) else figure.reference, ("number",)),
        ):
            if name and (name not in self.outputs or self.outputs[name].type not in kinds):
                raise self.error(None, f'@figure {part}: "{name}" is no <{kinds[0]}> column of @output')
        if figure.missing and figure.missing not in self.of_cases.outcomes:
            raise self.error(None, f'@figure missing: "{figure.missing}" is no outcome of @cases')

    def _figure(self) -> Figure | None:
        match = _FIGURE.fullmatch(self.single.get("figure", ""))
        return Figure(**{part: name or "" for part, name in match.groupdict().items()}) if match else None

    def _target(self) -> Target | None:
        match = _TARGET.fullmatch(self.single.get("target", ""))
        return Target(float(match["value"]), match["words"]) if match else None

    def _minimum(self) -> Minimum | None:
        match = _MINIMUM.fullmatch(self.single.get("minimum_n", ""))
        return Minimum(int(match["n"]), match["of"]) if match else None

    def _cases(self) -> Cases | None:
        if not self.of_cases.outcomes:
            return None
        grain = cast("re.Match[str]", _GRAIN.fullmatch(self.single["grain"]))
        settles = cast("re.Match[str]", _SETTLES.fullmatch(self.single["settles"]))
        days = int(settles["n"]) * (7 if settles["unit"] == "weeks" else 1)
        of = self.of_cases
        return Cases(of.outcomes, of.amounts, cast("Grain", grain["grain"]), bool(grain["by"]), days, of.slices)

    def indicator(self, files: tuple[Path, ...], code_version: str) -> Indicator:
        return Indicator(
            name=self.path.stem,
            path=self.path,
            title=self.prose[0],
            description="\n".join(self.prose[1:]).strip(),
            inputs=self.inputs,
            params=self.params,
            outputs=self.outputs,
            plots=self.plots,
            unit=self.single.get("unit", ""),
            direction=cast("Direction", self.single.get("direction", "neutral")),
            version=self.single.get("version", "1"),
            owner=self.single.get("owner", ""),
            minimum=self._minimum(),
            cases=self._cases(),
            figure=self._figure(),
            target=self._target(),
            case_mix=self.single.get("case_mix", ""),
            since=tuple(Since(day, words) for day, words in sorted(self.since.items())),
            public=self.single.get("publish", "").removeprefix("public").strip(),
            files=files,
            code_version=code_version,
        )


_FORMS = (
    ("minimum_n", _MINIMUM, "a number and the column that it is of: 20 of stays"),
    (
        "grain",
        re.compile(rf"({'|'.join(GRAINS)})( by organisation)?"),
        "week, month, quarter or year, alone or with: by organisation",
    ),
    ("settles", _SETTLES, "how long after its end a period is complete: 8 weeks"),
    (
        "figure",
        _FIGURE,
        "which column is what: value ratio, unit organisation, size expected, reference 1, missing left_out",
    ),
    ("target", _TARGET, "a number and who asks for it: 0.95 NHS Constitution"),
    ("publish", _PUBLISH, "public, and why the table may be published as it is"),
)
"""Tag -> what it must look like, and what to write instead."""


def _check_function(path: Path, code: str, masked: str, header: _Header) -> None:
    name = path.stem
    if not NAME.fullmatch(name):
        raise HeaderError(
            path, None, f'"{name}": a file name has small letters, digits and _, and starts with a letter'
        )
    function = rtext.find_function(code, masked, name)
    if function is None:
        found = ", ".join(rtext.find_assigned_functions(masked)) or "none"
        raise HeaderError(path, None, f"the file must define a function named {name} (found: {found})")
    wanted = [*header.inputs, *(["params"] if header.params else [])]
    if sorted(function.arguments) != sorted(wanted):
        raise HeaderError(
            path,
            function.line,
            f"{name}({', '.join(function.arguments)}): the arguments must be the inputs of the header: "
            f"{name}({', '.join(wanted)})",
        )
    if not header.of_cases.outcomes:
        return
    figures = rtext.find_function(code, masked, f"{name}_figures")
    if figures is None or list(figures.arguments) != ["atoms"]:
        raise HeaderError(
            path,
            figures.line if figures else None,
            f"a script with @cases also defines {name}_figures(atoms), which makes table and plots of their counts",
        )
