"""What can be said of one file to whoever asks: what it is, to whom it went on what ground, and what became of it."""

from __future__ import annotations

import datetime as dt

from platform_assets.exports.ledger import PENDING, REFUSED, SENDING, SENT, UNANSWERED, WITHDRAWN, Entry

_IN_WORDS = {
    PENDING: "made, waits to be sent",
    SENDING: "is being sent",
    SENT: "sent, not answered yet",
    REFUSED: "refused by the recipient, or their answer is about something else",
    UNANSWERED: "sent, and the answer is overdue",
    WITHDRAWN: "withdrawn before it was sent",
}


def receipt(entry: Entry) -> str:
    """A text of lines. No value of a row stands in it."""
    said = {
        "File": entry.file,
        "SHA-256": entry.sha256,
        "Size": f"{entry.bytes:,} bytes, {entry.rows:,} rows",
        "Export": f"{entry.export}, window {entry.window_key}",
        "Made of": entry.tables.replace(" ", ", "),
        "Made": _moment(entry.made_at),
        "Recipient": entry.recipient,
        "Ground": entry.ground,
        "By the right of": entry.role,
        "Place": entry.destination,
        "State": _IN_WORDS.get(entry.state, entry.state),
        "Begun": _moment(entry.sending_at) + (f", {entry.attempts} times" if entry.attempts > 1 else ""),
        "Sent": _moment(entry.sent_at),
        "Answered": _moment(entry.answered_at),
        "To be looked at": entry.problem,
        "Our copy": "" if entry.object else "removed by an erasure",
    }
    return "".join(f"{name}: {value}\n" for name, value in said.items() if value)


def _moment(at: dt.datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
