"""Where the audit log is written: a file of this machine, or, where machines come and go, one object per entry in the object store.

A tape knows lines and the text of the head, not what they mean. Whoever adds to it holds its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from resources.object_store import ObjectStore

READERS = 8
TornTail = tuple[str, int, str]
"""Name of what was set aside, its bytes, its SHA-256."""


class Tape(Protocol):
    """Lines in order, and beside them the head."""

    place: str
    """Where it is."""

    def lock(self) -> AbstractContextManager[None]:
        """Held by the one writer among all processes."""
        ...

    def append(self, number: int, line: bytes) -> None:
        """Add line `number` (from 1); it is safe when this returns."""
        ...

    def tail(self, known: int) -> list[bytes]:
        """The last two lines, or what there is of them; without what a crash left of one. Line `known` was there once."""
        ...

    def content(self) -> bytes:
        """All lines, each with its line end; then what a crash left of one, if anything."""
        ...

    def set_torn_tail_aside(self) -> TornTail | None:
        """Take off, and keep elsewhere, what a crash left of a line."""
        ...

    def read_head(self) -> str | None:
        """The text of the head; None where there is none."""
        ...

    def write_head(self, text: str) -> None:
        """Put the head in place of the one before."""
        ...


class FolderTape:
    """`log.jsonl` and `head.json` in the folder `home`. Several processes of one machine may write."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.place = str(home)
        self.path = home / "log.jsonl"
        self.head_path = home / "head.json"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """A lock file."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def append(self, number: int, line: bytes) -> None:
        """Add a line, flushed to disk."""
        with self.path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def tail(self, known: int) -> list[bytes]:
        """Read from the end."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            end = _start_of_tail(file, file.seek(0, os.SEEK_END))
            lines: list[bytes] = []
            while end and len(lines) < 2:
                start = _start_of_tail(file, end - 1)
                file.seek(start)
                lines.insert(0, file.read(end - 1 - start))
                end = start
            return lines

    def content(self) -> bytes:
        """The file."""
        return self.path.read_bytes() if self.path.exists() else b""

    def set_torn_tail_aside(self) -> TornTail | None:
        """A last line without its end was cut off by a crash: keep its bytes beside the log and take it off."""
        if not self.path.exists():
            return None
        with self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            start = _start_of_tail(file, size)
            if start == size:
                return None
            file.seek(start)
            tail = file.read()
            digest = hashlib.sha256(tail).hexdigest()
            name = f"torn-{digest[:16]}.txt"
            kept = self.home / name
            kept.write_bytes(tail)
            kept.chmod(0o600)
            file.truncate(start)
            os.fsync(file.fileno())
        return name, len(tail), digest

    def read_head(self) -> str | None:
        """The file."""
        return self.head_path.read_text(encoding="utf-8") if self.head_path.exists() else None

    def write_head(self, text: str) -> None:
        """Written beside it, flushed, renamed."""
        partial = self.head_path.with_suffix(".part")
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.head_path)


class StoreTape:
    """One object per entry, ``audit/log/000000000001.json``, and ``audit/head.json``. Objects appear whole or not at all.

    `lock` is a lock between machines (the warehouse's). A bucket with a retention policy makes entries undeletable besides.
    """

    def __init__(self, store: ObjectStore, lock: Callable[[], Any], folder: str = "audit") -> None:
        self._store = store
        self._lock = lock
        self._entries = f"{folder}/log"
        self._head = f"{folder}/head.json"
        self.place = store.url(folder)

    def lock(self) -> AbstractContextManager[None]:
        """The lock that was given."""
        held: AbstractContextManager[None] = self._lock()
        return held

    def append(self, number: int, line: bytes) -> None:
        """Write the object of the entry. Raises FileExistsError where there is one: nothing is ever overwritten."""
        name = self._name(number)
        if self._store.stat(name):
            raise FileExistsError(f"{name} is there already")
        self._store.write(name, line + b"\n")

    def tail(self, known: int) -> list[bytes]:
        """Looked for from the one that is known: a list of all would take longer with every entry."""
        number = known
        while self._store.stat(self._name(number + 1)):
            number += 1
        names = [self._name(n) for n in (number - 1, number) if n > 0]
        return [self._read(name).removesuffix(b"\n") for name in names if self._store.stat(name)]

    def content(self) -> bytes:
        """All objects, by number; several are asked for at once, as each answer takes its time."""
        names = [found.name for found in self._store.list(self._entries)]
        with ThreadPoolExecutor(READERS) as readers:
            return b"".join(readers.map(self._read, names))

    def set_torn_tail_aside(self) -> TornTail | None:
        """There is none: an object is written whole."""
        return None

    def read_head(self) -> str | None:
        """The object."""
        return self._read(self._head).decode() if self._store.stat(self._head) else None

    def write_head(self, text: str) -> None:
        """Replace the object."""
        self._store.write(self._head, text.encode())

    def _name(self, number: int) -> str:
        return f"{self._entries}/{number:012}.json"

    def _read(self, name: str) -> bytes:
        with self._store.open(name) as file:
            return file.read()


def _start_of_tail(file: Any, size: int) -> int:
    """Where what follows the last line end begins."""
    position, step = size, 1 << 16
    while position:
        start = max(0, position - step)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return int(start + found + 1)
        position = start
    return 0
