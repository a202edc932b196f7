"""A real Dagster, a real console and a real browser, each in its own process, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
PURPOSES = ("SAMPLE_ID", "PATIENT", "ERASURE", "AUDIT")


@dataclass(frozen=True)
class Servers:
    """Where the console and Dagster answer, and where the data are."""

    console: str
    dagster: str
    home: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: list[str], environment: dict[str, str], url: str, log: Path, cwd: Path = REPOSITORY
) -> Iterator[None]:
    """A server, from its first answer to the end of the test."""
    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=cwd)
        try:
            for _ in range(600):
                if server.poll() is not None:
                    raise AssertionError(f"{command[1:3]} ended:\n{log.read_text()[-3000:]}")
                try:
                    if requests.get(url, timeout=5).ok:
                        break
                except requests.RequestException:
                    time.sleep(0.2)
            yield
        finally:
            server.terminate()
            server.wait(30)


def environment_of(home: Path, **more: str) -> dict[str, str]:
    keys = {f"PLATFORM_IDENTITY_KEY_{p}": f"{n:02x}" * 32 for n, p in enumerate(PURPOSES, 1)}
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text(
        "run_coordinator:\n  module: dagster.core.run_coordinator\n  class: DefaultRunCoordinator\ntelemetry:\n  enabled: false\n"
    )
    return {
        **os.environ,
        **keys,
        "DATA_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "PLATFORM_SETTLE_SECONDS": "0",
        "PLATFORM_ERASURE_SECOND_PERSON": "0",
        "PYTHONPATH": str(REPOSITORY),
        **more,
    }


@contextmanager
def console_at(
    home: Path, environment: dict[str, str], log: Path, cwd: Path = REPOSITORY, port: int | None = None
) -> Iterator[str]:
    """The console; its address."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "console", str(port)]
    with process(command, environment, f"{url}/_stcore/health", log, cwd):
        yield url


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A laptop: Dagster and the console without login."""
    folder = tmp_path_factory.mktemp("laptop")
    home, port = folder / "data", free_port()
    environment = environment_of(home, PLATFORM_DAGSTER_URL=f"http://127.0.0.1:{port}")
    command = [
        sys.executable,
        "-m",
        "dagster_webserver",
        "-m",
        "tests.console.location",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    dagster = f"http://127.0.0.1:{port}"
    with (
        process(command, environment, f"{dagster}/server_info", folder / "dagster.log"),
        console_at(home, environment, folder / "console.log") as console,
    ):
        yield Servers(console, dagster, home)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()
