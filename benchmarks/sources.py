"""Doors in: rows of databases into landing, a file by SFTP, and lines of a log. CPU of the client alone, in a process of its own for each."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from platform_assets.sources.base import Reach, Window

ROWS = 1_000_000
COLUMNS = """id bigint, patient varchar(64), organisation varchar(60), admitted date, updated_at {ts}, local_ts {dt}, cost decimal(18,4),
 ratio double precision, died boolean, payload {json}, note text, bytes {bytes}"""
POSTGRESQL = f"""CREATE TABLE stays ({COLUMNS.format(ts="timestamptz", dt="timestamp", json="jsonb", bytes="bytea")});
INSERT INTO stays SELECT i, md5('p'||i%300000), 'Hospital '||(i%97), date '2015-01-01'+(i%4000),
 timestamptz '2020-01-01 00:00:00.123456+00'+(i||' seconds')::interval, timestamp '2020-03-29 02:30:00'+(i||' seconds')::interval,
 (i::bigint*7919 % 1000000007)::numeric/10000, i/7.0::float8, i%3=0,
 jsonb_build_object('ward', 'W'||i%40, 'n', i, 'codes', jsonb_build_array('A'||i%10,'B'||i%7)),
 case when i%4=0 then null when i%4=1 then '' else 'note é "quoted", '||i end, decode(md5(i::text),'hex')
