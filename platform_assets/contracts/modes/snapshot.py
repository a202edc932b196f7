"""snapshot: the newest delivery is the table.

An older snapshot never replaces a newer one. A fix of rows of the snapshot that the table is of joins it; a fix of an older one
comes too late. All right rows of a held snapshot, released by a steward, stand for that snapshot. A snapshot was chosen as a whole: its
rows are not weighed against those of the table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from typing_extensions import override

from platform_assets.contracts.mode import Account, Candidate, Mode, Present


class Snapshot(Mode):
    """See the module."""

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
    ) -> str | None:
        # a fix is never older than what it mends
        mended = {d.id: d.mending.as_of for d in deliveries if d.mending}
        for delivery_id, moment in dates.items():
            entries[delivery_id].as_of = max((m for m in (moment, mended.get(delivery_id)) if m), default=None)
        candidates = [d for d in deliveries if entries[d.id].status == "published"]
        base: str | None = None
        kept: list[str] = []
        for delivery in candidates:
            as_of, mending = entries[delivery.id].as_of, delivery.mending
            if mending and mending.origin == now.origin:
                kept.append(delivery.id)
            elif (mending is None or mending.released) and (
                now.as_of is None or (as_of is not None and as_of >= now.as_of)
            ):
                base, kept = delivery.id, [delivery.id]
                now = Present(mending.origin if mending else delivery.id, as_of)
        for delivery in candidates:
            if delivery.id not in kept:
                _supersede(entries[delivery.id], now, is_fix=delivery.mending is not None)
        return base

    @override
    def too_late(self, origin: str, entry: Account | None, now: Present, *, released: bool) -> str:
        if origin == now.origin:
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


def _supersede(entry: Account, now: Present, *, is_fix: bool) -> None:
    age = f"of {entry.as_of:%Y-%m-%d %H:%M}" if entry.as_of else "without a date"
    entry.status = "superseded"
    entry.superseded, entry.quarantined = entry.rows_in - entry.malformed, entry.malformed
    entry.reason = f"{'a fix of ' if is_fix else ''}a snapshot {age}"
    if now.as_of:
        entry.reason += f", the table is of {now.as_of:%Y-%m-%d %H:%M}"


MODE = Snapshot()
