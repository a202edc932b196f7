"""Rows of real databases, PostgreSQL and MariaDB: exact, whole, late ones too; trouble is told without what it quotes."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.parquet as pq
import pytest
import yaml

from platform_assets.contracts.model import Contract
from platform_assets.sources import __main__ as command
from platform_assets.sources.base import Fetched, Reach, Window
from platform_assets.sources.collect import Collected, collect
from platform_assets.sources.sql import SqlSource
from resources import deadline, requesting
from resources.databases import mysql, postgresql
from resources.databases.dialect import Dialect
from resources.environment import Platform
from resources.object_store import LocalStore, StoredObject
from resources.requesting import Passing, Permanent
from tests.conftest import Bench
from tests.resources import mariadb_server, postgres_server
from tests.resources.mariadb_server import mariadb
from tests.resources.postgres_server import postgres
from tests.resources.tcp_proxy import proxy

CANARY = "PATIENT-4711"
NOTHING = "nothing-Kx93"


@dataclass
class Server:
    """A database server, and what differs between the two in tests."""

    name: str
    port: int
    password: str
    dialect: Dialect
    said: list[str] = field(default_factory=list)

    @contextmanager
    def connection(self, user: str = "platform") -> Iterator[Any]:
        if self.name == "postgresql":
            made = psycopg2.connect(f"postgresql://{user}@127.0.0.1:{self.port}/postgres", password=self.password)
        else:
            made = mariadb_server.MariaDBServer(self.port).connect(database="hospital")
        try:
            yield made
        finally:
            made.close()

    def run(self, *statements: str) -> None:
        with self.connection() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def environment(self, port: int | None = None, **changes: Any) -> dict[str, str]:
        database = "postgres" if self.name == "postgresql" else "hospital"
        address = f"{self.name}://platform@127.0.0.1:{port or self.port}/{database}"
        return {"PLATFORM_DATABASE_EHR": address, "PLATFORM_DATABASE_EHR_PASSWORD": self.password, **changes}

    def fetch(self, out: Path, done: dict[str, str] | None = None, port: int | None = None, **source: Any) -> Fetched:
        made = SqlSource.model_validate({"kind": "sql", "database": "ehr", **source})
        return made.fetch(Window(), done or {}, out, Reach("stays", self.environment(port), self.said.append))

    def failure(self, out: Path, **source: Any) -> str:
        """What fetching says; it must say nothing that it was not to say."""
        with pytest.raises((Passing, Permanent)) as caught:
            self.fetch(out, **source)
        told = f"{caught.value} {self.said} {caught.value.__cause__}"
        assert CANARY not in told
        assert self.password not in told
        return str(caught.value)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "postgresql":
        with postgres() as found:
            yield Server("postgresql", found.port, postgres_server.PASSWORD, postgresql.DIALECT)
    else:
        with mariadb() as made:
            yield Server("mariadb", made.port, mariadb_server.PASSWORD, mysql.DIALECT)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(deadline, "LAST_SECONDS", 1.0)


def rows(file: Path) -> list[tuple[str | None, ...]]:
    return sorted(tuple(row.values()) for row in pq.read_table(file).to_pylist())


# type -> value as SQL -> text that must come
ODD_POSTGRESQL: dict[str, dict[str, str | None]] = {
    "numeric(38,10)": {"1234567890123456789012345678.0123456789": "1234567890123456789012345678.0123456789"},
    "numeric": {
        "123456789012345678901234567890123456789012345.000000001": "123456789012345678901234567890123456789012345.000000001",
        "'NaN'": "NaN",
        "1.10": "1.10",
    },
    "timestamptz": {
        "'2026-03-29 01:30:00.123456+02'": "2026-03-28 23:30:00.123456+00",
        "'infinity'": "infinity",
        "'0044-03-15 00:00:00+00 BC'": "0044-03-15 00:00:00+00 BC",
        "'294276-12-31 23:59:59.999999+00'": "294276-12-31 23:59:59.999999+00",
    },
    "timestamp": {"'2020-03-29 02:30:00'": "2020-03-29 02:30:00"},
    "date": {"'infinity'": "infinity", "'5874897-12-31'": "5874897-12-31", "'0044-03-15 BC'": "0044-03-15 BC"},
    "time": {"'24:00:00'": "24:00:00"},
    "timetz": {"'10:00:00+05:30'": "10:00:00+05:30"},
    "interval": {"'1 mon 2 days 03:04:05'": "P1M2DT3H4M5S"},
    "uuid": {"'00000000-0000-0000-0000-000000000001'": "00000000-0000-0000-0000-000000000001"},
    "int[]": {"'{{1,2},{3,4}}'": "{{1,2},{3,4}}", "'{1,NULL,3}'": "{1,NULL,3}"},
    "inet": {"'10.0.0.1/24'": "10.0.0.1/24"},
    "text": {
        "''": "",
        "NULL": None,
        r"E'line1\nline2\t\u0001é🎉'": "line1\nline2\t\x01é🎉",
        r"E'\\N'": r"\N",
        r"E'back\\slash\\\\n\b\f\r\x0b'": "back\\slash\\\\n\b\f\r\v",
        "repeat('x', 5000000)": "x" * 5_000_000,
        r"E'\uFEFFmark'": "\ufeffmark",
        """E'"quoted, \t'""": '"quoted, \t',
        "' blanks '": " blanks ",
    },
    "bytea": {r"'\x000102ff'": "000102ff", r"'\x'": ""},
    "json": {"""'{"a": 12345678901234567890.123, "a":2}'""": '{"a": 12345678901234567890.123, "a":2}'},
    "float8": {"'-Infinity'": "-Infinity", "-0.0": "0", "'-0'": "-0", "0.1": "0.1", "1e308": "1e+308"},
    "real": {"0.1": "0.1", "'1e-45'": "1e-45", "3.4028235e38": "3.4028235e+38"},
    "boolean": {"true": "true", "false": "false"},
    "bigint": {"9223372036854775807": "9223372036854775807"},
}
ODD_MARIADB: dict[str, dict[str, str | None]] = {
    "bigint unsigned": {"18446744073709551615": "18446744073709551615"},
    "decimal(65,30)": {
        "12345678901234567890123456789012345.123456789012345678901234567890": "12345678901234567890123456789012345.123456789012345678901234567890",
        "-0.000000000000000000000000000001": "-0.000000000000000000000000000001",
    },
    "date": {"'0000-00-00'": "0000-00-00", "'2026-00-15'": "2026-00-15", "'1000-01-01'": "1000-01-01"},
    "datetime(6)": {
        "'0000-00-00 00:00:00'": "0000-00-00 00:00:00.000000",
        "'9999-12-31 23:59:59.999999'": "9999-12-31 23:59:59.999999",
    },
    "timestamp(6) null": {"'2026-03-29 01:30:00.123456'": "2026-03-29 01:30:00.123456", "NULL": None},
    "time(6)": {"'838:59:59'": "838:59:59.000000", "'-01:30:00.5'": "-01:30:00.500000"},
    "bit(1)": {"b'1'": "1", "b'0'": "0"},
    "bit(8)": {"b'11111111'": "ff"},
    "year": {"2026": "2026", "0000": "0000"},
    "enum('a','b')": {"'a'": "a", "''": ""},
    "set('x','y')": {"'x,y'": "x,y"},
    "longtext": {"''": "", "'line1\\nline2\\té🎉'": "line1\nline2\té🎉", "repeat('x', 5000000)": "x" * 5_000_000},
    "longblob": {"unhex('000102ff')": "000102ff", "''": ""},
    "varbinary(9)": {"unhex('ff')": "ff"},
    "json": {"""'{"a": 12345678901234567890.123}'""": '{"a": 12345678901234567890.123}'},
    "float": {"16777217": "16777216", "1234567.8": "1234567.75", "0.5": "0.5"},
    "double": {"0.1": "0.1", "1.7e308": "1.7e308"},
    "varchar(50) character set latin1": {"'café'": "café"},
    "tinyint(1)": {"5": "5", "0": "0"},
    "uuid": {"'00000000-0000-0000-0000-000000000001'": "00000000-0000-0000-0000-000000000001"},
}


def test_every_odd_value_comes_as_the_server_has_it(server: Server, tmp_path: Path) -> None:
    odd = ODD_POSTGRESQL if server.name == "postgresql" else ODD_MARIADB
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(odd))
    make = [
        f"INSERT INTO odd (id, c{n}) VALUES ({k}, {v})" for n, vs in enumerate(odd.values()) for k, v in enumerate(vs)
    ]
    mode = [] if server.name == "postgresql" else ["SET sql_mode = ''", "SET time_zone = '+00:00'"]
    server.run("DROP TABLE IF EXISTS odd", f"CREATE TABLE odd (id int, {columns})", *mode, *make)
    server.fetch(tmp_path / "x", query="SELECT * FROM odd ORDER BY id -- all of them;")
    found = pq.read_table(tmp_path / "x")
    wrong = []
    for n, (kind, values) in enumerate(odd.items()):
        for k, (sql, text) in enumerate(values.items()):
            came = {row[f"c{n}"] for row in found.filter(pq.filters_to_expression([("id", "=", str(k))])).to_pylist()}
            if text not in came:
                wrong.append((kind, sql, [str(c)[:80] for c in came]))
    assert wrong == []


CONTRACT = {
    "name": "stays",
    "description": "Stays.",
    "owner": "team:test",
    "source": {"kind": "sql", "database": "ehr", "table": "stays", "watermark": {"column": "updated_at", "lag": "2 hours"}},
    "format": {"kind": "parquet"},
    "load": {"mode": "upsert", "key": ["id"]},
    "columns": {
        "id": {"type": "integer"},
        "ward": {"type": "string"},
        "updated_at": {"type": "timestamp", "required": False, "format": [
            "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"]},
    },
    "timezone": "UTC",
    "quality": {"min_rows": 0},
}  # fmt: skip


@pytest.fixture
def stays(server: Server, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A platform whose dataset is the table `stays`, which has two rows."""
    kind = "timestamptz" if server.name == "postgresql" else "timestamp(6) NULL"
    server.run(
        "DROP TABLE IF EXISTS stays",
        f"CREATE TABLE stays (id int PRIMARY KEY, ward varchar(40), updated_at {kind})",
        "INSERT INTO stays VALUES (1, 'north', '2026-01-05 08:00:00.25'), (2, 'south', '2026-01-05 09:00:00')",
    )
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return Bench(
        replace(platform, settings=replace(platform.settings, sources=True)), Contract.model_validate(CONTRACT)
    )


