"""Which drugs a title names: one pass over the titles for all names at once. Reads and writes no files.

A name counts where it stands as whole words. Where names nest or overlap the longest counts: a title on
"interferon alfa-2b" mentions that drug and not "interferon alfa", if both are on the list. A drug named
twice in a title is one mention. A name that belongs to several codes is a mention of each.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator

import ahocorasick
import numpy as np
import pyarrow as pa

from platform_assets.literature.names import RULES, has_word, spelling, word_characters
from platform_assets.literature.tables import DRUGS, MENTIONS, PUBLICATIONS, Tabular, batches, table

CHARACTERS_AT_A_TIME = 1_000_000
"""Titles are searched in blocks of about this many characters, which bounds memory."""


class DrugMatcher:
    """Finds the names of one drug list in titles.

    `drugs` has the columns of DRUGS; rows that lack code or name are the contract's affair and ignored.

    Attributes:
        names: the drug's name by code; of several names the first in alphabetical order.
        unusable: codes of rows whose name has no letter or digit and thus can never be found, sorted.
        fingerprint: hexadecimal digest of the list, whatever its row order; another digest, other mentions.
    """

    def __init__(self, drugs: Tabular) -> None:
        rows = table(drugs, DRUGS)
        pairs = sorted({(code, name) for code, name in zip(*rows.to_pydict().values(), strict=True) if code and name})
        self.names = drug_names(pairs)
        self.unusable = sorted({code for code, name in pairs if not has_word(spelling(name))})
        self.fingerprint = hashlib.sha256(json.dumps([RULES, pairs]).encode()).hexdigest()

        codes = sorted(self.names)
        index_of_code = {code: index for index, code in enumerate(codes)}
        codes_of_name: dict[str, set[int]] = {}
        for code, name in pairs:
            if has_word(spelling(name)):
                codes_of_name.setdefault(spelling(name), set()).add(index_of_code[code])

        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for index, name in enumerate(codes_of_name):
            self._automaton.add_word(name, index)
        self._automaton.make_automaton()
        self._lengths = np.array([len(name) for name in codes_of_name], np.int64)
        self._codes = pa.array(codes, pa.string())
        self._code_names = pa.array([self.names[code] for code in codes], pa.string())
        # The codes of name i stand at _name_codes[_name_starts[i]:_name_starts[i + 1]].
        self._name_starts = np.cumsum([0, *(len(found) for found in codes_of_name.values())])
        self._name_codes = np.array([code for found in codes_of_name.values() for code in sorted(found)], np.int64)

    def mentions(self, publications: pa.RecordBatch) -> pa.RecordBatch:
        """The MENTIONS in one batch of PUBLICATIONS, in the order of the publications, then of the codes."""
        rows, drugs = self._find(publications.column("title").to_pylist())
        found = publications.take(pa.array(rows))
        columns = {
            "drug_code": self._codes.take(pa.array(drugs)),
            "drug_name": self._code_names.take(pa.array(drugs)),
            "publication_id": found.column("id"),
            **{name: found.column(name) for name in ("kind", "title", "journal", "date")},
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in MENTIONS.names], schema=MENTIONS)

    def _find(self, titles: list[str | None]) -> tuple[np.ndarray, np.ndarray]:
        """Row of `titles` and index of the drug code for each mention, without repetition, in that order."""
        found = [np.empty(0, np.int64)]
        for first, block in _blocks(titles):
            rows, names = self._find_in_block(block)
            drugs, repeats = self._drugs_of(names)
            found.append(np.unique((np.repeat(rows, repeats) + first) * len(self._codes) + drugs))
        return np.divmod(np.concatenate(found), max(len(self._codes), 1))

    def _drugs_of(self, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drug indexes of the names, one name's after the other's, and how many each name has."""
        starts, ends = self._name_starts[names], self._name_starts[names + 1]
        repeats = ends - starts
        # Position within each name's run of codes, without a Python loop.
        within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        return self._name_codes[np.repeat(starts, repeats) + within], repeats

    def _find_in_block(self, lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Line and name of every occurrence that stands as whole words and lies under no longer one."""
        # Spelled text is on one line, so no name can reach over the line breaks into the next title.
        text = "\n".join(["", *lines, ""])
        hits = self._automaton.iter(text) if len(self._lengths) else ()
        flat = np.fromiter(itertools.chain.from_iterable(hits), np.int64).reshape(-1, 2)
        ends, names = flat[:, 0], flat[:, 1]
        starts = ends - self._lengths[names] + 1

        is_word = word_characters(np.frombuffer(text.encode("utf-32-le"), "<u4"))
        whole = ~(is_word[starts - 1] & is_word[starts]) & ~(is_word[ends] & is_word[ends + 1])
        starts, ends, names = starts[whole], ends[whole], names[whole]
        longest = _longest(starts, ends)
        line_breaks = np.cumsum([0, *(len(line) + 1 for line in lines)])
        return np.searchsorted(line_breaks, starts[longest], side="right") - 1, names[longest]


def drug_names(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The name under which each code is shown: the first of its names in alphabetical order."""
    names: dict[str, str] = {}
    for code, name in pairs:
        names[code] = min(name, names.get(code, name))
    return names


def find_mentions(matcher: DrugMatcher, publications: Tabular) -> Iterator[pa.RecordBatch]:
    """Stream MENTIONS for `publications` (columns of PUBLICATIONS), a batch for a batch.

    Memory is bounded by the largest batch that comes in. A title that is missing or empty mentions nothing.
    """
    for batch in batches(publications, PUBLICATIONS):
        yield matcher.mentions(batch)


def _blocks(titles: list[str | None]) -> Iterator[tuple[int, list[str]]]:
    """Spelled titles in blocks of about CHARACTERS_AT_A_TIME, each with the row of its first title."""
    block: list[str] = []
    first = size = 0
    for row, title in enumerate(titles):
        line = spelling(title) if title else ""
        block.append(line)
        size += len(line)
        if size >= CHARACTERS_AT_A_TIME:
            yield first, block
            block, first, size = [], row + 1, 0
    if block:
        yield first, block


def _longest(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Indexes of the occurrences that stay: longest first, then leftmost, none overlapping one that stays."""
    if not len(starts):
        return np.empty(0, np.int64)
    order = np.lexsort((-ends, starts))
    starts, ends = starts[order], ends[order]
    # Occurrences that touch no other are the rule; only the groups that overlap need the Python loop.
    reach = np.maximum.accumulate(ends)
    opens = np.concatenate([[True], starts[1:] > reach[:-1]])
    group_starts = np.flatnonzero(opens)
    sizes = np.diff(np.append(group_starts, len(starts)))
    stays = np.repeat(sizes == 1, sizes)
    for first, size in zip(group_starts[sizes > 1], sizes[sizes > 1], strict=True):
        taken: list[int] = []
        for candidate in sorted(range(first, first + size), key=lambda i: (starts[i] - ends[i], starts[i])):
            if all(ends[candidate] < starts[other] or ends[other] < starts[candidate] for other in taken):
                taken.append(candidate)
        stays[taken] = True
    return np.sort(order[stays])
