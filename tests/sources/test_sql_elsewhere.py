"""SQL Server, against a stand-in of its protocol, and Oracle, of which there is none: there only what is asked and how it fails."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from platform_assets.sources.base import Fetched, Reach, Window
from platform_assets.sources.sql import SqlSource
from resources import deadline, requesting
from resources.databases import oracle
from resources.databases.dialect import BATCH_BYTES, Found
from resources.requesting import Passing, Permanent
from tests.servers.tds_server import ODD, PASSWORD, ROWS, sql_server

CANARY = "PATIENT-4711"


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with sql_server() as port:
        yield port


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(deadline, "LAST_SECONDS", 0.2)


def fetch(out: Path, address: str, said: list[str], password: str = PASSWORD, **source: Any) -> Fetched:
    made = SqlSource.model_validate({"kind": "sql", "database": "ehr", **source})
    environment = {"PLATFORM_DATABASE_EHR": address, "PLATFORM_DATABASE_EHR_PASSWORD": password}
    return made.fetch(Window(), {}, out, Reach("stays", environment, said.append))


def at(port: int, options: str = "?tls=require") -> str:
    return f"mssql://platform@127.0.0.1:{port}/hospital{options}"


def test_every_odd_value_of_sql_server_comes_exactly(server: int, tmp_path: Path) -> None:
    fetch(tmp_path / "x", at(server), [], table="odd")
    first, second = pq.read_table(tmp_path / "x").to_pylist()
    assert first == {name: text for name, (_, _, text) in ODD.items()}
    assert set(second.values()) == {None}


def test_many_rows_of_sql_server(server: int, tmp_path: Path) -> None:
    source: dict[str, Any] = {"table": "big", "watermark": {"column": "updated_at"}}
    found = fetch(tmp_path / "x", at(server), [], **source)
    ids = pq.read_table(tmp_path / "x")["id"].to_pylist()
    assert sorted(map(int, ids)) == list(range(1, ROWS + 1))
    assert found.noted["read_to"].startswith("2026-01-05 00:00:00.003")


@pytest.mark.parametrize(
    ("options", "password", "source", "words"),
    [
        ("?tls=require", "wrong-Zz1", {"table": "odd"}, "check user and password"),
        ("?tls=verify", PASSWORD, {"table": "odd"}, "no encrypted connection"),
        ("?tls=require&ca=/x", PASSWORD, {"table": "odd"}, "leave `ca` out"),
        ("?tls=require", PASSWORD, {"table": "nothere"}, "not there"),
        ("?tls=require", PASSWORD, {"table": "denied"}, "may not read"),
        ("?tls=require", PASSWORD, {"table": "snapshot"}, "ALLOW_SNAPSHOT_ISOLATION"),
        ("?tls=require", PASSWORD, {"table": "deadlock"}, "5 times"),
        ("?tls=require", PASSWORD, {"table": "slow", "timeout": "1 seconds"}, "longer than"),
    ],
)
def test_troubles_of_sql_server(
    server: int, tmp_path: Path, options: str, password: str, source: dict[str, Any], words: str
) -> None:
    said: list[str] = []
    with pytest.raises((Passing, Permanent), match=words) as caught:
        fetch(tmp_path / "x", at(server, options), said, password, **source)
    told = f"{caught.value} {said}"
    assert not [secret for secret in (CANARY, PASSWORD, password) if secret in told]


# ------------------------------------------------------------------ Oracle: never run against Oracle


@contextmanager
def listener(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accepts and answers as Oracle's listener does when it refuses, or not at all."""
    with socket.create_server(("127.0.0.1", 0)) as made:

        def serve() -> None:
            while True:
                try:
                    client, _ = made.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        threading.Thread(target=serve, daemon=True).start()
        yield made.getsockname()[1]


