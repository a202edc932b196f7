"""kill -9 between any two steps of a source's fetch and of its load: nothing is lost, nothing comes twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from platform_assets.contracts.model import Contract
from resources.environment import Platform
from tests.conftest import LAB, Bench

ROOT = Path(__file__).parents[2]
HANDFUL = 6
"""Steps in `make test`; all of them in `make soak`."""


class Server(ThreadingHTTPServer):
    """Serves a file that is another one each time that `generation` grows."""

    generation = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        version = f'"{self.server.generation}"'
        same = self.headers.get("If-None-Match") == version
        rows = (
            ""
            if same
            else "".join(f"G{self.server.generation}-{n},2024-01-01,{'POS' if n else 'what'},1\n" for n in range(20))
        )
        body = b"" if same else f"sample_id,test_date,result,viral_load\n{rows}".encode()
        self.send_response(304 if same else 200)
        self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Worker:
    """A running `visit_worker`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def visit(self, killed_before: int = 0) -> tuple[int, int]:
        """(steps begun, status of the process)."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{killed_before}\n")
        self.process.stdin.flush()
        steps, status = self.process.stdout.readline().split()
        return int(steps), int(status)


@contextmanager
def worker(platform: Platform, contract: dict[str, object]) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.sources.visit_worker", str(platform.settings.home), json.dumps(contract)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    try:
        yield Worker(process)
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("most", [HANDFUL, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_visit_killed_between_any_two_steps_loses_nothing_and_brings_nothing_twice(
    platform: Platform, server: Server, most: int
) -> None:
    said = {
        **LAB,
        "source": {"kind": "http", "url": f"http://127.0.0.1:{server.server_port}/lab.csv"},
        "load": {"mode": "append"},
        "quality": {"max_quarantined": 1.0},
    }
    lab = Bench(platform, Contract.model_validate(said))
    with worker(platform, said) as one:
        steps, status = one.visit()
        assert status == 0
        assert steps > 8
        places = (
            range(1, steps + 1) if most > steps else sorted({1 + n * (steps - 1) // (most - 1) for n in range(most)})
        )
        for place in places:
            server.generation += 1
            begun, status = one.visit(place)
            assert os.WIFSIGNALED(status), f"step {place} was never reached ({begun} of {steps})"
            assert one.visit()[1] == 0
            assert one.visit()[1] == 0
            whole = 19 * (server.generation + 1)
            assert lab.sql("SELECT count(*), count(DISTINCT sample_id) FROM {validated}") == [(whole, whole)], place
            assert lab.sql("SELECT count(*) FROM {quarantine}") == [(server.generation + 1,)]
            assert lab.files("landing") == []
            lab.assert_nothing_lost()
