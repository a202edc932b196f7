"""Where files live: landing, archive, rejected, products. One interface; a local folder here, a bucket elsewhere.

Names are relative, with `/`, e.g. ``landing/lab_results/week_12.csv``.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from resources import private


class ObjectStoreError(RuntimeError):
    """A name that the store refuses, or an object that is not there."""


@dataclass(frozen=True)
class StoredObject:
    """One object: its name, size in bytes, version (another one each time that something is put there) and when it was last written."""

    name: str
    size: int
    version: str
    modified: dt.datetime
    """By the file's own time, which copies may keep (``cp -p``, rsync, unzip)."""
    arrived: dt.datetime
    """When it came to be here, whatever its own time says."""

    @property
    def basename(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


class ObjectStore(Protocol):
    """What the platform asks of a store. Writes are atomic: a reader sees the old object, the new one, or none."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects directly in the folder `prefix` (no deeper), by name."""
        ...

    def no_files(self, prefix: str) -> Iterator[str]:
        """Names, by name, of what else is in the folder `prefix`: folders, links, whatever `list` does not give."""
        ...

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        """Objects in the folder `prefix` at any depth, by name; all of the store where `prefix` is ''."""
        ...

    def earlier(self, prefix: str) -> Iterator[StoredObject]:
        """What objects in the folder `prefix` were before they were replaced or removed, where the store keeps that."""
        ...

    def open_earlier(self, found: StoredObject) -> BinaryIO:
        """A stream of the bytes of one that `earlier` found."""
        ...

    def forget(self, found: StoredObject) -> None:
        """Remove one that `earlier` found, for good; no error where it is gone."""
        ...

    def keeps(self) -> str:
        """What the store keeps of removed objects out of reach of `forget`, as a sentence; '' where it keeps nothing."""
        ...

    def stat(self, name: str) -> StoredObject | None:
        """The object, or None where there is none."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A stream of the object's bytes."""
        ...

    def write(self, name: str, data: bytes | Path) -> StoredObject:
        """Put `data` (bytes, or the file at a path) under `name`, replacing what was there."""
        ...

    def take(self, name: str, path: Path) -> StoredObject:
        """Put the file at `path` under `name`, as `write` does; afterwards there may be none at `path`."""
        ...

    def move(self, source: str, target: str) -> None:
        """Rename. A target that is there already is replaced; a source that is gone is an error unless the target is there."""
        ...

    def delete(self, name: str) -> None:
        """Remove; no error where there is nothing."""
        ...

    def local_copy(self, name: str, folder: Path) -> Path:
        """A local file with the object's bytes: the object itself where it is local, otherwise a copy in `folder`."""
        ...

    def url(self, name: str) -> str:
        """Where a person finds the object."""
        ...


class LocalStore:
    """A folder. Writes go to a hidden ``.part`` file first and are renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, name: str) -> Path:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ObjectStoreError(f"{name!r} is not a name inside the store")
        return self.root / path

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects directly in the folder `prefix`, by name."""
        folder = self._path(prefix)
        if folder.is_dir():
            with os.scandir(folder) as entries:
                files = sorted((e.name for e in entries if e.is_file(follow_symlinks=False)), key=str)
            for name in files:
                found = self.stat(f"{prefix.rstrip('/')}/{name}")
                if found:
                    yield found

    def no_files(self, prefix: str) -> Iterator[str]:
        """Folders, links, pipes ... directly in the folder `prefix`, by name; not hidden ones, which are somebody's own."""
        folder = self._path(prefix)
        if folder.is_dir():
            with os.scandir(folder) as entries:
                others = [e.name for e in entries if not e.is_file(follow_symlinks=False)]
            yield from sorted(name for name in others if not name.startswith("."))

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        """Objects in the folder `prefix` at any depth, by name; all where it is ''."""
        folder = self._path(prefix) if prefix else self.root
        for path in sorted(folder.rglob("*")):
            found = self.stat(path.relative_to(self.root).as_posix())
            if found:
                yield found

    def earlier(self, prefix: str) -> Iterator[StoredObject]:
        """None: a folder keeps nothing of what was replaced or removed."""
        return iter(())

    def open_earlier(self, found: StoredObject) -> BinaryIO:
        """There is none."""
        raise ObjectStoreError(f"{found.name} is not in the store (any more)")

    def forget(self, found: StoredObject) -> None:
        """There is none."""

    def keeps(self) -> str:
        """Nothing that a program could read; what a disk keeps of deleted files is beyond any program."""
        return ""

    def stat(self, name: str) -> StoredObject | None:
        """The object, or None where there is no such file."""
        try:
            info = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not self._path(name).is_file():
            return None
        modified, arrived = (dt.datetime.fromtimestamp(t, dt.UTC) for t in (info.st_mtime, info.st_ctime))
        # nobody can set the time of the last change of state: a copy with an old date is another version all the same
        return StoredObject(
            name, info.st_size, f"{info.st_mtime_ns}-{info.st_ctime_ns}-{info.st_size}", modified, arrived
        )

    def open(self, name: str) -> BinaryIO:
        """A stream of the file's bytes."""
        try:
            return self._path(name).open("rb")
        except FileNotFoundError:
            raise ObjectStoreError(f"{name} is not in the store (any more)") from None

    def write(self, name: str, data: bytes | Path) -> StoredObject:
        """Write beside the target, flush to disk, rename."""
        target = self._path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        with partial.open("wb") as out:
            if isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, out, 1 << 20)
            else:
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
        return self._named(partial, name)

    def take(self, name: str, path: Path) -> StoredObject:
        """Flush to disk, rename; a file of another file system is copied."""
        target = self._path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_dev != target.parent.stat().st_dev:
            return self.write(name, path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return self._named(path, name)

    def _named(self, path: Path, name: str) -> StoredObject:
        path.replace(self._path(name))
        found = self.stat(name)
        assert found is not None
        return found

    def move(self, source: str, target: str) -> None:
        """Rename; done already (target there, source gone) is no error, so that a rerun can repeat it."""
        old, new = self._path(source), self._path(target)
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            old.replace(new)
        except FileNotFoundError:
            if not new.exists():
                raise ObjectStoreError(f"cannot move {source}: it is not in the store (any more)") from None
        private.close(new)  # it came from somebody with a umask of their own
        self._leave(old.parent)

    def delete(self, name: str) -> None:
        """Remove the file, if it is there."""
        path = self._path(name)
        path.unlink(missing_ok=True)
        self._leave(path.parent)

    def _leave(self, folder: Path) -> None:
        """A hidden folder was made for what is in it, and goes with the last of it."""
        if folder.name.startswith(".") and folder != self.root:
            with suppress(OSError):  # others are in it
                folder.rmdir()

    def local_copy(self, name: str, folder: Path) -> Path:
        """The file itself."""
        return self._path(name)

    def url(self, name: str) -> str:
        """The path of the file."""
        return str(self._path(name))
