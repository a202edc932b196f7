"""What the platform writes is for its own user alone, whatever the umask it is started with: files 0600, folders 0700.

`keep` is called by `resources_for`, through which every process goes that touches DATA_HOME: code server, runs, console, commands. Dagster's own
webserver and daemon load no code of ours but `resources.dagster_storage`, which dagster.yaml names. Children inherit the umask.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

UMASK = 0o077
OTHERS = 0o077
"""Bits that let somebody else in."""
MARKER = ".private"
"""In DATA_HOME: everything that was in it when it was written has been set right."""

log = logging.getLogger("platform")


def keep(home: Path) -> None:
    """From now on this process makes nothing that others can read; a `home` that they could enter is closed, and that is told in the log.

    The folder `home` is looked at each time: closed, it protects all that is in it. What is in it is walked through once.
    """
    os.umask(UMASK)
    home.mkdir(parents=True, exist_ok=True)
    before = stat.S_IMODE(home.stat().st_mode)
    if before & OTHERS and not _close(home, before):
        log.warning(
            f"{home} is open to others ({before:04o}) and belongs to another user, so that cannot be changed here: "
            f"its owner should run: chmod 0700 {home}"
        )
    elif before & OTHERS:
        log.warning(f"{home} was open to others ({before:04o}): it is 0700 now")
    marker = home / MARKER
    if marker.exists():
        return
    closed = sum(_close_below(home))
    if closed:
        log.warning(f"{home}: {closed:,} files and folders in it were open to others, and are their owner's alone now")
    marker.touch()


def close(path: Path) -> None:
    """Take others' rights from one file or folder that came from elsewhere; nothing where it is somebody else's, or gone."""
    try:
        mode = stat.S_IMODE(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if mode & OTHERS:
        _close(path, mode)


def _close_below(home: Path) -> list[bool]:
    done = []
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            path = Path(folder, name)
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # something ended meanwhile
                continue
            if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and mode & OTHERS:
                done.append(_close(path, stat.S_IMODE(mode)))
    return done


def _close(path: Path, mode: int) -> bool:
    """By a handle that follows no link; whether it could be done."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        os.fchmod(handle, mode & ~OTHERS)
    except PermissionError:
        return False
    finally:
        os.close(handle)
    return True
