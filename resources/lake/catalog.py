"""Where the warehouse keeps its catalog, and the locks between its processes: a SQLite file on one machine, PostgreSQL for several.

A PostgreSQL catalog is given by its address without password: the engine shows the address in errors and in its own tables. The
password comes to libpq by the environment (PGPASSWORD or PGPASSFILE), or there is none (Cloud SQL proxy with IAM login).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import psycopg2

Extremes = tuple[str | None, str | None, int, int]
"""Minimum, maximum, table and column of one row of ``ducklake_table_column_stats``."""
PATIENCE = 120.0
"""Seconds that `forget` waits for readers."""
_TRUE = (
    "UPDATE ducklake_table_column_stats SET min_value = {0}, max_value = {0} WHERE table_id = {0} AND column_id = {0}"
)
_GONE = (
    "DELETE FROM ducklake_table_column_stats WHERE table_id NOT IN "
    "(SELECT table_id FROM ducklake_table WHERE end_snapshot IS NULL)"
)
_CREATED_LAST = "platform"  # the last schema that the warehouse makes: where it is, all are


class CatalogError(RuntimeError):
    """The catalog's address cannot be used, or the catalog went away; the message says what to do next."""


class Catalog(Protocol):
    """What the warehouse asks of its catalog."""

    extension: str
    """The DuckDB extension that reads it."""
    address: str
    """What stands after ``ducklake:`` in ATTACH. Holds no secret."""

    options: str
    """Further options of ATTACH, each after a comma."""
    is_file: bool
    """A file cannot go away under an open engine, as a server's connection can."""

    def ready(self) -> bool:
        """Whether the warehouse's schemas were made."""
        ...

    def created(self) -> None:
        """Told once the schemas are made."""
        ...

    def identity(self) -> str:
        """Another text for another catalog, also where it stands at the same address (a restored backup)."""
        ...

    def lock(self, name: str) -> Any:
        """A context manager: a lock that one process holds at a time. It is freed when its holder dies."""
        ...

    def check_locks(self) -> None:
        """Raise CatalogError where a lock that this process believes to hold was lost."""
        ...

    def forget(self, extremes: Sequence[Extremes]) -> None:
        """Write the true minimum and maximum of columns, and leave no page that holds what the catalog held before.

        The caller holds the write lock. Raises CatalogError where others stay in the way.
        """
        ...

    def contents(self) -> Iterator[tuple[str, str]]:
        """(table, row as text) of all that the catalog holds, where that is in no file that could be searched."""
        ...

    def keeps(self) -> str:
        """Where what the catalog forgets is kept for a while, as a sentence; '' where it is not."""
        ...


class SqliteCatalog:
    """A file in the folder `home`, and lock files beside it: for the processes of one machine."""

    extension = "sqlite_scanner"
    # with a write-ahead log readers do not hold up the commit of a writer, nor the other way round
    is_file = True
    options = ", META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 30000"

    def __init__(self, home: Path) -> None:
        self._home = home
        self.address = f"sqlite:{home / 'catalog.sqlite'}"

    def ready(self) -> bool:
        """Whether the catalog was made to the end: the file itself is there before its schemas are."""
        return (self._home / "ready").exists()

    def created(self) -> None:
        """Leave the mark that `ready` looks for."""
        (self._home / "ready").touch()

    def identity(self) -> str:
        """The file's path and number, and the moment when its mark was made: a file system may give a freed number again."""
        path, mark = self._home / "catalog.sqlite", (self._home / "ready").stat()
        return f"{path} {path.stat().st_ino} {mark.st_ino} {mark.st_ctime_ns}"

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """A lock file; the system frees it when its holder dies."""
        folder = self._home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def check_locks(self) -> None:
        """A lock file cannot be lost while the process lives."""

    def forget(self, extremes: Sequence[Extremes]) -> None:
        """Update, VACUUM, and move the write-ahead log into the file: until then the file keeps the pages from before."""
        path = self._home / "catalog.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
            with database:
                database.executemany(_TRUE.format("?"), extremes)
                database.execute(_GONE)
            database.execute("VACUUM")
            deadline = time.monotonic() + PATIENCE
            while database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise CatalogError("lake/catalog.sqlite (a query is still reading it)")
                time.sleep(0.2)

    def contents(self) -> Iterator[tuple[str, str]]:
        """None: the file is searched."""
        return iter(())

    def keeps(self) -> str:
        """Nothing."""
        return ""


