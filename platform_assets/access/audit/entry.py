"""What the audit log is made of: entries, each chained to the one before and authenticated, and heads that say where it ends.

An entry is one line of canonical JSON. `hash` is SHA-256 of its content with `prev`, the hash of the entry before; `mac` is HMAC-SHA256 of that
hash, with the key that `key` names. Entries of earlier releases have neither `key` nor `mac`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

NOTHING = "0" * 64
"""What the first entry is chained to."""
UPGRADE = "audit.upgrade"
"""The entry that takes over what an earlier release wrote."""


class AuditError(RuntimeError):
    """Nothing is added to the log, and so nothing is handed out, until someone has looked. The message says what to do."""


class Ring:
    """The keys of the log: the first signs, all of them verify."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {key_id(key): key for key in reversed(keys)}
        self.current = key_id(keys[0])

    @property
    def ids(self) -> list[str]:
        """Of all keys."""
        return list(self._keys)

    def mac(self, text: str, key: str = "") -> str:
        """HMAC-SHA256 of `text` under the current key, or under the one that has the id `key`. Raises AuditError where it is not here."""
        found = self._keys.get(key or self.current)
        if found is None:
            raise AuditError(
                f"the audit log was written with a key that is not here (id {key}): add it to PLATFORM_IDENTITY_KEY_AUDIT, "
                "behind the current one and a comma"
            )
        return hmac.new(found, text.encode(), hashlib.sha256).hexdigest()

    def good(self, text: str, key: str, mac: str) -> bool:
        """Whether `mac` is that of `text`. Raises AuditError where the key is not here."""
        return bool(key) and hmac.compare_digest(self.mac(text, key).encode(), mac.encode())


def key_id(key: bytes) -> str:
    """By what a key is told from others, without telling it: 16 hex digits."""
    return hmac.new(key, b"id of a key of the audit log", hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True)
class Entry:
    """One act. Times are UTC, ISO 8601."""

    seq: int
    at: str
    who: str
    role: str
    action: str
    """A verb with its place, e.g. ``quarantine.resubmit``."""
    table: str
    """Table or dataset, '' where none."""
    subject: str
    """Keyed hash, '' where the act is about no single subject."""
    ground: str
    """Why: the reason given, the number of the request."""
    details: dict[str, Any]
    """Counts, ids of deliveries and requests. No values of patients."""
    prev: str
    hash: str = ""
    key: str = ""
    """Id of the key; '' in entries of earlier releases."""
    mac: str = ""

    @property
    def right_hash(self) -> str:
        """The hash that the entry must have."""
        content = {k: v for k, v in self._content().items() if k not in ("hash", "mac")}
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    @property
    def line(self) -> bytes:
        """The entry as it stands in the log."""
        return canonical(self._content()).encode()

    def signed(self, ring: Ring) -> Entry:
        """The entry, with hash and MAC under the current key."""
        entry = replace(self, key=ring.current)
        entry = replace(entry, hash=entry.right_hash)
        return replace(entry, mac=ring.mac(f"entry:{entry.hash}"))

    def authentic(self, ring: Ring) -> bool:
        """Whether hash and MAC are right. Raises AuditError where its key is not here."""
        return self.hash == self.right_hash and ring.good(f"entry:{self.hash}", self.key, self.mac)

    def _content(self) -> dict[str, Any]:
        content = asdict(self)
        if not self.key and not self.mac:
            del content["key"], content["mac"]
        return content


@dataclass(frozen=True)
class Head:
    """Number and hash of an entry: what the log is held against."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read ``120:1f0c...``. Raises ValueError."""
        seq, _, digest = text.partition(":")
        if not seq.isdigit() or len(digest) != 64:
            raise ValueError(f"{text!r} is not a head: write its number, a colon and 64 hex digits")
        return cls(int(seq), digest)

    def sealed(self, ring: Ring) -> str:
        """The text of ``head.json``."""
        return json.dumps({**asdict(self), "key": ring.current, "seal": ring.mac(f"head:{self}")})


@dataclass(frozen=True)
class SealedHead:
    """What ``head.json`` says. Without `key` it was written by an earlier release, whose seal may be empty."""

    head: Head
    key: str
    seal: str

    @classmethod
    def parse(cls, text: str) -> SealedHead:
        """Raises AuditError."""
        try:
            found = json.loads(text)
            return cls(Head(int(found["seq"]), str(found["hash"])), str(found.get("key", "")), str(found["seal"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise AuditError("audit/head.json cannot be read: run verify, and put a copy back") from None

    def opened(self, ring: Ring) -> Head:
        """The head. Raises AuditError unless its seal is right."""
        if not self.key:
            raise AuditError(
                "audit/head.json is not sealed as this release seals it. If the log was written by an earlier release, take it over: "
                "python -m platform_assets.access.audit upgrade (docs/stewardship.md, 'Audit log'). If not, it was forged"
            )
        if not ring.good(f"head:{self.head}", self.key, self.seal):
            raise AuditError("the seal of audit/head.json is not ours: it was written by someone without the audit key")
        return self.head

    def is_of(self, entry: Entry) -> bool:
        """Whether it was sealed with the key that signed `entry`, which it names."""
        return entry.key == self.key

    def opened_as_of_earlier_release(self, ring: Ring) -> tuple[Head, bool]:
        """The head that an earlier release wrote, and whether it was sealed. Raises AuditError where the seal is wrong."""
        if self.seal and not any(
            hmac.compare_digest(ring.mac(str(self.head), key).encode(), self.seal.encode()) for key in ring.ids
        ):
            raise AuditError("the seal of audit/head.json is not ours: it was written by someone without the audit key")
        return self.head, bool(self.seal)


def canonical(content: Mapping[str, Any]) -> str:
    """The one way to write `content`."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def parse(line: bytes) -> Entry | None:
    """The entry of a line; None where it is none, or is written otherwise than the log writes it."""
    try:
        entry = Entry(**json.loads(line))
        texts = [v for k, v in asdict(entry).items() if k not in ("seq", "details")]
        right = type(entry.seq) is int and isinstance(entry.details, dict) and all(isinstance(t, str) for t in texts)
        return entry if right and entry.line == line else None
    except (ValueError, TypeError, RecursionError, AttributeError):
        return None
