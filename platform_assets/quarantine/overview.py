"""What waits for a steward, dataset by dataset: counts only, over one connection.

A table of the lake costs a tenth of a second to plan a query over, even where it is empty: so the ledger is asked first which datasets can
have open rows at all, and those are asked together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.access.roles import Permission, User
from platform_assets.ingest import ledger
from platform_assets.quarantine import tables as quarantine_tables
from platform_assets.quarantine import uploads
from platform_assets.quarantine.reasons import rule_of
from platform_assets.quarantine.tables import EmptyDelivery
from resources.lake.warehouse import literal, one_state

if TYPE_CHECKING:
    import duckdb

    from platform_assets.office import Office


@dataclass(frozen=True)
class Waiting:
    """One dataset."""

    dataset: str
    files: int
    """In landing."""
    rows: int
    """Open in quarantine."""
    reason: str
    """The rule that most of them break, '' where nothing is open."""
    held: int
    """Deliveries of which nothing is published until someone looks: held, and with open rows, or without any and not dismissed."""


@dataclass(frozen=True)
class Open:
    """Open rows of one dataset."""

    rows: int = 0
    reason: str = ""
    deliveries: frozenset[str] = frozenset()


def waiting(office: Office, user: User) -> list[Waiting]:
    """All datasets, by name."""
    user.require(Permission.SEE_STATUS)
    with office.warehouse.connect() as connection:
        _ensure(office, connection)
        with one_state(connection):
            opened = _open_rows(office, user, connection)
            asked = f"SELECT dataset, delivery FROM {ledger.TABLE} WHERE status = 'held'"
            held = Counter(
                name
                for name, delivery in connection.execute(asked).fetchall()
                if delivery in opened.get(name, Open()).deliveries
            )
            held.update(e.dataset for e in quarantine_tables.empty_held(connection))
    return [
        Waiting(
            name,
            len(uploads.waiting(office, contract)),
            opened.get(name, Open()).rows,
            opened.get(name, Open()).reason,
            held[name],
        )
        for name, contract in sorted(office.contracts.items())
    ]


def in_quarantine(office: Office, user: User) -> dict[str, int]:
    """Datasets that have open rows, most first, and how many."""
    user.require(Permission.SEE_STATUS)
    with office.warehouse.connect() as connection:
        _ensure(office, connection)
        with one_state(connection):
            found = _open_rows(office, user, connection)
    return {name: o.rows for name, o in sorted(found.items(), key=lambda item: (-item[1].rows, item[0]))}


def empty_deliveries(office: Office, user: User) -> dict[str, list[EmptyDelivery]]:
    """Dataset -> deliveries without rows that are held and not dismissed."""
    user.require(Permission.SEE_STATUS)
    found: dict[str, list[EmptyDelivery]] = {}
    with office.warehouse.connect() as connection:
        _ensure(office, connection)
        for empty in quarantine_tables.empty_held(connection):
            if empty.dataset in office.contracts:
                found.setdefault(empty.dataset, []).append(empty)
    return found


def settle(office: Office, user: User) -> int:
    """Open rows again whose fix file was removed from landing by hand; returns how many. Asks only datasets with fixes that are not loaded
    yet."""
    user.require(Permission.FIX)
    with office.warehouse.connect() as connection:
        _ensure(office, connection)
        waiting = quarantine_tables.with_unloaded_fixes(connection)
    return sum(office.desk(name, user).settle() for name in sorted(waiting & set(office.contracts)))


def _ensure(office: Office, connection: duckdb.DuckDBPyConnection) -> None:
    tables = (ledger.TABLE, quarantine_tables.ACTIONS, quarantine_tables.STAGED)
    if not all(office.warehouse.columns(connection, table) for table in tables):
        with office.warehouse.write(connection):
            quarantine_tables.ensure(office.warehouse, connection)


def _open_rows(office: Office, user: User, connection: duckdb.DuckDBPyConnection) -> dict[str, Open]:
    """Datasets with open rows."""
    names = sorted(office.engine.with_rejected_rows(office.contracts, connection))
    if not names:
        return {}
    union = " UNION ALL ".join(
        f"SELECT {literal(name)} AS dataset, _delivery, _reasons FROM ({office.desk(name, user).open_sql()})"
        for name in names
    )
    rows: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {name: Counter() for name in names}
    deliveries: dict[str, set[str]] = {name: set() for name in names}
    for name, delivery, why, count in connection.execute(
        f"SELECT dataset, _delivery, _reasons, count(*) FROM ({union}) GROUP BY ALL"
    ).fetchall():
        rows[name] += count
        deliveries[name].add(delivery)
        for reason in why:
            reasons[name][rule_of(reason)] += count
    # of several that are as frequent, the first by alphabet
    top = {name: min(found, key=lambda r: (-found[r], r)) for name, found in reasons.items() if found}
    return {name: Open(count, top.get(name, ""), frozenset(deliveries[name])) for name, count in rows.items() if count}
