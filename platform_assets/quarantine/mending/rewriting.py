"""Other ways in which people write what a column asks for, and how each is written right: 31/12/2025 as 2025-12-31, 1,5 as 1.5, pos as POS.

Pure text to text. Which of these help is not decided here: the contract judges what they make (see `bench`), so that none is offered that
does not mend anything, and where a text can be read in two ways, both are offered, each with its name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from platform_assets.contracts.columns import NUMERIC, TEMPORAL, TEXTUAL, Column, ColumnType
from platform_assets.contracts.dates.formats import DateFormat, read_format
from resources.text import spelling

Row = Mapping[str, str | None]

NOTHING = frozenset(
    [
        "-",
        "--",
        ".",
        "?",
        "*",
        "/",
        "n/a",
        "na",
        "n.a.",
        "nvt",
        "n.v.t.",
        "null",
        "none",
        "nil",
        "nan",
        "#n/a",
        "#n/b",
        "onbekend",
        "unknown",
        "leeg",
        "geen",
        "missing",
    ]
) | {"niet bekend", "not known", "not available", "niet ingevuld"}
"""What people write where they know no value, in small letters."""
YES, NO = (
    frozenset(["ja", "j", "yes", "y", "true", "t", "waar", "1", "x"]),
    frozenset(["nee", "n", "no", "false", "f", "onwaar", "0"]),
)
_DATES = {
    "day/month/year": ("%-d/%-m/%Y", "%-d-%-m-%Y", "%-d.%-m.%Y", "%-d %-m %Y"),
    "month/day/year": ("%-m/%-d/%Y", "%-m-%-d-%Y", "%-m.%-d.%Y"),
    "year/month/day": ("%Y-%-m-%-d", "%Y/%-m/%-d", "%Y.%-m.%-d", "%Y%m%d"),
    "day/month/year without separators": ("%d%m%Y",),
    "a month by its name": (
        "%-d %B %Y",
        "%-d %b %Y",
        "%-d-%b-%Y",
        "%-d-%B-%Y",
        "%B %-d, %Y",
        "%b %-d, %Y",
        "%-d/%b/%Y",
    ),
    "day/month/year with a year of two digits, of this century": ("%-d/%-m/%y", "%-d-%-m-%y", "%-d.%-m.%y"),
    "an Excel day number": ("excel",),
}
_CLOCKS = ("%-H:%M", "%-H:%M:%S", "%-H:%M:%S.%f")
_NUMBER = r"[+-]?[0-9]+(?:[.,][0-9]+)?"


@dataclass(frozen=True)
class Rewriting:
    """One way to write a value of a column otherwise."""

    words: str
    """What it does, for people: "read as day/month/year"."""
    rewrite: Callable[[str], str | None]
    """The new text; the same where it does not apply; None: no value."""

    def of(self, values: Mapping[str, int]) -> dict[str, str | None]:
        """Those of `values` that it changes -> what they become."""
        made = {value: self.rewrite(value) for value in values}
        return {value: new for value, new in made.items() if new != value}


@dataclass(frozen=True)
class Move:
    """One way in which cells of a row slid away from their columns."""

    words: str
    move: Callable[[Row], Row | None]
    """The row with its cells in place; None where it does not apply."""


def rewritings(column: Column, zone: str) -> Iterator[Rewriting]:
    """All that are known for a column of this type and format, the most cautious first. `zone`: name of the clock that times are kept by."""
    yield Rewriting("without stray blanks, quotes and characters that cannot be seen", _tidied)
    if column.type in TEMPORAL:
        yield from _dates(column, zone)
    if column.type in NUMERIC:
        yield from _numbers(column)
    if column.type is ColumnType.BOOLEAN:
        yield Rewriting("yes and no as the dataset writes them", lambda v: _truth(column, v))
    if column.type in TEXTUAL:
        if column.allowed:
            listed = {str(a).casefold(): str(a) for a in column.allowed}
            yield Rewriting("as the dataset writes it", lambda v: listed.get(_tidied(v).casefold(), v))
        yield Rewriting("in capitals", lambda v: _tidied(v).upper())
        yield Rewriting("in small letters", lambda v: _tidied(v).lower())
        yield Rewriting("without blanks", lambda v: re.sub(r"\s", "", _tidied(v)))
    if column.nullable:
        yield Rewriting("words for nothing become no value", lambda v: None if _tidied(v).lower() in NOTHING else v)


def moves(column: str, order: Sequence[str]) -> Iterator[Move]:
    """Ways in which the cells of a row from `column` on can have slid; `order` is that of the columns in files."""
    at = list(order).index(column)
    after = order[at:]
    if len(after) < 2:
        return
    following = after[1]
    yield Move(f"cells from {column} on, one place to the right", lambda row: _right(row, after))
    yield Move(f"cells after {column}, one place to the left", lambda row: _left(row, after))
    for sign, name in ((";", "semicolon"), (",", "comma"), ("\t", "tab"), ("|", "bar"), ("/", "slash"), (" ", "space")):
        yield Move(
            f"{column} split at the {name}, the second part for {following}",
            lambda row, sign=sign: _split(row, after, sign),  # type: ignore[misc]
        )


# ------------------------------------------------------------------ text


def _tidied(value: str) -> str:
    """Full-width forms, typographic hyphens and apostrophes as on a keyboard; no blank or quote around it, none twice."""
    text = spelling.bare(value)
    text = re.sub(r"\s+", " ", text).strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text


def _truth(column: Column, value: str) -> str:
    said = _tidied(value).lower()
    return column.true_values[0] if said in YES else column.false_values[0] if said in NO else value


# ------------------------------------------------------------------ dates


def _dates(column: Column, zone: str) -> Iterator[Rewriting]:
    target = column.date_formats(zone)[0]
    for words, texts in _DATES.items():
        known = [read_format(text, zone=zone) for text in texts]
        if texts != ("excel",):
            clocks = [f"{text}{gap}{clock}" for text in texts for gap in (" ", "T") for clock in _CLOCKS]
            known += [read_format(text, zone=zone) for text in clocks]
        yield Rewriting(f"read as {words}", _reader(known, target))


def _reader(known: Sequence[DateFormat], target: DateFormat) -> Callable[[str], str]:
    def read(value: str) -> str:
        for fmt in known:
            moment = fmt.parse(_tidied(value))
            if moment is None:
                continue
            if not target.has_time and (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
                return value  # a time of day would be lost
            return target.render(moment)
        return value

    return read


# ------------------------------------------------------------------ numbers


def _numbers(column: Column) -> Iterator[Rewriting]:
    mark = column.decimal_separator
    other = "," if mark == "." else "."
    whole = column.type is ColumnType.INTEGER  # no digits behind a mark: it is one of thousands
    yield Rewriting(
        f"decimal {'comma' if other == ',' else 'point'} as {'point' if other == ',' else 'comma'}",
        lambda v: (
            _tidied(v).replace(other, mark) if re.fullmatch(rf"[+-]?[0-9]+{re.escape(other)}[0-9]+", _tidied(v)) else v
        ),
    )
    yield Rewriting("without separators of thousands", lambda v: _ungrouped(v, "" if whole else mark))
    yield Rewriting("written out (2e5 is 200000)", lambda v: _written_out(v, mark))
    yield Rewriting("without the unit behind the number", lambda v: _without_unit(v, mark))


def _ungrouped(value: str, mark: str) -> str:
    text = _tidied(value)
    decimals = rf"{re.escape(mark)}[0-9]+" if mark else ""
    for group in (g for g in (".", ",", " ", "'") if g != mark):
        found = re.fullmatch(rf"([+-]?[0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{3}})+)({decimals})?", text)
        if found:
            return found[1].replace(group, "") + (found[2] or "")
    return value


def _written_out(value: str, mark: str) -> str:
    text = _tidied(value).replace(mark, ".")
    if not re.fullmatch(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,2}|[+-]?[0-9]+\.0+", text):
        return value
    try:
        return f"{Decimal(text).normalize():f}".replace(".", mark)
    except InvalidOperation:
        return value


def _without_unit(value: str, mark: str) -> str:
    found = re.fullmatch(rf"({_NUMBER})\s*[^\W\d_eE][^\d]*|({_NUMBER})\s*%", _tidied(value))
    return (found[1] or found[2]).replace("," if mark == "." else ".", mark) if found else value


# ------------------------------------------------------------------ cells of a row


def _right(row: Row, after: Sequence[str]) -> Row | None:
    """A cell is lacking: all from there on stand one place too far to the left, and the last column is empty."""
    if row.get(after[-1]) not in (None, "") or row.get(after[0]) in (None, ""):
        return None
    moved = {name: row.get(before) for before, name in itertools.pairwise(after)}
    return {**row, after[0]: None, **moved}


def _left(row: Row, after: Sequence[str]) -> Row | None:
    """An empty cell, or one too many, stands in the way: all after it belong one place further to the left."""
    if row.get(after[0]) not in (None, "") or all(row.get(name) in (None, "") for name in after[1:]):
        return None
    moved = {name: row.get(behind) for name, behind in itertools.pairwise(after)}
    return {**row, **moved, after[-1]: None}


def _split(row: Row, after: Sequence[str], sign: str) -> Row | None:
    """Two values in one cell. What follows makes room where it has to: the next cell is empty, or the last one is."""
    whole = row.get(after[0]) or ""
    first, found, second = whole.partition(sign)
    if not found or sign in second or not first.strip() or not second.strip():
        return None
    first, second = first.strip(), second.strip()
    if row.get(after[1]) in (None, ""):
        return {**row, after[0]: first, after[1]: second}
    moved = _right(row, after[1:]) if len(after) > 2 else None
    return None if moved is None else {**moved, after[0]: first, after[1]: second}
