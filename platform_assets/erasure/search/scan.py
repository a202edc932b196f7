"""The search of every byte: whether a name, number or pseudonym still stands anywhere as a whole value, packed or not.

Files are searched as they are (UTF-8, UTF-16, Latin-1; as written in JSON, in XML and in addresses), and once more unpacked: gzip, zip, tar,
SQLite, and every packed format of `ingest.readers`. What is packed is opened in a process of its own, with limits and without keys, as
for reading: a file that swells, or breaks its reader, is one that cannot be unpacked, and a person is told. Of SQLite files only the rows count: a page has nothing between one value and the next, so nobody can
tell there where a value ends; what was removed leaves them by VACUUM. Not looked into: Base64, pictures, encrypted content.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from platform_assets.erasure.search import whole
from platform_assets.erasure.search.whole import SHORTEST
from platform_assets.ingest.readers.apart.limits import Limits
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.packing import TAR_MARK
from platform_assets.ingest.readers.reading import WARM
from platform_assets.ingest.readers.registry import all_formats
from platform_assets.ingest.readers.rows import FileRejected
from resources.object_store import LocalStore, ObjectStore

if TYPE_CHECKING:
    import ahocorasick

CHUNK = 1 << 20
DEEPEST = 3
_HEAD = TAR_MARK[0].stop
"""So many first bytes tell what is packed."""
SQLITE, ZIP, GZIP = b"SQLite format 3\0", b"PK\x03\x04", b"\x1f\x8b"


@dataclass
class Found:
    """What a search has read."""

    files: int = 0
    bytes: int = 0
    unreadable: list[str] = field(default_factory=list)
    """Packed files that could not be unpacked: searched as they are."""


class Search:
    """One search for `texts`, through as many places as there are; `found` counts what was read."""

    def __init__(self, texts: Collection[str]) -> None:
        self.found = Found()
        self.texts = frozenset(texts)
        self._automaton = _automaton(texts)

    def file(self, name: str, opened: Callable[[], IO[bytes]], *, ours: bool = False) -> set[str]:
        """Which texts stand in one file or object, packed ones unpacked. One that goes meanwhile is someone's at work.

        With `ours` it is known to be a file that an engine of the platform wrote, and is unpacked here.
        """
        self.found.files += 1
        hits: set[str] = set()
        with contextlib.suppress(FileNotFoundError):
            with opened() as file:
                apart = self._automaton is not None and not ours and _is_packed(file.read(_HEAD))
            found = self._apart(name, opened) if apart else _in_file(opened, self._automaton, self.found, name)
            for hit in found:  # what was found counts, whatever comes then
                hits.add(hit)
        return hits

    def _apart(self, name: str, opened: Callable[[], IO[bytes]]) -> Iterator[str]:
        """The same in a process of its own; where that ends before its time, the bytes as they are, here."""
        with tempfile.TemporaryDirectory() as scratch, opened() as file:
            folder = Path(scratch)
            path = (
                Path(file.name)
                if isinstance(file, io.BufferedReader) and isinstance(file.name, str)
                else folder / "file"
            )
            if path.parent == folder:
                with path.open("xb") as copy:
                    shutil.copyfileobj(file, copy, CHUNK)
            try:
                answer, _ = _APART.run(
                    _unpacked_and_searched, files=_with_log(path), folder=folder, warm=(*WARM, "ahocorasick"),
                    path=path.resolve(), texts=sorted(self.texts),
                )  # fmt: skip
                hits, size, whole_file = frozenset(answer["hits"]) & self.texts, int(answer["bytes"]), answer["whole"]
            except (FileRejected, KeyError, TypeError, ValueError):
                path.stat()  # gone?
                self.found.unreadable.append(name)
                yield from _in_stream(file, self._automaton, self.found)
                return
        self.found.bytes += size
        if not whole_file:
            self.found.unreadable.append(name)
        yield from hits

    def text(self, text: str) -> set[str]:
        """Which texts stand in a piece of text, e.g. a row of a database's table."""
        self.found.bytes += len(text)
        return set(_in_text(_bytewise(text), self._automaton)) if self._automaton else set()


def search_file(path: Path, texts: Collection[str]) -> set[str]:
    """Which of `texts` stand in one file."""
    return Search(texts).file("", lambda: path.open("rb"))


