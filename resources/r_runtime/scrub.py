"""Takes values of the input tables out of text that R produced, before it reaches a log or a page.

R quotes data in its messages ("invalid value 'Jansen'"), and so do authors. A piece of text is hidden when it equals
a value of a text, number or date column that the indicator reads. It stays when it is public anyway: words of the
script itself, names of tables and columns, parameters; numbers that count something ("3 rows", "step 2 of 5").
Values that the script transformed first (cut, joined, computed) cannot be recognised: messages are to be written
without them, and this is the net under that rule.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HIDDEN = "<value>"
WITHHELD = "(message withheld: it could not be checked for values of patients in time)"

_PREFIX = 40  # longer text is compared, and then hidden, by its first characters
_MOST_TOKENS = 24
_TOKEN = re.compile(
    r"""
      (?P<date>\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}
         |\d{1,2}[ ](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ]\d{4})
         (?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?\b)
    | (?P<number>(?<![\w.])(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![\w]))
    | (?P<word>\w+)
    | (?P<mark>[^\w\s])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_UNITS = (
    r"rows?|records?|columns?|cols?|items?|elements?|lines?|levels?|groups?|observations?|values?|cases?|times?|"
    r"warnings?|iterations?|steps?|arguments?|digits?|duplicates?|missing|NAs?|of|more|patients?|persons?|tables?|"
    r"files?|models?|units?|dates?|days?|weeks?|months?|years?|bytes|[KMG]i?b|m?s|sec|seconds?|minutes?|%"
)
_COUNTS_AFTER = re.compile(rf"\s*(?:{_UNITS})(?![\w])", re.IGNORECASE)
_COUNTS_BEFORE = re.compile(
    rf"(?:\b(?:{_UNITS}|size|length|nrow|ncol|index|n|usage|fold|limit|version|seed)\s*[:=#]?\s*|\^)\Z",
    re.IGNORECASE,
)
_CONTINUES = re.compile(r"(?P<number>\d)\s*(?:,|and|vs\.?|/|-|x)\s*\Z", re.IGNORECASE)
_TRIVIAL = {0.0, 1.0}


@dataclass(frozen=True)
class _Token:
    start: int
    end: int
    kind: str
    text: str
    known: bool


