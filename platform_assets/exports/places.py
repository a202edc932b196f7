"""Where files are delivered: a folder, a partner's SFTP server, or a partner's bucket. A place takes a file as a whole, and tells what lies there.

Folders and servers show a file while it grows: it is written under a hidden name (``.<name>.part``), compared, and gets its name in one step. What was
cut off goes on behind the bytes that are the same. In a bucket an object is there as a whole or not at all, and is created under its name.

What a place raises is `Passing` (asked again) or `Permanent`, in words that quote nothing of the other side's.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from platform_assets.exports.model import BucketDestination, Destination, FolderDestination, SftpDestination
from resources import sftp
from resources.credentials import setting
from resources.partner_bucket import Bucket, bucket_of
from resources.requesting import Passing, Permanent

if TYPE_CHECKING:
    import paramiko

CHUNK = 1 << 18
OTHER_BYTES = "the file that arrived has other bytes than the one that was sent"


def hash_of(data: Iterable[bytes]) -> str:
    """SHA-256 of all pieces together."""
    digest = hashlib.sha256()
    for piece in data:
        digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True)
class Lying:
    """A file that lies there."""

    size: int
    look: str
    """Its size and time, by which it is told whether it is another one."""


@dataclass(frozen=True)
class Wanted:
    """A file that is to lie there."""

    name: str
    size: int
    sha256: str
    read_back: bool
    """Compare every byte that arrived, not only how many."""
    over: Lying | None
    """What it takes the place of."""


Say = Callable[[str], None]
"""Told the name of each step before it begins."""


class Place(Protocol):
    """Names are relative to the destination's folder."""

    def find(self, name: str) -> Lying | None:
        """The file `name`; None where there is none."""
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        ...

    def take(self, wanted: Wanted, source: BinaryIO, say: Say) -> None:
        """Have what `source` has lie there as `wanted`: whole, compared, and only then under its name."""
        ...

    def close(self) -> None:
        """The end of the visit, or of a connection that is broken."""
        ...


def place_of(destination: Destination, environment: Mapping[str, str]) -> Place:
    """The place of `destination`. Nothing is asked yet. Raises Permanent where its address is not set."""
    if isinstance(destination, SftpDestination):
        return SftpPlace(destination, environment)
    if isinstance(destination, BucketDestination):
        return BucketPlace(bucket_of(environment, destination.bucket), destination.folder)
    assert isinstance(destination, FolderDestination)
    name = f"PLATFORM_FOLDER_{destination.place.upper()}"
    root = Path(setting(environment, name, f"the path of the folder {destination.place}"))
    return FolderPlace(root / destination.folder)


class _ByParts(ABC):
    """A place that shows a file while it grows."""

    @abstractmethod
    def find(self, name: str) -> Lying | None:
        """The file `name`; None where there is none."""

    @abstractmethod
    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""

    @abstractmethod
    def put(self, name: str, source: BinaryIO, offset: int) -> None:
        """Write what `source` has from here on into the file `name` at `offset`; from 0: in place of what was there."""

    @abstractmethod
    def rename(self, old: str, new: str) -> None:
        """Give `old` the name `new`, in one step, in place of what had it."""

    def take(self, wanted: Wanted, source: BinaryIO, say: Say) -> None:
        """Under a hidden name, compared, renamed."""
        part = f".{wanted.name}.part"
        offset = self._goes_on(part, source, wanted.size)
        say("put")
        source.seek(offset)
        self.put(part, source, offset)
        say("compare")
        lying = self.find(part)
        if lying is None or lying.size != wanted.size:
            raise Passing("the file that arrived has another size than the one that was sent: is the disk full there?")
        if wanted.read_back and hash_of(self.read(part)) != wanted.sha256:
            self.put(part, io.BytesIO(), 0)
            raise Passing(OTHER_BYTES)
        say("rename")
        self.rename(part, wanted.name)
        say("renamed")

    def _goes_on(self, part: str, source: BinaryIO, size: int) -> int:
        """From which byte on the file is missing there: behind what is the same as ours."""
        lying = self.find(part)
        if lying is None or not 0 < lying.size <= size:
            return 0
        for data in self.read(part):
            if source.read(len(data)) != data:
                return 0
        return lying.size


