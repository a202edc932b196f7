"""Files that a partner leaves on an SFTP server: known hosts only, complete ones only, left there or moved away."""

from __future__ import annotations

import datetime as dt
import errno
import fnmatch
import hashlib
import io
import stat
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from platform_assets.strict import Duration, Name, Strict, TextList
from resources.credentials import optional, setting
from resources.requesting import Passing, Permanent, retried

if TYPE_CHECKING:
    import paramiko

CONNECT_SECONDS = 10
SILENT_SECONDS = 30.0
"""After so long without a byte a connection is given up."""

T = TypeVar("T")


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
            session: paramiko.SFTPClient = reach.kept("sftp", lambda: self._connected(reach))
            yield session
        except (Passing, Permanent):
            raise
        except (OSError, EOFError, paramiko.SSHException) as error:
            explained = _explained(error, self.server)
            if isinstance(explained, Passing):
                reach.give_up("sftp")
            raise explained from None

    def _connected(self, reach: Reach) -> tuple[Any, Callable[[], None]]:
        import paramiko

        name = f"PLATFORM_SFTP_{self.server.upper()}"
        user, host, port = _address(setting(reach.environment, name, f"the address of the server {self.server}"), name)
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        known = setting(
            reach.environment,
            f"{name}_KNOWN_HOSTS",
            f"the host key of the server {self.server} (ssh-keyscan writes it)",
        )
        for line in known.splitlines():
            entry = (
                paramiko.hostkeys.HostKeyEntry.from_line(line) if line.strip() and not line.startswith("#") else None
            )
            for host_name in entry.hostnames if entry and entry.hostnames else ():
                assert entry is not None
                assert entry.key is not None
                client.get_host_keys().add(host_name, entry.key.get_name(), entry.key)
        secret = optional(reach.environment, f"{name}_PASSWORD")
        key = optional(reach.environment, f"{name}_KEY")
        if not key and not secret:
            raise Permanent(
                f"there is no way to sign in: set {name}_KEY or {name}_PASSWORD, or mount files of these names"
            )
        try:
            client.connect(
                host,
                port,
                user,
                password=None if key else secret,
                pkey=_private_key(key, secret) if key else None,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                look_for_keys=False,
                allow_agent=False,
            )
            session = client.open_sftp()
        except BaseException:
            client.close()
            raise
        channel = session.get_channel()
        assert channel is not None
        channel.settimeout(SILENT_SECONDS)
        return session, client.close


def _private_key(text: str, passphrase: str) -> paramiko.PKey:
    import paramiko

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text + "\n"), passphrase or None)
        except paramiko.PasswordRequiredException:
            raise Permanent("the private key has a passphrase: set it as ..._PASSWORD") from None
        except (paramiko.SSHException, ValueError):
            continue
    raise Permanent("the private key cannot be read: it is none of Ed25519, ECDSA or RSA, or the passphrase is wrong")


def _address(text: str, name: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(text)
        port = parts.port or 22
    except ValueError:
        raise Permanent(f"{name} is no address: write it as sftp://user@host:22") from None
    if parts.password is not None:
        raise Permanent(f"{name} holds a password: take it out and set {name}_PASSWORD")
    if parts.scheme != "sftp" or not parts.hostname or not parts.username:
        raise Permanent(f"{name} is no address: write it as sftp://user@host:22")
    return unquote(parts.username), parts.hostname, port


def _explained(error: Exception, server: str) -> Passing | Permanent:
    import paramiko

    if isinstance(error, paramiko.BadHostKeyException):
        return Permanent(
            f"the server {server} shows another host key than is known: nothing was sent. Ask the partner whether it was changed, "
            "and only then renew ..._KNOWN_HOSTS"
        )
    if isinstance(error, paramiko.AuthenticationException):
        return Permanent(f"the server {server} does not let us in: check user, key and password")
    if isinstance(error, paramiko.SSHException) and "known_hosts" in str(error):
        return Permanent(f"the server {server} is not among the known hosts: ask the partner for its host key")
    if isinstance(error, FileNotFoundError):
        return Permanent(
            f"a file or folder is not there (any more) on the server {server}: check `folder` and `move_to`"
        )
    if isinstance(error, PermissionError):
        return Permanent(
            f"the server {server} allows that not to this user: it must read `folder`, and write where it moves files"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Permanent("the disk here is full: make room in DATA_HOME")
    return Passing(f"the connection to the server {server} was lost, or it did not answer ({type(error).__name__})")


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
