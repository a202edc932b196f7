"""Takes files out of a folder that a script could write to, and clears such a folder. Nothing is followed, nothing is trusted.

For folders whose processes are dead: only then nobody can swap a file between the look at it and its use.
"""

from __future__ import annotations

import contextlib
import os
import stat

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 64


class NotTaken(ValueError):
    """A file that is not what a script should leave. `str()` says why, with the file's name."""


def open_folder(path: str, inside: int | None = None) -> int:
    """A handle of a folder that is no link itself."""
    return os.open(path, _OPEN_FOLDER, dir_fd=inside)


def open_file(folder: int, name: str, most_bytes: int) -> int:
    """A handle for reading the file `name` of the folder. Raises NotTaken unless it is an ordinary file of one's own.

    Regular, with this one name, owned by this user, at most `most_bytes` long.
    """
    try:
        # a look first: to open a device can already do something
        _check(name, os.stat(name, dir_fd=folder, follow_symlinks=False), most_bytes)
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise NotTaken(f"{name} was not written") from None
    except OSError as error:
        raise NotTaken(f"{name} cannot be opened ({error.strerror})") from None
    try:
        _check(name, os.fstat(handle), most_bytes)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check(name: str, found: os.stat_result, most_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotTaken(f"{name} is {_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}, not a file")
    if found.st_nlink != 1:
        raise NotTaken(f"{name} is linked to another file")
    if found.st_uid != os.geteuid():
        raise NotTaken(f"{name} belongs to another user")
    if found.st_size > most_bytes:
        raise NotTaken(f"{name} is larger than {most_bytes / 1e6:,.0f} MB")


_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def take(folder: int, name: str, most_bytes: int, into: int) -> None:
    """Copy the file `name` of `folder` into the folder `into`, as a new file. Raises NotTaken (see `open_file`)."""
    source = open_file(folder, name, most_bytes)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=into)
        try:
            left = most_bytes
            while data := os.read(source, min(1 << 20, left + 1)):
                left -= len(data)
                if left < 0:
                    raise NotTaken(f"{name} is larger than {most_bytes / 1e6:,.0f} MB")
                while data:
                    data = data[os.write(target, data) :]
        finally:
            os.close(target)
    finally:
        os.close(source)


def clear(path: str) -> None:
    """Remove a folder and all that is in it, whatever a script made there: no rights, thousands of levels. Absent is fine.

    Without recursion, and with two handles: folders inside are moved up, one level at a time, and removed there.
    """
    try:
        top = open_folder(path)
    except FileNotFoundError:
        return
    except OSError:  # a link, or no folder at all, in its place
        os.unlink(path)
        return
    try:
        os.fchmod(top, 0o700)
        number, unguessed = 0, os.urandom(8).hex()
        while inside := [name for name in os.listdir(top) if not _unlinked(top, name)]:
            for name in inside:
                os.chmod(name, 0o700, dir_fd=top)
                folder = open_folder(name, inside=top)
                try:
                    for deeper in os.listdir(folder):
                        if not _unlinked(folder, deeper):
                            number += 1
                            os.rename(deeper, f".{unguessed}-{number}", src_dir_fd=folder, dst_dir_fd=top)
                finally:
                    os.close(folder)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(path)


def _unlinked(folder: int, name: str) -> bool:
    """Remove what is not a folder; False for a folder."""
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.chmod(name, 0o700, dir_fd=folder)  # to be moved, it must be writable itself
        return False
    os.unlink(name, dir_fd=folder)
    return True


def used(folder: int, most_bytes: int, most_files: int) -> bool:
    """Whether a folder, while it is written to, holds more than allowed: bytes on disk, number of entries, levels; or hides what it holds."""
    left = [most_bytes, most_files]
    return _uses(folder, left, 0)


def _uses(folder: int, left: list[int], depth: int) -> bool:
    if depth > _DEEPEST:
        return True
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):  # gone meanwhile
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            left[0] -= found.st_blocks * 512
            left[1] -= 1
            if left[0] < 0 or left[1] < 0:
                return True
            if stat.S_ISDIR(found.st_mode):
                try:
                    inside = open_folder(name, inside=folder)
                except PermissionError:  # made so that nobody sees what is put there
                    return True
                try:
                    if _uses(inside, left, depth + 1):
                        return True
                finally:
                    os.close(inside)
    return False
