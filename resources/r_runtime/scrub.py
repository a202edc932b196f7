"""Shows of text that R produced only what is known to be no value of a table, before it reaches a log or a page.

R quotes data in its messages ("invalid value 'x'"), and so do authors. Shown is what is on a list: words and numbers of the script itself,
names of tables and columns, parameters; words of R's own messages, unless a text column that the indicator reads has a cell that says
just that; numbers that R or the platform put in as a count, and progress ("step 2 of 5", "3 rows"). All else is hidden, whatever it is.
What is written together (``1-2/3``, ``a.b@c``) is shown whole or not at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resources.r_runtime import spoken
from resources.text.shown import PARTS, TOGETHER, hide

WITHHELD = "(message withheld: it could not be checked for values of patients in time)"

_PREFIX = 40  # longer text is compared, and then hidden, by its first characters
_MOST_TOKENS = 24
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+", re.IGNORECASE)
_TABLE_WORDS = r"rows?|columns?|cols?|records?|tables?|files?|times|bytes|[KMG]i?b|m?s|sec|seconds?|minutes?|hours?"
_OF_TABLES = re.compile(rf"\s(?:{_TABLE_WORDS})\b", re.IGNORECASE)
_PERCENT = re.compile(r"\s?%")
_PROGRESS = re.compile(r"(?<![\w.,/-])(\d{1,9}) of (\d{1,9})(?![\w.,/-])")
_OWN = re.compile(r"\b(?:in row (\d+)|in (\d+) rows, first in row (\d+))\b")
_TRIVIAL = ("0", "1", "-1", "0.0", "1.0", "2^53", "utf-8")

Standing = Literal["public", "spoken", "hidden"]


@dataclass(frozen=True)
class _Run:
    """What is written together."""

    start: int
    end: int
    standing: Standing
    """public: of the script. spoken: of R's messages, to be held against the tables."""


class Scrubber:
    """Hides what is not known to be public. `public` is text whose words are; `tables` are those that the indicator reads (Parquet file,
    column -> type).

    Tables are read when a text holds words of R, in batches, and nothing of them is kept but what was found. `seconds` bounds the time
    spent on it in a whole run; beyond it such text is withheld.
    """

    def __init__(self, tables: Iterable[tuple[Path, Mapping[str, str]]], public: str, seconds: float = 60.0) -> None:
        self._tables = list(tables)
        self._public = {run.lower() for run in TOGETHER.findall(public)} | set(_TRIVIAL)
        self._words = {word.lower() for word in PARTS.findall(public) if not word.isdigit()}
        self._numbers = {*_NUMBER.findall(public), *_TRIVIAL}
        self._budget = seconds
        self._tested: dict[str, bool] = {}

    def scrub(self, text: str) -> str:
        """The text with whatever is not known to be public replaced by `<value>`."""
        return self.scrub_all([text])[0]

    def scrub_all(self, texts: Sequence[str], *, own: bool = False) -> list[str]:
        """Several texts at the price of one. `own`: they were put together by the harness, which counts rows of results."""
        split = [self._runs(text, own) for text in texts]
        pieces = {piece for text, runs in zip(texts, split, strict=True) for _, _, piece in _pieces(text, runs)}
        if not self._look_up(pieces):
            return [
                text if all(r.standing == "public" for r in runs) else WITHHELD
                for text, runs in zip(texts, split, strict=True)
            ]
        return [self._hide(text, runs) for text, runs in zip(texts, split, strict=True)]

    # --- What is in a text ----------------------------------------------------------------------------------

    def _runs(self, text: str, own: bool) -> list[_Run]:
        counts = set(spoken.counts_in(text))
        counts |= {m.span(n) for m in _PROGRESS.finditer(text) if int(m[1]) <= int(m[2]) for n in (1, 2)}
        if own:
            counts |= {m.span(n) for m in _OWN.finditer(text) for n in (1, 2, 3) if m[n]}
        runs = []
        for match in TOGETHER.finditer(text):
            start, end = match.span()
            runs.append(_Run(start, end, self._standing(text, start, end, counts)))
        return runs

    def _standing(self, text: str, start: int, end: int, counts: set[tuple[int, int]]) -> Standing:
        together = text[start:end]
        if together.lower() in self._public or (start, end) in counts:
            return "public"
        if _NUMBER.fullmatch(together):
            counted = _OF_TABLES.match(text, end) and together.isdigit()
            share = _PERCENT.match(text, end) and float(together) <= 100
            alone = text[max(0, start - 1) : start] not in (*"-.,/:@#+'^\\",)
            return "public" if together in self._numbers or (alone and (counted or share)) else "hidden"
        parts = PARTS.findall(together)
        if any(c.isdigit() for c in together):
            inside = [m for m in counts if start <= m[0] and m[1] <= end]  # 1/5
            digits = {m.span() for m in re.finditer(r"\d+", text[:end]) if m.start() >= start}
            if not digits <= set(inside):
                return "hidden"
        standing: Standing = "public"
        for part in parts:
            if part.lower() in self._words or part.isdigit():
                continue
            if part not in spoken.words():
                return "hidden"
            standing = "spoken"
        return standing

    # --- What is in the tables ------------------------------------------------------------------------------

    def _look_up(self, pieces: set[str]) -> bool:
        """Find out which pieces are values. False when the time is used up."""
        new = {piece for piece in pieces if piece not in self._tested}
        if not new:
            return True
        if self._budget <= 0:
            return False
        started = time.monotonic()
        found: set[str] = set()
        for path, columns in self._tables:
            found |= _found(path, columns, new)
        self._tested.update(dict.fromkeys(new, False) | dict.fromkeys(found, True))
        self._budget -= time.monotonic() - started
        return True

    def _hide(self, text: str, runs: Sequence[_Run]) -> str:
        spans = [(run.start, run.end) for run in runs if run.standing == "hidden"]
        for start, end, piece in _pieces(text, runs):
            if self._tested.get(piece):
                spans.append((start, _line_end(text, end) if end - start >= _PREFIX else end))
        return hide(text, spans)


def _pieces(text: str, runs: Sequence[_Run]) -> Iterator[tuple[int, int, str]]:
    """Neighbouring runs with a word of R's in them (start, end, lower case), and starts of longer texts."""
    for index, first in enumerate(runs):
        spoken_one = False
        for run in runs[index : index + _MOST_TOKENS]:
            if run.end - first.start > _PREFIX:
                break
            spoken_one = spoken_one or run.standing == "spoken"
            if spoken_one and run.end - first.start >= 2:
                yield first.start, run.end, text[first.start : run.end].lower()
        window = text[first.start : first.start + _PREFIX]
        if len(window) == _PREFIX and any(r.standing == "spoken" for r in runs[index : index + _MOST_TOKENS]):
            yield first.start, first.start + _PREFIX, window.lower()


def _found(path: Path, columns: Mapping[str, str], pieces: set[str]) -> set[str]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    wanted = pa.array(sorted(pieces), pa.string())
    with pq.ParquetFile(path, memory_map=True) as file:
        for name in columns:
            if name not in file.schema_arrow.names:
                continue
            for batch in file.iter_batches(columns=[name], use_threads=False):
                column = batch.column(0)
                if pa.types.is_dictionary(column.type):
                    column = column.dictionary
                if _is_text(column.type):
                    start = pc.utf8_slice_codeunits(pc.utf8_lower(column.cast(pa.string())), 0, _PREFIX)
                    found.update(start.filter(pc.is_in(start, value_set=wanted)).unique().to_pylist())
    return found


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
