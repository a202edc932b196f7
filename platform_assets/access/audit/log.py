"""The audit log: who did what to which table or subject, when, on what ground. Append-only, chained, every entry authenticated.

The entries are lines of `audit/log.jsonl` on one machine, objects of their own in a bucket (`tape`). `audit/head.json`, in another file on purpose,
holds number and hash of the last one, sealed. The key (purpose `audit`) is one that writers of files lack; on a laptop without one it is made and
kept in `audit/key`, which holds off whoever cannot read it, not the user of the machine.

A new entry is added only to an end that fits: the last two entries are authentic and chained, and the head is sealed and names the last of them (or
the one before it, where a crash came between). So nothing that was done to the log's end is ever sealed anew. What was done to earlier
entries is found by `verify`, at any time. Not found by either: log *and* head put back together to an earlier state. Against
that, heads are written down elsewhere: in `anchors`, where there are some, against which every new entry is held too; in certificates of
erasures; in a message a day: `verify --head 120:1f0c...`.

A key that was given up (`audit.new_key`) verifies what it signed before, and nothing after: who has got hold of it cannot go on with it.

No identifiers in clear: a subject appears as a keyed hash.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_assets.access.audit.anchors import Anchors
from platform_assets.access.audit.entry import NOTHING, UPGRADE, AuditError, Entry, Head, Ring, SealedHead, parse
from platform_assets.access.audit.tape import FolderTape, Tape
from platform_assets.access.audit.verify import Verdict, verdict_of
from resources.identity import EnvironmentKeys, IdentityKeys, MissingIdentityKey

PURPOSE = "audit"
SYSTEM = "system"


class AuditLog:
    """The log on a tape; a folder stands for the files in it (``DATA_HOME/audit``). Several processes may write."""

    def __init__(
        self,
        tape: Tape | Path,
        keys: IdentityKeys | None = None,
        on_head: Callable[[Head], None] = lambda _: None,
        anchors: Anchors | None = None,
    ) -> None:
        """`on_head` is told where the log ends, after each entry; `anchors` keep it."""
        self.anchors = anchors
        self.tape: Tape = FolderTape(tape) if isinstance(tape, Path) else tape
        self._keys = keys or EnvironmentKeys()
        self._on_head = on_head

    @property
    def place(self) -> str:
        """Where the log is, by which one is told from another."""
        return self.tape.place

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
        """Add an entry; it is on disk when this returns. Raises AuditError where the end of the log does not fit, or there is no key."""
        with self.tape.lock():
            ring = self._ring(make=True)
            last = self._last(ring)  # before anything is changed
            self._held_against_anchors(last)
            if last is None:
                self.tape.write_head(Head(0, NOTHING).sealed(ring))  # from now on a log without a head is a damaged one
            torn = self.tape.set_torn_tail_aside()
            if torn:
                found = {"bytes": torn[1], "sha256": torn[2], "kept_as": torn[0]}
                last = self._append(
                    ring, last, SYSTEM, "audit.torn_line", ground="a crash cut off a write", details=found
                )
            if last and last.key != ring.current:
                self._key_is_new(ring)
                keys = {"from": last.key, "to": ring.current}
                last = self._append(ring, last, SYSTEM, "audit.new_key", ground="the key was changed", details=keys)
            rest = {"role": role, "table": table, "subject": subject, "ground": ground, "details": dict(details or {})}
            return self._append(ring, last, who, action, **rest)

    def upgrade(self, who: str, known: Sequence[Head] = ()) -> Entry:
        """Take over a log that an earlier release wrote, whose entries are not authenticated: one entry says up to where it went.

        Raises AuditError where the log is none of an earlier release, or does not fit its own hashes and head, or one of `known` heads,
        which were written down elsewhere: what was done to it before can be told by these only.
        """
        with self.tape.lock():
            ring = self._ring(make=True)
            text = self.tape.read_head()
            sealed = SealedHead.parse(text) if text else None
            if sealed is None or sealed.key:
                raise AuditError("there is no audit log of an earlier release here: nothing was taken over")
            head, was_sealed = sealed.opened_as_of_earlier_release(ring)
            entries = self._of_earlier_release(head)
            known = [*known, *(self.anchors.all() if self.anchors else [])]
            hashes = {entry.seq: entry.hash for entry in entries}
            if any(hashes.get(noted.seq) != noted.hash for noted in known):
                raise AuditError(
                    "the audit log is not what was written down elsewhere (verify says where), so it is not taken over: put a copy back"
                )
            last = entries[-1] if entries else None
            if last and last.key:  # the last attempt was cut off before it wrote the head
                self.tape.write_head(Head(last.seq, last.hash).sealed(ring))
                return last
            details = {"until": str(Head(last.seq, last.hash)) if last else "", "sealed": was_sealed}
            return self._append(ring, last, who, UPGRADE, ground="a log of an earlier release", details=details)

    def _of_earlier_release(self, head: Head) -> list[Entry]:
        """Its entries, the one that took it over among them. Raises AuditError unless they fit each other and the head."""
        entries: list[Entry] = []
        for number, line in enumerate(self.tape.content().split(b"\n")[:-1], start=1):
            entry = parse(line)
            taken_over = entry is not None and bool(entry.key) and entry.action == UPGRADE
            if entry is None or entry.seq != number or (entry.key and not taken_over):
                raise AuditError(f"line {number} of the audit log is damaged: put a copy back before it is taken over")
            if entry.hash != entry.right_hash or entry.prev != (entries[-1].hash if entries else NOTHING):
                raise AuditError(f"entry {number} of the audit log was edited: put a copy back before it is taken over")
            entries.append(entry)
        found = [Head(e.seq, e.hash) for e in entries[-2:]]
        if head not in (found or [Head(0, NOTHING)]):
            raise AuditError("the audit log does not end where its head says: put a copy back before it is taken over")
        return entries

    def _append(self, ring: Ring, last: Entry | None, who: str, action: str, **rest: Any) -> Entry:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        seq, prev = (last.seq + 1, last.hash) if last else (1, NOTHING)
        given = {"role": "", "table": "", "subject": "", **rest, "ground": _written(rest["ground"])}
        entry = Entry(seq=seq, at=now, who=_written(who), action=action, prev=prev, **given).signed(ring)
        self.tape.append(seq, entry.line)
        head = Head(entry.seq, entry.hash)
        self.tape.write_head(head.sealed(ring))
        if self.anchors:
            self.anchors.keep(head)
        self._on_head(head)
        return entry

    def _held_against_anchors(self, last: Entry | None) -> None:
        """Raises AuditError where an anchor knows of a later end, or of another entry at this one."""
        if self.anchors is None:
            return
        seq = last.seq if last else 0
        if self.anchors.at(seq + 1) or any(last and head.hash != last.hash for head in self.anchors.at(seq)):
            raise AuditError(
                f"the audit log ends at entry {seq}, and that is not what was written down elsewhere: log and head were put back to an "
                "earlier state, or rewritten. Run verify, and put a copy back before anything is added"
            )

    def _key_is_new(self, ring: Ring) -> None:
        """Once a key has signed, no other follows it but a newer one. Raises AuditError where the log's end is signed by one that was given up."""
        if any(entry.key == ring.current for entry in self.entries()):
            raise AuditError(
                "the end of the audit log and the first key of PLATFORM_IDENTITY_KEY_AUDIT do not follow each other: either an earlier key stands "
                "first there (put the newest first), or the end was written by someone who has a key that was given up (run verify, and put "
                "a copy back before anything is added)"
            )

    def _last(self, ring: Ring) -> Entry | None:
        """Where the log ends now; None: it has not begun. Raises AuditError unless its end fits. Reads no more than two entries."""
        text = self.tape.read_head()
        sealed = SealedHead.parse(text) if text else None
        head = sealed.opened(ring) if sealed else None
        tail = [parse(line) for line in self.tape.tail(head.seq if head else 0)]
        if head is None:
            if tail:
                raise AuditError("audit/head.json is gone: run verify, and put a copy back before anything is added")
            return None
        if not tail and head.seq == 0:
            return None
        last = self._fitting(tail, ring)
        if last is None or last.seq < head.seq:
            raise AuditError(
                f"the audit log ends at entry {last.seq if last else 0}, its head says {head.seq}: entries are missing. "
                "Run verify, and put a copy back before anything is added"
            )
        if (head.seq, head.hash) not in ((last.seq, last.hash), (last.seq - 1, last.prev)):
            raise AuditError(
                f"the end of the audit log (entry {last.seq}) is not what its head says ({head.seq}): "
                "run verify, and put a copy back before anything is added"
            )
        at_head = [entry for entry in tail if entry is not None and entry.seq == head.seq]
        if sealed and any(not sealed.is_of(entry) for entry in at_head):
            raise AuditError(
                "audit/head.json is sealed with another key than the entry that it names: it was written by someone who has a key that was "
                "given up. Run verify, and put a copy back before anything is added"
            )
        return last

    def _fitting(self, tail: Sequence[Entry | None], ring: Ring) -> Entry | None:
        """The last entry of the log's end. Raises AuditError unless all of it is authentic and chained."""
        before: Entry | None = None
        for entry in tail:
            taken_over = entry is not None and entry is not tail[-1] and not entry.key and _is_upgrade(tail[-1])
            if entry is None or not (entry.authentic(ring) or (taken_over and entry.hash == entry.right_hash)):
                raise AuditError("the end of the audit log was edited: run verify, and put a copy back")
            first = entry.seq == 1 and entry.prev == NOTHING
            if before is None and len(tail) == 1 and not first:
                raise AuditError("entries are missing from the end of the audit log: run verify, and put a copy back")
            if before is not None and (entry.seq, entry.prev) != (before.seq + 1, before.hash):
                raise AuditError("the end of the audit log is not chained: run verify, and put a copy back")
            before = entry
        return before

    def _ring(self, *, make: bool = False) -> Ring:
        try:
            return Ring(self._keys.ring(PURPOSE, make=make))
        except (MissingIdentityKey, ValueError) as error:
            wrong = f" ({error})" if isinstance(error, ValueError) else ""
            raise AuditError(
                "there is no key of the audit log, and nothing may be done without an entry in it: set PLATFORM_IDENTITY_KEY_AUDIT "
                f"to 64 hex digits (make one: python -m resources.identity){wrong}"
            ) from None

    # ------------------------------------------------------------------------------------------------ reading

    def head(self) -> Head | None:
        """The last entry's number and hash, to be written down elsewhere; None while the log is empty.

        Raises AuditError unless the end of the log fits.
        """
        if self.tape.read_head() is None and not self.tape.tail(0):
            return None
        with self.tape.lock():
            last = self._last(self._ring())
        return Head(last.seq, last.hash) if last else None

    def entries(self) -> Iterator[Entry]:
        """All entries that can be read, oldest first."""
        for line in self.tape.content().split(b"\n"):
            entry = parse(line)
            if entry:
                yield entry

    def verify(self, known: Sequence[Head] = ()) -> Verdict:
        """Hold the log against itself, its keys, its head, and `known` heads that were written down elsewhere."""
        try:
            ring: Ring | None = self._ring()
        except AuditError:
            ring = None
        with self.tape.lock():
            content, head = self.tape.content(), self.tape.read_head()
        if ring is None and not content and head is None and not known and self.anchors is None:
            return Verdict()
        return verdict_of(content, head, ring, [*known, *(self.anchors.all() if self.anchors else [])])


def _written(text: str) -> str:
    """What people typed, as far as it can be written: a name from elsewhere may hold half a character."""
    return text.encode("utf-8", "backslashreplace").decode()


def _is_upgrade(entry: Entry | None) -> bool:
    return entry is not None and entry.action == UPGRADE
