"""A real MariaDB server on loopback, from Debian's package, with a password and data that live as long as the test module."""

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
from typing import Any

import pymysql

from tests.programs import needed

PASSWORD = "loopback-only-Qm47"


@dataclass(frozen=True)
class MariaDBServer:
    """Where the server listens."""

    port: int

    def connect(self, **options: Any) -> Any:
        """A connection of the owner of the database ``hospital``."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="platform", password=PASSWORD, charset="utf8mb4", **options
        )


@contextmanager
def mariadb() -> Iterator[MariaDBServer]:
    """Start a server; stop it and remove its data in the end."""
    install = needed("mariadb-install-db", "mariadb-server-core")
    daemon = needed("mariadbd", "mariadb-server-core", "/usr/sbin")
    home = Path(tempfile.mkdtemp(prefix="maria-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    data, quiet = home / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ["--no-defaults", f"--datadir={data}", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"]
    subprocess.run(
        [install, *options, "--skip-test-db", "--auth-root-authentication-method=normal"],
        user=user,
        cwd=home,
        check=True,
        **quiet,  # type: ignore[call-overload]
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = home / "begin.sql"
    begin.write_text(
        "CREATE DATABASE hospital CHARACTER SET utf8mb4;\n"  # a line for each statement
        f"CREATE USER platform@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO platform@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    begin.chmod(0o644)
    server = subprocess.Popen(
        [daemon, *options, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={home}/s", f"--init-file={begin}"],
        user=user,
        cwd=home,
        **quiet,  # type: ignore[call-overload]
    )
    try:
        made = MariaDBServer(port)
        _wait(made, server)
        yield made
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(home)


def _wait(made: MariaDBServer, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            made.connect(database="hospital").close()
        except pymysql.Error:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("MariaDB did not start")
