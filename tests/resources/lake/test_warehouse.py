"""What the warehouse must do: the same tests with the catalog in a SQLite file and in PostgreSQL (a real server on loopback)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import duckdb
import pytest

from resources.lake import compaction
from resources.lake.catalog import Catalog, CatalogError, PostgresCatalog, SqliteCatalog, catalog_from
from resources.lake.warehouse import CATALOG, SchemaConflict, Warehouse, WarehouseError, scalar
from tests.servers.postgres_server import PASSWORD, PostgresServer

SPAWN = multiprocessing.get_context("spawn")
COLUMNS = {"id": "BIGINT", "text": "VARCHAR"}


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PLATFORM_CATALOG of the test: empty for the SQLite file."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return server.create("lake")


@pytest.fixture
def warehouse(address: str, tmp_path: Path) -> Warehouse:
    return open_warehouse(tmp_path, address)


def open_warehouse(home: Path, address: str) -> Warehouse:
    return Warehouse(home, catalog=catalog_from({"PLATFORM_CATALOG": address}, home), threads=1, memory_limit="500MB")


def make_tables(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, warehouse.write(connection):
        for table in ("validated.lab", "quarantine.lab", "platform.ledger"):
            warehouse.ensure_table(connection, table, COLUMNS)


def insert(warehouse: Warehouse, table: str, *ids: int) -> None:
    with warehouse.connect() as connection, warehouse.write(connection):
        for number in ids:
            connection.execute(f"INSERT INTO {table} VALUES (?, 'row')", [number])


def count(warehouse: Warehouse, table: str) -> int:
    with warehouse.connect(read_only=True) as connection:
        return int(scalar(connection, f"SELECT count(*) FROM {table}"))


def test_data_quarantine_and_ledger_commit_together(warehouse: Warehouse) -> None:
    make_tables(warehouse)
    with warehouse.connect() as connection:
        before = scalar(connection, "SELECT max(snapshot_id) FROM lake.snapshots()")
        with warehouse.write(connection):
            for table in ("validated.lab", "quarantine.lab", "platform.ledger"):
                connection.execute(f"INSERT INTO {table} VALUES (1, 'row')")
        assert scalar(connection, "SELECT max(snapshot_id) FROM lake.snapshots()") == before + 1
    assert [count(warehouse, t) for t in ("validated.lab", "quarantine.lab", "platform.ledger")] == [1, 1, 1]


def test_a_failure_leaves_nothing_of_the_transaction(warehouse: Warehouse) -> None:
    make_tables(warehouse)

    def fails() -> None:
        with warehouse.connect() as connection, warehouse.write(connection):
            connection.execute("INSERT INTO validated.lab VALUES (1, 'row')")
            connection.execute("INSERT INTO platform.ledger VALUES (1, 'row')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert [count(warehouse, t) for t in ("validated.lab", "platform.ledger")] == [0, 0]


def test_a_table_gains_columns_and_refuses_another_type(warehouse: Warehouse) -> None:
    make_tables(warehouse)
    insert(warehouse, "validated.lab", 1)
    with warehouse.connect() as connection, warehouse.write(connection):
        warehouse.ensure_table(connection, "validated.lab", {**COLUMNS, "tested_on": "DATE"})
    with warehouse.connect() as connection:
        assert warehouse.columns(connection, "validated.lab") == {**COLUMNS, "tested_on": "DATE"}
        assert connection.execute("SELECT * FROM validated.lab").fetchall() == [(1, "row", None)]
        with pytest.raises(SchemaConflict, match=r"validated\.lab\.id is BIGINT, the contract now says VARCHAR"):
            warehouse.ensure_table(connection, "validated.lab", {"id": "VARCHAR"})


def test_a_tables_state_changes_with_its_content_only(warehouse: Warehouse) -> None:
    make_tables(warehouse)
    insert(warehouse, "validated.lab", 1, 2)
    with warehouse.connect() as connection:
        first = warehouse.state(connection, "validated.lab")
        assert first is not None
        assert first.rows == 2
        assert warehouse.state(connection, "validated.nothing") is None
    insert(warehouse, "quarantine.lab", 1)
    with warehouse.connect() as connection:
        assert warehouse.state(connection, "validated.lab") == first
        with warehouse.write(connection):
            connection.execute("DELETE FROM validated.lab WHERE id = 1")
        last = warehouse.state(connection, "validated.lab")
        assert last is not None
        assert (last.rows, last.snapshot > first.snapshot) == (1, True)


def test_yesterdays_table_can_still_be_read(warehouse: Warehouse) -> None:
    make_tables(warehouse)
    insert(warehouse, "validated.lab", 1)
    with warehouse.connect() as connection:
        state = warehouse.state(connection, "validated.lab")
        assert state is not None
        with warehouse.write(connection):
            connection.execute("DELETE FROM validated.lab")
        assert connection.execute("SELECT count(*) FROM validated.lab").fetchall() == [(0,)]
        assert connection.execute(
            f"SELECT count(*) FROM validated.lab AT (VERSION => {state.snapshot})"
        ).fetchall() == [(1,)]


def _keep_writing(home: str, address: str, first: int, times: int) -> None:
    warehouse = open_warehouse(Path(home), address)
    with warehouse.connect() as connection:
        for number in range(first, first + times):
            with warehouse.write(connection):
                connection.execute("INSERT INTO validated.lab VALUES (?, 'row')", [number])


@pytest.mark.slow
def test_processes_that_write_at_once_lose_and_double_nothing(
    warehouse: Warehouse, address: str, tmp_path: Path
) -> None:
    make_tables(warehouse)
    writers = [SPAWN.Process(target=_keep_writing, args=(str(tmp_path), address, 100 * n, 10)) for n in (1, 2, 3)]
    for writer in writers:
        writer.start()
    seen = []
    with warehouse.connect(read_only=True) as connection:
        while any(w.is_alive() for w in writers):
            seen.append(scalar(connection, "SELECT count(*) FROM validated.lab"))
            time.sleep(0.05)
    assert [w.exitcode for w in writers] == [0, 0, 0]
    assert seen == sorted(seen)  # a reader never sees the table go back
    with warehouse.connect() as connection:
        found = connection.execute("SELECT id FROM validated.lab ORDER BY id").fetchall()
    assert [n for (n,) in found] == [100 * w + n for w in (1, 2, 3) for n in range(10)]


def _die_in_a_transaction(home: str, address: str, ready: str) -> None:
    warehouse = open_warehouse(Path(home), address)
    with warehouse.connect() as connection, warehouse.write(connection):
        connection.execute("INSERT INTO validated.lab SELECT range, 'half' FROM range(10000)")
        Path(ready).touch()
        time.sleep(60)


@pytest.mark.slow
def test_a_killed_writer_leaves_no_rows_and_no_lock(warehouse: Warehouse, address: str, tmp_path: Path) -> None:
    make_tables(warehouse)
    ready = tmp_path / "ready"
    writer = SPAWN.Process(target=_die_in_a_transaction, args=(str(tmp_path), address, str(ready)))
    writer.start()
    while not ready.exists():
        assert writer.is_alive(), "the writer ended before it had written"
        time.sleep(0.02)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    insert(warehouse, "validated.lab", 7)
    assert count(warehouse, "validated.lab") == 1


def test_a_lock_is_held_by_one_at_a_time_and_others_are_free(
    warehouse: Warehouse, address: str, tmp_path: Path
) -> None:
    other = open_warehouse(tmp_path, address)
    order: list[str] = []

    def second() -> None:
        with other.lock("load-lab"):
            order.append("second")

    with warehouse.lock("load-lab"):
        thread = threading.Thread(target=second)
        thread.start()
        with other.lock("load-admissions"):
            order.append("another lock")
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["another lock", "first", "second"]


def test_a_writer_whose_lock_was_lost_commits_nothing(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server ends the session that holds the lock (a failover, a proxy that restarts): somebody else may write now."""
    import psycopg2

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    address = postgres_server.create("lake")
    warehouse = open_warehouse(tmp_path, address)
    make_tables(warehouse)

    def loses_its_lock() -> None:
        with warehouse.connect() as connection, warehouse.write(connection):
            connection.execute("INSERT INTO validated.lab VALUES (1, 'row')")
            with psycopg2.connect(address) as admin, admin.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
                assert cursor.rowcount == 1

    with pytest.raises(CatalogError, match="nothing was committed"):
        loses_its_lock()
    assert count(warehouse, "validated.lab") == 0


