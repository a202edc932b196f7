"""Datasets of which one delivery is the whole table: which one that is, and which fixes belong to it.

An older snapshot never replaces a newer one. A fix of rows of the snapshot that the table is of joins it; a fix of an older one
comes too late. All right rows of a held snapshot, released by a steward, stand for that snapshot.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract, Order
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import Delivery
from platform_assets.ingest.ledger import Entry
from resources.warehouse import quoted

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Present:
    """The snapshot that a table is of."""

    origin: str = ""
    """The delivery; '' where nothing was published yet."""
    as_of: dt.datetime | None = None


def present(books: Books) -> Present:
    """The snapshot that the dataset's table is of; where it was released or mended, the delivery in which its rows first came."""
    newest = books.newest()
    if newest is None:
        return Present()
    origins = {m.delivery: m.origin for m in books.mendings().values()}
    return Present(origins.get(newest.delivery, newest.delivery), newest.as_of)


def newest_rows(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, dt.datetime | None]:
    """Delivery -> its newest right row, where rows have a place in time of their own. Reads the views `typed_rows` and `files`, and
    the table `wrong`."""
    order = contract.load.order_by
    if not (isinstance(order, Order) and order.column):
        return {}
    found = connection.execute(
        f"SELECT _delivery, max({quoted(order.column)})::TIMESTAMP FROM typed_rows ANTI JOIN wrong USING (_file, _row) "
        "JOIN files USING (_file) GROUP BY 1"
    ).fetchall()
    return dict(found)


def choose(
    deliveries: Sequence[Delivery],
    entries: dict[str, Entry],
    dates: Mapping[str, dt.datetime | None],
    now: Present,
) -> str | None:
    """The delivery that becomes the table; None where the table (`now`) stays, and fixes may join it.

    `dates` are the places in time of deliveries whose rows have one of their own; a fix is never older than what it mends. What comes
    too late is marked as superseded in `entries`.
    """
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


def _supersede(entry: Entry, now: Present, *, is_fix: bool) -> None:
    age = f"of {entry.as_of:%Y-%m-%d %H:%M}" if entry.as_of else "without a date"
    entry.status = "superseded"
    entry.superseded, entry.quarantined = entry.rows_in - entry.malformed, entry.malformed
    entry.reason = f"{'a fix of ' if is_fix else ''}a snapshot {age}"
    if now.as_of:
        entry.reason += f", the table is of {now.as_of:%Y-%m-%d %H:%M}"
