"""A session with a partner's SFTP server: known hosts only, a key or a password, nothing that waits for ever.

The address of the server NAME is the variable (or mounted file) ``PLATFORM_SFTP_<NAME>`` (``sftp://user@host:22``), with ``..._KNOWN_HOSTS``,
and ``..._KEY`` or ``..._PASSWORD`` (with a key: its passphrase).
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from resources.credentials import optional, setting
from resources.requesting import Passing, Permanent

if TYPE_CHECKING:
    import paramiko

CONNECT_SECONDS = 10
SILENT_SECONDS = 30.0
"""After so long without a byte a connection is given up."""


def connected(environment: Mapping[str, str], server: str) -> tuple[paramiko.SFTPClient, Callable[[], None]]:
    """A session with `server`, and what closes it. Raises Permanent where it is not set up, and what paramiko raises (see `explained`)."""
    import paramiko

    name = f"PLATFORM_SFTP_{server.upper()}"
    user, host, port = _address(setting(environment, name, f"the address of the server {server}"), name)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    known = setting(
        environment,
        f"{name}_KNOWN_HOSTS",
        f"the host key of the server {server} (ssh-keyscan writes it)",
    )
    for line in known.splitlines():
        entry = paramiko.hostkeys.HostKeyEntry.from_line(line) if line.strip() and not line.startswith("#") else None
        for host_name in entry.hostnames if entry and entry.hostnames else ():
            assert entry is not None
            assert entry.key is not None
            client.get_host_keys().add(host_name, entry.key.get_name(), entry.key)
    secret = optional(environment, f"{name}_PASSWORD")
    key = optional(environment, f"{name}_KEY")
    if not key and not secret:
        raise Permanent(f"there is no way to sign in: set {name}_KEY or {name}_PASSWORD, or mount files of these names")
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


def explained(error: Exception, server: str) -> Passing | Permanent:
    """What went wrong, in words for people that quote nothing of the server's."""
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
