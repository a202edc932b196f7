"""A real PostgreSQL server on loopback, from Debian's package, with a password and data that live as long as the test module."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.programs import needed

PASSWORD = "loopback-only-Zx81"


@dataclass(frozen=True)
class PostgresServer:
    """Where the server listens. The password is given to clients by the environment (PGPASSWORD)."""

    port: int
    data: Path
    """Its files."""

    def dsn(self, database: str) -> str:
        """Address of `database`, without password."""
        return f"postgresql://platform@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Create `database` (dropping an old one) and return its address."""
        connection = psycopg2.connect(self.dsn("postgres"), password=PASSWORD)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {database}")
        connection.close()
        return self.dsn(database)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Start a server; stop it and remove its data in the end. The server refuses to run as root, so then it runs as `nobody`."""
    initdb = needed("initdb", "postgresql", "/usr/lib/postgresql/*/bin")
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    password = home / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    data = home / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [initdb, "-D", data, "-U", "platform", "-A", "scram-sha-256", "--pwfile", password, "--no-sync", "-E", "UTF8"],
        user=user,
        cwd=home,
        check=True,
        **quiet,  # type: ignore[call-overload]
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [Path(initdb).with_name("postgres"), "-D", data, "-p", str(port), "-k", home, "-F", "-h", "127.0.0.1"],
        user=user,
        cwd=home,
        **quiet,  # type: ignore[call-overload]
    )
    try:
        _wait(port, server)
        yield PostgresServer(port, data)
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(home)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < deadline:
        try:
            psycopg2.connect(f"postgresql://platform@127.0.0.1:{port}/postgres", password=PASSWORD).close()
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("PostgreSQL did not start")
