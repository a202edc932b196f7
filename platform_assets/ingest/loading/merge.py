"""Valid rows into the validated table: append, upsert or snapshot, counted per delivery.

Only keys that occur more than once in the batch, or are in the table already, need thought; all other rows are plain inserts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.tables import Tables
from resources.warehouse import quoted, scalar

if TYPE_CHECKING:
    import duckdb


def into_table(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    tables: Tables,
    entries: dict[str, Entry],
    base: str | None = None,
) -> None:
    """Change `tables.validated` by the rows of the view `valid`, and count what happened in `entries`.

    `base` is the snapshot that the table becomes: what neither it nor its fixes have leaves the table.
    """
    published = count_valid(entries)
    if not published:
        return
    columns = list(tables.validated_columns)
    before = scalar(connection, f"SELECT count(*) FROM {tables.validated}")
    if base and not contract.load.key:
        # one delivery is the table: rows have no identity, so all old ones leave
        connection.execute(f"DELETE FROM {tables.validated}")
        entries[base].removed = before
    if not contract.load.key:
        _insert(connection, tables, columns, "valid")
    else:
        _merge(connection, contract, tables, columns, entries, base, has_rows=before > 0)
    _count_partitions(connection, contract, tables, published)


def count_valid(entries: Mapping[str, Entry]) -> list[Entry]:
    """What is neither quarantined nor superseded is valid, and new until it is found not to be. Returns the published entries."""
    published = [e for e in entries.values() if e.status == "published"]
    for entry in published:
        entry.valid = entry.inserted = entry.rows_in - entry.quarantined - entry.superseded
    return published


def _merge(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    tables: Tables,
    columns: list[str],
    entries: dict[str, Entry],
    base: str | None,
    *,
    has_rows: bool,
) -> None:
    key = [quoted(k) for k in contract.load.key]
    content = ", ".join(quoted(c) for c in contract.columns)
    same = " AND ".join(
        f"v.{quoted(k)} IS NOT DISTINCT FROM n.{quoted(k)}"
        if contract.columns[k].nullable
        else f"v.{quoted(k)} = n.{quoted(k)}"
        for k in contract.load.key
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE touched AS SELECT _k FROM valid GROUP BY _k HAVING count(*) > 1")
    if has_rows:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE keys AS SELECT DISTINCT {', '.join(key)}, _k FROM valid")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE existing AS SELECT v.rowid AS _rid, {', '.join('v.' + k for k in key)}, "
            f"v._as_of, hash({', '.join('v.' + quoted(c) for c in contract.columns)}) AS _content, n._k "
            f"FROM {tables.validated} v JOIN keys n ON {same}"
        )
        if base:
            entries[base].removed = _delete(
                connection, tables, f"SELECT v.rowid FROM {tables.validated} v ANTI JOIN keys n ON {same}"
            )
        connection.execute("INSERT INTO touched SELECT DISTINCT _k FROM existing ANTI JOIN touched USING (_k)")
    else:
        listed = ", ".join(f"{quoted(k)}" for k in contract.load.key)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE existing AS SELECT NULL::BIGINT AS _rid, {listed}, _as_of, 0::UBIGINT AS _content, _k "
            "FROM valid WHERE false"
        )
    if not scalar(connection, "SELECT count(*) FROM touched"):
        _insert(connection, tables, columns, "valid")
        return
    snapshot = contract.load.mode == "snapshot"
    _decide(connection, key, content, arrival=contract.load.order_by == "delivered", snapshot=snapshot)
    found = connection.execute("SELECT _delivery, _action, count(*) FROM decided GROUP BY ALL").fetchall()
    count_decided(found, entries)
    _delete(connection, tables, "SELECT _rid FROM decided WHERE written AND _rid IS NOT NULL")
    _insert(connection, tables, columns, "(SELECT * FROM valid ANTI JOIN touched USING (_k))")
    _insert(connection, tables, columns, "(SELECT * FROM decided WHERE written)")


def _decide(
    connection: duckdb.DuckDBPyConnection, key: list[str], content: str, *, arrival: bool, snapshot: bool
) -> None:
    """Table `decided`: what becomes of every row whose key is in the table already or more than once in the batch.

    Within a delivery the last row of a key counts. From delivery to delivery a row is superseded if the key already has a newer
    one; otherwise it is an insert, an update or, if its content is what is there, unchanged. The last one is written, unless
    the table has that content (where time is not arrival it is written all the same, to remember how recent it is).
    """
    by_key = ", ".join(["_k", *key])  # the hash first: it separates most
    same = " AND ".join(f"e.{k} IS NOT DISTINCT FROM c.{k}" for k in key)
    rewrite = "false" if arrival else "_as_of > _old_as_of"
    # a snapshot was chosen as a whole: its rows are not weighed against those of the table
    recent = "true" if snapshot else "coalesce(_as_of >= greatest(_earlier, _old_as_of), true)"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE decided AS
        WITH candidates AS (
          SELECT *, hash({content}) AS _content,
            row_number() OVER (PARTITION BY {by_key}, _seq ORDER BY _as_of DESC, _member DESC, _row DESC) = 1 AS _last
          FROM valid SEMI JOIN touched USING (_k)
        ), compared AS (
          SELECT c.*, e._rid, e._as_of AS _old_as_of, e._content AS _old_content,
            max(CASE WHEN c._last THEN c._as_of END) OVER (
              PARTITION BY {", ".join("c." + k for k in ["_k", *key])} ORDER BY c._seq
              RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _earlier
          FROM candidates c LEFT JOIN existing e ON e._k = c._k AND {same}
        ), judged AS (
          SELECT *, _last AND {recent} AS _counts FROM compared
        ), chained AS (
          SELECT *, CASE WHEN _counts THEN coalesce(
              lag(_content) OVER (PARTITION BY {by_key}, _counts ORDER BY _seq), _old_content) END AS _before,
            _counts AND row_number() OVER (PARTITION BY {by_key}, _counts ORDER BY _seq DESC) = 1 AS _final
          FROM judged
        )
        SELECT * EXCLUDE (_last, _earlier),
          CASE WHEN NOT _counts THEN 'superseded' WHEN _before IS NULL THEN 'inserted'
               WHEN _before = _content THEN 'unchanged' ELSE 'updated' END AS _action,
          _final AND (_old_content IS NULL OR _content <> _old_content OR {rewrite}) AS written
        FROM chained
        """
    )


