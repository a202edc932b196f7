"""Small files of the lake become few large ones, so that a load and a query cost in ten years what they cost now.

Every load leaves a file in each partition that it touches, and a file of deletes beside each that it corrects. Two things are done about it,
both held to what is said here by tests/resources/lake/test_compaction.py:

- Files that have deletes are written anew without the deleted rows: a transaction that takes the rows of these files out and puts them in
  again. It is marked in the catalog as a compaction (COMPACTION), so that the table keeps the snapshot by which it is known
  (`Warehouse.state`). Older snapshots go on reading the old files, which stay. Only `rowid` changes: it is good within a transaction.
  DuckLake's own `ducklake_rewrite_data_files` will not do (1.5.5): it narrows the smallest and largest value that the catalog notes for a whole
  table to the rows that are left, by which the engine packs values; older rows then come out wrong when the past is read.
- `ducklake_merge_adjacent_files` puts files of one partition and one schema together that have no deletes. The new file says of each row since
  which snapshot it is there, so every older snapshot reads as before; the old files leave the catalog at once.

Each is a commit, all or nothing: a process that is killed leaves at most a file that no table knows. Replaced files stay on disk for READERS:
who began to read before may still have them in its list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.lake.warehouse import CATALOG, COMPACTION, LAKE, Warehouse, WarehouseError, literal, quoted, scalar

if TYPE_CHECKING:
    import duckdb

FEW = 32
"""So many files more than there need be are left alone: putting them together costs more than reading them."""
LARGE = 64 << 20
"""Bytes from which a file is large enough: it is not merged with others."""
WORTH = 4 << 20
"""Bytes that may be written anew for each file that goes. So what a load adds is written anew a few times at most, however large the table is."""
READERS = "1 day"
"""How long replaced files stay for those who may still be reading them."""
MANY = 100
"""So many snapshots are forgotten at once."""


@dataclass(frozen=True)
class Load:
    """Files of one table that could be fewer."""

    layer: str
    name: str
    apart: int
    """Files without deletes that could be part of another one."""
    bytes_apart: int
    """Size of those and of the ones that they would join."""
    deleted: int
    """Files that have deletes."""
    bytes_deleted: int

    @property
    def merge(self) -> bool:
        """Whether merging pays."""
        return pays(self.apart, self.bytes_apart)

    @property
    def rewrite(self) -> bool:
        """Whether writing the files with deletes anew pays."""
        return pays(self.deleted, self.bytes_deleted)


def pays(files: int, size: int) -> bool:
    """Whether it pays to write `size` bytes so that so many files go."""
    return files >= FEW and files * WORTH >= size


def compact(warehouse: Warehouse) -> list[str]:
    """Put small files together, table by table, where it pays; returns the tables (``layer.name``).

    Readers are not held up; a writer waits for one table at a time. It may be killed at any moment. Raises duckdb.Error where the engine
    fails, WarehouseError or CatalogError: no table is changed by that.
    """
    done = []
    with warehouse.connect() as connection:
        for load in [f for f in found(connection) if f.merge or f.rewrite]:
            if load.rewrite:
                rewrite(warehouse, connection, load)
            # also what was written anew: it may join files of its partition that had no deletes
            with warehouse.write_lock():
                connection.execute(
                    f"CALL ducklake_merge_adjacent_files({_table(load)}, max_file_size => {LARGE})",
                )
            done.append(f"{load.layer}.{load.name}")
        forgotten = forget_past(warehouse, connection)
        if done or forgotten:
            with warehouse.write_lock():
                connection.execute(
                    f"CALL ducklake_cleanup_old_files({literal(LAKE)}, older_than => now() - INTERVAL '{READERS}')"
                )
    return done


def rewrite(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, load: Load) -> None:
    """Write the files of a table that have deletes anew, in one commit."""
    table = f"{quoted(load.layer)}.{quoted(load.name)}"
    with warehouse.write(connection):
        # found anew: another process may have been first
        files = connection.execute(
            f"SELECT data_file FROM ducklake_list_files({_table(load)}) WHERE delete_file IS NOT NULL"
        ).fetchall()
        if not files:
            return
        named = [[file for (file,) in files]]
        connection.execute(f"CALL ducklake_set_commit_message({literal(LAKE)}, 'platform', {literal(COMPACTION)})")
        these = "filename IN (SELECT unnest(?::VARCHAR[]))"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE compacted AS SELECT * FROM {table} WHERE {these}", named)
        gone = scalar(connection, f"DELETE FROM {table} WHERE {these}", named)
        put = scalar(connection, f"INSERT INTO {table} BY NAME FROM compacted")
        if gone != put:  # cannot happen; if it does, nothing is committed
            raise WarehouseError(f"{load.layer}.{load.name}: {gone} rows were taken out of files and {put} put in")
    connection.execute("DROP TABLE compacted")


def forget_past(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> int:
    """Forget snapshots that are older than the warehouse keeps (`Warehouse.past_days`); returns how many.

    Those by which a table is known now stay, however old they are: the table as it stands can be read by its number.
    """
    if warehouse.past_days is None:
        return 0
    old = f"snapshot_time::TIMESTAMPTZ < now() - INTERVAL {warehouse.past_days} DAYS"
    if scalar(connection, f"SELECT count(*) FROM {CATALOG}.ducklake_snapshot WHERE {old}") < MANY:
        return 0
    with warehouse.write_lock():
        ended = "greatest(begin_snapshot, coalesce(end_snapshot, 0), coalesce(partial_max, 0))"
        gone = connection.execute(
            f"""
            WITH kept AS (
              SELECT max(snapshot_id) AS snapshot FROM {CATALOG}.ducklake_snapshot
              UNION SELECT begin_snapshot FROM {CATALOG}.ducklake_table WHERE end_snapshot IS NULL
              UNION SELECT max({ended}) FROM {CATALOG}.ducklake_data_file GROUP BY table_id
              UNION SELECT max({ended}) FROM {CATALOG}.ducklake_delete_file GROUP BY table_id
              UNION SELECT max(snapshot_id) FROM (
                SELECT snapshot_id, unnest(string_split(changes_made, ',')) AS change
                FROM {CATALOG}.ducklake_snapshot_changes WHERE commit_message IS DISTINCT FROM {literal(COMPACTION)}
              ) GROUP BY change
            )
            SELECT snapshot_id FROM {CATALOG}.ducklake_snapshot WHERE {old} AND snapshot_id NOT IN (FROM kept WHERE snapshot IS NOT NULL)
            """
        ).fetchall()
        if len(gone) < MANY:
            return 0
        numbers = ", ".join(str(int(number)) for (number,) in gone)
        connection.execute(f"CALL ducklake_expire_snapshots({literal(LAKE)}, versions => ARRAY[{numbers}])")
    return len(gone)


def _table(load: Load) -> str:
    """The table as DuckLake's functions are told it."""
    return f"{literal(LAKE)}, {literal(load.name)}, schema => {literal(load.layer)}"


