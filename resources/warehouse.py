"""The warehouse: DuckDB as engine, DuckLake as tables. Data, quarantine and ledger commit together; every commit is a snapshot.

Tables are named `<layer>.<dataset>`, e.g. ``validated.lab_results``. Readers never lock; writers on one machine queue behind a
file lock (DuckLake's SQLite catalog starves a writer under contention). Readers go through DuckLake, never through its Parquet
files: deletes are kept beside the data (merge on read).
"""

from __future__ import annotations

import fcntl
import importlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

LAKE = "lake"
LAYERS = ("raw", "validated", "quarantine", "indicators", "products", "platform")
BUSY_TIMEOUT_MS = 30_000
EXTENSIONS = ("ducklake", "sqlite_scanner")

_ENGINES: dict[tuple[Any, ...], duckdb.DuckDBPyConnection] = {}
_ENGINES_LOCK = threading.Lock()


class WarehouseError(RuntimeError):
    """The warehouse cannot do what was asked; the message says what to do next."""


class SchemaConflict(WarehouseError):
    """A table has a column of another type than the contract now says."""


@dataclass(frozen=True)
class TableState:
    """A published table at one snapshot."""

    table: str
    snapshot: int
    """DuckLake snapshot of the table's last change; the table's content is the same as long as this is the same."""
    rows: int