class PostgresCatalog:
    """A PostgreSQL database at `address` (``postgresql://user@host:port/database``): for the processes of many machines."""

    extension = "postgres_scanner"
    options = ""
    is_file = False

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise CatalogError("the catalog's address must read postgresql://user@host:port/database")
        if parts.password is not None or "password" in parse_qs(parts.query) or "'" in address:
            raise CatalogError(
                "the catalog's address must not hold a password, as errors show it: "
                "take it out and set PGPASSWORD (or PGPASSFILE) from the secret store"
            )
        self._address = address
        self.address = f"postgres:{address}"
        self._ready = False
        self._held: list[psycopg2.extensions.connection] = []
        self._guard = threading.Lock()

    def ready(self) -> bool:
        """Whether the schemas stand in the database."""
        if not self._ready:
            connection = self._connect()
            try:
                self._ready = bool(
                    _value(connection, "SELECT to_regclass('ducklake_schema') IS NOT NULL")
                    and _value(
                        connection,
                        "SELECT EXISTS (SELECT 1 FROM ducklake_schema WHERE schema_name = %s AND end_snapshot IS NULL)",
                        _CREATED_LAST,
                    )
                )
            finally:
                connection.close()
        return self._ready

    def created(self) -> None:
        """The database knows."""

    def identity(self) -> str:
        """The address."""
        return self.address

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """An advisory lock of a session of its own; the server frees it when the session ends, however it ends."""
        connection = self._connect()
        try:
            _value(connection, "SELECT pg_advisory_lock(%s)", _lock_number(name))
            with self._guard:
                self._held.append(connection)
            yield
        finally:
            with self._guard:
                if connection in self._held:
                    self._held.remove(connection)
            connection.close()

    def check_locks(self) -> None:
        """Ask the server in every session that holds a lock."""
        import psycopg2

        with self._guard:
            held = list(self._held)
        try:
            for connection in held:
                _value(connection, "SELECT 1")
        except psycopg2.Error:
            raise CatalogError(
                "the connection that held a lock of the warehouse is gone, so another process may write: nothing was "
                "committed. Run it again; if it happens often, look at the database's restarts and the proxy's log"
            ) from None

    def forget(self, extremes: Sequence[Extremes]) -> None:
        """Update, then VACUUM FULL, which writes every table anew; the planner's samples of their values are taken anew too."""
        import psycopg2

        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{PATIENCE:.0f}s'")
                cursor.execute("BEGIN")
                cursor.executemany(_TRUE.format("%s"), extremes)
                cursor.execute(_GONE)
                cursor.execute("COMMIT")
                for table in _tables(connection):
                    cursor.execute(f'VACUUM (FULL, ANALYZE) "{table}"')
                # belongs to the server: elsewhere than on a server of one's own it is cleaned when autovacuum comes
                with contextlib.suppress(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute("VACUUM FULL pg_catalog.pg_statistic")
        except psycopg2.errors.LockNotAvailable:
            raise CatalogError("the PostgreSQL catalog (a query is still reading it)") from None
        finally:
            connection.close()

    def contents(self) -> Iterator[tuple[str, str]]:
        """Every row of every table, and what the planner has noted of their values."""
        connection = self._connect()
        try:
            connection.autocommit = False
            sources = {table: f'SELECT t::text FROM "{table}" t' for table in _tables(connection)}
            sources["pg_stats"] = "SELECT s::text FROM pg_stats s WHERE schemaname = current_schema()"
            for table, sql in sources.items():
                with connection.cursor(name="contents") as cursor:
                    cursor.execute(sql)
                    for (row,) in cursor:
                        yield table, row
        finally:
            connection.close()

    def keeps(self) -> str:
        """The server's write-ahead log and backups."""
        return (
            "The catalog's database server keeps what was removed from the catalog (the smallest and largest value of a column) in "
            "its write-ahead log and backups, as long as it keeps these."
        )

    def _connect(self) -> psycopg2.extensions.connection:
        import psycopg2

        try:
            # keepalives: an idle session that only holds a lock must not be dropped by what lies between
            connection = psycopg2.connect(
                self._address, connect_timeout=10, keepalives=1, keepalives_idle=30, application_name="platform"
            )
        except psycopg2.OperationalError as error:
            raise CatalogError(
                f"the warehouse's catalog cannot be reached: {str(error).strip()}. "
                "Is the database (or its proxy) up, and is PGPASSWORD set?"
            ) from None
        connection.autocommit = True
        return connection


def catalog_from(environment: Mapping[str, str], home: Path) -> Catalog:
    """The catalog that PLATFORM_CATALOG names (a PostgreSQL address), or the SQLite file in `home` where it names none."""
    address = environment.get("PLATFORM_CATALOG", "")
    return PostgresCatalog(address) if address else SqliteCatalog(home)


def _value(connection: psycopg2.extensions.connection, sql: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def _tables(connection: psycopg2.extensions.connection) -> list[str]:
    """Tables of the catalog, DuckLake's and no other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'ducklake%' ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall()]


def _lock_number(name: str) -> int:
    """The lock's 64-bit key: advisory locks are numbers, the same for every process."""
    return int.from_bytes(hashlib.sha256(f"platform:{name}".encode()).digest()[:8], "big", signed=True)