def refusing(code: int) -> Callable[[socket.socket], None]:
    def answer(client: socket.socket) -> None:
        client.recv(4096)
        text = f"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))".encode()
        body = b"\x22\x00" + struct.pack(">H", len(text)) + text
        client.sendall(struct.pack(">HHBBH", 8 + len(body), 0, 4, 0, 0) + body)

    return answer


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (12514, "no such database"),
        (12505, "no such database"),
        (12516, "5 times"),
        (99999, "query|connection|database"),
    ],
)
def test_a_listener_of_oracle_that_refuses(tmp_path: Path, code: int, words: str) -> None:
    said: list[str] = []
    with listener(refusing(code)) as port, pytest.raises((Passing, Permanent), match=words) as caught:
        fetch(tmp_path / "x", f"oracle://platform@127.0.0.1:{port}/ehr", said, table="stays", timeout="5 seconds")
    assert PASSWORD not in f"{caught.value} {said}"


def test_a_listener_of_oracle_that_is_silent(tmp_path: Path) -> None:
    stop = threading.Event()

    def silent(client: socket.socket) -> None:
        stop.wait(20)

    with listener(silent) as port:
        with pytest.raises(Permanent, match="longer than 1 seconds"):
            fetch(tmp_path / "x", f"oracle://platform@127.0.0.1:{port}/ehr", [], table="stays", timeout="1 seconds")
        stop.set()


def test_what_is_asked_of_oracle_is_rendered_by_the_server() -> None:
    columns = [
        Found(name, kind, *oracle._TYPES[kind][::2])
        for name, kind in (
            ("ID", "DB_TYPE_NUMBER"),
            ("WARD", "DB_TYPE_VARCHAR"),
            ("AT", "DB_TYPE_TIMESTAMP_TZ"),
            ("BORN", "DB_TYPE_DATE"),
            ("PICTURE", "DB_TYPE_RAW"),
        )
    ]
    asked = oracle.DIALECT.reading("SELECT * FROM stays -- all", columns, ("AT", "2026-01-05 08:00:00.250000+00"))
    assert asked == (
        """SELECT TO_CHAR(q."ID", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,'''), q."WARD", """
        """TO_CHAR(SYS_EXTRACT_UTC(q."AT"), 'YYYY-MM-DD HH24:MI:SS.FF6') || NVL2(q."AT", '+00', ''), """
        """TO_CHAR(q."BORN", 'YYYY-MM-DD HH24:MI:SS'), LOWER(RAWTOHEX(q."PICTURE")) FROM (SELECT * FROM stays -- all\n) q """
        """WHERE q."AT" >= FROM_TZ(TO_TIMESTAMP('2026-01-05 08:00:00.250000', 'YYYY-MM-DD HH24:MI:SS.FF6'), 'UTC') OR q."AT" IS NULL"""
    )
    with pytest.raises(Permanent):
        oracle.DIALECT.reading("SELECT 1", columns, ("AT", "x' OR 1=1"))


class Cursor:
    """Stands in for a cursor of Oracle's driver: there is no server."""

    arraysize = prefetchrows = 0

    def __init__(self, rows: list[tuple[str | None, ...]]) -> None:
        self.rows, self.asked = rows, list[int]()

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def execute(self, query: str) -> None:
        """Nothing to run."""

    def fetchmany(self, most: int) -> list[tuple[str | None, ...]]:
        self.asked.append(most)
        taken, self.rows = self.rows[:most], self.rows[most:]
        return taken


def test_batches_of_oracle_are_bounded_by_bytes() -> None:
    class Connection:
        def cursor(self) -> Cursor:
            return cursor

    rows: list[tuple[str | None, ...]] = [("x" * (BATCH_BYTES // 8), None)] * 150
    cursor = Cursor(list(rows))
    batches = list(oracle.DIALECT.batches(Connection(), "SELECT 1"))
    assert [value for first, _ in batches for value in first.to_pylist()] == [row[0] for row in rows]
    assert cursor.asked[1:] == [8, 8, 8, 8, 8, 8, 8, 8]
