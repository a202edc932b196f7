"""Records that are in the data and that their organisation says are wrong: what it says, what a steward answers, what became of the record.

A disputed record stays where it is and counts as before: whether it changes is for the next delivery to say. It is known by delivery and row, as in
quarantine, never by a patient; that leads to its number only through the raw rows, so an erasure leaves nothing here. What can be said of it is a
list, not free text: no name gets in. What is written here is a row for each event (`disputed`, `answered`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from platform_assets.access import handing_out
from platform_assets.access.acts import acting
from platform_assets.access.roles import Permission, Scope, User, organisation_columns
from platform_assets.contracts.model import Contract
from platform_assets.ingest.tables import Tables
from platform_assets.quarantine.fixes import QuarantineError
from platform_assets.quarantine.tables import insert, now
from resources.lake.warehouse import one_state, quoted

if TYPE_CHECKING:
    import duckdb

    from platform_assets.access.audit.log import AuditLog
    from resources.lake.warehouse import Warehouse

TABLE = "platform.disputes"
COLUMNS = {
    "dataset": "VARCHAR",
    "delivery": "VARCHAR",
    "row": "BIGINT",
    "unit": "VARCHAR",
    "organisation": "VARCHAR",
    "indicator": "VARCHAR",
    "event": "VARCHAR",
    "said": "VARCHAR",
    "about": "VARCHAR",
    "words": "VARCHAR",
    "acted_by": "VARCHAR",
    "acted_at": "TIMESTAMP",
}
DISPUTED, ANSWERED = "disputed", "answered"
REASONS: Mapping[str, str] = {
    "value": "a value of the record is wrong",
    "not ours": "it is not a case of this organisation",
    "twice": "it is the same case as another record",
    "does not count": "the record is right, but the indicator should not count it so",
}
"""What an organisation can say of a record."""
ANSWERS: Mapping[str, str] = {
    "asked": "the source was asked to deliver it again, corrected",
    "stands": "it was looked into, and the record stands",
    "definition": "passed on to who answers for the indicator",
}
"""What a steward can answer."""
GONE = "The record is not in the data any more."
MOVED = "The record is not of this organisation any more."
MOST_OPEN = 500
"""Disputes of one organisation and dataset that wait at a time."""


class RecordKey(NamedTuple):
    """A row of a dataset's table: the delivery that brought it, and its place there."""

    delivery: str
    row: int


@dataclass(frozen=True)
class Dispute:
    """One disputed record, as it stands."""

    dataset: str
    key: RecordKey
    scope: Scope
    indicator: str
    reason: str
    """A key of REASONS."""
    about: str
    """The column that is said to be wrong; empty: none in particular."""
    by: str
    at: dt.datetime
    """UTC."""
    answer: str
    """A key of ANSWERS; empty: it waits."""
    words: str
    """What the steward added."""
    answered_at: dt.datetime | None
    record: str
    """Pseudonym of the record; empty where nothing is left that leads to it."""
    file: str
    since: str
    """What became of the record since, as a sentence; empty: it is as it was."""


def dispute(
    audit: AuditLog,
    user: User,
    warehouse: Warehouse,
    keys: Sequence[RecordKey],
    *,
    dataset: str,
    scope: Scope,
    indicator: str,
    reason: str,
    about: str,
) -> None:
    """Write down that `user` says of the rows `keys` of the organisation `scope` that they are wrong. Who calls it has made sure that they are the
    organisation's own. Raises QuarantineError, AccessDenied, AuditError."""
    if reason not in REASONS or (reason == "value" and not about):
        raise QuarantineError("say what is wrong with the record, and where a value is, which one")
    action, table = "dashboard.dispute", f"validated.{dataset}"
    ground = f"{REASONS[reason]}{f': {about}' if about else ''}"
    with (
        warehouse.connect() as connection,
        acting(audit, user, action, table=table, ground=ground) as act,
        warehouse.write(connection),
    ):
        warehouse.ensure_table(connection, TABLE, COLUMNS)
        waiting = {key for (key, _), (_, reply) in _last(connection, dataset, scope).items() if reply is None}
        if waiting & set(keys):
            raise QuarantineError("this record is disputed already: a steward has not answered yet")
        if len(waiting) >= MOST_OPEN:
            raise QuarantineError(f"{MOST_OPEN} records of {scope} wait for an answer: tell the steward")
        at = now()
        rows = [
            (dataset, *key, scope.column, scope.value, indicator, DISPUTED, reason, about, "", user.name, at)
            for key in keys
        ]
        insert(connection, TABLE, COLUMNS, rows)
        act.note(indicator=indicator, of=str(scope), rows=[f"{key.delivery}/{key.row}" for key in keys])


