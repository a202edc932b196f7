"""The warehouse: DuckDB as engine, DuckLake as tables. Data, quarantine and ledger commit together; every commit is a snapshot.

Tables are named `<layer>.<dataset>`, e.g. ``validated.lab_results``. Readers never lock; writers queue behind a lock of the catalog
(DuckLake's SQLite catalog starves a writer under contention). Readers go through DuckLake, never through its Parquet
files: deletes are kept beside the data (merge on read).
"""

from __future__ import annotations

import importlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.lake.catalog import Catalog, SqliteCatalog

if TYPE_CHECKING:
    import duckdb

LAKE = "lake"
CATALOG = f"__ducklake_metadata_{LAKE}"
"""DuckLake's own tables, as they stand in SQL."""
COMPACTION = "compaction"
"""The message of a commit that writes files of a table anew and changes none of its rows."""
SCHEMAS = ("raw", "validated", "quarantine", "indicators", "products", "platform")
BUCKET = "gs://"

MAX_IDLE = 4
LATE = 64
"""Commits among which a table's last change is looked for first."""
_IDLE: dict[tuple[Any, ...], list[duckdb.DuckDBPyConnection]] = {}
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
    """DuckLake in the folder `home`: ``catalog.sqlite`` and ``data/``. Another `catalog` or a bucket for `data` may be given.

    A bucket (``gs://bucket/folder``) needs the HMAC key of a service account in GCS_HMAC_KEY_ID and GCS_HMAC_SECRET.
    """

    def __init__(
        self,
        home: Path,
        *,
        memory_limit: str = "2GB",
        threads: int | None = None,
        catalog: Catalog | None = None,
        data: str = "",
        past_days: int | None = None,
    ) -> None:
        self.home = home
        self.catalog = catalog or SqliteCatalog(home)
        self.data = data.rstrip("/") or str(home / "data")
        self.memory_limit = memory_limit
        self.threads = threads or _threads()
        self.past_days = past_days
        """How many days of the past can be read; None: all of it."""

    @property
    def scratch(self) -> Path:
        """Folder for temporary files of running work; whatever is in it may be removed when nothing runs."""
        return self.home / "scratch"

    # ------------------------------------------------------------------------------------------------ connections

    @contextmanager
    def connect(self, *, read_only: bool = False, snapshot: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own (temporary tables, variables, transaction) to the lake, which always shows its latest state.

        With `snapshot` it shows, read-only, the whole lake as that commit left it.

        The engine behind it is its own while it is open. Idle engines wait for the next connection, since loading the extensions
        takes longer than most queries; one is never shared, as DuckLake aborts the process when transactions of one engine collide.
        """
        with _ENGINES_LOCK:
            made = None if self.catalog.ready() else self._create()
            # a process that was forked needs engines of its own
            key = (os.getpid(), self.catalog.identity(), self.data, read_only, self.memory_limit, self.threads)
            waiting = _IDLE.setdefault(key, [])
            if made is not None and (read_only or snapshot is not None):
                made.close()
                made = None
            engine = made or (waiting.pop() if waiting and snapshot is None else None)
        if engine is None:
            engine = self._open()
            self._attach(engine, read_only=read_only, snapshot=snapshot)
        try:
            connection = engine.cursor()
            try:
                connection.execute(f"USE {LAKE}")
                yield connection
            finally:
                connection.close()
        except BaseException:
            engine.close()
            raise
        with _ENGINES_LOCK:
            if self.catalog.is_file and snapshot is None and len(waiting) < MAX_IDLE:
                waiting.append(engine)
                return
        engine.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        self.scratch.mkdir(parents=True, exist_ok=True)
        return self._engine(self.scratch, "ducklake", self.catalog.extension)

    def bare_engine(self, folder: Path) -> duckdb.DuckDBPyConnection:
        """An engine that can read data files and knows no catalog; it spills into `folder`."""
        return self._engine(folder, "ducklake")

    def _engine(self, folder: Path, *extensions: str) -> duckdb.DuckDBPyConnection:
        import duckdb

        config: dict[str, Any] = {
            "memory_limit": self.memory_limit,
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            # until ours are loaded, below: DuckDB hashes 35 MB for each signature, 0.2 s of a processor whenever an engine opens.
            # They are files of packages that were installed by the hashes of the lock file, as the Python code beside them
            "allow_unsigned_extensions": "true",
        }
        if self.threads:
            config["threads"] = str(self.threads)
        engine = duckdb.connect(config=config)
        for name in (*extensions, *(["httpfs"] if self.in_bucket else [])):
            engine.execute(f"LOAD '{_extension_file(name)}'")
        engine.execute("SET allow_unsigned_extensions = false")  # DuckDB lets nobody turn it on again
        if self.in_bucket:
            _open_bucket(engine)
        return engine

    def _create(self) -> duckdb.DuckDBPyConnection | None:
        """The catalog with its layers, by the first process that needs it; a crash in between is repeated by the next.

        The engine that made it, which can write; None where another process was first.
        """
        if not self.data.startswith(BUCKET):
            Path(self.data).mkdir(parents=True, exist_ok=True)
        with self.write_lock():
            if self.catalog.ready():
                return None
            engine = self._open()
            try:
                self._attach(engine, read_only=False)
                layers = "".join(f"CREATE SCHEMA IF NOT EXISTS {LAKE}.{layer};" for layer in SCHEMAS)
                engine.execute(f"BEGIN TRANSACTION; {layers} COMMIT")
                self.catalog.created()
            except BaseException:
                engine.close()
                raise
            return engine

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool, snapshot: int | None = None) -> None:
        # inlined rows would live in the catalog, out of reach of the erasure of data files
        options = f"DATA_PATH '{self.data}/', DATA_INLINING_ROW_LIMIT 0, OVERRIDE_DATA_PATH true{self.catalog.options}"
        mode = ", READ_ONLY" if read_only or snapshot is not None else ""
        mode += f", SNAPSHOT_VERSION {snapshot}" if snapshot is not None else ""
        connection.execute(f"ATTACH 'ducklake:{self.catalog.address}' AS {LAKE} ({options}{mode})")

    @contextmanager
    def write(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """One transaction on `connection`, alone among the writers: all of it is committed, or nothing."""
        with self.write_lock():
            connection.execute("BEGIN TRANSACTION")
            try:
                yield
                self.catalog.check_locks()
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def write_lock(self) -> Any:
        """Held by the one writer."""
        return self.lock("write")

    def lock(self, name: str) -> Any:
        """A context manager: a named lock between processes, freed when its holder dies."""
        return self.catalog.lock(name)

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
        return columns_of(connection, table)

    def state(self, connection: duckdb.DuckDBPyConnection, table: str) -> TableState | None:
        """The table's last change and its row count; None where there is no such table."""
        if not self.columns(connection, table):
            return None
        rows = scalar(connection, f"SELECT count(*) FROM {table}")
        return TableState(table, self._last_change(connection, table), int(rows))

    def _last_change(self, connection: duckdb.DuckDBPyConnection, table: str) -> int:
        """The last snapshot at which rows of `table` came or went; compaction is none."""
        layer, _, name = table.partition(".")
        # a table's files change with the data and delete files that begin or end at a snapshot; of one that was merged `partial_max` is
        # the last of those that are in it
        row = connection.execute(
            f"""
            WITH t AS (
              SELECT table_id, t.begin_snapshot FROM {CATALOG}.ducklake_table t
              JOIN {CATALOG}.ducklake_schema s USING (schema_id)
              WHERE s.schema_name = ? AND t.table_name = ? AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
            ), files AS (
              SELECT max(greatest(begin_snapshot, coalesce(end_snapshot, 0), coalesce(partial_max, 0))) AS snapshot
                FROM {CATALOG}.ducklake_data_file JOIN (SELECT table_id FROM t) USING (table_id)
              UNION ALL SELECT max(greatest(begin_snapshot, coalesce(end_snapshot, 0), coalesce(partial_max, 0)))
                FROM {CATALOG}.ducklake_delete_file JOIN (SELECT table_id FROM t) USING (table_id)
            )
            SELECT table_id, begin_snapshot, greatest(begin_snapshot, (SELECT max(snapshot) FROM files)) FROM t
            """,
            [layer, name],
        ).fetchone()
        if row is None:
            return 0
        table_id, created, last = (int(value) for value in row)
        changes = f"FROM {CATALOG}.ducklake_snapshot_changes WHERE commit_message"
        if not scalar(connection, f"SELECT count(*) {changes} = ? AND snapshot_id = ?", [COMPACTION, last]):
            return last
        # files were written anew: what they hold is older, and the catalog knows which commit changed it. Most often it is a late one
        for first in (last - LATE, created):
            found = scalar(
                connection,
                f"SELECT max(snapshot_id) {changes} IS DISTINCT FROM ? AND snapshot_id BETWEEN ? AND ? "
                "AND list_has_any(string_split(changes_made, ','), [?, ?])",
                [
                    *(COMPACTION, max(first, created), last),
                    *(f"inserted_into_table:{table_id}", f"deleted_from_table:{table_id}"),
                ],
            )
            if found is not None:
                return int(found)
        # made together with its rows, or what changed it was forgotten (an erasure)
        return created if self._known(connection, created) else last

    def _known(self, connection: duckdb.DuckDBPyConnection, snapshot: int) -> bool:
        """Whether the lake can still be read as of `snapshot`."""
        return bool(
            scalar(connection, f"SELECT count(*) FROM {CATALOG}.ducklake_snapshot WHERE snapshot_id = ?", [snapshot])
        )

    @property
    def in_bucket(self) -> bool:
        """Whether the data files are in a bucket, not in a folder."""
        return self.data.startswith(BUCKET)

    def data_files(self, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
        """All data files, also such that no snapshot knows: name below the data folder -> where the engine reads it."""
        found = connection.execute(f"SELECT file FROM glob({literal(self.data + '/**')})").fetchall()
        return {address.removeprefix(self.data).lstrip("/"): address for (address,) in found}

    def wait_for_scratch(self) -> Path:
        """A fresh private folder for one piece of work, under `scratch`. What processes left there that were killed goes."""
        for left in self.scratch.glob("[0-9]*-[0-9]*"):
            if not Path(f"/proc/{left.name.partition('-')[0]}").exists():
                shutil.rmtree(left, ignore_errors=True)
        folder = self.scratch / f"{os.getpid()}-{time.monotonic_ns()}"
        folder.mkdir(mode=0o700, parents=True)
        return folder


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Columns of the lake's `table` and their DuckDB types; empty where there is no such table."""
    import duckdb

    layer, _, name = table.partition(".")
    try:
        # asked by its name: the engine's lists of tables and columns take longer with each table that there is
        found = connection.execute(f"DESCRIBE {LAKE}.{quoted(layer)}.{quoted(name)}").fetchall()
    except duckdb.CatalogException:
        return {}
    return {row[0]: row[1] for row in found}


@contextmanager
def one_state(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All that is read within is of one state of the lake, and one look at its catalog. Nothing is written."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def literal(text: str) -> str:
    """`text` as an SQL string literal: for paths of ours. Values of users are bound as parameters."""
    return "'" + text.replace("'", "''") + "'"


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> Any:
    """The single value that `sql` returns."""
    row = connection.execute(sql, parameters or []).fetchone()
    assert row is not None
    return row[0]


def _threads() -> int | None:
    """PLATFORM_THREADS: how many threads an engine may use. None, all processors, where it is not set."""
    asked = os.environ.get("PLATFORM_THREADS", "")
    if not asked:
        return None
    if not asked.isdecimal() or not 0 < int(asked) < 1000:
        raise WarehouseError(
            f"PLATFORM_THREADS={asked!r} is not a number of threads: give one such as 4, or leave it out"
        )
    return int(asked)


def _open_bucket(connection: duckdb.DuckDBPyConnection) -> None:
    """Let `connection` read and write Cloud Storage, by its S3-compatible interface."""
    names = ("GCS_HMAC_KEY_ID", "GCS_HMAC_SECRET")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise WarehouseError(f"{' and '.join(missing)} must hold the HMAC key by which the warehouse opens its bucket")
    # bound, so that no key stands in any SQL text; the endpoint is another only where a test says so
    connection.execute(
        "CREATE SECRET bucket (TYPE gcs, KEY_ID $1, SECRET $2, ENDPOINT $3, URL_STYLE 'path', USE_SSL $4)",
        [*(os.environ[n] for n in names), *_bucket_endpoint()],
    )


def _bucket_endpoint() -> tuple[str, bool]:
    endpoint = os.environ.get("GCS_S3_ENDPOINT", "https://storage.googleapis.com")
    return endpoint.partition("://")[2], endpoint.startswith("https://")


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