@dataclass(frozen=True)
class FolderPlace(_ByParts):
    """A folder of this machine, such as a share that is mounted."""

    root: Path

    def find(self, name: str) -> Lying | None:
        """The file `name`; a link is none."""
        with self._explained():
            path = self.root / name
            if not self.root.is_dir():
                raise FileNotFoundError
            if path.is_symlink() or not path.exists():
                return None
            found = path.stat()
            return Lying(found.st_size, f"{found.st_size}-{found.st_mtime_ns}")

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with self._explained(), (self.root / name).open("rb") as file:
            while data := file.read(CHUNK):
                yield data

    def put(self, name: str, source: BinaryIO, offset: int) -> None:
        """Write, and flush to the disk."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if offset else os.O_TRUNC)
        with self._explained(), os.fdopen(os.open(self.root / name, flags, 0o640), "wb") as file:
            os.fchmod(
                file.fileno(), 0o640
            )  # the recipient is of the group; what this process writes is otherwise its user's alone
            file.seek(offset)
            shutil.copyfileobj(source, file, CHUNK)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        """Rename, and flush the folder."""
        with self._explained():
            (self.root / old).replace(self.root / new)
            folder = os.open(self.root, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Nothing is open."""

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise Permanent("the folder is not there: is the share mounted, and `folder` right?") from None
        except PermissionError:
            raise Permanent(
                "this user may not write into the folder: ask for the right to write and rename there"
            ) from None
        except OSError as error:
            if error.errno == errno.EROFS:
                raise Permanent("the folder can only be read: ask for the right to write and rename there") from None
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Passing("the disk of the folder is full") from None
            raise Passing(
                f"the folder did not take it ({errno.errorcode.get(error.errno or 0, type(error).__name__)})"
            ) from None


class SftpPlace(_ByParts):
    """A folder on an SFTP server; signed in when it is first used, and again after `close`."""

    def __init__(self, destination: SftpDestination, environment: Mapping[str, str]) -> None:
        self._server, self._folder = destination.server, destination.folder
        self._environment = environment
        self._open: tuple[paramiko.SFTPClient, Callable[[], None]] | None = None

    def find(self, name: str) -> Lying | None:
        """The file `name`. Raises Permanent where the folder is not there."""
        with self._session("look into") as session:
            try:
                found = session.stat(self._path(name))
            except FileNotFoundError:
                session.stat(self._path(".") if "/" not in name else self._path(name.rpartition("/")[0]))
                return None
            return Lying(int(found.st_size or 0), f"{found.st_size}-{found.st_mtime}")

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with self._session("read from") as session, session.open(self._path(name), "rb") as file:
            file.prefetch(file.stat().st_size, 16)  # more at a time makes some servers close
            while data := file.read(CHUNK):
                yield data

    def put(self, name: str, source: BinaryIO, offset: int) -> None:
        """Write; answers are waited for at the end, and tell what went wrong."""
        with self._session("write to") as session, session.open(self._path(name), "r+b" if offset else "wb") as file:
            file.set_pipelined(True)
            file.seek(offset)
            while data := source.read(CHUNK):
                file.write(data)

    def rename(self, old: str, new: str) -> None:
        """By OpenSSH's rename, which replaces in one step; where the server lacks it, by the protocol's, which replaces nothing."""
        with self._session("rename in") as session:
            try:
                session.posix_rename(self._path(old), self._path(new))
            except OSError as error:
                if isinstance(error, FileNotFoundError | PermissionError) or "unsupported" not in str(error).lower():
                    raise
                session.rename(self._path(old), self._path(new))

    def close(self) -> None:
        """Hang up."""
        opened, self._open = self._open, None
        if opened:
            opened[1]()

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    @contextmanager
    def _session(self, doing: str) -> Iterator[paramiko.SFTPClient]:
        import paramiko

        try:
            if self._open is None:
                self._open = sftp.connected(self._environment, self._server)
            yield self._open[0]
        except (Passing, Permanent):
            raise
        except FileNotFoundError:
            raise Permanent(f"a folder is not there on the server {self._server}: check `folder`") from None
        except PermissionError:
            raise Permanent(
                f"the server {self._server} does not let us {doing} the folder: ask the partner for the right"
            ) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.close()
            if isinstance(error, OSError) and error.errno is None and str(error) == "Failure":
                # SFTP has no word for it: full, over quota, or a name that is taken
                raise Passing(
                    f"the server {self._server} failed to {doing} the folder: is its disk full, or can it only be read?"
                ) from None
            raise sftp.explained(error, self._server) from None


@dataclass(frozen=True)
class BucketPlace:
    """A folder of a partner's bucket."""

    bucket: Bucket
    folder: str

    def find(self, name: str) -> Lying | None:
        """The object `name`."""
        found = self.bucket.find(self._path(name))
        return None if found is None else Lying(found.size, found.version)

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of an object."""
        return self.bucket.read(self._path(name))

    def take(self, wanted: Wanted, source: BinaryIO, say: Say) -> None:
        """Created where there is none, or in place of the version that was looked at; the bucket itself refuses other bytes."""
        say("put")
        over = wanted.over.look if wanted.over else ""
        self.bucket.put(self._path(wanted.name), source, wanted.size, wanted.sha256, over)
        say("compare")
        lying = self.find(wanted.name)
        if lying is None or lying.size != wanted.size:
            raise Passing("the object that arrived has another size than the file that was sent")
        if wanted.read_back and hash_of(self.read(wanted.name)) != wanted.sha256:
            raise Passing(OTHER_BYTES)

    def close(self) -> None:
        """Nothing is kept open."""

    def _path(self, name: str) -> str:
        return name if self.folder == "." else f"{self.folder}/{name}"