def answer(
    audit: AuditLog,
    user: User,
    warehouse: Warehouse,
    refuse: Callable[[str], None],
    disputes: Sequence[Dispute],
    said: str,
    words: str = "",
) -> None:
    """A steward's answer. `refuse` raises for words that name somebody. Raises QuarantineError, AccessDenied, AuditError."""
    user.require(Permission.FIX)
    if not disputes or said not in ANSWERS:
        raise QuarantineError("choose records, and an answer")
    refuse(words)
    with (
        warehouse.connect() as connection,
        acting(audit, user, "quarantine.answer_dispute", table=f"validated.{disputes[0].dataset}", ground=words) as act,
        warehouse.write(connection),
    ):
        at = now()
        for one in disputes:
            said_last = _last(connection, one.dataset, one.scope).get((one.key, one.scope))
            if said_last is None or said_last[1] is not None:
                raise QuarantineError("some of these records were answered meanwhile: look again")
        rows = [
            (
                one.dataset,
                *one.key,
                one.scope.column,
                one.scope.value,
                one.indicator,
                ANSWERED,
                said,
                "",
                words.strip(),
                user.name,
                at,
            )
            for one in disputes
        ]
        insert(connection, TABLE, COLUMNS, rows)
        act.note(answer=said, rows=[f"{one.key.delivery}/{one.key.row}" for one in disputes])


def waiting(warehouse: Warehouse, user: User) -> dict[str, int]:
    """Dataset -> how many records wait for an answer."""
    user.require(Permission.SEE_STATUS)
    with warehouse.connect(read_only=True) as connection:
        if not warehouse.columns(connection, TABLE):
            return {}
        names = [name for (name,) in connection.execute(f"SELECT DISTINCT dataset FROM {TABLE} ORDER BY 1").fetchall()]
        counts = {name: sum(reply is None for _, reply in _last(connection, name).values()) for name in names}
    return {name: found for name, found in counts.items() if found}


def for_steward(audit: AuditLog, user: User, warehouse: Warehouse, contract: Contract) -> list[Dispute]:
    """What waits for an answer, oldest first; the entry in the audit log comes first. Raises AccessDenied, AuditError."""
    user.require(Permission.SEE_QUARANTINE)
    with _reading(warehouse) as connection:
        found = [one for one in of(warehouse, connection, contract, None) if not one.answer] if connection else []
    if found:
        handing_out.seen(audit, user, "quarantine.see_disputes", table=f"validated.{contract.name}", rows=len(found))
    return found


