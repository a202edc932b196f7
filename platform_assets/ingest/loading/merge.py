"""Valid rows into the lake's validated table, counted per delivery.

Only keys that occur more than once in the batch, or are in the table already, need thought; all other rows are plain inserts. Rows of
the table are known by their places (`rowid`), which is quickest; BigQuery has none, and knows them by their keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.mode import Chosen
from platform_assets.contracts.model import Contract
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.batch import count_decided, count_valid
from platform_assets.ingest.loading.rules import Rules
from resources.identity import pseudonym_sql
from resources.lake.warehouse import quoted, scalar

if TYPE_CHECKING:
    import duckdb


def decide(connection: duckdb.DuckDBPyConnection, rules: Rules, chosen: Chosen) -> dict[str, int]:
    """Find out what becomes of the rows of `Relations.valid` whose key needs thought: makes `touched`, `keys`, `existing` and `decided`.

    Returns, per delivery, the rows that change the table only because they arrive now (see `Rules.decided`). Nothing is written. For a
    contract without a key there is nothing to decide.
    """
    if not rules.contract.load.key:
        return {}
    names, table = rules.names, rules.tables.validated
    key = ", ".join(quoted(k) for k in rules.contract.load.key)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names.touched} AS SELECT _k FROM {names.valid} GROUP BY _k HAVING count(*) > 1"
    )
    has_rows = scalar(connection, f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)")
    asked = "" if has_rows else "WHERE FALSE"  # nothing of a first load is compared with an empty table
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names.keys} AS SELECT DISTINCT {key}, _k FROM {names.valid} {asked}"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names.existing} AS SELECT v.rowid AS _rid, {rules.key('v')}, {rules.existing('v')}, "
        f"n._k FROM {table} v JOIN {names.keys} n ON {rules.same_key('v', 'n')}"
    )
    connection.execute(
        f"INSERT INTO {names.touched} SELECT DISTINCT _k FROM {names.existing} ANTI JOIN {names.touched} USING (_k)"
    )
    if rules.contract.load.deletes:
        connection.execute(
            f"INSERT INTO {names.touched} SELECT DISTINCT v._k FROM {names.valid} v ANTI JOIN {names.touched} USING (_k) "
            f"WHERE {rules.deletes('v')}"
        )
    candidates = f"(SELECT * FROM {names.valid} SEMI JOIN {names.touched} USING (_k))"
    decided = rules.decided(candidates, names.existing, "e._rid, ")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.decided} AS {decided}")
    found = f"SELECT _delivery, count(*) FROM {names.decided} WHERE _arrival GROUP BY 1"
    by_arrival = dict(connection.execute(found).fetchall())
    if not rules.contract.load.terms.dated:  # rows of keys that are new here
        new = f"SELECT _delivery, count(*) FROM {names.valid} ANTI JOIN {names.touched} USING (_k) GROUP BY 1"
        for delivery, rows in connection.execute(new).fetchall():
            by_arrival[delivery] = by_arrival.get(delivery, 0) + rows
        for delivery, places in _leaving(rules, chosen) if chosen.whole_of else ():
            leaving = scalar(connection, f"SELECT count(*) FROM ({places})")
            by_arrival[delivery] = by_arrival.get(delivery, 0) + leaving
    return by_arrival


def into_table(connection: duckdb.DuckDBPyConnection, rules: Rules, entries: dict[str, Entry], chosen: Chosen) -> None:
    """Change the validated table by the rows of `Relations.valid`, and count what happened in `entries`. After `decide`.

    `chosen` says what leaves the table, where one delivery is the whole of it.
    """
    published = count_valid(entries)
    if not published:
        return
    names = rules.names
    for delivery, places in _leaving(rules, chosen):
        entries[delivery].removed = _delete(connection, rules, places)
    if rules.contract.load.key:
        _merge(connection, rules, entries)
    else:
        _insert(connection, rules, names.valid)
    _count_partitions(connection, rules, published)


def pseudonymised(contract: Contract, columns: Sequence[str], alias: str) -> list[str]:
    """The columns of `alias` as tables may hold them, with pseudonyms in the place of identifiers."""
    purposes = contract.identifiers
    return [
        pseudonym_sql(f"{alias}.{quoted(c)}", purposes[c]) if c in purposes else f"{alias}.{quoted(c)}" for c in columns
    ]


def count_leaving(connection: duckdb.DuckDBPyConnection, rules: Rules, chosen: Chosen) -> int:
    """How many rows leave the table by what was chosen. After `decide`."""
    return sum(int(scalar(connection, f"SELECT count(*) FROM ({places})")) for _, places in _leaving(rules, chosen))


def _leaving(rules: Rules, chosen: Chosen) -> list[tuple[str, str]]:
    """(delivery, SELECT of places) of `Rules.leaving`."""
    keys = f"ANTI JOIN {rules.names.keys} n ON {rules.same_key('v', 'n')}" if rules.contract.load.key else ""
    table = rules.tables.validated
    if chosen.swept:  # a row that is wrong now is there all the same
        texts = ", ".join(
            f"{text} AS {quoted(k)}"
            for k, text in zip(
                rules.contract.load.key, pseudonymised(rules.contract, rules.contract.load.key, "t"), strict=True
            )
        )
        keys += f" ANTI JOIN (SELECT {texts} FROM {rules.names.typed} t) a ON {rules.same_key('v', 'a')}"
    return [(d, f"SELECT v.rowid FROM {table} v {keys} WHERE {gone}") for d, gone in rules.leaving(chosen)]


def _merge(connection: duckdb.DuckDBPyConnection, rules: Rules, entries: dict[str, Entry]) -> None:
    names = rules.names
    if not scalar(connection, f"SELECT count(*) FROM {names.touched}"):
        _insert(connection, rules, names.valid)
        return
    found = connection.execute(f"SELECT _delivery, _action, count(*) FROM {names.decided} GROUP BY ALL").fetchall()
    count_decided(found, entries)
    _delete(
        connection,
        rules,
        f"SELECT _rid FROM {names.decided} WHERE (_written OR _action = 'deleted') AND _rid IS NOT NULL",
    )
    _insert(connection, rules, f"(SELECT * FROM {names.valid} ANTI JOIN {names.touched} USING (_k))")
    _insert(connection, rules, f"(SELECT * FROM {names.decided} WHERE _written)")


def _insert(connection: duckdb.DuckDBPyConnection, rules: Rules, source: str) -> None:
    listed = ", ".join(map(quoted, rules.tables.validated_columns))
    connection.execute(f"INSERT INTO {rules.tables.validated} BY NAME SELECT {listed} FROM {source}")


def _delete(connection: duckdb.DuckDBPyConnection, rules: Rules, places: str) -> int:
    row = connection.execute(f"DELETE FROM {rules.tables.validated} WHERE rowid IN ({places})").fetchone()
    return int(row[0]) if row else 0


def _count_partitions(connection: duckdb.DuckDBPyConnection, rules: Rules, published: list[Entry]) -> None:
    if not rules.contract.partition:
        return
    found = connection.execute(
        f"SELECT _delivery, count(DISTINCT _partition) FROM {rules.tables.validated} "
        "WHERE _delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY 1",
        [[e.delivery for e in published]],
    ).fetchall()
    counts = dict(found)
    for entry in published:
        entry.partitions = counts.get(entry.delivery, 0)