class Warehouse:
    """DuckLake in the folder `home`: ``catalog.sqlite`` and ``data/``."""

    def __init__(self, home: Path, *, memory_limit: str = "2GB", threads: int | None = None) -> None:
        self.home = home
        self.memory_limit = memory_limit
        self.threads = threads

    @property
    def scratch(self) -> Path:
        """Folder for temporary files of running work; whatever is in it may be removed when nothing runs."""
        return self.home / "scratch"

    @property
    def ready(self) -> Path:
        """A file that is there once the catalog is."""
        return self.home / "ready"

    # ------------------------------------------------------------------------------------------------ connections

    @contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own (temporary tables, variables, transaction) to the lake, which always shows its latest state.

        One engine per process stands behind them: loading the extensions takes longer than most queries.
        """
        engine = self._engine(read_only=read_only)
        connection = engine.cursor()
        try:
            connection.execute(f"USE {LAKE}")
            yield connection
        finally:
            connection.close()

    def _engine(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        with _ENGINES_LOCK:
            if not self.ready.exists():
                self._create()
            # another file under the same name is another lake (a restored backup); another process needs its own engine
            catalog = (self.home / "catalog.sqlite").stat().st_ino
            key = (os.getpid(), str(self.home), catalog, read_only, self.memory_limit, self.threads)
            if key not in _ENGINES:
                engine = self._open()
                self._attach(engine, read_only=read_only)
                _ENGINES[key] = engine
            return _ENGINES[key]

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        self.scratch.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "memory_limit": self.memory_limit,
            "temp_directory": str(self.scratch / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_unsigned_extensions": "false",
        }
        if self.threads:
            config["threads"] = str(self.threads)
        engine = duckdb.connect(config=config)
        for name in EXTENSIONS:
            engine.execute(f"LOAD '{_extension_file(name)}'")
        return engine

    def _create(self) -> None:
        """The catalog with its layers, by the first process that needs it; a crash in between is repeated by the next."""
        (self.home / "data").mkdir(parents=True, exist_ok=True)
        with self.write_lock():
            if not self.ready.exists():
                with self._open() as engine:
                    self._attach(engine, read_only=False)
                    for layer in LAYERS:
                        engine.execute(f"CREATE SCHEMA IF NOT EXISTS {LAKE}.{layer}")
                self.ready.touch()

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        # inlined rows would live in the catalog, out of reach of the erasure of data files
        options = f"DATA_PATH '{self.home / 'data'}/', DATA_INLINING_ROW_LIMIT 0, OVERRIDE_DATA_PATH true"
        # with a write-ahead log readers do not hold up the commit of a writer, nor the other way round
        options += f", META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT {BUSY_TIMEOUT_MS}"
        mode = ", READ_ONLY" if read_only else ""
        connection.execute(f"ATTACH 'ducklake:sqlite:{self.home / 'catalog.sqlite'}' AS {LAKE} ({options}{mode})")

    @contextmanager
    def write(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """One transaction on `connection`, alone among this machine's writers: all of it is committed, or nothing."""
        with self.write_lock():
            connection.execute("BEGIN TRANSACTION")
            try:
                yield
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def write_lock(self) -> Any:
        """Held by the one writer of this machine."""
        return self.lock("write")

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """A named lock between processes of this machine; the system frees it when its holder dies."""
        folder = self.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    # ------------------------------------------------------------------------------------------------ tables

    def ensure_table(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        columns: Mapping[str, str],
        *,
        partitioned_by: str | None = None,
    ) -> None:
        """Create `table` with `columns` (name -> DuckDB type), or add those it lacks.

        Columns that are no longer wanted stay, filled with NULL from now on. Raises SchemaConflict on another type.
        """
        present = self.columns(connection, table)
        if not present:
            listed = ", ".join(f"{quoted(c)} {t}" for c, t in columns.items())
            connection.execute(f"CREATE TABLE {table} ({listed})")
            if partitioned_by:
                connection.execute(f"ALTER TABLE {table} SET PARTITIONED BY ({quoted(partitioned_by)})")
            return
        for column, kind in columns.items():
            if column not in present:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(column)} {kind}")
            elif present[column].replace(" ", "") != kind.replace(" ", ""):
                raise SchemaConflict(
                    f"{table}.{column} is {present[column]}, the contract now says {kind}. "
                    "Give the column another name, or rebuild the table (see docs/operate.md, 'When a column changes type')."
                )

    def columns(self, connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        """Columns of `table` and their DuckDB types; empty where there is no such table."""
        layer, _, name = table.partition(".")
        found = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
            [LAKE, layer, name],
        ).fetchall()
        return dict(found)

    def state(self, connection: duckdb.DuckDBPyConnection, table: str) -> TableState | None:
        """The table's last change and its row count; None where there is no such table."""
        if not self.columns(connection, table):
            return None
        layer, _, name = table.partition(".")
        catalog = f"__ducklake_metadata_{LAKE}"
        # a table's content changes with the data and delete files that begin or end at a snapshot
        row = connection.execute(
            f"""
            WITH t AS (
              SELECT table_id, t.begin_snapshot FROM {catalog}.ducklake_table t
              JOIN {catalog}.ducklake_schema s USING (schema_id)
              WHERE s.schema_name = ? AND t.table_name = ? AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
            )
            SELECT max(snapshot) FROM (
              SELECT begin_snapshot AS snapshot FROM t
              UNION ALL SELECT greatest(begin_snapshot, coalesce(end_snapshot, 0))
                FROM {catalog}.ducklake_data_file JOIN (SELECT table_id FROM t) USING (table_id)
              UNION ALL SELECT greatest(begin_snapshot, coalesce(end_snapshot, 0))
                FROM {catalog}.ducklake_delete_file JOIN (SELECT table_id FROM t) USING (table_id)
            )
            """,
            [layer, name],
        ).fetchone()
        rows = scalar(connection, f"SELECT count(*) FROM {table}")
        return TableState(table, int(row[0]) if row and row[0] is not None else 0, int(rows))

    def wait_for_scratch(self) -> Path:
        """A fresh private folder for one piece of work, under `scratch`."""
        folder = self.scratch / f"{os.getpid()}-{time.monotonic_ns()}"
        folder.mkdir(mode=0o700, parents=True)
        return folder


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string literal: for paths of ours. Values of users are bound as parameters."""
    return "'" + text.replace("'", "''") + "'"


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> Any:
    """The single value that `sql` returns."""
    row = connection.execute(sql, parameters or []).fetchone()
    assert row is not None
    return row[0]


def _extension_file(name: str) -> Path:
    """The signed extension as its PyPI package ships it; loaded from there, nothing is downloaded or copied."""
    import duckdb

    try:
        package = importlib.import_module(f"duckdb_extension_{name}")
    except ImportError as error:
        raise WarehouseError(
            f"the package duckdb-extension-{name.replace('_', '-')} is missing: run make setup"
        ) from error
    folder = Path(next(iter(package.__path__))) / "extensions"
    found = folder / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not found.exists():
        raise WarehouseError(
            f"{name} is not built for DuckDB {duckdb.__version__}: pin both to one version, then make setup"
        )
    return found
