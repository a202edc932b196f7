"""The address of a database: ``postgresql://reader@db.hospital:5432/ehr?tls=verify&ca=/etc/ca.pem``, without a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from resources.requesting import Permanent

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TLS = ("verify", "require", "off")


@dataclass(frozen=True)
class Address:
    """Where a database is and who asks. The password is in no representation of it."""

    scheme: str
    host: str
    port: int | None
    database: str
    user: str
    password: str = field(repr=False)
    tls: str = "verify"
    """verify: the certificate must be the host's; require: encrypted, by whomever; off: in clear."""
    ca: str = ""
    """File with the certificates that are trusted; '': those of the system."""


def read_address(text: str, password: str, name: str) -> Address:
    """Understand an address. Raises Permanent, which names the variable `name` and never what it holds."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Permanent(f"{name} is no address: write it as postgresql://user@host:port/database") from None
    if parts.password is not None:
        raise Permanent(f"{name} holds a password: take it out and set {name}_PASSWORD, or mount a file of that name")
    options = dict(parse_qsl(parts.query))
    if not parts.hostname or not parts.username or not parts.path.strip("/") or set(options) - {"tls", "ca"}:
        raise Permanent(
            f"{name} needs user, host and database: postgresql://user@host:port/database, with ?tls= and &ca= at most behind it"
        )
    tls = options.get("tls") or ("off" if parts.hostname in LOOPBACK else "verify")
    if tls not in TLS:
        raise Permanent(f"{name}: tls is {', '.join(TLS)}")
    database = unquote(parts.path.strip("/"))
    return Address(
        parts.scheme, parts.hostname, port, database, unquote(parts.username), password, tls, options.get("ca", "")
    )