def found(connection: duckdb.DuckDBPyConnection) -> list[Load]:
    """Tables with files that could be fewer. DuckLake merges what is of one partition and one state of the table's columns."""
    rows = connection.execute(
        f"""
        WITH live AS (
          SELECT f.table_id, f.data_file_id, f.file_size_bytes AS size, f.partition_id, f.begin_snapshot, d.data_file_id IS NOT NULL AS deleted
          FROM {CATALOG}.ducklake_data_file f
          LEFT JOIN (FROM {CATALOG}.ducklake_delete_file WHERE end_snapshot IS NULL) d USING (table_id, data_file_id)
          WHERE f.end_snapshot IS NULL
        ), crowded AS (
          SELECT table_id FROM live GROUP BY 1 HAVING count(*) >= {FEW}
        ), placed AS (
          SELECT l.*, p.place, v.schema_version FROM live l SEMI JOIN crowded USING (table_id)
          LEFT JOIN (
            SELECT data_file_id, list(partition_value ORDER BY partition_key_index) AS place
            FROM {CATALOG}.ducklake_file_partition_value GROUP BY 1
          ) p USING (data_file_id)
          ASOF LEFT JOIN {CATALOG}.ducklake_schema_versions v
            ON v.table_id = l.table_id AND v.begin_snapshot <= l.begin_snapshot
        ), groups AS (
          SELECT table_id, count(*) - 1 AS apart, sum(size) AS size FROM placed WHERE NOT deleted AND size < {LARGE}
          GROUP BY table_id, partition_id, place, schema_version HAVING count(*) > 1
        ), merging AS (
          SELECT table_id, sum(apart)::BIGINT AS apart, sum(size)::BIGINT AS size FROM groups GROUP BY 1
        ), rewriting AS (
          SELECT table_id, count(*) AS deleted, sum(size)::BIGINT AS size FROM placed WHERE deleted GROUP BY 1
        )
        SELECT s.schema_name, t.table_name, coalesce(m.apart, 0), coalesce(m.size, 0), coalesce(r.deleted, 0), coalesce(r.size, 0)
        FROM crowded JOIN (FROM {CATALOG}.ducklake_table WHERE end_snapshot IS NULL) t USING (table_id)
        JOIN (FROM {CATALOG}.ducklake_schema WHERE end_snapshot IS NULL) s USING (schema_id)
        LEFT JOIN merging m USING (table_id) LEFT JOIN rewriting r USING (table_id)
        ORDER BY 1, 2
        """
    ).fetchall()
    return [Load(*row) for row in rows]
