"""Valid rows into the lake's validated table, counted per delivery.

Only keys that occur more than once in the batch, or are in the table already, need thought; all other rows are plain inserts. Rows of
the table are known by their places (`rowid`), which is quickest; BigQuery has none, and knows them by their keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.batch import count_decided, count_valid
from platform_assets.ingest.loading.rules import Rules
from resources.lake.warehouse import quoted, scalar

if TYPE_CHECKING:
    import duckdb


def into_table(
    connection: duckdb.DuckDBPyConnection, rules: Rules, entries: dict[str, Entry], base: str | None = None
) -> None:
    """Change the validated table by the rows of `Relations.valid`, and count what happened in `entries`.

    `base` is the delivery that the whole table becomes: what neither it nor its fixes have leaves the table.
    """
    published = count_valid(entries)
    if not published:
        return
    table = rules.tables.validated
    before = scalar(connection, f"SELECT count(*) FROM {table}")
    if rules.contract.load.key:
        _merge(connection, rules, entries, base, has_rows=before > 0)
    else:
        if base:  # rows have no identity, so all old ones leave
            connection.execute(f"DELETE FROM {table}")
            entries[base].removed = before
        _insert(connection, rules, rules.names.valid)
    _count_partitions(connection, rules, published)


def _merge(
    connection: duckdb.DuckDBPyConnection, rules: Rules, entries: dict[str, Entry], base: str | None, *, has_rows: bool
) -> None:
    names, table = rules.names, rules.tables.validated
    key = ", ".join(quoted(k) for k in rules.contract.load.key)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names.touched} AS SELECT _k FROM {names.valid} GROUP BY _k HAVING count(*) > 1"
    )
    if has_rows:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.keys} AS SELECT DISTINCT {key}, _k FROM {names.valid}")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {names.existing} AS SELECT v.rowid AS _rid, {rules.key('v')}, v._as_of, "
            f"{rules.content('v')} AS _content, n._k FROM {table} v JOIN {names.keys} n ON {rules.same_key('v', 'n')}"
        )
        if base:
            entries[base].removed = _delete(
                connection,
                rules,
                f"SELECT v.rowid FROM {table} v ANTI JOIN {names.keys} n ON {rules.same_key('v', 'n')}",
            )
        connection.execute(
            f"INSERT INTO {names.touched} SELECT DISTINCT _k FROM {names.existing} ANTI JOIN {names.touched} USING (_k)"
        )
    else:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {names.existing} AS SELECT NULL::BIGINT AS _rid, {key}, _as_of, 0::UBIGINT AS _content, _k "
            f"FROM {names.valid} WHERE false"
        )
    if not scalar(connection, f"SELECT count(*) FROM {names.touched}"):
        _insert(connection, rules, names.valid)
        return
    candidates = f"(SELECT * FROM {names.valid} SEMI JOIN {names.touched} USING (_k))"
    decided = rules.decided(candidates, names.existing, "e._rid, ")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.decided} AS {decided}")
    found = connection.execute(f"SELECT _delivery, _action, count(*) FROM {names.decided} GROUP BY ALL").fetchall()
    count_decided(found, entries)
    _delete(connection, rules, f"SELECT _rid FROM {names.decided} WHERE _written AND _rid IS NOT NULL")
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
