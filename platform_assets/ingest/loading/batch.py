"""What becomes of whole deliveries, whichever engine has the rows: counted, held, chosen. Each delivery's figures are those that it
would have had if the batch had been loaded one delivery after the other, whatever came together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from platform_assets.contracts.mode import Present
from platform_assets.contracts.model import Contract
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import Delivery
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.readers.staged import StagedFile


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
    quality = contract.quality
    fixes = {d.id for d in batch.deliveries if d.mending}
    for entry in batch.entries.values():
        share = entry.quarantined / entry.rows_in if entry.rows_in else 0.0
        if entry.rows_in < quality.min_rows and entry.delivery not in fixes:
            entry.reason = f"{entry.rows_in} rows, the contract asks for at least {quality.min_rows}"
        elif share > quality.max_quarantined:
            entry.reason = (
                f"{entry.quarantined:,} of {entry.rows_in:,} rows ({share:.1%}) are wrong, "
                f"the contract allows {quality.max_quarantined:.1%}"
            )
        else:
            continue
        entry.status, entry.quarantined = "held", entry.rows_in - entry.superseded


def choose(
    batch: Batch, contract: Contract, dates: Callable[[], Mapping[str, dt.datetime | None]], books: Books
) -> str | None:
    """The delivery that becomes the whole table, where the load mode has one; see `Mode.choose`. `dates` is asked where it is needed."""
    mode = contract.load.changes
    return mode.choose(batch.deliveries, batch.entries, dates(), present(books)) if mode.whole else None


def present(books: Books) -> Present:
    """The delivery that the dataset's table is of; where it was released or mended, the one in which its rows first came."""
    newest = books.newest()
    if newest is None:
        return Present()
    origins = {m.delivery: m.origin for m in books.mendings().values()}
    return Present(origins.get(newest.delivery, newest.delivery), newest.as_of)


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
        elif action == "updated":
            entry.updated += rows
        elif action == "unchanged":
            entry.unchanged += rows
        entry.inserted = entry.valid - entry.updated - entry.unchanged
