"""What becomes of whole deliveries, whichever engine has the rows: counted, held, chosen. Each delivery's figures are those that it
would have had if the batch had been loaded one delivery after the other, whatever came together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from platform_assets.contracts import mode
from platform_assets.contracts.mode import Chosen, Present
from platform_assets.contracts.model import Contract, Load
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import Delivery
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.readers.rows import StagedFile


@dataclass
class Batch:
    """Deliveries that were staged together. Members are numbered through the whole batch (`_file`)."""

    deliveries: Sequence[Delivery]
    """In the order in which they are loaded."""
    entries: dict[str, Entry]
    """Delivery -> its ledger entry, filled in by a load."""
    members: dict[int, tuple[str, str]]
    """Number of the member -> (delivery, label)."""
    staged: Sequence[StagedFile]
    lacking: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Number of the member -> columns of the contract that it does not bring."""
    withheld: str = ""
    """Why all of it is held, whatever is in it; '' where it is judged by itself."""

    def lacked(self, columns: Iterable[str]) -> dict[str, list[int]]:
        """Those of `columns` that some member does not bring -> the numbers of these members."""
        found = {c: sorted(n for n, lacks in self.lacking.items() if c in lacks) for c in columns}
        return {c: numbers for c, numbers in found.items() if numbers}


def count(batch: Batch, wrong: Mapping[int, int], erased: Mapping[int, tuple[int, int]]) -> None:
    """Rows in, malformed and quarantined of every delivery. Rows in come from the readers, not from what is found afterwards.

    `wrong` is member -> rows. Rows of erased subjects count as superseded.
    """
    for part in batch.staged:
        for number, rows in part.rows.items():
            entry = batch.entries[batch.members[number][0]]
            erased_rows, erased_lines = erased.get(number, (0, 0))
            malformed = part.broken_rows.get(number, 0) - erased_lines
            entry.rows_in += rows + malformed + erased_lines
            entry.superseded += erased_rows + erased_lines
            entry.malformed += malformed
            entry.quarantined += wrong.get(number, 0) + malformed


def hold(batch: Batch, contract: Contract) -> None:
    """A delivery that breaks a limit of `quality` is held: all its rows go to quarantine, nothing of it is published."""
    quality, terms = contract.quality, contract.load.terms
    for delivery in batch.deliveries if contract.load.changes.told_apart_by_name else ():
        if delivery.former:
            mode.only_by_arrival(delivery, batch.entries[delivery.id], terms)
    fixes = {d.id for d in batch.deliveries if d.mending}
    for entry in batch.entries.values():
        if entry.status != "published":
            continue
        share = entry.quarantined / entry.rows_in if entry.rows_in else 0.0
        if entry.rows_in < quality.min_rows and entry.delivery not in fixes:
            mode.held(entry, f"{entry.rows_in} rows, the contract asks for at least {quality.min_rows}")
        elif share > quality.max_quarantined:
            mode.held(
                entry,
                f"{entry.quarantined:,} of {entry.rows_in:,} rows ({share:.1%}) are wrong, "
                f"the contract allows {quality.max_quarantined:.1%}",
            )
        elif batch.withheld:
            mode.held(entry, batch.withheld)


def tell_absent(batch: Batch, contract: Contract, valued: Callable[[Sequence[str]], set[str]]) -> None:
    """Optional columns that a delivery does not bring are drift where the dataset has had values in them: `valued` finds, of some columns,
    those with a value in the table."""
    lacked = batch.lacked(c for c, spec in contract.file_columns.items() if spec.optional)
    if not lacked:
        return
    brought = {c for c, numbers in lacked.items() if len(numbers) < len(batch.members)}
    told = brought | valued([c for c in lacked if c not in brought])
    for column in (c for c in lacked if c in told):
        name = (contract.columns[column].header or (column,))[0]
        for delivery in dict.fromkeys(batch.members[n][0] for n in lacked[column]):
            batch.entries[delivery].drift.setdefault("missing", []).append(name)


def choose(
    batch: Batch, contract: Contract, dates: Callable[[], Mapping[str, dt.datetime | None]], books: Books
) -> Chosen:
    """What becomes of the table, where one delivery is the whole of it; see `Mode.choose`. `dates` is asked where it is needed."""
    load = contract.load
    if not load.changes.whole:
        # loaded one at a time; a fix joins what it mends
        whole = [d.id for d in batch.deliveries if load.replaces and (d.mending is None or d.mending.released)]
        return Chosen(whole_of=whole[0]) if whole else _swept(batch, contract, books)
    return load.changes.choose(batch.deliveries, batch.entries, dates(), present(books, load), load.terms)


