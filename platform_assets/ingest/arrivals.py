"""What an arrival means, given what came before: a delivery is an event, its bytes are content.

Each arrival has a row of the ledger, the first of its content and every later one. A file that is still in landing after its load was
committed is not another arrival: it has the version that the ledger remembers. What content that came before means is the contract's to
say (`load.again`), but only where nothing else tells it: the latest content again changes nothing, and where a date in the file's name or
in the rows says which one is newer, the date decides.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from platform_assets.contracts.model import Contract
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import Delivery
from platform_assets.ingest.ledger import HELD_WITH, Entry
from platform_assets.ingest.loading.batch import present

ID_DIGITS = 16


class Meaning(Enum):
    """What becomes of an arrival."""

    LOAD = "load"
    """It is loaded as any delivery: its content is new here, or what it says does not depend on what came before."""
    REPEATED = "repeated"
    """It says what was said last: nothing changes, and the ledger says so."""
    FORMER = "former"
    """Its content came before, and something else since. It is judged alone; what only its arrival would change, `load.again` decides."""


@dataclass(frozen=True)
class History:
    """Arrivals of one dataset."""

    contract: Contract
    entries: Sequence[Entry]
    """The ledger, without files of fixed rows: what senders sent, oldest first."""
    table_of: frozenset[str] = frozenset()
    """Hashes of the deliveries that the table is of, where one delivery is the whole table."""

    @classmethod
    def of(cls, contract: Contract, entries: Iterable[Entry], fixes: Iterable[str], table_of: Iterable[str]) -> History:
        """`fixes` are deliveries of fixed rows, `table_of` the deliveries that the table is of (see `contracts.mode.Present`)."""
        mended, whole = set(fixes), set(table_of)
        sent = [e for e in entries if e.delivery not in mended]
        return cls(contract, sent, frozenset(e.sha256 for e in sent if e.delivery in whole))

    def before(self, delivery: str) -> History:
        """What had come before `delivery`, which is judged again; all of it where that is not in it."""
        place = next((n for n, e in enumerate(self.entries) if e.delivery == delivery), None)
        return self if place is None else replace(self, entries=self.entries[:place])

    def taken(self, delivery: Delivery) -> Entry | None:
        """The entry of this very arrival: it was committed, but not put away."""
        return next(
            (e for e in self._same(delivery) if e.file == delivery.file and e.version == delivery.version), None
        )

    def latest_same(self, delivery: Delivery) -> Entry | None:
        """The latest arrival of the same content, whatever became of it."""
        return next(reversed(self._same(delivery)), None)

    def meaning(self, delivery: Delivery) -> Meaning:
        """What the arrival means. `delivery` is not in `entries`."""
        load = self.contract.load
        # what was held for its bundle's sake was never judged by itself
        before = [
            e
            for e in self._same(delivery)
            if e.status != "rejected" and not (e.bundle and e.reason.startswith(HELD_WITH))
        ]
        if load.changes.told_apart_by_name or load.parts:
            before = [e for e in before if e.file == delivery.file]
        whole = self.contract.source.is_whole(delivery.file)
        if whole:  # that the same rows came says nothing of rows that are gone
            before = [e for e in before if self.contract.source.is_whole(e.file)]
        if not before:
            return Meaning.LOAD
        if load.changes.told_apart_by_name:
            return {"ignore": Meaning.REPEATED, "apply": Meaning.LOAD, "hold": Meaning.FORMER}[load.on_former]
        if self._says_nothing_new(delivery, before):
            return Meaning.REPEATED
        if load.on_former == "apply" or whole:
            return Meaning.LOAD
        if load.on_former == "ignore" and not load.terms.dated:
            return Meaning.REPEATED
        return Meaning.FORMER

    def _says_nothing_new(self, delivery: Delivery, before: Sequence[Entry]) -> bool:
        """Whether no other content came since, for the same date where names have one."""
        terms = self.contract.load.terms
        others = [e for e in self.entries if e.sha256 != delivery.sha256 and e.status != "rejected"]
        if terms.named:
            before = [e for e in before if e.as_of == delivery.as_of]
            others = [e for e in others if e.as_of == delivery.as_of]
            if terms.parts:
                others = [e for e in others if e.file == delivery.file]
        elif delivery.sha256 in self.table_of:
            return True
        if not before:
            return False
        last = max(map(_moment, before))
        return all(_moment(e) < last for e in others)

    def _same(self, delivery: Delivery) -> list[Entry]:
        return [e for e in self.entries if e.sha256 == delivery.sha256]


def _identity(delivery: Delivery, known: Iterable[str]) -> str:
    """The arrival's name in the ledger: of its content, or, where content of this name is known, of content, file and version. An arrival
    that is loaded again after a crash has the same name."""
    first = delivery.sha256[:ID_DIGITS]
    if first not in known:
        return first
    told = "\0".join((delivery.sha256, delivery.file, delivery.version))
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:ID_DIGITS]


def next_lot(contract: Contract, books: Books, pending: Sequence[Delivery]) -> list[Delivery]:
    """The first of `pending`, and those after it whose meaning does not depend on what becomes of it: they are loaded together. Tells each
    what it is known as, and what it means."""
    contents = {d.sha256 for d in pending if not d.mending}
    known = books.entries(contents=contents) if contents else []
    ids = {e.delivery for e in known}
    history: History | None = None
    lot: list[Delivery] = []
    for delivery in pending:
        if (contract.load.one_at_a_time or contract.source.sweeps is not None) and any(d.repeats is None for d in lot):
            break
        same = [d for d in lot if d.sha256 == delivery.sha256 and not d.mending]
        if delivery.mending or not (same or any(e.sha256 == delivery.sha256 for e in known)):
            lot.append(delivery)
            ids.add(delivery.id)
            continue
        if any(d.repeats is None for d in lot) and not _adds_up(contract, delivery, same, known):
            break  # what it means depends on what becomes of those
        history = history or history_of(contract, books)
        earlier = history.before(delivery.known_as)
        meaning = Meaning.LOAD if delivery.rejected else earlier.meaning(delivery)
        if meaning is Meaning.FORMER and lot:
            break
        latest = earlier.latest_same(delivery)
        if not delivery.known_as:
            delivery.known_as = _identity(delivery, ids)
            delivery.same_as = same[-1].id if same else latest.delivery if latest else ""
        ids.add(delivery.id)
        delivery.former = meaning is Meaning.FORMER
        delivery.repeats = latest if meaning is Meaning.REPEATED else None
        lot.append(delivery)
        if delivery.former:
            break
    return lot


def _adds_up(contract: Contract, delivery: Delivery, same: Sequence[Delivery], known: Sequence[Entry]) -> bool:
    """Whether it is another delivery whatever becomes of those before it: rows add up, and it has a name of its own."""
    named = {d.file for d in same} | {e.file for e in known if e.sha256 == delivery.sha256}
    return contract.load.changes.told_apart_by_name and delivery.file not in named


def history_of(contract: Contract, books: Books) -> History:
    """What came before, by the books of the contract's dataset."""
    fixes = (m.delivery for m in books.mendings().values())
    table_of = present(books, contract.load).origins if contract.load.changes.whole else ()
    return History.of(contract, books.entries(), fixes, table_of)


def in_words(entry: Entry) -> str:
    """An earlier arrival of the same content, for people. Not by its file's name: names may hold what must not stand in a reason."""
    return f"the same content as delivery {entry.delivery} of {entry.loaded_at:%Y-%m-%d %H:%M} ({entry.status})"


def _moment(entry: Entry) -> tuple[dt.datetime, dt.datetime]:
    """When it was loaded, and its place among those that were loaded together."""
    return entry.loaded_at, entry.as_of or dt.datetime.min
