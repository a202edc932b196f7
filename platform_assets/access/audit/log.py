"""The audit log: who did what to which table or subject, when, on what ground. Append-only, every entry chained to the one before.

An entry is one line, a JSON object with `seq`, `prev` (hash of the entry before) and `hash` (SHA-256 of the entry without it): of
`audit/log.jsonl` on one machine, an object of its own in a bucket (`audit_tape`). `audit/head.json`, in another file on purpose, holds
number and hash of the last entry; with a key (purpose `audit`) the hash in it is keyed, so that it cannot be forged along with the log.

Found by `verify`: an entry that was edited, removed, reordered or inserted (the chain breaks); a log cut off at the end, or gone
(the head knows more). Not found: the log *and* the head put back together to an earlier state, or, where there is no key, both
rewritten. Against these, heads are written down elsewhere (every erasure certificate carries one): `verify --head 120:1f0c...`.

No identifiers in clear: a subject appears as a keyed hash.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.access.audit.tape import FolderTape, Tape
from resources.identity import EnvironmentKeys, IdentityKeys, MissingIdentityKey

PURPOSE = "audit"
NOTHING = "0" * 64
"""What the first entry is chained to."""


class AuditError(RuntimeError):
    """The log is damaged: nothing is added to it until someone has looked."""


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

    @property
    def right_hash(self) -> str:
        """The hash that the entry must have."""
        content = {k: v for k, v in asdict(self).items() if k != "hash"}
        return hashlib.sha256(_canonical(content).encode()).hexdigest()


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


@dataclass
class Verdict:
    """What `verify` found."""

    entries: int = 0
    head: Head | None = None
    problems: list[str] = field(default_factory=list)
    """What is wrong, one line each. Empty: the log is whole."""
    notes: list[str] = field(default_factory=list)
    """What is odd, and explained (a write that a crash cut off)."""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class AuditLog:
    """The log on a tape; a folder stands for the files in it (``DATA_HOME/audit``). Several processes may write."""

    def __init__(self, tape: Tape | Path, keys: IdentityKeys | None = None) -> None:
        self.tape: Tape = FolderTape(tape) if isinstance(tape, Path) else tape
        self._keys = keys or EnvironmentKeys()

    # ------------------------------------------------------------------------------------------------ writing

    def record(
        self,
        who: str,
        action: str,
        *,
        role: str = "",
        table: str = "",
        subject: str = "",
        ground: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Add an entry; it is on disk when this returns. Raises AuditError where the log is shorter than its head says."""
        with self.tape.lock():
            torn = self.tape.set_torn_tail_aside()
            last = self._last()
            if torn:
                found = {"bytes": torn[1], "sha256": torn[2], "kept_as": torn[0]}
                last = self._append(last, "system", "audit.torn_line", "", "", "", "a crash cut off a write", found)
            return self._append(last, who, action, role, table, subject, ground, dict(details or {}))

    def _append(self, last: Head | None, who: str, action: str, *rest: Any) -> Any:
        role, table, subject, ground, details = rest
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        seq, prev = (last.seq + 1, last.hash) if last else (1, NOTHING)
        entry = Entry(seq, now, who, role, action, table, subject, ground, details, prev)
        entry = Entry(**{**asdict(entry), "hash": entry.right_hash})
        self.tape.append(seq, _canonical(asdict(entry)).encode())
        self._write_head(Head(entry.seq, entry.hash))
        return entry

    def _last(self) -> Head | None:
        """Where the log ends now; it may be ahead of the head (a crash between the two writes), never behind."""
        head = self._read_head()
        line = self.tape.last_line(head.seq if head else 0)
        entry = _parse(line) if line else None
        if line and (entry is None or entry.hash != entry.right_hash):
            raise AuditError("the last entry of the audit log is damaged: run verify, and put a copy back")
        if head and (entry is None or entry.seq < head.seq):
            raise AuditError(
                f"the audit log ends at entry {entry.seq if entry else 0}, its head says {head.seq}: entries are missing. "
                "Run verify, and put a copy back before anything is added"
            )
        return Head(entry.seq, entry.hash) if entry else None

    # ------------------------------------------------------------------------------------------------ the head

    def _write_head(self, head: Head) -> None:
        self.tape.write_head(json.dumps({**asdict(head), "seal": self._seal(head)}))

    def _seal(self, head: Head) -> str:
        try:
            key = self._keys.key(PURPOSE)
        except MissingIdentityKey:
            return ""
        return hmac.new(key, str(head).encode(), hashlib.sha256).hexdigest()

    def _read_head(self) -> Head | None:
        text = self.tape.read_head()
        if text is None:
            return None
        try:
            found = json.loads(text)
            head, seal = Head(int(found["seq"]), str(found["hash"])), str(found["seal"])
        except (ValueError, KeyError, TypeError):
            raise AuditError("audit/head.json cannot be read: run verify, and put a copy back") from None
        right = self._seal(head)
        if right and seal and not hmac.compare_digest(right, seal):
            raise AuditError("the seal of audit/head.json is not ours: it was written by someone without the audit key")
        return head

    def head(self) -> Head | None:
        """The last entry's number and hash, to be written down elsewhere; None while the log is empty."""
        return self._read_head()

    # ------------------------------------------------------------------------------------------------ reading

    def entries(self) -> Iterator[Entry]:
        """All entries that can be read, oldest first."""
        for line in self.tape.content().split(b"\n"):
            entry = _parse(line)
            if entry:
                yield entry

    def verify(self, known: Sequence[Head] = ()) -> Verdict:
        """Hold the log against itself, its head, and `known` heads that were written down elsewhere."""
        verdict = Verdict()
        wanted = {head.seq: head for head in known}
        try:
            head = self._read_head()
        except AuditError as error:
            head = None
            verdict.problems.append(str(error))
        if head:
            wanted.setdefault(head.seq, head)
        with self.tape.lock():
            lines = self.tape.content().split(b"\n")
        tail = lines.pop()
        if tail:
            verdict.notes.append(
                f"{len(tail)} bytes after the last entry: a write was cut off; the next one sets them aside"
            )
        prev, seq = NOTHING, 0
        for number, line in enumerate(lines, start=1):
            entry = _parse(line)
            if entry is None:
                verdict.problems.append(f"line {number}: is no entry")
                seq += 1
                continue
            if entry.hash != entry.right_hash:
                verdict.problems.append(
                    f"line {number}: entry {entry.seq} was edited (its content does not fit its hash)"
                )
            if entry.seq != seq + 1:
                verdict.problems.append(
                    f"line {number}: entry {entry.seq} follows {seq}: entries were removed, added or reordered"
                )
            elif entry.prev != prev:
                verdict.problems.append(f"line {number}: entry {entry.seq} is not chained to the one before it")
            if entry.seq in wanted and wanted[entry.seq].hash != entry.hash:
                verdict.problems.append(
                    f"line {number}: entry {entry.seq} is another one than was written down elsewhere"
                )
            prev, seq = entry.hash, entry.seq
            verdict.head = Head(entry.seq, entry.hash)
        verdict.entries = len(lines)
        for missing in sorted(s for s in wanted if s > seq):
            verdict.problems.append(
                f"the log ends at entry {seq}, entry {missing} was written down elsewhere: it was cut off"
            )
        if head is None and lines and not verdict.problems:
            verdict.problems.append("audit/head.json is gone: whether the end of the log is missing cannot be told")
        if head and verdict.head and verdict.head.seq > head.seq:
            ahead = verdict.head.seq - head.seq
            kind = verdict.notes if ahead == 1 else verdict.problems
            kind.append(
                f"{ahead} entries after the head: {'a crash came between' if ahead == 1 else 'not written by us'}"
            )
        return verdict


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _parse(line: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