def ask(bench: Bench) -> Collected:
    return collect(bench.contract.source, bench.contract.name, bench.platform, lambda _: None)


def landed(bench: Bench) -> list[tuple[int, str]]:
    """What the landed files make of the table, by the order of their names: newer over older."""
    files = sorted((bench.platform.settings.home / "landing" / "stays").iterdir(), key=lambda f: f.stat().st_mtime_ns)
    return sorted({int(row[0] or 0): str(row[1]) for file in files for row in rows(file)}.items())


def test_what_has_changed_comes_once_and_what_has_not_does_not_come(server: Server, stays: Bench) -> None:
    assert len(ask(stays).landed) == 1
    assert ask(stays) == Collected()
    server.run("UPDATE stays SET ward = 'west', updated_at = '2026-01-05 09:30:00' WHERE id = 1")
    assert len(ask(stays).landed) == 1
    assert landed(stays) == [(1, "west"), (2, "south")]


def test_a_transaction_that_ends_late_is_not_missed(server: Server, stays: Bench) -> None:
    with server.connection() as late, late.cursor() as cursor:
        cursor.execute("INSERT INTO stays VALUES (3, 'late', '2026-01-05 08:30:00')")
        server.run("INSERT INTO stays VALUES (4, 'later', '2026-01-05 10:00:00')")
        ask(stays)
        assert [id for id, _ in landed(stays)] == [1, 2, 4]
        late.commit()
    ask(stays)
    assert [id for id, _ in landed(stays)] == [1, 2, 3, 4]


