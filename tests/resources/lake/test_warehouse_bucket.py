"""The warehouse with its data in a bucket, through the S3-compatible interface that Cloud Storage and the stand-in `moto` share."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import requests

from resources.lake import compaction
from resources.lake.closed_lake import closed_lake
from resources.lake.select_only import Refused
from resources.lake.warehouse import Warehouse, WarehouseError, scalar
from tests.programs import needed_module


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    needed_module("moto", "moto[s3,server]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                requests.put(f"{address}/lake-test", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def warehouse(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("GCS_S3_ENDPOINT", endpoint)
    monkeypatch.setenv("GCS_HMAC_KEY_ID", "GOOG1EXAMPLE")
    monkeypatch.setenv("GCS_HMAC_SECRET", "secret-of-the-test")
    return Warehouse(tmp_path, data=f"gs://lake-test/{tmp_path.name}", threads=1)


def files(warehouse: Warehouse) -> list[str]:
    with warehouse.connect() as connection:
        return [n for (n,) in connection.execute(f"SELECT file FROM glob('{warehouse.data}/**')").fetchall()]


def test_rows_live_in_the_bucket_and_nothing_of_them_beside_the_catalog(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, warehouse.write(connection):
        warehouse.ensure_table(connection, "validated.lab", {"id": "BIGINT", "week": "VARCHAR"}, partitioned_by="week")
        connection.execute("INSERT INTO validated.lab SELECT range, 'w' || range % 3 FROM range(3000)")
    with warehouse.connect(read_only=True) as connection:
        assert scalar(connection, "SELECT sum(id) FROM validated.lab WHERE week = 'w1'") == sum(range(1, 3000, 3))
    assert len(files(warehouse)) == 3
    assert not list(warehouse.home.rglob("*.parquet"))


def test_erased_rows_leave_the_bucket(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        with warehouse.write(connection):
            warehouse.ensure_table(connection, "validated.lab", {"id": "BIGINT"})
            connection.execute("INSERT INTO validated.lab SELECT range FROM range(100)")
        first = files(warehouse)
        with warehouse.write(connection):
            connection.execute("DELETE FROM validated.lab WHERE id = 7")
        connection.execute("CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)")
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
        connection.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)")
        assert scalar(connection, "SELECT count(*) FROM validated.lab") == 99
    assert not set(first) & set(files(warehouse))


def test_files_in_the_bucket_are_put_together(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "FEW", 1)
    with warehouse.connect() as connection:
        with warehouse.write(connection):
            warehouse.ensure_table(
                connection, "validated.lab", {"id": "BIGINT", "week": "VARCHAR"}, partitioned_by="week"
            )
        for first in (0, 100, 200):
            with warehouse.write(connection):
                connection.execute(
                    f"INSERT INTO validated.lab SELECT {first} + range, 'w' || range % 2 FROM range(100)"
                )
        with warehouse.write(connection):
            connection.execute("DELETE FROM validated.lab WHERE id % 10 = 7")
        before = warehouse.state(connection, "validated.lab")
    assert compaction.compact(warehouse) == ["validated.lab"]
    with warehouse.connect() as connection:
        assert warehouse.state(connection, "validated.lab") == before
        listed = connection.execute(
            "SELECT delete_file FROM ducklake_list_files('lake', 'lab', schema => 'validated')"
        ).fetchall()
        assert listed == [(None,)] * 2
        kept = sum(i for i in range(300) if i % 10 != 7)
        assert scalar(connection, "SELECT sum(id) FROM validated.lab") == kept
        past = f"SELECT sum(id) FROM validated.lab AT (VERSION => {before.snapshot - 1})" if before else ""
        assert scalar(connection, past) == sum(range(300))


def test_the_key_stands_in_no_table_of_the_engine(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        for table in ("duckdb_secrets()", "duckdb_settings()", "duckdb_databases()"):
            assert "secret-of-the-test" not in str(connection.execute(f"SELECT * FROM {table}").fetchall())


def test_a_bucket_without_a_key_says_what_is_missing(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCS_HMAC_SECRET")
    with pytest.raises(WarehouseError, match="GCS_HMAC_SECRET must hold"), warehouse.connect():
        pass


def test_a_query_of_an_analyst_reads_its_tables_in_the_bucket_and_no_other_file_of_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with warehouse.connect() as connection, warehouse.write(connection):
        connection.execute("CREATE TABLE validated.a AS SELECT range AS i FROM range(100)")
        connection.execute("CREATE TABLE raw.secret AS SELECT 'SECRET-VALUE' AS marker")
        connection.execute("DELETE FROM validated.a WHERE i < 10")
    (secret,) = [file for file in files(warehouse) if "/raw/" in file]
    out = tmp_path / "out.parquet"
    with (
        warehouse.connect() as connection,
        closed_lake(warehouse, connection, {"validated.a": 90}, warehouse.wait_for_scratch(), [out]) as lake,
    ):
        assert lake.describe("SELECT sum(i) AS n FROM validated.a", {}) == {"n": "HUGEINT"}
        lake.write("SELECT i FROM validated.a ORDER BY i", {}, out)
        for query in (f"FROM '{secret}'", f"FROM read_blob('{secret}')", f"FROM glob('{warehouse.data}/**')"):
            with pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
                lake._engine.execute(query)
            with pytest.raises(Refused):
                lake.describe(query, {})
        for table in ("duckdb_secrets()", "duckdb_settings()", "duckdb_databases()"):
            assert "secret-of-the-test" not in str(lake._engine.execute(f"FROM {table}").fetchall())
    assert duckdb.sql(f"SELECT min(i), count(*) FROM '{out}'").fetchall() == [(10, 90)]
