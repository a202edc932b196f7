"""What is written down about quarantined rows: the acts on them, and the fixes that wait. Ingest reads from here which deliveries are
fixes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from platform_assets.ingest import ledger
from platform_assets.ingest.deliveries import Mending
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.neighbours import Neighbours
from platform_assets.ingest.tables import Tables
from resources.lake.warehouse import Warehouse, literal, quoted

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

ACTIONS = "platform.quarantine_actions"
ACTION_COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "file": "VARCHAR",
    "row": "BIGINT",
    "action": "VARCHAR",
    "reason": "VARCHAR",
    "acted_by": "VARCHAR",
    "acted_at": "TIMESTAMP",
    "fix_file": "VARCHAR",
    "fix_delivery": "VARCHAR",
    "fix_row": "BIGINT",
}
STAGED = "platform.staged_fixes"
STAGED_COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "file": "VARCHAR",
    "row": "BIGINT",
    "fixed": "VARCHAR",
    "acted_by": "VARCHAR",
    "acted_at": "TIMESTAMP",
}


RESUBMITTED, RELEASED, DISMISSED = "resubmitted", "released", "dismissed"
"""Actions that close a row. Released: sent together with all right rows of a delivery that was held."""
CLOSED = (RESUBMITTED, RELEASED, DISMISSED)
WHOLE = 0
"""In place of a row's number (which begin at 1): the delivery itself."""
TAKEN_BACK = "taken back"
"""Opens a row again: the file in which its fix was sent will not be loaded."""


class RowKey(NamedTuple):
    """A quarantined row."""

    delivery: str
    file: str
    row: int


class EmptyDelivery(NamedTuple):
    """A delivery without rows that is held."""

    dataset: str
    delivery: str
    file: str
    reason: str
    """Why it is held."""


