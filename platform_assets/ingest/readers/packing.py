"""Archives taken apart: gzip, zip and tar (also packed by gzip), in a process of their own. What is in them is taken, what is packed in that again is not.

And put together again, from files that came out of such a process.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar

from platform_assets.ingest.readers.apart.limits import Limits, setting
from platform_assets.ingest.readers.apart.process import ODD, Child
from platform_assets.ingest.readers.rows import FileRejected

CHUNK = 1 << 20
LONGEST_NAME = 1_000
ENDINGS = (".gz", ".zip", ".tgz", ".tar")
"""Of files that are archives, whatever is in them."""
MAGIC = (b"\x1f\x8b", b"PK\x03\x04")
"""First bytes of them; those of a tar archive are the name of the first file in it."""
TAR_MARK = slice(257, 262), b"ustar"
"""What stands where in the first block of a tar archive."""
_TAR = (".tar", ".tgz", ".tar.gz")
_BLOCK = 512


def is_packed(file: str) -> bool:
    """Whether a file of this name is an archive."""
    return file.lower().endswith(ENDINGS)


def holds_one(file: str) -> bool:
    """Whether an archive of this name is one file, packed, and not several."""
    return file.lower().endswith(".gz") and not file.lower().endswith(_TAR)


def unpack(child: Child, file: str, path: Path, folder: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """(name, file) of everything that the archive `file`, which lies at `path`, holds; and the names of hidden files in it, which are
    left. What systems put into archives by themselves (``__MACOSX/``, ``Thumbs.db``) is not spoken of. Raises FileRejected."""
    work = _gunzip if holds_one(file) else _untar if file.lower().endswith(_TAR) else _unzip
    answer, target = child.run(work, files=[path], folder=folder, path=path.resolve())
    lists: list[Any] = answer if isinstance(answer, list) and len(answer) == 2 else [None, None]
    for told in lists:
        if not isinstance(told, list) or not all(isinstance(n, str) and len(n) <= LONGEST_NAME for n in told):
            raise FileRejected(ODD)
    names, hidden = ([_printable(name) for name in told] for told in lists)
    found = [target / _member(number) for number in range(len(names))]
    if not all(part.exists() for part in found):
        raise FileRejected(ODD)
    return list(zip([file[:-3]] if work is _gunzip else names, found, strict=True)), hidden


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "_" for c in name)


def packed_again(file: str, members: Sequence[tuple[str, Path]], target: Path) -> None:
    """Write to `target` the file of the name `file` with these (name, file) in it: an archive where it is one by its name."""
    if file.lower().endswith(".zip"):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed_files:
            for name, path in members:
                packed_files.write(path, name)
        return
    if file.lower().endswith(_TAR):
        with tarfile.open(target, "w" if file.lower().endswith(".tar") else "w:gz") as archive:
            for name, path in members:
                info = tarfile.TarInfo(name)
                info.size = path.stat().st_size
                with path.open("rb") as whole:
                    archive.addfile(info, whole)
        return
    ((_, path),) = members
    if not is_packed(file):
        shutil.copyfile(path, target)
        return
    with target.open("wb") as out, gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed, path.open("rb") as whole:
        shutil.copyfileobj(whole, packed, CHUNK)


def _member(number: int) -> str:
    return f"member-{number}"


# ------------------------------------------------------------------ in the process


def _gunzip(*, path: Path, target: Path, limits: Limits) -> tuple[list[str], list[str]]:
    with path.open("rb") as file:
        if file.read(2) != MAGIC[0]:
            raise FileRejected("the file is not packed, whatever its name says: take .gz off its name")
    try:
        with gzip.open(path) as source:
            _write(_pieces(source), target / _member(0), path, limits, 0)
    except _UNREADABLE as error:
        raise _cannot_be_unpacked(error) from None
    return [""], []


def _unzip(*, path: Path, target: Path, limits: Limits) -> tuple[list[str], list[str]]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError):
        raise FileRejected("the file is not a readable zip archive: was it cut off, or is it packed at all?") from None
    with archive:
        names, hidden = _taken([(n.filename, n) for n in archive.infolist() if not n.is_dir()], limits)
        for info in names:
            if info.flag_bits & 1:
                raise FileRejected(
                    "the archive is protected by a password: pack it without, the way here is encrypted anyway"
                )
            if stat.S_ISLNK(info.external_attr >> 16):
                raise FileRejected(
                    f"{info.filename[:LONGEST_NAME]} in the archive is a link, which leads nowhere here: pack the file itself"
                )
        size = sum(n.file_size for n in names)
        if size > limits.unpacked_from(path.stat().st_size):
            raise FileRejected(_bomb(size, path))
        written = 0
        for number, info in enumerate(names):
            try:
                with archive.open(info) as source:
                    written = _write(_pieces(source), target / _member(number), path, limits, written)
            except _UNREADABLE as error:
                raise FileRejected(
                    f"{info.filename[:LONGEST_NAME]}: {_cannot_be_unpacked(error)} (all files of an archive are taken together, or none)"
                ) from None
        return [info.filename[:LONGEST_NAME] for info in names], hidden


def _untar(*, path: Path, target: Path, limits: Limits) -> tuple[list[str], list[str]]:
    """A tar archive says nowhere how many files it has, and its usual readers take one that was cut off for a whole one: so it is unpacked
    from gzip first, which tells, and then its end is looked for."""
    with path.open("rb") as file:
        packed = file.read(2) == MAGIC[0]
    plain = path
    if packed:
        plain = target / "plain"
        try:
            with gzip.open(path) as source:
                _write(_pieces(source), plain, path, limits, 0)
        except _UNREADABLE as error:
            raise _cannot_be_unpacked(error) from None
    try:
        with tarfile.open(plain, "r:", errors="surrogateescape") as archive:
            everything = list(archive)
            end = max((i.offset_data + -(-i.size // _BLOCK) * _BLOCK for i in everything if i.isreg()), default=0)
            _ends_at(plain, max([end, *(i.offset_data for i in everything)]))
            inside = [(i.name.removeprefix("./"), i) for i in everything if not i.isdir()]
            infos, hidden = _taken(inside, limits)
            written, names = 0, []
            for number, info in enumerate(infos):
                name = info.name.removeprefix("./")[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode()
                if not info.isreg() or info.issparse():
                    raise FileRejected(f"{name} in the archive is a link or a device, no file: pack the file itself")
                member = archive.extractfile(info)
                assert member is not None
                written = _write(_pieces(member), target / _member(number), path, limits, written)
                names.append(name)
            return names, hidden
    except (tarfile.TarError, *_UNREADABLE) as error:
        raise _cannot_be_unpacked(error) from None
    finally:
        if packed:
            plain.unlink()


def _ends_at(path: Path, end: int) -> None:
    """Raises FileRejected unless behind the last file of an archive stands its end, two blocks of zeros, and nothing else."""
    with path.open("rb") as file:
        file.seek(end)
        length = 0
        while piece := file.read(CHUNK):
            length += len(piece)
            if piece.strip(b"\0"):
                raise FileRejected("the archive is damaged behind one of its files: pack it anew and send it again")
    if length < 2 * _BLOCK:
        raise FileRejected("the archive was cut off: its end is missing. Send it again")


_Info = TypeVar("_Info")


def _taken(everything: list[tuple[str, _Info]], limits: Limits) -> tuple[list[_Info], list[str]]:
    """The files of an archive that are taken, and the names of hidden ones. Raises FileRejected where which is meant, or whether any, is
    in doubt."""
    seen = [(name, info) for name, info in everything if not _is_clutter(name)]
    names = [(name, info) for name, info in seen if not PurePosixPath(name).name.startswith(".")]
    hidden = [name[:LONGEST_NAME] for name, _ in seen if PurePosixPath(name).name.startswith(".")]
    if not names:
        raise FileRejected("the archive is empty" + (f" but for hidden files ({len(hidden)})" if hidden else ""))
    if len(names) > limits.members:
        raise FileRejected(
            f"the archive holds {len(names):,} files, more than {limits.members:,}: send it in parts, or raise {setting('members')}"
        )
    if len({name for name, _ in names}) < len(names):
        raise FileRejected("the archive holds two files of the same name: which one is meant?")
    return [info for _, info in names], hidden


_UNREADABLE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def _cannot_be_unpacked(error: BaseException) -> FileRejected:
    return FileRejected(f"cannot be unpacked ({type(error).__name__}): was it cut off, or is it encrypted?")


_CLUTTER = {".ds_store", "thumbs.db", "desktop.ini", ".gitkeep"}


def _is_clutter(name: str) -> bool:
    """What Macintosh and Windows put beside files without being asked."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.casefold() in _CLUTTER


def _pieces(source: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _write(pieces: Iterable[bytes], target: Path, packed: Path, limits: Limits, before: int) -> int:
    """Write `pieces`; the bytes written so far. What a file says about its size is not believed."""
    most = limits.unpacked_from(packed.stat().st_size)
    with target.open("wb") as out:
        for piece in pieces:
            before += len(piece)
            if before > most:
                raise FileRejected(_bomb(before, packed))
            out.write(piece)
    return before


def _bomb(unpacked: int, packed: Path) -> str:
    return (
        f"unpacks to more than {unpacked >> 20:,} MB from {packed.stat().st_size >> 10:,} KB, which is refused as a zip bomb: send it "
        f"less tightly packed, or in parts (or raise {setting('unpacked_mb')}, {setting('ratio')})"
    )