def test_a_time_in_the_future_and_a_missing_one_move_nothing(server: Server, stays: Bench) -> None:
    server.run("INSERT INTO stays VALUES (3, 'future', '2037-01-01 00:00:00'), (4, 'never', NULL)")
    ask(stays)
    server.run(
        "INSERT INTO stays VALUES (5, 'now', '2026-01-05 09:10:00')", "UPDATE stays SET ward = 'changed' WHERE id = 4"
    )
    ask(stays)
    assert landed(stays) == [(1, "north"), (2, "south"), (3, "future"), (4, "changed"), (5, "now")]


@pytest.mark.parametrize("crash", [1, 2, 3])
def test_killed_between_any_two_steps_nothing_is_lost_and_nothing_comes_under_two_names(
    server: Server, stays: Bench, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    """Steps: the note of the name, the landed file, the note that it is done."""
    write, count = LocalStore.write, [0]

    def cut(store: LocalStore, name: str, data: bytes | Path) -> StoredObject:
        count[0] += 1
        if count[0] == crash:
            raise KeyboardInterrupt
        return write(store, name, data)

    monkeypatch.setattr(LocalStore, "write", cut)
    with pytest.raises(KeyboardInterrupt):
        ask(stays)
    server.run("INSERT INTO stays VALUES (3, 'meanwhile', '2026-01-05 09:05:00')")
    ask(stays)
    assert [id for id, _ in landed(stays)] == [1, 2, 3]
    assert len(stays.files("landing")) == 1
    server.run("INSERT INTO stays VALUES (4, 'new', '2026-01-05 11:00:00')")
    ask(stays)
    assert [id for id, _ in landed(stays)] == [1, 2, 3, 4]


BIG = {
    "postgresql": "CREATE TABLE big AS SELECT i AS id, repeat('n', 200) AS note FROM generate_series(1, 100000) i",
    "mariadb": "CREATE TABLE big AS SELECT seq AS id, repeat('n', 200) AS note FROM seq_1_to_100000",
}


def test_a_single_column_of_empty_texts_and_nothing(server: Server, tmp_path: Path) -> None:
    query = "SELECT '' AS x UNION ALL SELECT NULL UNION ALL SELECT '' UNION ALL SELECT 'a'"
    server.fetch(tmp_path / "x", query=query)
    assert sorted(pq.read_table(tmp_path / "x")["x"].to_pylist(), key=str) == ["", "", None, "a"]
    server.fetch(tmp_path / "x", query="SELECT 'a' AS x WHERE 1 = 0")
    assert pq.read_table(tmp_path / "x").num_rows == 0


def test_a_backend_that_is_killed_in_mid_stream_is_asked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run("DROP TABLE IF EXISTS big", BIG[server.name])
    killed: list[Any] = []
    batches = type(server.dialect).batches
    for module in (postgresql, mysql):
        monkeypatch.setattr(module, "BATCH_BYTES", 1 << 20)

    def kill(dialect: Dialect, connection: Any, query: str) -> Iterator[Any]:
        for number, batch in enumerate(batches(dialect, connection, query)):
            if number == 1 and not killed:
                if server.name == "postgresql":
                    server.run(f"SELECT pg_terminate_backend({connection.get_backend_pid()})")
                else:
                    server.run(f"KILL {connection.thread_id()}")
                killed.append(connection)
            yield batch

    monkeypatch.setattr(type(server.dialect), "batches", kill)
    server.fetch(tmp_path / "x", table="big")
    assert len(killed) == 1
    assert "attempt 2 of 5" in str(server.said)
    assert {row[0] for row in rows(tmp_path / "x")} == {str(n) for n in range(1, 100_001)}


@pytest.mark.parametrize("then", ["cut", "silent"])
def test_a_line_that_breaks_or_falls_silent_holds_nothing_up(server: Server, tmp_path: Path, then: Any) -> None:
    server.run("DROP TABLE IF EXISTS big", BIG[server.name])
    with proxy(server.port, after=1_000_000, then=then) as line:
        began = dt.datetime.now()
        told = server.failure(tmp_path / "x", table="big", port=line.port, timeout="3 seconds")
        assert (dt.datetime.now() - began).total_seconds() < 30
        assert ("took longer than 3 seconds" in told) or ("connection was lost" in told)
        assert line.connections == (5 if then == "cut" else 1) or "connection was lost" in told


def test_a_server_that_accepts_and_stays_silent_is_given_up(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = server.failure(tmp_path / "x", table="big", port=silent.getsockname()[1], timeout="1 seconds")
    assert "took longer than 1 seconds" in told


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"table": "not_there"}, "not there"),
        ({"query": "SELECT nothing_such FROM people"}, "not there"),
        ({"query": "SELECT FROM WHERE"}, "not well formed"),
        ({"query": "SELECT {slow} AS x", "timeout": "1 seconds"}, "longer than"),
        ({"query": "SELECT id, name AS id FROM people"}, "two columns of the query"),
        ({"query": "SELECT id FROM people) q; DROP TABLE people; SELECT (1"}, "well formed|change data"),
    ],
)
def test_trouble_is_told_without_what_the_server_quotes(
    server: Server, tmp_path: Path, source: dict[str, str], words: str
) -> None:
    server.run(
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (id int, name varchar(40))",
        f"INSERT INTO people VALUES (1, '{CANARY}')",
    )
    slow = "pg_sleep(20)::text" if server.name == "postgresql" else "sleep(20)"
    told = server.failure(tmp_path / "x", **{name: text.replace("{slow}", slow) for name, text in source.items()})
    assert any(each in told for each in words.split("|")), told
    server.fetch(tmp_path / "x", table="people")
    assert rows(tmp_path / "x") == [("1", CANARY)]


