"""What happened to one quarantined row, from its first rejection to the table, across fixes of fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.ingest.books import Books
from platform_assets.quarantine.tables import ACTIONS, RowKey

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


def of(connection: duckdb.DuckDBPyConnection, books: Books, dataset: str, table: str, key: RowKey) -> pd.DataFrame:
    """The events of the row `key` of the quarantine `table`, oldest first: `event`, `at`, `by`, `reason`, `file`, `delivery`, `row`."""
    import pandas as pd

    while before := connection.execute(
        f"SELECT delivery, file, row FROM {ACTIONS} WHERE dataset = ? AND fix_delivery = ? AND fix_row = ?",
        [dataset, key.delivery, key.row],
    ).fetchone():
        key = RowKey(*before)
    events: list[dict[str, object]] = []
    following: RowKey | None = key
    while following:
        following = _events(connection, books, dataset, table, following, events)
    return pd.DataFrame(events, columns=["event", "at", "by", "reason", "file", "delivery", "row"])


def of_delivery(connection: duckdb.DuckDBPyConnection, dataset: str, delivery: str) -> pd.DataFrame:
    """What people did with the rows of a delivery, oldest first: `at` (UTC), `by`, `action`, `rows`, `reason`, and the file (`fix_file`,
    `fix_delivery`) in which rows were sent. No values."""
    return connection.execute(
        "SELECT max(acted_at) AS at, acted_by AS by, action, count(*) AS rows, reason, fix_file, fix_delivery "
        f"FROM {ACTIONS} WHERE dataset = ? AND delivery = ? GROUP BY ALL ORDER BY 1, 3",
        [dataset, delivery],
    ).fetchdf()


def _events(
    connection: duckdb.DuckDBPyConnection,
    books: Books,
    dataset: str,
    table: str,
    key: RowKey,
    events: list[dict[str, object]],
) -> RowKey | None:
    """Append the events of one row; returns the row of its fix where that was rejected in turn."""
    place = {"file": key.file, "delivery": key.delivery, "row": key.row}
    rejected = connection.execute(
        f"SELECT _quarantined_at, array_to_string(_reasons, '; ') FROM {table} "
        "WHERE _delivery = ? AND _file = ? AND _row = ?",
        list(key),
    ).fetchone()
    if rejected:
        events.append({"event": "rejected", "at": rejected[0], "by": "contract", "reason": rejected[1], **place})
    acts = connection.execute(
        f"SELECT action, acted_at, acted_by, reason, fix_file, fix_delivery, fix_row FROM {ACTIONS} "
        "WHERE dataset = ? AND delivery = ? AND file = ? AND row = ? ORDER BY acted_at",
        [dataset, *key],
    ).fetchall()
    for action, at, by, reason, fix_file, fix_delivery, fix_row in acts:
        events.append({"event": action, "at": at, "by": by, "reason": reason, **place})
        if fix_delivery is None:
            continue
        again = connection.execute(
            f"SELECT _delivery, _file, _row FROM {table} WHERE _delivery = ? AND _row = ?", [fix_delivery, fix_row]
        ).fetchone()
        if again:
            return RowKey(*again)
        loaded = books.entries(deliveries=[fix_delivery])
        if loaded:
            entry = loaded[0]
            event = "accepted" if entry.status == "published" else entry.status
            if entry.status == "published" and entry.superseded:
                event = "accepted or superseded by newer data"
            what = {"file": fix_file, "delivery": fix_delivery, "row": fix_row}
            events.append({"event": event, "at": entry.loaded_at, "by": "contract", "reason": entry.reason, **what})
    return None
