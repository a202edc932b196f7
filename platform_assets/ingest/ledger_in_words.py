"""What the ledger says of a delivery, for people; no values in it."""

from __future__ import annotations

from platform_assets.ingest.ledger import Entry


def reasons_in_words(entry: Entry) -> list[str]:
    """The reasons of quarantine, most frequent first: ``12 x result: not one of the values (first in row 17)``."""
    places = entry.first_rows
    return [f"{n:,} x {r}" + (f" (first in {places[r]})" if r in places else "") for r, n in entry.reasons.items()]


def not_taken_in_words(entry: Entry) -> list[str]:
    """What the delivery holds and was not read: ``sheet 'Codes' (hidden), 12 rows``."""
    return [name + (f", {rows:,} row{'s' * (rows != 1)}" if rows else "") for name, rows in entry.not_taken.items()]


def describe(entry: Entry) -> str:
    """One line for people about a delivery; no values in it."""
    if entry.status == "rejected":
        return f"{entry.file} REJECTED: {entry.reason}"
    if entry.status == "repeated":
        return f"{entry.file} REPEATED: {entry.reason} ({entry.rows_in:,} rows in)"
    counts = (
        f"{entry.rows_in:,} rows in = {entry.valid:,} valid ({entry.inserted:,} new, {entry.updated:,} updated, "
        f"{entry.unchanged:,} unchanged) + {entry.quarantined:,} quarantined + {entry.superseded:,} superseded"
    )
    why = f" {entry.status.upper()}: {entry.reason};" if entry.reason else ""
    reasons = "; ".join(reasons_in_words(entry)[:3])
    removed = f", {entry.removed:,} removed from the table" if entry.removed else ""
    merged = f", {entry.merged:,} merged with a copy that has an id" if entry.merged else ""
    left = f"; not taken: {', '.join(not_taken_in_words(entry)[:5])}" if entry.not_taken else ""
    return f"{entry.file}{why} {counts}{removed}{merged}" + (f" [{reasons}]" if reasons else "") + left
