"""A grid of rows becomes a table as the contract lays it out: what stands around the table is left out and counted, cells are filled,
columns are turned into rows.

A reader of a kind that is a grid (delimited text, a sheet) gives `Line`s, the header among them; `Table` finds the header and says
what each line is. Numbers are those of the lines: the header of a plain file is row 1. Where columns become rows, each cell has a
number of its own: the first line below the header has the first ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.rows import NO_VALUES, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.columns import Found, find_columns
from platform_assets.ingest.readers.shape.header import positional_header
from resources.text.spelling import has_ink

BEFORE, BELOW, COMMENT, SEP = "lines before the header", "lines below the header", "comment lines", "the line sep="
EMPTY = NO_VALUES
NO_VALUE = "empty cells of columns that become rows"


class NothingThere(FileRejected):
    """Not a line, not a row."""


@dataclass(frozen=True)
class Line:
    """A row of a grid, or what cannot be split into cells."""

    number: int
    cells: Sequence[str | None]
    text: str = ""
    """As it is written; only asked where there are no cells."""
    reason: str = ""
    """Why it cannot be split into cells."""
    left: str = ""
    """As what it is left out; empty for a row."""


class Grid(Protocol):
    """The lines of a file, one by one, from its first. Those that the format skips before the header say so."""

    def below(self, found: Found) -> None:
        """What the header says of the lines that come."""
        ...

    def __iter__(self) -> Iterator[Line]:
        """The lines."""
        ...


@dataclass
class Table:
    """A grid whose header has been read. Raises FileRejected where it has none, or none that the contract knows."""

    grid: Grid
    contract: Contract
    fmt: FileFormat
    broken_header: Callable[[str], Sequence[str]] = lambda _: ()
    """Says why a header's text cannot be split into names, by raising FileRejected; or splits it after all."""
    above: list[Line] = field(default_factory=list)
    """The lines down to the header, and the header."""
    left: Counter[str] = field(default_factory=Counter)
    """Lines that were left out so far, by what they are."""

    def __post_init__(self) -> None:
        self._lines = iter(self.grid)
        if self.fmt.header:
            self.found = find_columns(self._names(), self.contract, self.fmt)
        else:
            self.found = Found(positional_header(self.contract))
        self.grid.below(self.found)
        self.left.update(line.left for line in self.above if line.left)
        self.first = (self.above[-1].number if self.above else 0) + 1
        """Number of the first line below the header."""
        columns = list(self.contract.file_columns)
        self._places = [self.header.positions.get(c) for c in columns]
        self._rules = [self._rule(name, said) for name, said in self.fmt.leave_out.items()]
        self._filled = {p: "" for c in self.fmt.fill_down if (p := self.header.positions.get(c)) is not None}

    @property
    def header(self) -> Header:
        """Where the columns stand."""
        return self.found.header

    def lines(self) -> Iterator[Line]:
        """Every line below the header, those that are no rows with what they are."""
        for place, line in enumerate(self._lines):
            if line.left:
                pass
            elif place < self.fmt.skip_after_header:
                line = replace(line, left=BELOW)
            elif not line.reason and not any(has_ink(c or "") for c in line.cells):
                line = replace(line, left=EMPTY)
            elif rule := next((name for name, fits in self._rules if fits(line)), ""):
                line = replace(line, left=rule)
            elif self._filled and not line.reason:
                line = self._fill(line)
            if line.left:
                self.left[line.left] += 1
            yield line

    def numbers(self, line: Line) -> range:
        """The numbers of the rows that a line becomes."""
        each = len(self.found.wide) or 1
        start = self.first + (line.number - self.first) * each
        return range(start, start + each)

    def edited(self, line: Line, edits: Edits) -> Sequence[str | None] | None:
        """The cells of a row as `edits` say; None where it goes. Its own cells, the same object, where nothing is said of it."""
        numbers = self.numbers(line)
        out = [n in edits.out for n in numbers]
        if all(out):
            return None
        said = [n for n in numbers if n in edits.cells]
        if not said and not any(out):
            return line.cells
        cells = list(line.cells)
        for gone, (place, _) in zip(out, self.found.wide, strict=False):
            if gone and place < len(cells):
                cells[place] = ""
        for number in said:
            cells = [c if c is None else edits.cell(number, c) for c in cells]
        return cells

    def write(self, writer: RowWriter) -> Header:
        """Write the rows; what is left out is counted in the header that comes back."""
        for line in self.lines():
            if line.left:
                continue
            if line.reason:
                writer.write_broken(self.numbers(line)[0], line.text, line.reason)
                continue
            for number, row in self._rows(line):
                writer.add(number, row)
        writer.flush()
        return replace(self.header, not_taken={**self.header.not_taken, **self.left})

    def _rows(self, line: Line) -> Iterator[tuple[int, Sequence[str | None]]]:
        cells, wide, spread = line.cells, self.fmt.wide, self.found.wide
        picked = [None if p is None or p >= len(cells) else cells[p] for p in self._places]
        if wide is None:
            yield line.number, picked
            return
        columns = list(self.contract.file_columns)
        name, value = columns.index(wide.name), columns.index(wide.value)
        for number, (place, called) in zip(self.numbers(line), spread, strict=True):
            cell = cells[place] if place < len(cells) else None
            if wide.empty == "leave_out" and not has_ink(cell or ""):
                self.left[NO_VALUE] += 1
                continue
            row = list(picked)
            row[name], row[value] = called, cell
            yield number, row

    def _fill(self, line: Line) -> Line:
        cells = list(line.cells)
        for place, above in self._filled.items():
            if place < len(cells):
                cells[place] = cells[place] if has_ink(cells[place] or "") else above
                self._filled[place] = cells[place] or ""
        return replace(line, cells=cells)

    def _rule(self, name: str, said: str | dict[str, str]) -> tuple[str, Callable[[Line], bool]]:
        if isinstance(said, str):
            whole, joint = re.compile(said), self.fmt.joint

            def fits(line: Line) -> bool:
                return bool(whole.search(line.text if line.reason else joint.join(c or "" for c in line.cells)))

            return name, fits
        places = [(self.header.positions.get(c), re.compile(pattern)) for c, pattern in said.items()]

        def all_fit(line: Line) -> bool:
            return not line.reason and all(
                p is not None and p < len(line.cells) and pattern.search((line.cells[p] or "").strip())
                for p, pattern in places
            )

        return name, all_fit

    # ------------------------------------------------------------------ the header

    def _names(self) -> list[str]:
        for line in self._lines:
            if line.left or (not line.reason and not any(has_ink(c or "") for c in line.cells)):
                self.above.append(line if line.left else replace(line, left=EMPTY))
            else:
                break
        else:
            if not self.above:
                raise NothingThere("the file is empty: not even a header")
            raise FileRejected(
                f"there is no header below the {len(self.above)} line(s) that are skipped: is this the right file?"
            )
        rows = [line]
        while len(rows) < self.fmt.header_rows:
            more = next(self._lines, None)
            if more is None:
                break
            rows.append(more)
        self.above += rows
        return joined([self._split(row) for row in rows])

    def _split(self, line: Line) -> list[str]:
        cells = self.broken_header(line.text) if line.reason else line.cells
        return [(c or "").strip() for c in cells]


def joined(rows: Sequence[Sequence[str]]) -> list[str]:
    """The names of columns from the rows of a header. In all but the last, an empty cell (merged) takes the name on its left."""
    width = max(map(len, rows))
    filled = []
    for place, row in enumerate(rows):
        cells = [*row, *[""] * (width - len(row))]
        if place < len(rows) - 1:
            for n in range(1, width):
                cells[n] = cells[n] or cells[n - 1]
        filled.append(cells)
    return [" ".join(dict.fromkeys(filter(None, names))) for names in zip(*filled, strict=True)]


def around(
    fmt: FileFormat, headers: Sequence[str], rows: Iterable[Sequence[str | None]], mark: str = "-"
) -> Iterator[Sequence[str | None]]:
    """Lines of a file of `rows` that reads as `fmt` says: what it skips is written as lines that hold `mark`."""
    filler: list[str | None] = [mark, *[""] * (len(headers) - 1)]
    yield from [filler] * fmt.skip_rows
    if fmt.header:
        yield headers
        yield from [headers] * (fmt.header_rows - 1)  # a name that stands there twice is one
        yield from [filler] * fmt.skip_after_header
    yield from chain(rows)
