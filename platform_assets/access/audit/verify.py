"""Is the log whole? Every line is read, and held against the one before, its MAC, the head, and heads that were written down elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from platform_assets.access.audit.entry import NOTHING, UPGRADE, AuditError, Entry, Head, Ring, SealedHead, parse

NO_KEY = (
    "there is no key of the audit log here, so nobody can tell whether its entries are true: set PLATFORM_IDENTITY_KEY_AUDIT "
    "as it is where the log is written"
)
EARLIER = (
    "the log was written by an earlier release, which did not authenticate entries: whoever could write files could rewrite it. "
    "Hold it against heads noted elsewhere, then take it over: python -m platform_assets.access.audit upgrade"
)


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


def verdict_of(content: bytes, head_text: str | None, ring: Ring | None, known: Sequence[Head]) -> Verdict:
    """The verdict on the lines and the text of the head; `known` heads were written down elsewhere."""
    verdict = Verdict()
    lines = content.split(b"\n")
    tail = lines.pop()
    if tail:
        verdict.notes.append(
            f"{len(tail)} bytes after the last entry: a write was cut off; the next one sets them aside"
        )
    entries = _chained(lines, verdict)
    verdict.entries = len(lines)
    if ring is None:
        verdict.problems.append(NO_KEY)
    else:
        _authentic(entries, ring, verdict)
        _fits_head(head_text, ring, entries, verdict)
    _fits_known(entries, known, verdict)
    return verdict


def _chained(lines: Sequence[bytes], verdict: Verdict) -> list[tuple[int, Entry]]:
    """The entries with the numbers of their lines. Complains of lines that are none, and of a broken chain."""
    entries = []
    prev, seq = NOTHING, 0
    for number, line in enumerate(lines, start=1):
        entry = parse(line)
        if entry is None:
            verdict.problems.append(f"line {number}: is no entry")
            seq += 1
            continue
        if entry.hash != entry.right_hash:
            verdict.problems.append(f"line {number}: entry {entry.seq} was edited (its content does not fit its hash)")
        if entry.seq != seq + 1:
            verdict.problems.append(
                f"line {number}: entry {entry.seq} follows {seq}: entries were removed, added or reordered"
            )
        elif entry.prev != prev:
            verdict.problems.append(f"line {number}: entry {entry.seq} is not chained to the one before it")
        prev, seq = entry.hash, entry.seq
        verdict.head = Head(entry.seq, entry.hash)
        entries.append((number, entry))
    return entries


def _authentic(entries: Sequence[tuple[int, Entry]], ring: Ring, verdict: Verdict) -> None:
    before: Entry | None = None
    keys_gone = set()
    given_up: set[str] = set()
    for number, entry in entries:
        if before is not None and before.key and entry.key != before.key:
            given_up.add(before.key)
        if entry.key in given_up:
            verdict.problems.append(
                f"line {number}: entry {entry.seq} is signed with a key that was given up before: by someone who has that key"
            )
        if not entry.key:
            if before is not None and before.key:
                verdict.problems.append(f"line {number}: entry {entry.seq} is not authenticated")
        else:
            try:
                if not entry.authentic(ring):
                    verdict.problems.append(
                        f"line {number}: entry {entry.seq} was written by someone without the audit key"
                    )
            except AuditError as error:
                if entry.key not in keys_gone:
                    verdict.problems.append(f"line {number}: {error}")
                keys_gone.add(entry.key)
            if before is not None and not before.key:
                _taken_over(number, before, entry, verdict)
        before = entry
    if before is not None and not before.key:
        verdict.problems.append(EARLIER)


def _taken_over(number: int, last: Entry, first: Entry, verdict: Verdict) -> None:
    """Entries without a MAC are followed by the one entry that says up to where they went when they were taken over."""
    if first.action != UPGRADE or first.details.get("until") != str(Head(last.seq, last.hash)):
        verdict.problems.append(f"line {number}: the entries before it are not authenticated")
    else:
        sealed = "its head was sealed then" if first.details.get("sealed") else "its head was not sealed"
        verdict.notes.append(
            f"entries 1 to {last.seq} are of an earlier release, which did not authenticate them: what became of them before "
            f"{first.at[:10]} cannot be told, except by heads noted elsewhere ({sealed})"
        )


def _fits_head(text: str | None, ring: Ring, entries: Sequence[tuple[int, Entry]], verdict: Verdict) -> None:
    last = verdict.head or Head(0, NOTHING)
    if text is None:
        if verdict.entries:
            verdict.problems.append("audit/head.json is gone: whether the end of the log is missing cannot be told")
        return
    try:
        sealed = SealedHead.parse(text)
        head = sealed.opened(ring)
    except AuditError as error:
        verdict.problems.append(str(error))
        return
    if any(entry.seq == head.seq and not sealed.is_of(entry) for _, entry in entries):
        verdict.problems.append(
            "audit/head.json is sealed with another key than the entry that it names: by someone who has a key that was given up"
        )
    if last.seq < head.seq:
        verdict.problems.append(f"the log ends at entry {last.seq}, its head says {head.seq}: it was cut off")
    elif last.seq == head.seq and last.hash != head.hash:
        verdict.problems.append(f"entry {last.seq} is another one than the head says")
    elif last.seq == head.seq + 1:
        verdict.notes.append("1 entry after the head: a crash came between")
    elif last.seq > head.seq:
        verdict.problems.append(
            f"{last.seq - head.seq} entries after the head: not written by us, or the head was put back"
        )


def _fits_known(entries: Sequence[tuple[int, Entry]], known: Sequence[Head], verdict: Verdict) -> None:
    here = {entry.seq: (number, entry.hash) for number, entry in entries}
    last = verdict.head.seq if verdict.head else 0
    for head in sorted(set(known), key=lambda h: h.seq):
        if head.seq > last:
            verdict.problems.append(
                f"the log ends at entry {last}, entry {head.seq} was written down elsewhere: it was cut off"
            )
        elif head.seq in here and here[head.seq][1] != head.hash:
            number = here[head.seq][0]
            verdict.problems.append(f"line {number}: entry {head.seq} is another one than was written down elsewhere")