def count_decided(found: Iterable[tuple[str, str, int]], entries: Mapping[str, Entry]) -> None:
    """Add up (delivery, action, rows): inserted, updated, unchanged or superseded."""
    for delivery, action, count in found:
        entry = entries[delivery]
        entry.inserted -= count
        setattr(entry, action, getattr(entry, action) + count)
        if action == "superseded":
            entry.valid -= count


def _insert(connection: duckdb.DuckDBPyConnection, tables: Tables, columns: list[str], source: str) -> None:
    listed = ", ".join(quoted(c) for c in columns)
    connection.execute(f"INSERT INTO {tables.validated} BY NAME SELECT {listed} FROM {source}")


def _delete(connection: duckdb.DuckDBPyConnection, tables: Tables, rowids: str) -> int:
    row = connection.execute(f"DELETE FROM {tables.validated} WHERE rowid IN ({rowids})").fetchone()
    return int(row[0]) if row else 0


def _count_partitions(
    connection: duckdb.DuckDBPyConnection, contract: Contract, tables: Tables, published: list[Entry]
) -> None:
    if not contract.partition:
        return
    found = connection.execute(
        f"SELECT _delivery, count(DISTINCT _partition) FROM {tables.validated} "
        "WHERE _delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY 1",
        [[e.delivery for e in published]],
    ).fetchall()
    counts = dict(found)
    for entry in published:
        entry.partitions = counts.get(entry.delivery, 0)
