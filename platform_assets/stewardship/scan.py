"""The search of every byte: whether a name, number or pseudonym is still anywhere under a folder, packed or not.

Files are searched as they are (UTF-8 and UTF-16), and once more unpacked: gzip, zip (also workbooks), Parquet. Their names too.
"""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

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


def search(home: Path, texts: Collection[str], *, without: Collection[Path] = ()) -> Found:
    """Search all files below `home` but `without`."""
    found = Found()
    automaton = _automaton([t for t in texts if len(t) >= SHORTEST])
    for path in sorted(home.rglob("*")):
        if path in without or path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(home).as_posix()
        found.files += 1
        try:
            hits = set(_in_file(path, automaton, found, name))
        except FileNotFoundError:
            continue  # temporary file of someone at work
        if automaton:
            hits |= {text for _, text in automaton.iter(name)}
        if hits:
            found.hits[name] = hits
    return found


def search_file(path: Path, texts: Collection[str]) -> set[str]:
    """Which of `texts` stand in one file."""
    return set(_in_file(path, _automaton([t for t in texts if len(t) >= SHORTEST]), Found(), ""))


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


def _in_file(path: Path, automaton: Any, found: Found, name: str) -> Iterator[str]:
    if automaton is None:
        found.bytes += path.stat().st_size
        return
    with path.open("rb") as file:
        yield from _in_stream(file, automaton, found)
    with path.open("rb") as file:
        yield from _unpacked(file, path, automaton, found, name, 1)


def _in_stream(file: IO[bytes] | gzip.GzipFile, automaton: Any, found: Found) -> Iterator[str]:
    longest = max(len(word) for word in automaton)
    rest = ""
    while chunk := file.read(CHUNK):
        found.bytes += len(chunk)
        text = rest + chunk.decode("latin-1")
        for _, word in automaton.iter(text):
            yield word
        rest = text[-longest:]


def _unpacked(file: IO[bytes], path: Path | None, automaton: Any, found: Found, name: str, depth: int) -> Iterator[str]:
    """What is in packed content; `path` where it is a file of its own."""
    head = file.read(4)
    file.seek(0)
    try:
        if head[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:  # a binary stream like any other
                yield from _in_stream(unpacked, automaton, found)
        elif head == b"PK\x03\x04" and depth <= DEEPEST:
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    for _, word in automaton.iter(info.filename):
                        yield word
                    with archive.open(info) as member:
                        yield from _in_stream(member, automaton, found)
                    with archive.open(info) as member:
                        yield from _unpacked(member, None, automaton, found, name, depth + 1)
        elif head == b"PAR1":
            yield from _in_parquet(file, automaton, found)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError):
        found.unreadable.append(name)


def _in_parquet(file: IO[bytes], automaton: Any, found: Found) -> Iterator[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(50_000):
            for column in batch.columns:
                values = (
                    "\n".join(str(v) for v in column.unique().to_pylist())
                    if _hashable(column)
                    else str(column.to_pylist())
                )
                found.bytes += len(values)
                for _, word in automaton.iter(values.encode().decode("latin-1")):
                    yield word


def _hashable(column: Any) -> bool:
    import pyarrow as pa

    return not pa.types.is_nested(column.type)