@contextmanager
def _reading(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection on which everything is read of one state; None where nothing was ever disputed."""
    with warehouse.connect(read_only=True) as connection:
        if not warehouse.columns(connection, TABLE):
            yield None
            return
        with one_state(connection):
            yield connection


def of(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, contract: Contract, scope: Scope | None
) -> list[Dispute]:
    """The disputes of a dataset (and organisation), oldest first, each as it stands. Whoever calls it has checked who asks."""
    if not warehouse.columns(connection, TABLE):
        return []
    last = _last(connection, contract.name, scope)
    known = _became(warehouse, connection, contract, sorted({key for key, _ in last}))
    found = []
    for (key, whose), (first, reply) in last.items():
        record, file, since, now_of = known.get(key, ("", "", GONE, {}))
        if now_of.get(whose.column, whose.value) != whose.value:  # what becomes of it now is not theirs to follow
            record, since = "", MOVED
        found.append(
            Dispute(
                contract.name,
                key,
                whose,
                indicator=first["indicator"],
                reason=first["said"],
                about=first["about"],
                by=first["acted_by"],
                at=first["acted_at"],
                answer=reply["said"] if reply else "",
                words=reply["words"] if reply else "",
                answered_at=reply["acted_at"] if reply else None,
                record=record,
                file=file,
                since=since,
            )
        )
    return sorted(found, key=lambda one: (one.at, one.key))


Event = Mapping[str, Any]
"""A row of the table: column -> value."""


def _last(
    connection: duckdb.DuckDBPyConnection, dataset: str, scope: Scope | None = None
) -> dict[tuple[RecordKey, Scope], tuple[Event, Event | None]]:
    """Disputed row, and by which organisation -> what was said last, and the answer to that; None: it waits."""
    rows = connection.execute(
        f"SELECT {', '.join(map(quoted, COLUMNS))} FROM {TABLE} WHERE dataset = $1 AND ($2 IS NULL OR unit = $2 AND organisation = $3) "
        f"ORDER BY acted_at, event = '{ANSWERED}'",
        [dataset, scope.column if scope else None, scope.value if scope else None],
    ).fetchall()
    found: dict[tuple[RecordKey, Scope], tuple[Event, Event | None]] = {}
    for row in rows:
        event = dict(zip(COLUMNS, row, strict=True))
        place = RecordKey(event["delivery"], event["row"]), Scope(event["unit"], event["organisation"])
        found[place] = (event, None) if event["event"] == DISPUTED else (found[place][0], event)
    return found


def _became(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, contract: Contract, keys: Sequence[RecordKey]
) -> dict[RecordKey, tuple[str, str, str, dict[str, str]]]:
    """Row -> record, file, what became of it since, and whose it is now. Found by the number that the raw rows have in common: none is kept with the dispute."""
    tables = Tables(contract)
    names = [name for name, column in contract.columns.items() if column.role == "identifier"]
    there = {layer: set(warehouse.columns(connection, layer)) for layer in (tables.raw, tables.validated)}
    if not keys or len(names) != 1 or not all({names[0], "_delivery", "_row"} <= columns for columns in there.values()):
        return {}
    number = quoted(names[0])
    texts = [name for name in contract.file_columns if name in there[tables.raw]]
    before = ", ".join(f"r.{quoted(name)}" for name in texts)
    after = ", ".join(f"n.{quoted(name)}" for name in texts)
    units = [name for name in organisation_columns(contract) if name in there[tables.validated]]
    whose = ", ".join(f"v.{quoted(name)}" for name in units)
    rows = connection.execute(
        f"SELECT k.delivery, k.row, CAST(r.{number} AS VARCHAR), r._file, v._as_of, "
        f"v._delivery = k.delivery AND v._row = k.row, [{before}], [{after}], [{whose}]::VARCHAR[] "
        "FROM (SELECT unnest(?::VARCHAR[]) AS delivery, unnest(?::BIGINT[]) AS row) k "
        f"JOIN {tables.raw} r ON r._delivery = k.delivery AND r._row = k.row "
        f"LEFT JOIN {tables.validated} v ON CAST(v.{number} AS VARCHAR) = CAST(r.{number} AS VARCHAR) "
        f"LEFT JOIN {tables.raw} n ON n._delivery = v._delivery AND n._row = v._row ORDER BY 6",
        [[key.delivery for key in keys], [key.row for key in keys]],
    ).fetchall()
    found = {}
    for delivery, row, record, file, as_of, same, old, new, now_of in rows:
        if as_of is None:
            since, now_of = GONE, []
        elif same:
            since = ""
        else:
            changed = [name for name, was, is_ in zip(texts, old, new, strict=True) if was != is_]
            what = f"changed in {', '.join(changed)}" if changed else "and is the same"
            since = f"The record was delivered again ({as_of:%d %b %Y}) {what}."
        # the row itself, where it is still there, comes last
        found[RecordKey(delivery, row)] = (record, file, since, dict(zip(units, now_of, strict=bool(now_of))))
    return found
