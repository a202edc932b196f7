"""Lines that regular expressions take apart: access logs, and whatever else programs write line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import methodcaller
from pathlib import Path
from typing import TextIO

from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.interface import CannotWrite, Edits, Format
from platform_assets.ingest.readers.rows import BATCH, NO_VALUES, FileRejected, Header, RowWriter
from platform_assets.ingest.readers.shape.columns import find_columns

UNLIKE = "is a line like none of those that the contract knows (`lines`)"
NO_TEXT = "holds bytes that are no text in the encoding of the file"
COMMENTS = "comments"
PIECE = 1 << 16
"""Characters that are looked at together."""
_NO_CHARACTER = re.compile("[\udc80-\udcff]")
"""What a byte becomes that is no character."""


class Lines(Format):
    """A row per line, by the first of several patterns that takes the whole line. A line that none takes is a broken row."""

    kind = "lines"
    words = "lines: text that regular expressions take apart line by line, such as access logs"
    example = "A-1 - POS"
    ending = "log"

    def stage(self, path: Path, contract: Contract, fmt: FileFormat, writer: RowWriter, limits: Limits) -> Header:
        """See `Format`."""
        patterns = [re.compile(pattern) for pattern in fmt.lines]
        names = list(dict.fromkeys(name for pattern in patterns for name in pattern.groupindex))
        header = find_columns(names, contract, fmt).header
        groups = {c: names[header.positions[c]] for c in contract.file_columns if c in header.positions}
        tries = [(pattern.fullmatch, _picked(pattern, groups, contract)) for pattern in patterns]
        numbers: list[int] = []
        rows: list[Sequence[str | None]] = []
        left: dict[str, int] = {}
        (first, pick_first), others, comment = tries[0], tries[1:], fmt.comment
        for number, whole, lines in _pieces(path, fmt):
            plain = None if number == 1 else _plain(whole, lines, comment, first)
            if plain is not None:  # most pieces: all that is done for a line is done by the interpreter's own loops
                numbers += range(number, number + len(lines))
                rows += map(pick_first, plain)
            for place, line in enumerate(lines if plain is None else (), start=number):
                text = line.rstrip("\r")
                text = text.removeprefix("\ufeff") if place == 1 else text
                if not text or text.isspace() or (comment is not None and text.startswith(comment)):
                    what = COMMENTS if text and not text.isspace() else NO_VALUES
                    left[what] = left.get(what, 0) + 1
                    continue
                row = next((picked(m) for fits, picked in ((first, pick_first), *others) if (m := fits(text))), None)
                if row is None or not _is_text(text):
                    writer.write_broken(place, text, UNLIKE if row is None else NO_TEXT)
                    continue
                numbers.append(place)
                rows.append(row)
            if len(rows) >= BATCH:
                writer.write(numbers, list(zip(*rows, strict=True)))
                numbers, rows = [], []
        if rows:
            writer.write(numbers, list(zip(*rows, strict=True)))
        if not (writer.rows or writer.broken):
            raise FileRejected("the file holds no line")
        header.not_taken.update(left)
        return header

    def written(self, fmt: FileFormat, headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
        """See `Format`. Only what reads back as the same."""
        if fmt.template is None:
            raise CannotWrite(
                "the contract does not say how a line is written: add `template`, or let the dataset take CSV too (format: kind csv)"
            )
        pattern, lines = re.compile(fmt.lines[0]), []
        for row in rows:
            values = {name: value or "" for name, value in zip(headers, row, strict=True)}
            line = re.sub(r"\{(\w+)\}", lambda found, values=values: values.get(found[1], ""), fmt.template)  # type: ignore[misc]
            back = pattern.fullmatch(line)
            if back is None or "\n" in line or any((back[n] or "") != values.get(n, "") for n in pattern.groupindex):
                raise CannotWrite("a value cannot be written into a line so that it is read back as the same")
            if {n for n, v in values.items() if v} - set(pattern.groupindex):
                raise CannotWrite("a column has a value that no line of the first pattern has a place for")
            lines.append(line + "\n")
        try:
            return "".join(lines).encode(fmt.encoding)
        except UnicodeEncodeError:
            raise CannotWrite(
                f"a value holds a character that {fmt.encoding}, the encoding of the file, does not have"
            ) from None

    def edited(
        self, path: Path, contract: Contract, fmt: FileFormat, edits: Edits, target: Path, limits: Limits
    ) -> None:
        """See `Format`. Of a line that is edited only the cells change; every other stays byte for byte."""
        patterns = [re.compile(pattern) for pattern in fmt.lines]
        with target.open("w", encoding=fmt.encoding, errors="surrogateescape", newline="") as out:
            for number, text, end in _lines(path, fmt):
                if number in edits.out:
                    continue
                if number in edits.cells:
                    found = next((m for p in patterns if (m := p.fullmatch(text))), None) if _is_text(text) else None
                    if found is None:
                        now = edits.line(number, text)
                        text = text if now is None else now
                    else:
                        text = _with_cells(found, number, edits)
                out.write(text + end)


def _pieces(path: Path, fmt: FileFormat) -> Iterator[tuple[int, str, list[str]]]:
    """(number of the first line, text, lines of it without their line feeds), some thousand characters at a time."""
    number, begun = 1, ""
    with _opened(path, fmt) as file:
        while text := file.read(PIECE):
            if "\n" not in text:  # a long line
                text += file.readline()
            whole, feed, rest = (begun + text).rpartition("\n")
            begun = rest
            if feed:
                lines = whole.split("\n")
                yield number, whole, lines
                number += len(lines)
    if begun:
        yield number, begun, [begun]


def _plain(
    whole: str, lines: list[str], comment: str | None, fits: Callable[[str], re.Match[str] | None]
) -> list[re.Match[str]] | None:
    """The matches of a pattern with all of `lines`, the text `whole`, where each is plain text that it takes; None where one is anything else."""
    if not whole.isascii() or "\r" in whole or "" in lines or any(map(str.isspace, lines)):
        return None
    if comment is not None and (whole.startswith(comment) or f"\n{comment}" in whole):
        return None
    found = list(map(fits, lines))
    return None if None in found else found  # type: ignore[return-value]


def _picked(
    pattern: re.Pattern[str], groups: Mapping[str, str], contract: Contract
) -> Callable[[re.Match[str]], Sequence[str | None]]:
    """What takes the cells of the contract's columns out of a match; a column that the pattern does not have has no value."""
    places = [pattern.groupindex.get(groups.get(column, ""), 0) for column in contract.file_columns]
    if len(places) > 1 and all(places):
        return methodcaller("group", *places)
    return lambda found: [found.group(place) if place else None for place in places]


def _is_text(text: str) -> bool:
    """Whether all bytes of a line are characters."""
    return text.isascii() or not _NO_CHARACTER.search(text)


def _opened(path: Path, fmt: FileFormat) -> TextIO:
    """The file as text in which bytes that are no characters can be told; a line ends with a line feed only."""
    return path.open(encoding=fmt.encoding, errors="surrogateescape", newline="\n")


def _lines(path: Path, fmt: FileFormat) -> Iterator[tuple[int, str, str]]:
    """(number, line, its end)."""
    with _opened(path, fmt) as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            yield number, text.removeprefix("\ufeff") if number == 1 else text, line[len(text) :]


def _with_cells(found: re.Match[str], number: int, edits: Edits) -> str:
    """A line with other texts in the places of its named groups; of groups in groups the outer one counts."""
    text, at, out = found.string, 0, ""
    for place in sorted(found.re.groupindex.values(), key=lambda p: (found.start(p), -found.end(p))):
        start, end = found.span(place)
        if start < at or start < 0:
            continue
        out += text[at:start] + edits.cell(number, text[start:end])
        at = end
    return out + text[at:]