FROM generate_series(1,{ROWS}) i"""
MARIADB = f"""CREATE TABLE stays ({COLUMNS.format(ts="timestamp(6) null", dt="datetime(6)", json="json", bytes="varbinary(64)")});
INSERT INTO stays SELECT seq, md5(concat('p',seq%300000)), concat('Hospital ',seq%97), date '2015-01-01' + interval (seq%4000) day,
 timestamp '2020-01-01 00:00:00.123456' + interval seq second, timestamp '2020-03-30 02:30:00' + interval seq second,
 (seq*7919 % 1000000007)/10000, seq/7.0, seq%3=0,
 json_object('ward',concat('W',seq%40),'n',seq,'codes',json_array(concat('A',seq%10),concat('B',seq%7))),
 case when seq%4=0 then null when seq%4=1 then '' else concat('note é "quoted", ',seq) end, unhex(md5(seq)) FROM seq_1_to_{ROWS}"""
PATTERN = r'(?P<ip>\S+) \S+ \S+ \[(?P<at>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<size>\d+|-) "(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"'


def main() -> str:
    """A row per door, with what is aimed at."""
    lines = ["| what | CPU s | peak MB | aim |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, run, aim in (
            ("PostgreSQL, 1M rows of 12 columns", _postgresql, "7 CPU s, 200 MB"),
            ("MariaDB, 1M rows of 12 columns", _mariadb, "14 CPU s"),
            ("SFTP, 100 MB", _sftp, "1.5 x `sftp`"),
            ("1M lines of an access log, staged", _lines, "2 x the bare regular expression"),
            ("1M pages: lists and tree worked out", _pages, "15 s"),
        ):
            told = run(folder)
            lines.append(f"| {what} | {told} | {aim} |")
    return "\n".join(lines)


def _measured(folder: Path, action: str, environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sources", action, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _postgresql(folder: Path) -> str:
    import psycopg2

    from tests.servers.postgres_server import PASSWORD, postgres

    with postgres() as server:
        with psycopg2.connect(server.dsn("postgres"), password=PASSWORD) as connection, connection.cursor() as cursor:
            cursor.execute(POSTGRESQL)
        connection.close()
        address = {"PLATFORM_DATABASE_EHR": server.dsn("postgres"), "PLATFORM_DATABASE_EHR_PASSWORD": PASSWORD}
        found = _measured(folder, "sql", address)
    return f"{found['cpu']:.1f} | {found['mb']:.0f}"


def _mariadb(folder: Path) -> str:
    from tests.servers.mariadb_server import PASSWORD, mariadb

    with mariadb() as server:
        connection = server.connect(database="hospital", autocommit=True)
        with connection.cursor() as cursor:
            for statement in MARIADB.split(";\n"):
                cursor.execute(statement)
        connection.close()
        address = f"mariadb://platform@127.0.0.1:{server.port}/hospital"
        found = _measured(folder, "sql", {"PLATFORM_DATABASE_EHR": address, "PLATFORM_DATABASE_EHR_PASSWORD": PASSWORD})
    return f"{found['cpu']:.1f} | {found['mb']:.0f}"


def _sftp(folder: Path) -> str:
    from tests.servers.ssh_server import ssh

    with ssh() as server:
        (server.home / "big.bin").write_bytes(os.urandom(100_000_000))
        found = _measured(folder, "sftp", server.environment())
        known = folder / "known"
        known.write_text(server.environment()["PLATFORM_SFTP_PARTNER_KNOWN_HOSTS"])
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [
                *(
                    "sftp",
                    "-q",
                    "-P",
                    str(server.port),
                    "-i",
                    server.keys / "client",
                    "-o",
                    f"UserKnownHostsFile={known}",
                ),
                *(
                    "-o",
                    "IdentitiesOnly=yes",
                    f"{os.environ.get('USER', 'root')}@127.0.0.1:big.bin",
                    folder / "by_sftp",
                ),
            ],
            check=True,
        )
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
        floor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{found['cpu']:.1f} ({found['wall']:.1f} s; `sftp` {floor:.1f}, {wall:.1f} s) | {found['mb']:.0f}"


def _lines(folder: Path) -> str:
    log = folder / "access.log"
    with log.open("w", encoding="utf-8") as file:
        for n in range(ROWS):
            file.write(
                f'192.0.2.{n % 255} - - [01/Nov/2026:13:{n % 60:02}:00 +0000] "GET /page/{n % 5000} HTTP/1.1" 200 {n % 90000} '
                f'"https://www.example.org/{n % 300}" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{n % 90}.0 Safari/537.36"\n'
            )
    found, floor = _measured(folder, "lines", {}), _measured(folder, "bare", {})
    return f"{found['cpu']:.1f} (bare {floor['cpu']:.1f}, {found['cpu'] / floor['cpu']:.1f} x) | {found['mb']:.0f}"


def _pages(folder: Path) -> str:
    found = _measured(folder, "pages", {})
    return f"{found['cpu']:.1f} ({found['wall']:.1f} s) | {found['mb']:.0f}"


def _pages_now(folder: Path) -> None:
    """Eight pages below each, three topics of some thousand on most. With the making of the pages themselves."""
    from platform_assets.contracts.model import Contract
    from platform_assets.ingest import ledger
    from platform_assets.ingest.books import LakeBooks
    from platform_assets.ingest.judging import expression_of
    from platform_assets.ingest.tables import Tables
    from platform_assets.ingest.worked_out import work_out
    from resources.lake.warehouse import Warehouse

    contract = Contract.model_validate(
        {
            "name": "pages",
            "description": "Pages.",
            "owner": "team:benchmarks",
            "format": {"kind": "csv"},
            "load": {"mode": "snapshot", "key": ["page"]},
            "tree": {"node": "page", "parent": "above", "title": "title", "levels": ["a", "b", "c", "d", "e"]},
            "columns": {
                "page": {"type": "string"},
                "above": {"type": "string", "required": False},
                "title": {"type": "string"},
                "topics": {"type": "list", "delimiter": "|", "wrapped": True, "required": False},
            },
        }
    )
    warehouse = Warehouse(folder / "lake")
    with warehouse.connect() as lake, warehouse.write(lake):
        ledger.ensure(warehouse, lake)
        Tables(contract).ensure(warehouse, lake)
        lake.execute(
            "INSERT INTO validated.pages BY NAME SELECT 'P' || i AS page, CASE WHEN i > 0 THEN 'P' || ((i - 1) // 8) END AS above, "
            "'Title ' || i AS title, CASE WHEN i % 10 > 0 THEN '|T' || (i % 4001) || '|T' || (i % 97) || '|T' || (i % 13) || '|' END AS topics "
            f"FROM range({ROWS}) r(i)"
        )
    with warehouse.connect() as lake, warehouse.write(lake):
        work_out(warehouse, lake, contract, LakeBooks(warehouse, lake, "pages"), expression_of(warehouse, contract))


def _sql_now(folder: Path) -> None:
    from platform_assets.sources.sql import SqlSource

    source = SqlSource.model_validate({"kind": "sql", "database": "ehr", "table": "stays"})
    source.fetch(Window(), {}, folder / "rows.parquet", Reach("stays", os.environ, print))


def _sftp_now(folder: Path) -> None:
    from platform_assets.sources.sftp import SftpSource

    source = SftpSource.model_validate({"kind": "sftp", "server": "partner"})
    reach = Reach("lab", os.environ, print)
    source.fetch(Window("x", "big.bin"), {}, folder / "big.bin", reach)
    reach.close()


def _lines_now(folder: Path) -> None:
    from platform_assets.contracts.model import Contract
    from platform_assets.ingest.readers.apart.child import spare_collections
    from platform_assets.ingest.readers.apart.limits import Limits
    from platform_assets.ingest.readers.registry import format_named
    from platform_assets.ingest.readers.rows import RowWriter

    columns = {name: {"type": "string", "required": False} for name in re.compile(PATTERN).groupindex}
    contract = Contract.model_validate(
        {
            "name": "log",
            "description": "A log.",
            "owner": "team:web",
            "format": {"kind": "lines", "lines": PATTERN},
            "load": {"mode": "append"},
            "columns": columns,
        }
    )
    spare_collections()  # as in the process that reads a file
    writer = RowWriter(folder, 0, list(columns))
    format_named("lines").stage(folder / "access.log", contract, contract.format[0], writer, Limits())
    writer.close()


def _bare_now(folder: Path) -> None:
    pattern = re.compile(PATTERN)
    with (folder / "access.log").open(encoding="utf-8") as file:
        for line in file:
            found = pattern.fullmatch(line.rstrip("\n"))
            assert found
            found.groups()


if __name__ == "__main__":
    work: dict[str, Callable[[Path], None]] = {
        "sql": _sql_now,
        "sftp": _sftp_now,
        "lines": _lines_now,
        "bare": _bare_now,
        "pages": _pages_now,
    }
    begun = time.perf_counter()
    work[sys.argv[1]](Path(sys.argv[2]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {"cpu": used.ru_utime + used.ru_stime, "wall": time.perf_counter() - begun, "mb": used.ru_maxrss / 1024}
        )
    )
