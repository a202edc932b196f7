"""A small lake that holds some tables of the warehouse at one snapshot and nothing else, for statements that are not trusted.

The engine behind it is its own, and what it can reach is decided before a statement is looked at:

- its catalog is a private copy of the rows of DuckLake's catalog that are about the allowed tables, at one snapshot, read-only. Other
  tables, layers and snapshots do not exist in it, and neither the catalog of the warehouse nor its password is known to it;
- it may open the data files of these tables, its own folder, and nothing else; no extension can be loaded, nothing attached, no setting
  changed, and variables of the process are no tables. (A bucket's key is in the engine, as it reads the files by it; no statement can
  show it, and no other file of the bucket can be named.)

A statement is then held to what DuckDB's own parser and planner say of it: one SELECT, from tables that are allowed and functions that
only compute, whose plan reads tables of this lake. That is a second reader, beside the one that reads the files of analysts (sqlglot).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resources.lake.select_only import Refused, demand_select, nodes
from resources.lake.warehouse import LAKE, Warehouse, WarehouseError, literal, quoted
from resources.processes import memory_bound

if TYPE_CHECKING:
    import duckdb

TIME_LIMIT = 3600.0
"""Seconds after which a statement is stopped."""
_BESIDE = 1 << 30
"""Bytes that a statement may take beside what the engine counts. One value that a function makes (`repeat`) is not counted there."""
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SOURCES = frozenset(
    {
        *("DUCKLAKE_SCAN", "UNNEST", "RANGE", "GENERATE_SERIES", "COLUMN_DATA_SCAN", "DUMMY_SCAN", "EMPTY_RESULT"),
        *("CTE_SCAN", "REC_CTE_SCAN", "DELIM_SCAN", "HASH_GROUP_BY"),  # what the plan itself has made before
    }
)
"""What a plan may begin with, as DuckDB calls it."""


class TooLong(RuntimeError):
    """The statement was stopped after TIME_LIMIT seconds."""


class TooLarge(RuntimeError):
    """The statement was stopped as it asked for more memory than the engine has."""


class ClosedLake:
    """Runs single SELECTs over the allowed tables."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
        self._engine = engine
        self._tables = frozenset(tables)

    def describe(self, query: str, parameters: Mapping[str, object]) -> dict[str, str]:
        """Columns of the result and their types. Raises Refused, TooLarge, or duckdb.Error where the engine cannot run it."""
        self._demand(query, parameters)
        found = self._run(f"DESCRIBE {query}", parameters).fetchall()
        return {name: kind for name, kind, *_ in found}

    def write(self, query: str, parameters: Mapping[str, object], path: Path, options: str = "FORMAT parquet") -> int:
        """The result at `path`, which is one that the lake was opened with, as COPY's `options` say. Returns the number of rows.

        Raises Refused, TooLong, TooLarge or duckdb.Error.
        """
        self._demand(query, parameters)
        ((rows,),) = self._run(f"COPY ({query}\n) TO {literal(str(path))} ({options})", parameters).fetchall()
        return int(rows)

    def _run(self, statement: str, parameters: Mapping[str, object]) -> duckdb.DuckDBPyConnection:
        import duckdb

        watch = threading.Timer(TIME_LIMIT, self._engine.interrupt)
        watch.daemon = True
        watch.start()
        try:
            with memory_bound(self._memory() + _BESIDE):
                return self._engine.execute(statement, dict(parameters))
        except duckdb.InterruptException:
            raise TooLong(f"stopped after {TIME_LIMIT / 60:.0f} minutes") from None
        except (duckdb.OutOfMemoryException, MemoryError):
            raise TooLarge(
                "stopped, as it asked for more memory than it may have: look for a value or a join that grows and grows, "
                "or give the engine more (PLATFORM_MEMORY_LIMIT)"
            ) from None
        finally:
            watch.cancel()

    def _memory(self) -> int:
        """Bytes that the engine gives its tables."""
        ((text,),) = self._engine.execute("SELECT current_setting('memory_limit')").fetchall()
        number, unit = str(text).split()
        return int(float(number) * _UNITS[unit])

    def _demand(self, query: str, parameters: Mapping[str, object]) -> None:
        """Raises Refused unless the parser sees one SELECT, and the planner nothing that is read but tables of this lake."""
        demand_select(query, self._tables)
        (row,) = self._run(f"EXPLAIN (FORMAT json) {query}", parameters).fetchall()
        for node in nodes(json.loads(row[1])):
            if not node.get("children", True) and str(node["name"]).strip().upper() not in _SOURCES:
                raise Refused(f"the query would read {str(node['name']).strip().lower()}, which is none of its tables")