@dataclass(frozen=True)
class Ground:
    """Files below DATA_HOME and objects of the store, whichever way they are kept."""

    home: Path
    store: ObjectStore

    @property
    def one(self) -> bool:
        """Whether the store's objects are files below `home`."""
        return isinstance(self.store, LocalStore) and self.store.root.resolve().is_relative_to(self.home.resolve())

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
        """(name, opener) of all whose name is `wanted`."""
        for path in sorted(self.home.rglob("*")):
            name = path.relative_to(self.home).as_posix()
            if wanted(name) and not path.is_symlink() and path.is_file():
                yield name, lambda path=path: path.open("rb")  # type: ignore[misc]
        if not self.one:
            for stored in self.store.walk(""):
                if wanted(stored.name):
                    yield stored.name, lambda name=stored.name: self.store.open(name)  # type: ignore[misc]

    def read(self, name: str) -> bytes:
        """The content of a file or object."""
        path = self.home / name
        if path.is_file():
            return path.read_bytes()
        with self.store.open(name) as file:
            return file.read()

    def write(self, name: str, data: bytes) -> None:
        """Put `data` in the place of a file or object; a reader sees the old one or the new one."""
        path = self.home / name
        if self.one or not path.is_file():
            self.store.write(name, data)
        else:
            fresh = path.with_name(f"{path.name}.part")
            fresh.write_bytes(data)
            fresh.replace(path)

    def delete(self, name: str) -> None:
        """Remove a file or object."""
        if (self.home / name).is_file():
            (self.home / name).unlink()
        else:
            self.store.delete(name)


def _bytewise(text: str) -> str:
    """`text` as the automaton reads it: every byte a character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


class _Apart:
    """The process from which those of single files are forked: one for all searches here, as it takes half a second to start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of = 0
        self._child: Child | None = None

    def run(self, *arguments: Any, **named: Any) -> tuple[Any, Path]:
        """See `Child.run`."""
        limits = Limits.from_environment()
        with self._lock:
            if self._child is None or self._of != os.getpid() or self._child.limits != limits:
                if self._child and self._of == os.getpid():
                    self._child.close()
                self._of, self._child = os.getpid(), Child(limits)
            return self._child.run(*arguments, **named)


_APART = _Apart()


def _is_packed(head: bytes) -> bool:
    magic = [form.magic for form in all_formats().values() if form.magic]
    return head.startswith((SQLITE, GZIP, ZIP, *magic)) or _is_tar(head)


def _is_tar(head: bytes) -> bool:
    place, mark = TAR_MARK
    return head[place] == mark


def _with_log(path: Path) -> list[Path]:
    """A file, and, of a database, what it has not yet taken in."""
    log = path.with_name(f"{path.name}-wal")
    return [path, log] if log.is_file() else [path]


def _unpacked_and_searched(*, path: Path, texts: Collection[str], target: Path, limits: Limits) -> dict[str, object]:
    """In the process of one file: what stands in it, how much was read, and whether all of it could be unpacked."""
    tempfile.tempdir = str(target)  # the one folder in which this process may write
    with path.open("rb") as file:
        database = file.read(len(SQLITE)) == SQLITE
    if database:  # SQLite reads a log only where it may write beside it
        for part in _with_log(path):
            shutil.copyfile(part, target / part.name)
        path = target / path.name
    found, hits = Found(), set[str]()
    for hit in _in_content(lambda: path.open("rb"), _automaton(texts), found, "", 1):
        hits.add(hit)
    return {"hits": sorted(hits), "bytes": found.bytes, "whole": not found.unreadable}


