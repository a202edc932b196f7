"""Files that a partner leaves on an SFTP server: known hosts only, complete ones only, left there or moved away."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import stat
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from platform_assets.strict import Duration, Name, Strict, TextList
from resources import sftp
from resources.requesting import Passing, Permanent, retried

if TYPE_CHECKING:
    import paramiko


class After(Strict):
    """What becomes of a file on the server once it is here."""

    move_to: str = Field(pattern=r"^[^/]+(/[^/]+)*$")
    """Folder, seen from `folder`, that it is moved to. It must be there."""


class SftpSource(Source):
    """A folder on a partner's SFTP server. Only its name is said here: the address is the variable (or mounted file) ``PLATFORM_SFTP_<NAME>``
    (``sftp://user@host:22``), with ``..._KNOWN_HOSTS``, and ``..._KEY`` or ``..._PASSWORD`` (with a key: its passphrase)."""

    kind: Literal["sftp"]
    server: Name
    """Which address is meant."""
    folder: str = "."
    """Where the files lie, seen from where a login leads."""
    remote_files: TextList = ("*",)
    """Patterns of the names that are fetched."""
    remote_marker: str | None = None
    """A file is complete only once ``<name><marker>`` stands beside it on the server; default: once it has stopped to change."""
    settle: Duration = dt.timedelta(seconds=10)
    """Without a marker: for so long a file must not change to be taken as complete."""
    after: Literal["leave"] | After = "leave"
    """What becomes of a file on the server once it is here."""

    def discover(self, done: MutableMapping[str, Noted], now: dt.datetime, reach: Reach) -> list[Window]:
        """Complete files that are not here, or not in this version. What is gone from the server is forgotten; what is done and was not
        moved yet, is moved."""
        found = self._complete(reach)
        known = {_key(name) for name, _ in found}
        for key in [key for key in done if key not in known]:
            del done[key]
        for name, look in found:
            if done.get(_key(name), {}).get("look") == look:
                self._put_away(name, look, reach)
        return [Window(_key(n), n) for n, look in found if done.get(_key(n), {}).get("look") != look]

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """One file. Noted: its size and time."""
        name, attempts = window.what, iter(range(100))

        def get() -> str:
            with self._session(reach) as session, out.open("wb") as file:
                before = _look(session.stat(self._path(name)))
                # servers that close on many requests at a time are asked for one after the other, the second time
                session.getfo(self._path(name), file, prefetch=next(attempts) == 0)
                if _look(session.stat(self._path(name))) != before or f"{file.tell()}" != before.split("-")[0]:
                    raise Passing(
                        "the file changed while it was read: is it still being written? Agree on a marker file"
                    )
                return before

        look = retried(get, reach.log)
        moment = dt.datetime.fromtimestamp(int(look.split("-")[1]), dt.UTC)
        return Fetched(changed=True, file_name=name, noted={"look": look}, stamp=moment)

    def taken(self, window: Window, noted: Noted, reach: Reach) -> None:
        """Move it away, where that is wanted."""
        self._put_away(window.what, noted["look"], reach)

    def _complete(self, reach: Reach) -> list[tuple[str, str]]:
        first = self._listed(reach)
        names = [n for n in first if any(fnmatch.fnmatchcase(n, p) for p in self.remote_files)]
        if self.remote_marker is not None:
            return [
                (n, first[n])
                for n in names
                if f"{n}{self.remote_marker}" in first and not n.endswith(self.remote_marker)
            ]
        if not names:
            return []
        time.sleep(self.settle.total_seconds())
        second = self._listed(reach)
        return [(n, first[n]) for n in names if second.get(n) == first[n]]

    def _listed(self, reach: Reach) -> dict[str, str]:
        """Regular files of the folder: name -> size and time. Links, folders and hidden files are none, nor are names with a path in them."""

        def ask() -> dict[str, str]:
            with self._session(reach) as session:
                entries = session.listdir_attr(self.folder)
            return {e.filename: _look(e) for e in entries if stat.S_ISREG(e.st_mode or 0) and _is_name(e.filename)}

        return dict(sorted(retried(ask, reach.log, "look").items()))

    def _put_away(self, name: str, look: str, reach: Reach) -> None:
        if not isinstance(self.after, After):
            return
        with self._session(reach) as session:
            stem, dot, ending = name.partition(".")
            there = f"{self.folder}/{self.after.move_to}"
            try:
                session.rename(self._path(name), f"{there}/{name}")
            except OSError:
                if not _exists(session, self._path(name)):
                    return  # moved before
                # never over what is there: the protocol's rename refuses that
                session.rename(self._path(name), f"{there}/{stem}_{look.split('-')[1]}{dot}{ending}")
            if self.remote_marker and _exists(session, self._path(name + self.remote_marker)):
                session.remove(self._path(name + self.remote_marker))

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    @contextmanager
    def _session(self, reach: Reach) -> Iterator[paramiko.SFTPClient]:
        """The session of this visit. What the library raises is explained in words of ours; a session that is broken is given up."""
        import paramiko

        try:
            session: paramiko.SFTPClient = reach.kept("sftp", lambda: sftp.connected(reach.environment, self.server))
            yield session
        except (Passing, Permanent):
            raise
        except (OSError, EOFError, paramiko.SSHException) as error:
            explained = sftp.explained(error, self.server)
            if isinstance(explained, Passing):
                reach.give_up("sftp")
            raise explained from None


def _exists(session: paramiko.SFTPClient, path: str) -> bool:
    try:
        session.stat(path)
    except FileNotFoundError:
        return False
    return True


def _look(entry: paramiko.SFTPAttributes) -> str:
    """Size and time of a file."""
    return f"{entry.st_size}-{entry.st_mtime}"


def _is_name(name: str) -> bool:
    return not name.startswith(".") and "/" not in name and name.isprintable()


def _key(name: str) -> str:
    """By what a file is remembered: its name may name somebody."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