def test_no_password_reaches_an_error_or_the_engines_own_tables(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = postgres_server.create("lake")
    with_password = address.replace("platform@", f"platform:{PASSWORD}@")
    for bad in (with_password, f"{address}?password={PASSWORD}"):
        with pytest.raises(CatalogError, match="PGPASSWORD") as caught:
            PostgresCatalog(bad)
        assert PASSWORD not in str(caught.value)
    monkeypatch.setenv("PGPASSWORD", "a-wrong-password")
    with pytest.raises(CatalogError, match="cannot be reached") as caught, open_warehouse(tmp_path, address).connect():
        pass
    assert "a-wrong-password" not in str(caught.value)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with open_warehouse(tmp_path, address).connect() as connection:
        for table in ("duckdb_databases()", "duckdb_settings()", "duckdb_secrets()"):
            assert PASSWORD not in str(connection.execute(f"SELECT * FROM {table}").fetchall())


@pytest.mark.parametrize("bad", ["mysql://x/y", "postgresql://host", "host=a dbname=b"])
def test_an_address_that_is_none_says_how_it_should_read(bad: str) -> None:
    with pytest.raises(CatalogError, match=r"postgresql://user@host:port/database"):
        PostgresCatalog(bad)


def test_the_environment_chooses_the_catalog(tmp_path: Path) -> None:
    chosen: Catalog = catalog_from({}, tmp_path)
    assert isinstance(chosen, SqliteCatalog)
    chosen = catalog_from({"PLATFORM_CATALOG": "postgresql://platform@127.0.0.1:1/lake"}, tmp_path)
    assert chosen.address == "postgres:postgresql://platform@127.0.0.1:1/lake"


def test_a_restored_catalog_is_another_one_although_its_file_has_the_same_number(tmp_path: Path) -> None:
    """File systems give a freed inode number again: here the catalog's file is written over in place."""
    warehouse = open_warehouse(tmp_path, "")
    make_tables(warehouse)
    catalog, before = warehouse.catalog, warehouse.catalog.identity()
    file, mark = tmp_path / "catalog.sqlite", tmp_path / "ready"
    number = file.stat().st_ino
    file.write_bytes(file.read_bytes())
    mark.unlink()
    mark.touch()
    assert file.stat().st_ino == number
    assert catalog.identity() != before


def test_files_are_put_together_and_the_past_is_forgotten_whatever_the_catalog(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "FEW", 1)
    monkeypatch.setattr(compaction, "MANY", 1)
    make_tables(warehouse)
    for number in range(4):
        insert(warehouse, "validated.lab", number, number + 10)
    with warehouse.connect() as connection, warehouse.write(connection):
        connection.execute("DELETE FROM validated.lab WHERE id IN (0, 13)")
    with warehouse.connect() as connection:
        before = warehouse.state(connection, "validated.lab")
        assert before is not None
        files = f"SELECT count(*) FROM {CATALOG}.ducklake_data_file WHERE end_snapshot IS NULL"
        many = scalar(connection, files)
        past = f"SELECT id FROM validated.lab AT (VERSION => {before.snapshot - 1}) ORDER BY id"
        then = connection.execute(past).fetchall()
    assert compaction.compact(warehouse) == ["validated.lab"]
    with warehouse.connect() as connection:
        assert warehouse.state(connection, "validated.lab") == before
        assert scalar(connection, files) < many
        assert connection.execute(past).fetchall() == then
        warehouse.past_days = 0  # what is a moment ago is old
        assert compaction.forget_past(warehouse, connection) > 0
        assert warehouse.state(connection, "validated.lab") == before
        now = f"SELECT count(*) FROM validated.lab AT (VERSION => {before.snapshot})"
        assert scalar(connection, now) == before.rows


def test_an_open_engine_loads_nothing_that_is_not_signed(warehouse: Warehouse, tmp_path: Path) -> None:
    """Our own extensions are loaded without their signature being computed; the door is shut behind them, in every way to an engine."""
    forged = tmp_path / "forged.duckdb_extension"
    forged.write_bytes(b"\\0" * 1000)
    (tmp_path / "apart").mkdir()
    bare = warehouse.bare_engine(tmp_path / "apart")
    with bare, warehouse.connect() as writer, warehouse.connect(read_only=True) as reader:
        for connection in (bare, writer, reader):
            assert scalar(connection, "SELECT current_setting('allow_unsigned_extensions')") is False
            with pytest.raises(duckdb.InvalidInputException, match="while database is running"):
                connection.execute("SET allow_unsigned_extensions = true")
            with pytest.raises(duckdb.Error):
                connection.execute(f"LOAD '{forged}'")


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", "1000000"])
def test_a_number_of_threads_that_is_none_says_what_to_give(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_THREADS", asked)
    with pytest.raises(WarehouseError, match="give one such as 4, or leave it out"):
        Warehouse(Path())


def test_the_environment_says_how_many_threads_an_engine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_THREADS", "3")
    with Warehouse(tmp_path).connect() as connection:
        assert scalar(connection, "SELECT current_setting('threads')") == 3