def _automaton(texts: Collection[str]) -> ahocorasick.Automaton | None:
    """All texts that are long enough at once, each in the forms that bytes may have: read as Latin-1, a byte is a character."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for text in texts:
        if len(text) < SHORTEST:
            continue
        forms = {
            text.encode("utf-16-le"): "le",
            text.encode("utf-16-be"): "be",
            text.encode(): "",
            text.encode("latin-1", "replace"): "",
            json.dumps(text)[1:-1].encode(): "",
            escape(text, {'"': "&quot;"}).encode(): "",
            quote(text, safe="").encode(): "",
            quote(text).encode(): "",
        }
        for form, kind in forms.items():
            automaton.add_word(form.decode("latin-1"), (text, len(form), kind))
    if not len(automaton):
        return None
    automaton.make_automaton()
    return automaton


def _in_text(text: str, automaton: Any, *, first: int = 0, last: int | None = None) -> Iterator[str]:
    """Texts that stand in `text` as whole values, of those that begin at `first` or later and end before `last`."""
    for end, (word, length, kind) in automaton.iter(text):
        start, end = end + 1 - length, end + 1
        if start < first or (last is not None and end > last):
            continue
        width = 2 if kind else 1
        before, after = text[max(0, start - width * whole.CONTEXT) : start], text[end : end + width]
        if kind:
            before, after = _narrow(before[len(before) % 2 :], kind), _narrow(after, kind)
        if whole.is_whole(before, after):
            yield word


def _narrow(wide: str, kind: str) -> str:
    """Bytes of UTF-16 as characters, where these are some of Latin-1."""
    pairs = [wide[n : n + 2] if kind == "le" else wide[n : n + 2][::-1] for n in range(0, len(wide) - 1, 2)]
    return "".join(pair[0] if pair[1] in "\0\xfe\xff" else "\0" for pair in pairs)


def _in_file(opened: Callable[[], IO[bytes]], automaton: Any, found: Found, name: str) -> Iterator[str]:
    if automaton is None:  # nothing to be searched for: all is read all the same, and counted
        with opened() as file:
            while chunk := file.read(CHUNK):
                found.bytes += len(chunk)
        return
    yield from _in_content(opened, automaton, found, name, 1)


def _in_content(
    opened: Callable[[], AbstractContextManager[IO[bytes]]], automaton: Any, found: Found, name: str, depth: int
) -> Iterator[str]:
    """A file, or what was packed in one: as it is, and unpacked."""
    with opened() as file:
        head = file.read(_HEAD)
    packed = [form for form in all_formats().values() if form.magic and head.startswith(form.magic)]
    misleading = head.startswith(SQLITE) or any(form.bytes_mislead for form in packed)
    if not misleading:  # of others the bytes say less than the rows: where a value ends
        with opened() as file:
            yield from _in_stream(file, automaton, found)
    try:
        if head.startswith((GZIP, ZIP)) and depth > DEEPEST:
            found.unreadable.append(name)
            return
        if head.startswith(GZIP):
            yield from _in_content(lambda: _gunzipped(opened), automaton, found, name, depth + 1)
        elif head.startswith(ZIP):
            with opened() as file:
                yield from _in_zip(file, automaton, found, name, depth)
        elif _is_tar(head):  # what stands in it in the clear was found above
            with opened() as file, tarfile.open(fileobj=file, mode="r|") as archive:
                for info in archive:
                    yield from _in_text(_bytewise(info.name), automaton)
                    content = archive.extractfile(info) if info.isreg() and depth <= DEEPEST else None
                    if content is not None:
                        data = content.read()
                        yield from _in_content(lambda data=data: io.BytesIO(data), automaton, found, name, depth + 1)  # type: ignore[misc]
        elif head.startswith(SQLITE):
            with opened() as file:
                for row in sqlite_rows(file):
                    found.bytes += len(row)
                    yield from _in_text(_bytewise(row), automaton)
        for form in packed:
            with opened() as file:
                for piece in form.unpacked(file):
                    found.bytes += len(piece)
                    yield from _in_text(piece.decode("latin-1"), automaton)
    except FileNotFoundError:
        raise
    except (
        OSError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        tarfile.TarError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        sqlite3.Error,
    ):
        found.unreadable.append(name)
        if misleading:
            with opened() as file:
                yield from _in_stream(file, automaton, found)


@contextlib.contextmanager
def _gunzipped(opened: Callable[[], AbstractContextManager[IO[bytes]]]) -> Iterator[IO[bytes]]:
    """Unpacked content, for as long as the file below it is open."""
    with opened() as file, gzip.open(file) as unpacked:
        yield unpacked  # type: ignore[misc]  # a binary stream like any other


def _in_stream(file: IO[bytes] | gzip.GzipFile, automaton: Any, found: Found) -> Iterator[str]:
    margin = 2 * whole.CONTEXT + 2  # what is looked at before and after a value
    longest = max(len(word) for word in automaton)
    rest, begun = "", False
    chunk = file.read(CHUNK)
    while chunk:
        following = file.read(CHUNK)
        found.bytes += len(chunk)
        text = rest + chunk.decode("latin-1")
        # what ends near the end of what was read is looked at again with what follows it
        last = len(text) - margin if following else None
        yield from _in_text(text, automaton, first=margin if begun else 0, last=last)
        rest, begun, chunk = text[-(longest + 2 * margin) :], True, following


def _in_zip(file: IO[bytes], automaton: Any, found: Found, name: str, depth: int) -> Iterator[str]:
    with zipfile.ZipFile(file) as archive:
        yield from _in_text(archive.comment.decode("latin-1"), automaton)
        for info in archive.infolist():
            yield from _in_text(_bytewise(info.filename), automaton)
            yield from _in_content(lambda info=info: archive.open(info), automaton, found, name, depth + 1)  # type: ignore[misc]


def sqlite_rows(file: IO[bytes]) -> Iterator[str]:
    """Every row of every table of a SQLite file, as text; with what its write-ahead log holds where it lies on this machine."""
    path = file.name if isinstance(file, io.BufferedReader) else ""
    if isinstance(path, str) and Path(path).is_file():
        database = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=30)
    else:
        database = sqlite3.connect(":memory:")
        database.deserialize(file.read())
    with contextlib.closing(database):
        database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        tables = [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        yield "\n".join(str(r[0]) for r in database.execute("SELECT sql FROM sqlite_master"))
        for table in tables:
            name = table.replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{name}"'):
                yield "\n".join(v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in row)