def test_an_error_about_a_value_does_not_show_it(server: Server, tmp_path: Path) -> None:
    server.run(
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (id int, name varchar(40))",
        f"INSERT INTO people VALUES (1, '{CANARY}')",
    )
    query = (
        "SELECT CAST(name AS integer) AS n FROM people"
        if server.name == "postgresql"
        else "SELECT 18446744073709551615 + length(name) AS n, json_extract(name, '$.x') FROM people"
    )
    assert "a value of the data" in server.failure(tmp_path / "x", query=query)


def test_a_query_that_writes_is_refused(server: Server, tmp_path: Path) -> None:
    server.run("DROP TABLE IF EXISTS people", "CREATE TABLE people (id int)", "INSERT INTO people VALUES (1)")
    if server.name == "postgresql":
        server.run("CREATE OR REPLACE FUNCTION sly() RETURNS int AS 'DELETE FROM people RETURNING 1' LANGUAGE sql")
        assert "only reading" in server.failure(tmp_path / "x", query="SELECT sly() AS x")
    else:
        server.run(
            "DROP FUNCTION IF EXISTS sly", "CREATE FUNCTION sly() RETURNS int BEGIN DELETE FROM people; RETURN 1; END"
        )
        assert "only reading" in server.failure(tmp_path / "x", query="SELECT sly() AS x")
    server.fetch(tmp_path / "x", table="people")
    assert rows(tmp_path / "x") == [("1",)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PLATFORM_DATABASE_EHR_PASSWORD": NOTHING}, "check user and password"),
        ({"PLATFORM_DATABASE_EHR_PASSWORD": ""}, "set the environment variable PLATFORM_DATABASE_EHR_PASSWORD"),
        ({"PLATFORM_DATABASE_EHR": f"{{scheme}}://platform:{NOTHING}@127.0.0.1/x"}, "holds a password"),
        ({"PLATFORM_DATABASE_EHR": "{scheme}://platform@127.0.0.1:{port}/nowhere"}, "no such database"),
        ({"PLATFORM_DATABASE_EHR": "{scheme}://platform@127.0.0.1:{port}/postgres?tls=require"}, "encrypted"),
        ({"PLATFORM_DATABASE_EHR": "{scheme}://platform@127.0.0.1:1/x"}, "seems to be down"),
        ({"PLATFORM_DATABASE_EHR": "sqlite://x@y/z"}, "begins with none of"),
        ({"PLATFORM_DATABASE_EHR": "nonsense"}, "needs user, host and database"),
    ],
)
def test_addresses_and_passwords(server: Server, tmp_path: Path, change: dict[str, str], words: str) -> None:
    filled: dict[str, Any] = {
        n: v.replace("{scheme}", server.name).replace("{port}", str(server.port)) for n, v in change.items()
    }
    source = SqlSource.model_validate(
        {"kind": "sql", "database": "ehr", "query": "SELECT 1 AS x", "timeout": "20 seconds"}
    )
    with pytest.raises((Passing, Permanent)) as caught:
        source.fetch(Window(), {}, tmp_path / "x", Reach("stays", server.environment(**filled), server.said.append))
    told = f"{caught.value} {server.said}"
    assert words in told
    assert NOTHING not in told
    assert server.password not in told