class Scrubber:
    """Hides values of `tables` (Parquet file, column -> type). `public` is text whose words need no hiding.

    Tables are read when a text holds something that is not public, in batches, and nothing of them is kept but
    what was found. `seconds` bounds the time spent on it in a whole run; beyond it unknown text is withheld.
    """

    def __init__(self, tables: Iterable[tuple[Path, Mapping[str, str]]], public: str, seconds: float = 60.0) -> None:
        self._tables = list(tables)
        self._words = {word.lower() for word in re.findall(r"\w+", public)}
        self._numbers = {_number(text) for text in re.findall(r"(?<![\w.])\d[\d.]*(?:e[+-]?\d+)?(?!\w)", public)}
        self._public = public.lower()
        self._budget = seconds
        self._tested: dict[str, bool] = {}

    def scrub(self, text: str) -> str:
        """The text with every recognised value replaced by `<value>`."""
        return self.scrub_all([text])[0]

    def scrub_all(self, texts: Sequence[str]) -> list[str]:
        """Several texts at the price of one."""
        split = [self._tokens(text) for text in texts]
        pieces = {piece for text, tokens in zip(texts, split, strict=True) for _, _, piece in _pieces(text, tokens)}
        numbers = {token.text for tokens in split for token in tokens if token.kind == "number" and not token.known}
        if not self._look_up(pieces, numbers):
            return [
                text if all(t.known for t in tokens) else WITHHELD for text, tokens in zip(texts, split, strict=True)
            ]
        return [self._hide(text, tokens) for text, tokens in zip(texts, split, strict=True)]

    # --- What is in a text ----------------------------------------------------------------------------------

    def _tokens(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        for match in _TOKEN.finditer(text):
            kind = str(match.lastgroup)
            if kind == "number":
                known = self._counts(text, match, tokens)
            elif kind == "word":
                known = match[0].lower() in self._words
            elif kind == "date":
                known = match[0].lower() in self._public
            else:
                known = True
            tokens.append(_Token(match.start(), match.end(), kind, match[0], known))
        return tokens

    def _counts(self, text: str, match: re.Match[str], before: Sequence[_Token]) -> bool:
        number = _number(match[0])
        if number in _TRIVIAL or number in self._numbers:
            return True
        head = text[max(0, match.start() - 30) : match.start()]
        if _COUNTS_AFTER.match(text, match.end()) or _COUNTS_BEFORE.search(head):
            return True
        previous = next((token for token in reversed(before) if token.kind == "number"), None)
        return bool(previous and previous.known and _CONTINUES.search(text[previous.start : match.start()]))

    # --- What is in the tables ------------------------------------------------------------------------------

    def _look_up(self, pieces: set[str], numbers: set[str]) -> bool:
        """Find out which pieces are values. False when the time is used up."""
        new_pieces = {piece for piece in pieces if piece not in self._tested}
        new_numbers = {f"#{text}" for text in numbers} - self._tested.keys()
        if not (new_pieces or new_numbers):
            return True
        if self._budget <= 0:
            return False
        started = time.monotonic()
        found: set[str] = set()
        for path, columns in self._tables:
            found |= _found(path, columns, new_pieces, {text[1:] for text in new_numbers})
        self._tested.update(dict.fromkeys(new_pieces | new_numbers, False) | dict.fromkeys(found, True))
        self._budget -= time.monotonic() - started
        return True

    def _hide(self, text: str, tokens: Sequence[_Token]) -> str:
        spans = [(token.start, token.end) for token in tokens if token.kind == "date" and not token.known]
        spans += [
            (token.start, token.end)
            for token in tokens
            if token.kind == "number" and not token.known and self._tested.get(f"#{token.text}")
        ]
        for start, end, piece in _pieces(text, tokens):
            if self._tested.get(piece):
                spans.append((start, _line_end(text, end) if end - start >= _PREFIX else end))
        result, position = [], 0
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            if end <= position:
                continue
            result.append(text[position : max(start, position)])
            if start >= position:
                result.append(HIDDEN)
            position = end
        return "".join(result) + text[position:]


def _pieces(text: str, tokens: Sequence[_Token]) -> Iterator[tuple[int, int, str]]:
    """Runs of whole tokens with something unknown in them (start, end, lower case), and starts of longer runs."""
    for index, first in enumerate(tokens):
        unknown = False
        for token in tokens[index : index + _MOST_TOKENS]:
            if token.end - first.start > _PREFIX:
                break
            unknown = unknown or not token.known
            if unknown and token.end - first.start >= 2:
                yield first.start, token.end, text[first.start : token.end].lower()
        window = text[first.start : first.start + _PREFIX]
        if len(window) == _PREFIX and any(not t.known for t in tokens[index : index + _MOST_TOKENS]):
            yield first.start, first.start + _PREFIX, window.lower()


def _found(path: Path, columns: Mapping[str, str], pieces: set[str], numbers: set[str]) -> set[str]:
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
                    if pieces:
                        start = pc.utf8_slice_codeunits(pc.utf8_lower(column.cast(pa.string())), 0, _PREFIX)
                        found.update(start.filter(pc.is_in(start, value_set=wanted)).unique().to_pylist())
                elif numbers:
                    found |= _numbers_in(column, numbers)
    return found


def _numbers_in(column: Any, numbers: set[str]) -> set[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        column = pc.divide(column.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64()), 1_000_000)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return set()
    values = pc.abs(column.cast(pa.float64(), safe=False))
    found = set()
    for text in numbers:
        number, half_digit = _number(text), _half_digit(text)
        near = pc.less_equal(pc.abs(pc.subtract(values, number)), half_digit)
        if pc.any(near, min_count=0).as_py():
            found.add(f"#{text}")
    return found


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "").rstrip("."))
    except ValueError:
        return float("nan")


def _half_digit(text: str) -> float:
    """Half of the last decimal that is shown, so that a rounded value is recognised; 0 for a whole number."""
    decimals = re.search(r"\.(\d+)", text)
    return 0.5000001 * 10.0 ** -len(decimals[1]) if decimals and "e" not in text.lower() else 0.0


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
