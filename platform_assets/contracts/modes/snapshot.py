"""snapshot: the newest delivery is the table.

An older snapshot never replaces a newer one. Files of one date (in their names) are parts of one snapshot where the contract says so
(`parts`); otherwise one of the same name replaces the other, and one of another name is held, as nobody can tell whether it is a part or a
correction. A fix of rows of the snapshot that the table is of joins it; a fix of an older one
comes too late. All right rows of a held snapshot, released by a steward, stand for that snapshot. A snapshot was chosen as a whole: its
rows are not weighed against those of the table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from typing_extensions import override

from platform_assets.contracts.mode import (
    Account,
    Candidate,
    Chosen,
    Mended,
    Mode,
    Present,
    Terms,
    held,
    only_by_arrival,
    superseded,
)

OTHER_FILE = (
    "the table is of another file of the same date: release it if it takes the place of that one. If files of one date are parts of one "
    "snapshot, let the contract say so (load: parts: true)"
)


class Snapshot(Mode):
    """A delivery is the whole table: what it lacks goes."""

    name = "snapshot"
    whole = True

    @override
    def refusal(self, key: Sequence[str], *, ordered: bool) -> str:
        return ""

    @override
    def in_words(self, key: str) -> str:
        return "The newest delivery is the table; an older one never replaces it."

    @override
    def choose(
        self,
        deliveries: Sequence[Candidate],
        entries: Mapping[str, Account],
        dates: Mapping[str, dt.datetime | None],
        now: Present,
        terms: Terms,
    ) -> Chosen:
        # a fix is never older than what it mends
        mended = {d.id: d.mending.as_of for d in deliveries if d.mending}
        for delivery_id, moment in dates.items():
            entries[delivery_id].as_of = max((m for m in (moment, mended.get(delivery_id)) if m), default=None)
        candidates = [d for d in deliveries if entries[d.id].status == "published"]
        base: str | None = None
        kept: list[str] = []
        replaced: dict[str, frozenset[str]] = {}
        for delivery in candidates:
            entry, mending = entries[delivery.id], delivery.mending
            as_of, file = entry.as_of, mending.file if mending else delivery.file
            same_date = now.as_of is not None and as_of == now.as_of
            if mending and mending.origin in now.origins:
                kept.append(delivery.id)
                now = _joined(now, next(f for f, ids in now.files.items() if mending.origin in ids), delivery.id)
            elif not _takes_part(as_of, mending, now):
                continue
            elif delivery.former and not mending and (same_date or not terms.dated):
                only_by_arrival(delivery, entry, terms)
            elif terms.parts and same_date:
                if file in now.files:
                    replaced[delivery.id] = now.files[file]
                    kept = [k for k in kept if k not in now.files[file]]
                kept.append(delivery.id)
                now = Present({**now.files, file: _ids(delivery)}, as_of)
            elif terms.named and same_date and not mending and file not in now.files:
                held(entry, OTHER_FILE)
            else:
                base, kept, replaced = delivery.id, [delivery.id], {}
                now = Present({file: _ids(delivery)}, as_of)
        for delivery in candidates:
            if delivery.id not in kept and entries[delivery.id].status == "published":
                _supersede(entries[delivery.id], now, is_fix=delivery.mending is not None)
        return Chosen(base, replaced=replaced)

    @override
    def too_late(self, origin: str, entry: Account | None, now: Present, *, released: bool) -> str:
        if origin in now.origins:
            return ""
        held = entry is not None and entry.status == "held"
        newer = now.as_of is None or (entry is not None and entry.as_of is not None and entry.as_of >= now.as_of)
        if held and newer and released:
            return ""
        if held and newer:
            return (
                f"is a snapshot and delivery {origin} is held, so nothing of it is in the table that a few rows could join. "
                "Release its right rows first and load them, then mend the others; or ask the sender for a corrected file"
            )
        when = f" of {now.as_of:%Y-%m-%d %H:%M}" if now.as_of else ""
        return (
            f"is a snapshot, and the table is of a newer delivery{when} now: rows of delivery {origin} cannot join it. "
            "Mend the row in the newer delivery if it is wrong there too, and dismiss it here"
        )


def _takes_part(as_of: dt.datetime | None, mending: Mended | None, now: Present) -> bool:
    """Whether a delivery that is not a fix of the table may become it, or join it."""
    whole = mending is None or mending.released
    return whole and (now.as_of is None or (as_of is not None and as_of >= now.as_of))


def _ids(delivery: Candidate) -> frozenset[str]:
    return frozenset({delivery.id, *([delivery.mending.origin] if delivery.mending else [])})


def _joined(now: Present, file: str, delivery: str) -> Present:
    return Present({**now.files, file: now.files[file] | {delivery}}, now.as_of)


def _supersede(entry: Account, now: Present, *, is_fix: bool) -> None:
    age = f"of {entry.as_of:%Y-%m-%d %H:%M}" if entry.as_of else "without a date"
    reason = f"{'a fix of ' if is_fix else ''}a snapshot {age}"
    superseded(entry, reason + (f", the table is of {now.as_of:%Y-%m-%d %H:%M}" if now.as_of else ""))


MODE = Snapshot()
