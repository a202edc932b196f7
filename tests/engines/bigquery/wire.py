"""A proxy before the emulator that tells of every request, so that a test can do its worst at exactly that one."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.resources.gcp.bigquery_emulator import PROJECT


@dataclass
class Wire:
    """What goes over the wire. `before` and `after` are called with the request's number (from 0) and its method and path;
    where they return True, the connection is cut at once: before BigQuery hears of it, or without the answer."""

    port: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    before: Callable[[int, str, str], bool] = lambda *_: False
    after: Callable[[int, str, str], bool] = lambda *_: False

    def rest(self) -> None:
        """Forget what was seen, and cut no more."""
        self.seen, self.bodies = [], []
        self.before = self.after = lambda *_: False

    @property
    def jobs(self) -> list[int]:
        """Numbers of the requests that start a job or bring rows."""
        return [n for n, (method, path) in enumerate(self.seen) if method in ("POST", "PUT") and "/jobs" in path]


def client_of(port: int) -> bigquery.Client:
    """A client of the emulator behind `port`."""
    return bigquery.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": f"http://127.0.0.1:{port}"}
    )


@contextmanager
def wire_to(upstream: int) -> Iterator[Wire]:
    """A proxy before the port `upstream`."""
    wire, lock = Wire(), threading.Lock()
    jobs: set[bytes] = set()

    class Forward(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                number = len(wire.seen)
                wire.seen.append((self.command, self.path))
                wire.bodies.append(body)
            if wire.before(number, self.command, self.path):
                return
            starts = self.command == "POST" and not self.path.startswith("/upload")  # an upload ends with a PUT
            job = re.search(rb'"jobId": ?"([^"]+)"', body) if starts else None
            with lock:
                twice = job is not None and job[1] in jobs
                jobs.update([job[1]] if job else [])
            if twice:
                self.answer_conflict()
                return
            connection = http.client.HTTPConnection("127.0.0.1", upstream)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if wire.after(number, self.command, self.path):
                return
            try:
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client is dead

        def answer_conflict(self) -> None:
            """As BigQuery answers a job that it has already; the emulator would run it again."""
            content = b'{"error": {"code": 409, "message": "Already Exists: Job", "errors": [{"reason": "duplicate"}]}}'
            self.send_response(409)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    wire.port = int(server.server_address[1])
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