def _swept(batch: Batch, contract: Contract, books: Books) -> Chosen:
    """What leaves because a delivery holds everything that the source has. Such deliveries are loaded one at a time."""
    if contract.source.sweeps is None:
        return Chosen()
    for delivery in batch.deliveries:
        mending = delivery.mending
        if contract.source.is_whole(mending.file if mending else delivery.file) and (not mending or mending.released):
            origins = books.entries(deliveries=[mending.origin]) if mending else []
            at = origins[0].delivered_at if origins else delivery.delivered_at
            return Chosen(
                swept=delivery.id, later=frozenset(e.delivery for e in books.entries() if e.delivered_at > at)
            )
    return Chosen()


def sweep_limit(batch: Batch, contract: Contract, chosen: Chosen) -> float:
    """The largest share of the table that may leave because of what was chosen; 1 where a person has said yes, or there is no limit."""
    released = any(d.mending for d in batch.deliveries if d.id == chosen.swept)
    return 1.0 if chosen.swept is None or released or contract.source.sweeps is None else contract.source.sweeps


def present(books: Books, load: Load) -> Present:
    """The deliveries that the dataset's table is of; where one was released or mended, with the one in which its rows first came."""
    newest = books.newest()
    if newest is None:
        return Present()
    mendings = {m.delivery: m for m in books.mendings().values()}
    entries = [newest]
    if load.parts:
        entries = [e for e in books.entries(status="published") if e.as_of == newest.as_of]
    files: dict[str, tuple[str, frozenset[str]]] = {}
    for entry in sorted(entries, key=lambda e: e.loaded_at):
        mending = mendings.get(entry.delivery)
        file, origin = (mending.file, mending.origin) if mending else (entry.file, entry.delivery)
        known = files.get(file)
        if known and mending and known[0] != origin and not mending.released:
            continue  # of an earlier part of this name, which another has replaced
        joined = known[1] if known and known[0] == origin else frozenset()
        files[file] = (origin, joined | {origin, entry.delivery})
    return Present({file: ids for file, (_, ids) in files.items()}, _seen_last(books, files, newest, load))


def _seen_last(
    books: Books, files: Mapping[str, tuple[str, frozenset[str]]], newest: Entry, load: Load
) -> dt.datetime | None:
    """The table's place in time. Where that is arrival, the same content that comes again moves it on."""
    if load.terms.dated or newest.as_of is None:
        return newest.as_of
    origins = books.entries(deliveries=[origin for origin, _ in files.values()])
    again = books.entries(contents=[e.sha256 for e in origins], status="repeated")
    return max([newest.as_of, *(e.as_of for e in again if e.as_of)])


def weigh(batch: Batch, contract: Contract, by_arrival: Mapping[str, int]) -> bool:
    """Content that came before, and other content since: whether it was marked as held or superseded, as rows of it would change the table
    only because it arrives now (`by_arrival`: delivery -> such rows)."""
    found = [d for d in batch.deliveries if d.former and by_arrival.get(d.id)]
    for delivery in found if not contract.load.changes.whole else ():
        entry = batch.entries[delivery.id]
        entry.merged = 0
        mode.only_by_arrival(delivery, entry, contract.load.terms)
    return bool(found) and not contract.load.changes.whole


def count_valid(entries: Mapping[str, Entry]) -> list[Entry]:
    """What is neither quarantined nor superseded is valid, and new until it is found not to be. Returns the published entries."""
    published = [e for e in entries.values() if e.status == "published"]
    for entry in published:
        entry.valid = entry.inserted = entry.rows_in - entry.quarantined - entry.superseded
    return published


def count_decided(found: Iterable[tuple[str, str, int]], entries: Mapping[str, Entry]) -> None:
    """Add up (delivery, action, rows) of `rules.Rules.decided`, after `count_valid`. What is nothing else is inserted."""
    for delivery, action, rows in found:
        entry = entries[delivery]
        if action == "superseded":
            entry.superseded += rows
            entry.valid -= rows
        elif action in ("updated", "deleted"):
            entry.updated += rows
            entry.removed += rows if action == "deleted" else 0
        elif action == "unchanged":
            entry.unchanged += rows
        entry.inserted = entry.valid - entry.updated - entry.unchanged
