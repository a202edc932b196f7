"""BigQuery on loopback for tests: `bqemulator` (REST, jobs, load, copy) and `zetasql` (Google's own analyser and reference engine)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.environments import environment

PROJECT = "platform-test"
# it runs on DuckDB 1.5 and wants the spatial extension, which is not to be downloaded at run time
EMULATOR = (
    "bqemulator==1.4.0",
    "duckdb==1.5.5",
    "duckdb-extensions==1.5.5",
    "duckdb-extension-spatial==1.5.5",
    "sqlglot[c]==30.11.0",  # compiled: it reads SQL several times faster, and reading SQL is what most of the time goes into
    "numpy",
)
SPATIAL = "from duckdb_extensions import import_extension; import_extension('spatial')"
ZETASQL = ("zetasql==0.1.5",)


@contextmanager
def big_query(buckets: Path | None = None) -> Iterator[bigquery.Client]:
    """A fresh emulator in memory and a client of it. In place of ``gs://bucket/`` load jobs read the folder `buckets`/bucket."""
    programs = environment("bqemulator", *EMULATOR, then=SPATIAL)
    home = programs.parent / "home"
    variables = {**os.environ, "HOME": str(home)}
    if buckets:
        variables["BQEMU_GCS_LOCAL_ROOT"] = str(buckets)
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    command: list[str] = [
        str(programs / "bqemulator"),
        "start",
        "--rest-port",
        str(ports[0]),
        "--grpc-port",
        str(ports[1]),
    ]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--project", PROJECT, "--log-level", "error"], env=variables, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{ports[0]}"
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                requests.get(f"{address}/bigquery/v2/projects/{PROJECT}/datasets", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((home / "log").read_text()[-1500:]) from None
                time.sleep(0.1)
        yield bigquery.Client(
            project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": address}
        )
    finally:
        server.terminate()
        server.wait(20)


def analysed(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Google's answer for each job ``{sql, columns: {table: {name: type}}, rows: {table: [...]}}``.

    With rows the statement is executed by the reference engine: ``{"rows": [...]}``; without, only analysed:
    ``{"columns": n, "types": {name: type}}`` (none for INSERT, UPDATE and DELETE). What BigQuery would refuse is ``{"refused": why}``.
    """
    programs = environment("zetasql", *ZETASQL)
    done = subprocess.run(
        [programs / "python", Path(__file__).with_name("zetasql_worker.py")],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
