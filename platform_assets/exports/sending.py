"""Sending what waits, and reading what partners answer. Every step is in the ledger before the next begins, so that what is cut off anywhere goes on.

After a cut the ledger says `sending`: where the file has its name already and holds the same bytes it is sent, else the place goes on with it. One
file's failure marks that file and no other.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from platform_assets.access import handing_out
from platform_assets.access.audit.log import AuditLog
from platform_assets.exports import ledger
from platform_assets.exports.ledger import ACKNOWLEDGED, PENDING, REFUSED, SENDING, SENT, UNANSWERED, WITHDRAWN, Entry
from platform_assets.exports.model import Acknowledge, Export
from platform_assets.exports.places import Place, Wanted, hash_of, place_of
from platform_assets.releases import reading
from resources.lake.warehouse import Warehouse
from resources.object_store import ObjectStore
from resources.requesting import Passing, Permanent, retried

LONGEST_ANSWER = 1 << 16
"""Bytes of an acknowledgement that are read."""
_HASH = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])")
_SIZE = re.compile(r"(?im)^\s*(?:size|bytes)\s*[:=]\s*(\d{1,18})\s*$")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_NAMED = re.compile(r"(?im)^\s*(?:file|file ?name|name)\s*[:=]\s*([A-Za-z0-9_-][A-Za-z0-9._-]*)\s*$")


@dataclass
class Delivered:
    """What one visit has done, by files."""

    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """File -> why it waits, in words."""
    answered: dict[str, str] = field(default_factory=dict)
    """File -> acknowledged or refused."""


@dataclass(frozen=True)
class Sender:
    """What delivers the files of one export."""

    export: Export
    warehouse: Warehouse
    store: ObjectStore
    audit: AuditLog
    environment: Mapping[str, str]
    log: Callable[[str], None] = lambda _: None
    on_step: Callable[[str], None] = lambda _: None
    """Told the name of each step before it begins."""

    def deliver(self) -> Delivered:
        """Send what waits, and look for answers. What goes wrong with one file is in the result and in the ledger."""
        done = Delivered()
        with self.warehouse.lock(lock_of(self.export.name)), self._place(done) as place:
            self._withdraw()
            for entry in self._entries():
                if place is not None and entry.state in (PENDING, SENDING):
                    self._one(place, entry, done)
            for entry in self._entries():
                if place is not None and self.export.deliver.acknowledge and entry.state in (SENT, UNANSWERED):
                    self._answer(place, entry, self.export.deliver.acknowledge, done)
        return done

    def _entries(self) -> list[Entry]:
        return ledger.read(self.warehouse, self.export.name)

    @contextmanager
    def _place(self, done: Delivered) -> Iterator[Place | None]:
        try:
            place = place_of(self.export.deliver, self.environment)
        except Permanent as problem:
            for entry in self._entries():
                if entry.state in (PENDING, SENDING):
                    self._failed(entry, problem, done)
            yield None
            return
        try:
            yield place
        finally:
            place.close()

    def _withdraw(self) -> None:
        """Figures leave only as long as their release is the current one."""
        if self.export.published is None:
            return
        release = reading.current(self.store)
        for entry in self._entries():
            if entry.state in (PENDING, SENDING) and (release is None or entry.window_key != release.id):
                entry.state, entry.problem = WITHDRAWN, "another release is the current one: these figures do not leave"
                ledger.write(self.warehouse, entry)

    # ------------------------------------------------------------------------------------------------ sending

    def _one(self, place: Place, entry: Entry, done: Delivered) -> None:
        try:
            retried(lambda: self._send(place, entry), self.log, "delivery")
        except (Passing, Permanent) as problem:
            self._failed(entry, problem, done)
            return
        self._say("sent")
        entry.state, entry.sent_at, entry.problem, entry.again = SENT, ledger.now(), "", False
        ledger.write(self.warehouse, entry)
        done.sent.append(entry.file)

    def _failed(self, entry: Entry, problem: Exception, done: Delivered) -> None:
        entry.problem = str(problem)
        ledger.write(self.warehouse, entry)
        done.failed[entry.file] = entry.problem
        if entry.went_out:
            self._note(entry, "export.send.failed")

    def _send(self, place: Place, entry: Entry) -> None:
        """One attempt. Raises Passing, Permanent."""
        try:
            there = place.find(entry.file)
            if there is not None and there.size == entry.bytes and hash_of(place.read(entry.file)) == entry.sha256:
                self._begun(place, entry)
                return
            if there is None and self._was_taken(place, entry):
                return
            if there is not None and not entry.again:
                raise Permanent(
                    f"a file {entry.file} with another content is there already, and is not touched: ask the recipient, then have it sent again"
                )
            self._begun(place, entry)
            if self.store.stat(entry.object) is None:
                raise Permanent("our copy of the file is gone: have it sent again, which makes it anew")
            with self.store.open(entry.object) as source:
                read_back = self.export.deliver.verify == "read_back"
                place.take(Wanted(entry.file, entry.bytes, entry.sha256, read_back, there), source, self._say)
        except Passing:
            place.close()
            raise

    def _begun(self, place: Place, entry: Entry) -> None:
        """Note, before a byte leaves, that it is being sent: in the audit log and in the ledger."""
        if entry.state == SENDING:
            return
        self._say("begin")
        self._for_whom(entry)
        self._note(entry, "export.send")
        acknowledge = self.export.deliver.acknowledge
        entry.answer_before = _looks(place, acknowledge, entry.file) if acknowledge else ""
        entry.state, entry.sending_at, entry.attempts = SENDING, ledger.now(), entry.attempts + 1
        ledger.write(self.warehouse, entry)

    def _for_whom(self, entry: Entry) -> None:
        """What the document says now, which may be another recipient than when the file was made; of those who got it before none is forgotten."""
        entry.destination = self.export.deliver.in_words
        who = self.export.row_level
        if who is None or not entry.row_level:
            return
        entry.role, entry.ground = who.role.value, who.ground
        known = entry.recipient.split("; ") if entry.went_out else []
        entry.recipient = "; ".join([*known, *([] if who.recipient in known else [who.recipient])])

    def _was_taken(self, place: Place, entry: Entry) -> bool:
        """Whether the recipient has answered to it already: cut off after it got its name, and taken away since."""
        said = self.export.deliver.acknowledge
        return entry.state == SENDING and said is not None and bool(self._read_answer(place, entry, said)[0])

    # ------------------------------------------------------------------------------------------------ answers

    def _answer(self, place: Place, entry: Entry, said: Acknowledge, done: Delivered) -> None:
        try:
            state, problem = retried(lambda: self._read_answer(place, entry, said), self.log, "answer")
        except (Passing, Permanent) as trouble:
            state, problem = "", str(trouble)
        if not state:
            assert entry.sent_at is not None
            if ledger.now() - entry.sent_at > said.within:
                state = UNANSWERED
                problem = problem or f"no answer within {said.within.total_seconds() / 3600:g} hours: ask the recipient"
        if state in (ACKNOWLEDGED, REFUSED):
            entry.answered_at = ledger.now()
            done.answered[entry.file] = state
        if (state or entry.state, problem) != (entry.state, entry.problem):
            entry.state, entry.problem = state or entry.state, problem
            ledger.write(self.warehouse, entry)
        if state in (ACKNOWLEDGED, REFUSED):
            self._note(entry, f"export.{state}")

    def _read_answer(self, place: Place, entry: Entry, said: Acknowledge) -> tuple[str, str]:
        """(state, problem) that lie there; ('', '') where nothing does."""
        try:
            taken_before, _, refused_before = entry.answer_before.partition("|")
            refusal = place.find(_refusal_name(said, entry.file)) if said.refused else None
            if refusal is not None and refusal.look != refused_before:
                return REFUSED, "the recipient refused it: what they say of it lies beside it"
            name = answer_name(said, entry.file)
            lying = place.find(name)
            if lying is None or lying.look == taken_before:
                return "", ""
            text = b"".join(_first(place.read(name), LONGEST_ANSWER)).decode("utf-8", "replace")
        except Passing:
            place.close()
            raise
        others = {e.file for e in self._entries()} - {entry.file}
        hashes, sizes = {h.lower() for h in _HASH.findall(text)}, {int(n) for n in _SIZE.findall(text)}
        if (hashes and entry.sha256 not in hashes) or (sizes and entry.bytes not in sizes):
            return REFUSED, "the recipient acknowledges another content than was sent"
        names = {n.rstrip(".") for n in _NAME.findall(text)}
        said_names = {n.rstrip(".") for n in _NAMED.findall(text)}
        if entry.file not in names and (said_names or names & others):
            return REFUSED, "the recipient's answer to this file names another one"
        return ACKNOWLEDGED, ""

    # ------------------------------------------------------------------------------------------------ inside

    def _say(self, step: str) -> None:
        self.on_step(step)

    def _note(self, entry: Entry, action: str) -> None:
        handing_out.leaves(
            self.audit,
            action,
            role=entry.role,
            table=entry.tables,
            ground=entry.ground,
            export=entry.export,
            window=entry.window_key,
            recipient=entry.recipient,
            destination=entry.destination,
            sha256=entry.sha256,
            rows=entry.rows,
        )


def lock_of(export: str) -> str:
    """The lock that is held while files of `export` are made, sent or removed."""
    return f"export-{export}"


def answer_name(said: Acknowledge, file: str) -> str:
    """Where the answer to `file` lies."""
    return f"{_folder(said)}{said.file.format(name=file)}"


def _refusal_name(said: Acknowledge, file: str) -> str:
    assert said.refused is not None
    return f"{_folder(said)}{said.refused.format(name=file)}"


def _looks(place: Place, said: Acknowledge, file: str) -> str:
    """The answers that lie there already, by their looks, with a line between."""
    names = [answer_name(said, file), *([_refusal_name(said, file)] if said.refused else [])]
    return "|".join(lying.look if (lying := place.find(name)) else "" for name in names)


def late(entry: Entry, export: Export, now: dt.datetime) -> bool:
    """Whether the answer to a file is overdue."""
    said = export.deliver.acknowledge
    return entry.state == UNANSWERED or bool(
        said and entry.state == SENT and entry.sent_at and now - entry.sent_at > said.within
    )


def _folder(said: Acknowledge) -> str:
    return f"{said.folder}/" if said.folder else ""


def _first(data: Iterator[bytes], most: int) -> Iterator[bytes]:
    left = most
    for part in data:
        yield part[:left]
        left -= len(part)
        if left <= 0:
            return
