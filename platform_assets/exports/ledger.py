"""The ledger of exports: one row per file that was made, with whom it is for, and how far it came.

A window without a row was not exported. A row goes its way `pending -> sending -> sent -> acknowledged`; `refused` and `unanswered` are what
becomes of it otherwise, `empty` is a window in which there was nothing to send, and `withdrawn` are figures of a release that was no longer the
current one before they had left.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from resources.lake.warehouse import Warehouse

TABLE = "platform.exports"
COLUMNS = {
    "export": "VARCHAR",
    "window_key": "VARCHAR",
    "file": "VARCHAR",
    "object": "VARCHAR",
    "sha256": "VARCHAR",
    "bytes": "BIGINT",
    "rows": "BIGINT",
    "made_at": "TIMESTAMP",
    "tables": "VARCHAR",
    "row_level": "BOOLEAN",
    "keyed": "BOOLEAN",
    "role": "VARCHAR",
    "ground": "VARCHAR",
    "recipient": "VARCHAR",
    "destination": "VARCHAR",
    "state": "VARCHAR",
    "problem": "VARCHAR",
    "attempts": "INTEGER",
    "sending_at": "TIMESTAMP",
    "sent_at": "TIMESTAMP",
    "answered_at": "TIMESTAMP",
    "answer_before": "VARCHAR",
    "again": "BOOLEAN",
}
NOTICES = "platform.export_notices"
NOTICE_COLUMNS = {
    "request": "VARCHAR",
    "export": "VARCHAR",
    "window_key": "VARCHAR",
    "file": "VARCHAR",
    "sha256": "VARCHAR",
    "recipient": "VARCHAR",
    "sent_at": "TIMESTAMP",
    "certain": "BOOLEAN",
}
"""Whom to tell of an erasure: a row per request and file that has gone out. `certain`: they were found in it; otherwise it cannot be told any more."""
FOLDER = "exports"
"""Where our copies of the files are, in the store."""
PENDING, SENDING, SENT, EMPTY, WITHDRAWN = "pending", "sending", "sent", "empty", "withdrawn"
ACKNOWLEDGED, REFUSED, UNANSWERED = "acknowledged", "refused", "unanswered"
LEFT = (SENT, ACKNOWLEDGED, REFUSED, UNANSWERED)
"""States of files that have gone out."""


@dataclass
class Entry:
    """One file. Times are UTC."""

    export: str
    window_key: str
    """The window's first day; of a watermark: the moment up to which the file goes; of figures: the release."""
    file: str
    object: str
    """Our copy, in the store; '' where an erasure has removed it."""
    sha256: str
    bytes: int
    rows: int
    made_at: dt.datetime
    tables: str
    """What it was made of, with blanks between."""
    row_level: bool
    keyed: bool
    """Everybody's key stands in every row of the file, so that who is not found in it is not in it."""
    role: str
    ground: str
    recipient: str
    destination: str
    state: str = PENDING
    problem: str = ""
    """Why it is not further, in words of ours."""
    attempts: int = 0
    """How often it was begun to be sent."""
    sending_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    answered_at: dt.datetime | None = None
    answer_before: str = ""
    """The answers (taken|refused) that lay there before it was sent, each by its size and time: they are none to this sending."""
    again: bool = False
    """It is sent again on purpose, and may take the place of what the recipient has under its name."""

    @property
    def went_out(self) -> bool:
        """Whether some of it may be with the recipient."""
        return self.attempts > 0


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger where there is none yet."""
    warehouse.ensure_table(connection, TABLE, COLUMNS)
    warehouse.ensure_table(connection, NOTICES, NOTICE_COLUMNS)


def entries(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, export: str = "") -> list[Entry]:
    """All files (of one export), oldest first."""
    if not warehouse.columns(connection, TABLE):
        return []
    found = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE $export IN ('', export) ORDER BY made_at, window_key",
        {"export": export},
    ).fetchall()
    names = [f.name for f in fields(Entry)]
    return [Entry(**dict(zip(names, row, strict=True))) for row in found]


def read(warehouse: Warehouse, export: str = "") -> list[Entry]:
    """The same, by a connection of its own."""
    with warehouse.connect(read_only=True) as connection:
        return entries(warehouse, connection, export)


def write(warehouse: Warehouse, *given: Entry) -> None:
    """Write rows, each in place of the one of its export and window, in one transaction."""
    with warehouse.connect() as connection, warehouse.write(connection):
        ensure(warehouse, connection)
        put(connection, given)


def put(connection: duckdb.DuckDBPyConnection, given: Iterable[Entry]) -> None:
    """The same, within a transaction of the caller's."""
    for entry in given:
        connection.execute(f"DELETE FROM {TABLE} WHERE export = ? AND window_key = ?", [entry.export, entry.window_key])
        values = [getattr(entry, name) for name in COLUMNS]
        connection.execute(
            f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(values))})", values
        )


def notice(connection: duckdb.DuckDBPyConnection, request: str, entry: Entry, *, certain: bool) -> None:
    """Note that the recipient of a file has to be told of the erasure `request`; what is certain stays certain."""
    given = [request, entry.export, entry.window_key]
    known = connection.execute(
        f"SELECT certain FROM {NOTICES} WHERE request = ? AND export = ? AND window_key = ?", given
    ).fetchone()
    if known and (known[0] or not certain):
        return
    connection.execute(f"DELETE FROM {NOTICES} WHERE request = ? AND export = ? AND window_key = ?", given)
    row = [*given, entry.file, entry.sha256, entry.recipient, entry.sent_at or entry.sending_at, certain]
    connection.execute(f"INSERT INTO {NOTICES} VALUES ({', '.join('?' * len(row))})", row)


def notices(warehouse: Warehouse, request: str) -> list[dict[str, object]]:
    """Whom to tell of the erasure `request`, as rows of NOTICES."""
    with warehouse.connect(read_only=True) as connection:
        if not warehouse.columns(connection, NOTICES):
            return []
        found = connection.execute(
            f"SELECT {', '.join(NOTICE_COLUMNS)} FROM {NOTICES} WHERE request = ? ORDER BY recipient, export, window_key",
            [request],
        ).fetchall()
    return [dict(zip(NOTICE_COLUMNS, row, strict=True)) for row in found]


def now() -> dt.datetime:
    """The present moment as the ledger writes it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