def test_a_mounted_file_holds_the_password(server: Server, tmp_path: Path) -> None:
    (tmp_path / "PLATFORM_DATABASE_EHR_PASSWORD").write_text(server.password + "\n")
    environment = server.environment(PLATFORM_SECRETS_DIR=str(tmp_path), PLATFORM_DATABASE_EHR_PASSWORD="")
    source = SqlSource.model_validate({"kind": "sql", "database": "ehr", "query": "SELECT 1 AS x"})
    assert source.fetch(Window(), {}, tmp_path / "x", Reach("stays", environment, print)).changed


def test_described_columns_are_a_contract_that_loads_the_table(
    server: Server, stays: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.run(
        "ALTER TABLE stays ADD COLUMN cost decimal(12,2)",
        "ALTER TABLE stays ADD COLUMN died boolean",
        "UPDATE stays SET cost = 1.5, died = true",
    )
    begun = {
        "type": "platform_assets.components.Dataset",
        "attributes": {"name": "stays", "source": CONTRACT["source"]},
    }
    (tmp_path / "defs.yaml").write_text(yaml.safe_dump(begun))
    monkeypatch.setattr(command, "DEFS", tmp_path)
    assert command.main(["describe", "stays"]) == 0
    printed = capsys.readouterr().out
    assert "rows whose updated_at is anything, the first time" in printed
    contract = Contract.model_validate(
        {**CONTRACT, **yaml.safe_load(printed), "load": {"mode": "upsert", "key": ["id"]}}
    )
    bench = Bench(stays.platform, contract)
    ask(bench)
    bench.load()
    bench.assert_nothing_lost()
    assert len(bench.table("id", "ward", "updated_at", "cost", "died")) == 2
    assert bench.sql("SELECT count(*) FROM {quarantine}") == [(0,)]
    assert command.main(["describe", "nothing"]) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"load": {"mode": "append"}}, "needs load.mode: upsert"),
        ({"load": {"mode": "snapshot"}}, "needs load.mode: upsert"),
        ({"format": {"kind": "csv"}}, "lands parquet"),
        ({"source": {"kind": "sql", "database": "ehr"}}, "either 'query'"),
        ({"source": {**CONTRACT["source"], "timeout": "soon"}}, "not a length of time"),  # type: ignore[dict-item]
        ({"source": {**CONTRACT["source"], "every": "daily"}}, "cron line"),  # type: ignore[dict-item]
        ({"source": {"every": "0 5 * * *"}}, "sources that fetch"),
    ],
)
def test_contracts_that_make_no_sense_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({**CONTRACT, **change})