@contextmanager
def closed_lake(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, int],
    folder: Path,
    out: Sequence[Path] = (),
    *,
    in_order: bool = True,
) -> Iterator[ClosedLake]:
    """The `tables` (``layer.name`` -> rows that they have) as `connection` sees them now, in an engine that sees nothing else.

    `folder` is private and empty, for its catalog and what it spills; `out` are the files that it may write besides.
    Without `in_order` rows of a table come in any order, and what is written of them takes a quarter of the memory; ORDER BY holds all the same.
    Raises WarehouseError where the copy of the catalog does not show what the warehouse shows.
    """
    engine = warehouse.bare_engine(folder)
    try:
        _copy_catalog(warehouse, connection, engine, tables, folder)
        engine.execute(f"SET preserve_insertion_order = {str(in_order).lower()}")
        _lock(engine, tables, folder, out)
        lake = ClosedLake(engine, list(tables))
        for table, rows in tables.items():
            ((seen,),) = engine.execute(f"SELECT count(*) FROM {table}").fetchall()
            if seen != rows:
                raise WarehouseError(f"{table} was changed while it was being read: run this again")
        yield lake
    finally:
        engine.close()


def _copy_catalog(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    engine: duckdb.DuckDBPyConnection,
    tables: Mapping[str, int],
    folder: Path,
) -> None:
    """DuckLake's catalog in `folder`, with the rows of the tables at the snapshot that `connection` sees; attached read-only."""
    source = f"__ducklake_metadata_{LAKE}"
    private = folder / "catalog.duckdb"
    attach = f"ATTACH 'ducklake:{private}' AS {LAKE} (DATA_PATH {literal(warehouse.data + '/')}"
    engine.execute(f"{attach}, DATA_INLINING_ROW_LIMIT 0)")  # DuckLake makes its empty tables itself
    engine.execute(f"DETACH {LAKE}")
    engine.execute(f"ATTACH {literal(str(private))} AS private")
    ((snapshot,),) = connection.execute(f"SELECT id FROM {LAKE}.current_snapshot()").fetchall()
    at = f"begin_snapshot <= {snapshot} AND (end_snapshot IS NULL OR end_snapshot > {snapshot})"
    wanted = " OR ".join(
        f"(s.schema_name = {literal(layer)} AND t.table_name = {literal(name)})"
        for layer, _, name in (table.partition(".") for table in tables)
    )
    found = connection.execute(
        f"SELECT t.table_id, t.schema_id FROM (FROM {source}.ducklake_table WHERE {at}) t "
        f"JOIN (FROM {source}.ducklake_schema WHERE {at}) s USING (schema_id) WHERE {wanted}"
    ).fetchall()
    if len(found) != len(tables):
        raise WarehouseError(f"one of {', '.join(tables)} is not in the warehouse")
    ids = f"table_id IN ({', '.join(str(int(t)) for t, _ in found)})"
    # DuckLake needs a schema `main`; nothing is in it
    schemas = f"(schema_id IN ({', '.join(str(int(s)) for _, s in found)}) OR schema_name = 'main')"
    for table, rows in {
        "ducklake_snapshot": f"snapshot_id = {snapshot}",
        "ducklake_schema": f"{schemas} AND {at}",
        "ducklake_schema_versions": f"begin_snapshot <= {snapshot} AND (table_id IS NULL OR {ids})",
        **dict.fromkeys(("ducklake_table", "ducklake_column", "ducklake_data_file"), f"{ids} AND {at}"),
        **dict.fromkeys(("ducklake_delete_file", "ducklake_partition_info", "ducklake_sort_info"), f"{ids} AND {at}"),
        **dict.fromkeys(("ducklake_partition_column", "ducklake_sort_expression", "ducklake_column_mapping"), ids),
        **dict.fromkeys(("ducklake_table_stats", "ducklake_table_column_stats", "ducklake_file_column_stats"), ids),
        "ducklake_file_partition_value": ids,
        "ducklake_name_mapping": f"mapping_id IN (SELECT mapping_id FROM {source}.ducklake_column_mapping WHERE {ids})",
    }.items():
        columns = engine.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'private' AND table_name = ?",
            [table],
        ).fetchall()
        engine.execute(f"DELETE FROM private.{table}")
        moved = connection.execute(
            f"SELECT {', '.join(quoted(c) for c, _ in columns)} FROM {source}.{table} WHERE {rows}"
        ).to_arrow_table()
        engine.register("moved", moved)
        # SQLite and PostgreSQL keep some columns in other types than DuckDB does
        cast = ", ".join(f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}" for c, kind in columns)
        engine.execute(f"INSERT INTO private.{table} BY NAME SELECT {cast} FROM moved")
        engine.unregister("moved")
    engine.execute("DETACH private")
    # as of its one snapshot: DuckLake keeps counts of whole tables for the latest only, and here that may be a later one
    engine.execute(f"{attach}, READ_ONLY, SNAPSHOT_VERSION {snapshot})")
    engine.execute(f"USE {LAKE}")


def _lock(engine: duckdb.DuckDBPyConnection, tables: Mapping[str, int], folder: Path, out: Sequence[Path]) -> None:
    """From here on the engine opens these files and no others, and cannot be told otherwise."""
    files = [str(path) for path in out]
    for table in tables:
        layer, _, name = table.partition(".")
        listed = engine.execute(
            f"SELECT data_file, delete_file FROM ducklake_list_files({literal(LAKE)}, {literal(name)}, schema => {literal(layer)})"
        ).fetchall()
        files += [file for row in listed for file in row if file]
    engine.execute(f"SET allowed_paths = [{', '.join(map(literal, files))}]")
    for setting in (
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        engine.execute(f"SET {setting}")