def ensure(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of this module where they are not there yet."""
    ledger.ensure(warehouse, connection)
    warehouse.ensure_table(connection, ACTIONS, ACTION_COLUMNS)
    warehouse.ensure_table(connection, STAGED, STAGED_COLUMNS)


@contextmanager
def connected(warehouse: Warehouse, tables: Tables) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection on which the tables of this module, and the dataset's quarantine, exist."""
    with warehouse.connect() as connection:
        if not all(warehouse.columns(connection, table) for table in (ACTIONS, STAGED, tables.quarantine)):
            with warehouse.write(connection):
                ensure(warehouse, connection)
                tables.ensure_quarantine(warehouse, connection)
        yield connection


def mendings(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    entries: Callable[..., Iterable[Entry]],
) -> dict[str, Mending]:
    """For ingest: the files of fixed rows that stewards have sent, by name. `entries` is that of the dataset's `Books`."""
    if not warehouse.columns(connection, ACTIONS):
        return {}
    found = connection.execute(
        f"SELECT fix_file, fix_delivery, max(delivery), bool_or(action = ?) FROM {ACTIONS} "
        "WHERE dataset = ? AND fix_delivery IS NOT NULL GROUP BY 1, 2",
        [RELEASED, dataset],
    ).fetchall()
    mended = {fix: delivery for _, fix, delivery, _ in found}
    known = {e.delivery: e for e in entries(deliveries=set(mended.values()))} if mended else {}

    def origin(delivery: str) -> str:
        while delivery in mended:
            delivery = mended[delivery]
        return delivery

    def mending(fix: str, delivery: str, released: bool) -> Mending:
        now, first = known.get(delivery), known.get(origin(fix))
        told = (first.sha256, first.file) if first else ("", "")
        return Mending(fix, origin(fix), now.as_of if now else None, released, *told)

    return {file: mending(fix, delivery, released) for file, fix, delivery, released in found}


def sent_on(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, dataset: str) -> set[str]:
    """For ingest: deliveries of which rows were sent as fixes already; where rows have no key, they may not come in twice."""
    if not warehouse.columns(connection, ACTIONS):
        return set()
    found = connection.execute(
        f"SELECT DISTINCT delivery FROM {ACTIONS} WHERE dataset = ? AND fix_delivery IS NOT NULL AND {_SENT}",
        [dataset, dataset],
    ).fetchall()
    return {r[0] for r in found}


BOOKKEEPERS = Neighbours(mendings=mendings, sent_on=sent_on)
"""What stewards' books answer of what was mended; of who was erased they know nothing."""

_SENT = f"fix_file NOT IN (SELECT fix_file FROM {ACTIONS} WHERE dataset = ? AND action = '{TAKEN_BACK}')"


def sent_files(
    connection: duckdb.DuckDBPyConnection, dataset: str, *, unknown_to_ledger: bool = False
) -> dict[str, str]:
    """Files of fixed rows that were sent and not taken back, with their delivery; or those only that the lake's ledger does not know."""
    loaded = f"AND fix_delivery NOT IN (SELECT delivery FROM {ledger.TABLE} WHERE dataset = ?)"
    found = connection.execute(
        f"SELECT DISTINCT fix_file, fix_delivery FROM {ACTIONS} WHERE dataset = ? AND fix_delivery IS NOT NULL AND {_SENT} "
        + (loaded if unknown_to_ledger else ""),
        [dataset] * (3 if unknown_to_ledger else 2),
    ).fetchall()
    return dict(found)


def with_unloaded_fixes(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Datasets with files of fixed rows that were sent, not taken back, and are not in the lake's ledger."""
    found = connection.execute(
        f"SELECT DISTINCT dataset FROM (SELECT dataset, fix_file, max(fix_delivery) AS delivery FROM {ACTIONS} "
        f"WHERE fix_file IS NOT NULL GROUP BY ALL HAVING bool_and(action != '{TAKEN_BACK}')) "
        f"ANTI JOIN {ledger.TABLE} USING (dataset, delivery)"
    ).fetchall()
    return {name for (name,) in found}


def take_back(connection: duckdb.DuckDBPyConnection, dataset: str, user: str, file: str, reason: str = "") -> int:
    """Open the rows again whose fixes went as `file`, once; returns how many."""
    (count,) = connection.execute(
        f"INSERT INTO {ACTIONS} BY NAME SELECT dataset, delivery, file, row, ? AS action, ? AS reason, ? AS acted_by, "
        f"?::TIMESTAMP AS acted_at, fix_file FROM {ACTIONS} WHERE dataset = ? AND fix_file = ? AND {_SENT}",
        [TAKEN_BACK, reason, user, now(), dataset, file, dataset],
    ).fetchone() or (0,)
    return int(count)


def open_rows(dataset: str, table: str, texts: Sequence[str]) -> str:
    """SELECT of the open rows of the quarantine `table`: `texts` as staged where a fix is, otherwise as they came; see `Desk.rows`.

    A row is closed where, of the acts that closed it, not every one was taken back.
    """
    listed = ", ".join(
        f"CASE WHEN s.fixed IS NULL THEN q.{quoted(c)} ELSE {_fixed(c)} END AS {quoted(c)}" for c in texts
    )
    closing = ", ".join(f"'{a}'" for a in CLOSED)
    closed = (
        f"SELECT delivery, file, row FROM {ACTIONS} WHERE dataset = {literal(dataset)} GROUP BY ALL "
        f"HAVING count(*) FILTER (action IN ({closing})) > count(*) FILTER (action = '{TAKEN_BACK}')"
    )
    return (
        f"SELECT {listed}, CASE WHEN s.fixed IS NULL THEN q._text END AS _text, q._reasons, q._file, q._delivery, q._row, "
        "q._quarantined_at, CASE WHEN s.fixed IS NULL THEN 'open' ELSE 'staged' END AS _state, "
        "s.acted_by AS _staged_by, s.acted_at AS _staged_at "
        f"FROM {table} q LEFT JOIN {STAGED} s ON s.dataset = {literal(dataset)} AND {_same('s')} "
        f"ANTI JOIN ({closed}) a ON {_same('a')}"
    )


def staged_changes(
    connection: duckdb.DuckDBPyConnection, dataset: str, table: str, texts: Sequence[str]
) -> pd.DataFrame:
    """What staged fixes of rows of the quarantine `table` change; see `Desk.staged`."""
    changes = ", ".join(
        f"{{'column': {literal(c)}, 'old': q.{quoted(c)}, 'new': {_fixed(c)}, "
        f"'changed': q._text IS NULL AND q.{quoted(c)} IS DISTINCT FROM {_fixed(c)}}}"
        for c in texts
    )
    anew = "{'column': NULL, 'old': NULL, 'new': NULL, 'changed': q._text IS NOT NULL}"
    return connection.execute(
        "SELECT change.column AS column, change.old AS old, change.new AS new, count(*) AS rows, acted_by AS by FROM ("
        f"SELECT s.acted_by, unnest([{changes}, {anew}]) AS change FROM {table} q JOIN {STAGED} s "
        f"ON s.dataset = {literal(dataset)} AND {_same('s')}) WHERE change.changed GROUP BY ALL ORDER BY rows DESC, 1, 2, 3, 5"
    ).fetchdf()


def _same(other: str) -> str:
    return f"{other}.delivery = q._delivery AND {other}.file = q._file AND {other}.row = q._row"


def _fixed(column: str) -> str:
    return f"json_extract_string(s.fixed, '$.\"{column}\"')"


def empty_held(connection: duckdb.DuckDBPyConnection, dataset: str | None = None) -> list[EmptyDelivery]:
    """Deliveries that are held, have no row that could be mended, and were not dismissed; of one dataset, or of all."""
    found = connection.execute(
        f"SELECT dataset, delivery, file, reason FROM {ledger.TABLE} WHERE status = 'held' AND quarantined = 0 "
        "AND (? IS NULL OR dataset = ?) AND (dataset, delivery) NOT IN "
        f"(SELECT (dataset, delivery) FROM {ACTIONS} WHERE row = {WHOLE} AND action = '{DISMISSED}') ORDER BY ALL",
        [dataset, dataset],
    ).fetchall()
    return [EmptyDelivery(*row) for row in found]


def stage(
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    user: str,
    fixes: Sequence[tuple[RowKey, Mapping[str, str | None]]],
) -> None:
    """Keep the text of fixed rows to be sent later."""
    at = now()
    rows = [(dataset, *key, json.dumps(dict(values)), user, at) for key, values in fixes]
    insert(connection, STAGED, STAGED_COLUMNS, rows)


def staged(connection: duckdb.DuckDBPyConnection, dataset: str) -> list[tuple[RowKey, dict[str, str | None]]]:
    """The fixes that wait, with the text of each."""
    found = connection.execute(
        f"SELECT delivery, file, row, fixed FROM {STAGED} WHERE dataset = ? ORDER BY delivery, file, row", [dataset]
    ).fetchall()
    return [(RowKey(*r[:3]), json.loads(r[3])) for r in found]


def staged_by_others(
    connection: duckdb.DuckDBPyConnection, dataset: str, user: str
) -> dict[RowKey, tuple[str, dt.datetime]]:
    """Rows of which somebody else than `user` has staged a fix: who, and when (UTC)."""
    found = connection.execute(
        f"SELECT delivery, file, row, acted_by, acted_at FROM {STAGED} WHERE dataset = ? AND acted_by != ?",
        [dataset, user],
    ).fetchall()
    return {RowKey(*r[:3]): (r[3], r[4]) for r in found}


def forget_staged(connection: duckdb.DuckDBPyConnection, dataset: str, keys: Sequence[RowKey]) -> None:
    """Drop the fixes of the rows `keys`."""
    if keys:
        deliveries, files, rows = (list(part) for part in zip(*keys, strict=True))
        connection.execute(
            f"DELETE FROM {STAGED} WHERE dataset = ? AND (delivery, file, row) IN "
            "(SELECT (unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[])))",
            [dataset, deliveries, files, rows],
        )


def act(
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    user: str,
    keys: Sequence[RowKey],
    action: str,
    reason: str = "",
    sent: tuple[str, str, int] | None = None,
) -> None:
    """Write down what `user` did with the rows `keys`; `sent`: the file in which they went, its delivery, the first one's row there."""
    at = now()
    file, delivery, first = sent or (None, None, 0)
    rows = [
        (dataset, *key, action, reason, user, at, file, delivery, first + n if sent else None)
        for n, key in enumerate(keys)
    ]
    insert(connection, ACTIONS, ACTION_COLUMNS, rows)


def now() -> dt.datetime:
    """The moment, as tables keep it (UTC)."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]]
) -> None:
    """Add `rows` (values in the order of `columns`) in one statement."""
    if rows:
        listed = ", ".join(f"unnest(?::{kind}[]) AS {quoted(name)}" for name, kind in columns.items())
        connection.execute(f"INSERT INTO {table} BY NAME SELECT {listed}", [list(c) for c in zip(*rows, strict=True)])


def staged_at(
    connection: duckdb.DuckDBPyConnection, dataset: str, user: str, keys: Sequence[RowKey]
) -> dict[RowKey, dt.datetime]:
    """Of the rows `keys`, those with a staged fix by `user` -> when."""
    parts = [list(part) for part in zip(*keys, strict=True)] or [[], [], []]
    found = connection.execute(
        f"SELECT s.delivery, s.file, s.row, s.acted_at FROM {STAGED} s JOIN (SELECT unnest(?::VARCHAR[]) AS delivery, "
        "unnest(?::VARCHAR[]) AS file, unnest(?::BIGINT[]) AS row) k USING (delivery, file, row) "
        "WHERE s.dataset = ? AND s.acted_by = ?",
        [*parts, dataset, user],
    ).fetchall()
    return {RowKey(*r[:3]): r[3] for r in found}
