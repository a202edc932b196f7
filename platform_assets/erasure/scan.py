"""The search of every byte: whether a name, number or pseudonym is still anywhere under a folder, packed or not.

Files are searched as they are (UTF-8 and UTF-16), and once more unpacked: gzip, zip (also workbooks), Parquet. Their names too.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from platform_assets.ingest.readers.registry import all_formats

if TYPE_CHECKING:
    import ahocorasick

CHUNK = 1 << 20
SHORTEST = 4
"""Shorter texts are found everywhere by chance: they are searched for in tables only."""
DEEPEST = 3


@dataclass
class Found:
    """What a search found."""

    files: int = 0
    bytes: int = 0
    hits: dict[str, set[str]] = field(default_factory=dict)
    """Path below the folder -> the texts found there."""
    unreadable: list[str] = field(default_factory=list)
    """Packed files that could not be unpacked: searched as they are."""


class Search:
    """One search for `texts`, through as many places as there are; `found` fills up."""

    def __init__(self, texts: Collection[str]) -> None:
        self.found = Found()
        self._automaton = _automaton([t for t in texts if len(t) >= SHORTEST])

    def folder(self, home: Path, *, without: Collection[Path] = ()) -> None:
        """All files below `home` but `without`."""
        for path in sorted(home.rglob("*")):
            if path in without or path.is_symlink() or not path.is_file():
                continue
            self.file(path.relative_to(home).as_posix(), lambda path=path: path.open("rb"))  # type: ignore[misc]

    def file(self, name: str, opened: Callable[[], IO[bytes]]) -> None:
        """One file or object: its bytes, packed ones unpacked, and its name. One that goes meanwhile is someone's at work."""
        self.found.files += 1
        hits: set[str] = set()
        with contextlib.suppress(FileNotFoundError):
            for hit in _in_file(
                opened, self._automaton, self.found, name
            ):  # what was found counts, whatever comes then
                hits.add(hit)
        if self._automaton:
            hits |= {text for _, text in self._automaton.iter(_bytewise(name))}
        self._note(name, hits)

    def text(self, name: str, text: str) -> None:
        """A piece of text, e.g. a row of a database's table."""
        self.found.bytes += len(text)
        if self._automaton:
            self._note(name, {word for _, word in self._automaton.iter(_bytewise(text))})

    def _note(self, name: str, hits: set[str]) -> None:
        if hits:
            self.found.hits.setdefault(name, set()).update(hits)


def search(home: Path, texts: Collection[str], *, without: Collection[Path] = ()) -> Found:
    """Search all files below `home` but `without`."""
    work = Search(texts)
    work.folder(home, without=without)
    return work.found


def search_file(path: Path, texts: Collection[str]) -> set[str]:
    """Which of `texts` stand in one file."""
    automaton = _automaton([t for t in texts if len(t) >= SHORTEST])
    return set(_in_file(lambda: path.open("rb"), automaton, Found(), ""))


def _bytewise(text: str) -> str:
    """`text` as the automaton reads it: every byte a character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _automaton(texts: Collection[str]) -> ahocorasick.Automaton | None:
    """All texts at once, each in the forms that bytes may have: read as Latin-1, a byte is a character."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for text in texts:
        for form in {
            text.encode(),
            text.encode("utf-16-le"),
            text.encode("utf-16-be"),
            text.encode("latin-1", "replace"),
            json.dumps(text)[1:-1].encode(),
        }:
            automaton.add_word(form.decode("latin-1"), text)
    if not len(automaton):
        return None
    automaton.make_automaton()
    return automaton


def _in_file(opened: Callable[[], IO[bytes]], automaton: Any, found: Found, name: str) -> Iterator[str]:
    if automaton is None:  # nothing to be searched for: all is read all the same, and counted
        with opened() as file:
            while chunk := file.read(CHUNK):
                found.bytes += len(chunk)
        return
    with opened() as file:
        yield from _in_stream(file, automaton, found)
    with opened() as file:
        yield from _unpacked(file, automaton, found, name, 1)


def _in_stream(file: IO[bytes] | gzip.GzipFile, automaton: Any, found: Found) -> Iterator[str]:
    longest = max(len(word) for word in automaton)
    rest = ""
    while chunk := file.read(CHUNK):
        found.bytes += len(chunk)
        text = rest + chunk.decode("latin-1")
        for _, word in automaton.iter(text):
            yield word
        rest = text[-longest:]


def _unpacked(file: IO[bytes], automaton: Any, found: Found, name: str, depth: int) -> Iterator[str]:
    """What is in packed content."""
    head = file.read(4)
    file.seek(0)
    try:
        if head[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:  # a binary stream like any other
                yield from _in_stream(unpacked, automaton, found)
        elif head == b"PK\x03\x04" and depth > DEEPEST:
            found.unreadable.append(name)
        elif head == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    for _, word in automaton.iter(info.filename):
                        yield word
                    with archive.open(info) as member:
                        yield from _in_stream(member, automaton, found)
                    with archive.open(info) as member:
                        yield from _unpacked(member, automaton, found, name, depth + 1)
        else:
            for form in all_formats().values():
                if form.magic and head.startswith(form.magic):
                    for piece in form.unpacked(file):
                        found.bytes += len(piece)
                        for _, word in automaton.iter(piece.decode("latin-1")):
                            yield word
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError):
        found.unreadable.append(name)
