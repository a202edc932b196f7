"""Which rows of a snapshot dataset can still be mended: those of the delivery that is the table now."""

from __future__ import annotations

from platform_assets.contracts.model import Contract
from platform_assets.ingest.books import Books
from platform_assets.ingest.loading import snapshots


def refusal(books: Books, contract: Contract, delivery: str, released: bool) -> str:
    """Why rows of `delivery` cannot be sent as fixes; '' where they can.

    `released`: all right rows of a held delivery are to be sent, to become the table.
    """
    origin = next((m.origin for m in books.mendings().values() if m.delivery == delivery), delivery)
    now = snapshots.present(books)
    if origin == now.origin:
        return ""
    entry = next(iter(books.entries(deliveries=[origin])), None)
    held = entry is not None and entry.status == "held"
    newer = now.as_of is None or (entry is not None and entry.as_of is not None and entry.as_of >= now.as_of)
    if held and newer and released:
        return ""
    if held and newer:
        return (
            f"{contract.name} is a snapshot and delivery {origin} is held, so nothing of it is in the table that a few rows could "
            "join. Release its right rows first and load them, then mend the others; or ask the sender for a corrected file"
        )
    when = f" of {now.as_of:%Y-%m-%d %H:%M}" if now.as_of else ""
    return (
        f"{contract.name} is a snapshot, and the table is of a newer delivery{when} now: rows of delivery {origin} cannot join it. "
        "Mend the row in the newer delivery if it is wrong there too, and dismiss it here"
    )
