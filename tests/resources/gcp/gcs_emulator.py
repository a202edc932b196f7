"""Cloud Storage on loopback for tests: `gcp-storage-emulator` with the preconditions it lacks, and a proxy that breaks things."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import buckets, objects
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

BUCKET = "platform-test"
Handler = Callable[..., None]


@dataclass
class CloudStorage:
    """The running emulator."""

    server: Any
    port: int

    def empty(self) -> None:
        """Remove all objects; the bucket stays."""
        self.server.wipe(keep_buckets=True)

    def contents(self) -> dict[str, bytes]:
        """Every object's name and bytes, from the emulator's own memory."""
        store = self.server._storage
        return {name: store.get_file(BUCKET, name) for name in store.objects.get(BUCKET, {})}


@contextmanager
def cloud_storage() -> Iterator[CloudStorage]:
    """An emulator in memory with one empty bucket. It serves one request at a time."""
    logging.getLogger("api.object").setLevel(logging.CRITICAL)
    handlers = _handlers_with_preconditions()
    kept, emulator.HANDLERS = emulator.HANDLERS, handlers
    upload, finish, incomplete = _guarded_uploads()
    originals = objects._create_resumable_upload, objects._finalize_resumable_object, objects._resumable_incomplete
    at_once, objects._multipart_upload = objects._multipart_upload, _guarded_at_once(objects._multipart_upload)
    objects._create_resumable_upload, objects._finalize_resumable_object = upload, finish
    objects._resumable_incomplete = incomplete
    server = emulator.create_server("127.0.0.1", 0, in_memory=True)
    buckets.create_bucket(BUCKET, server._storage)
    server.start()
    while server._api._httpd is None:
        time.sleep(0.001)
    try:
        yield CloudStorage(server, int(server._api._httpd.server_address[1]))
    finally:
        server.stop()
        emulator.HANDLERS = kept
        objects._create_resumable_upload, objects._finalize_resumable_object, objects._resumable_incomplete = originals
        objects._multipart_upload = at_once


def client(port: int) -> storage.Client:
    """A client of the emulator (or of a proxy before it)."""
    return storage.Client(
        project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": f"http://127.0.0.1:{port}"}
    )


def _refuse(response: Any, status: HTTPStatus, words: str) -> None:
    response.status = status
    response.json({"error": {"code": int(status), "message": words}})


def _generation(store: Any, bucket: str, name: str) -> str:
    try:
        return str(store.get_file_obj(bucket, name)["generation"])
    except Exception:  # noqa: BLE001 - the emulator's own NotFound; whatever it is, there is no object
        return "0"


def _guarded(handler: Handler) -> Handler:
    """`handler` after what Cloud Storage checks first: the generation asked for, and the generations to match."""

    def guarded(request: Any, response: Any, store: Any, *rest: Any) -> None:
        query, params = request.query, request.params
        bucket, name = params["bucket_name"], params["object_id"]
        source = _generation(store, bucket, name)
        target = (
            _generation(store, params["dest_bucket_name"], params["dest_object_id"])
            if "dest_object_id" in params
            else source
        )
        if query.get("generation", [source])[0] != source:
            return _refuse(response, HTTPStatus.NOT_FOUND, "no such generation")
        if query.get("sourceGeneration", [source])[0] != source:
            return _refuse(response, HTTPStatus.NOT_FOUND, "no such source generation")
        if query.get("ifSourceGenerationMatch", [source])[0] != source:
            return _refuse(response, HTTPStatus.PRECONDITION_FAILED, "source conditionNotMet")
        if query.get("ifGenerationMatch", [target])[0] != target:
            return _refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
        return handler(request, response, store, *rest)

    return guarded


def _handlers_with_preconditions() -> Any:
    wanted = {objects.get, objects.download, objects.delete, objects.rewrite, objects.copy}
    return tuple(
        (pattern, {method: _guarded(h) if h in wanted else h for method, h in methods.items()})
        for pattern, methods in emulator.HANDLERS
    )


def _guarded_at_once(upload: Handler) -> Handler:
    """An upload in one request that checks `ifGenerationMatch`."""

    def guarded(request: Any, response: Any, store: Any) -> None:
        wanted = request.query.get("ifGenerationMatch", [None])[0]
        name = request.data["meta"]["name"]
        if wanted is not None and wanted != _generation(store, request.params["bucket_name"], name):
            return _refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
        return upload(request, response, store)

    return guarded


def _guarded_uploads() -> tuple[Handler, Handler, Handler]:
    """Resumable uploads that check `ifGenerationMatch` when they begin and, as it counts, when they end."""
    expected: dict[str, str] = {}
    create, finish = objects._create_resumable_upload, objects._finalize_resumable_object

    def guarded_create(request: Any, response: Any, store: Any) -> None:
        name = request.query["name"][0] if "name" in request.query else request.data["name"]
        wanted = request.query.get("ifGenerationMatch", [None])[0]
        if wanted is not None and wanted != _generation(store, request.params["bucket_name"], name):
            return _refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
        create(request, response, store)
        if wanted is not None:
            expected[response["Location"].rpartition("upload_id=")[2]] = wanted
        return None

    def guarded_finish(response: Any, store: Any, obj: Any, data: bytes, upload: str) -> None:
        wanted = expected.get(upload)
        if wanted is not None and wanted != _generation(store, obj["bucket"], obj["name"]):
            return _refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
        return finish(response, store, obj, data, upload)

    def incomplete(response: Any, store: Any, upload: str, fallback_end: int = 0) -> None:
        # the emulator claims one byte where it has none; Cloud Storage leaves the header out
        response.status = objects.GoogleHTTPStatus.RESUME_INCOMPLETE
        received = store.get_resumable_byte_count(upload)
        if received:
            response["Range"] = f"bytes=0-{received - 1}"

    return guarded_create, guarded_finish, incomplete


FAULTS = ("503", "429", "refuse", "lose answer", "cut answer", "stall")
"""503 and 429: not forwarded. refuse: the connection is closed at once. lose answer: done, but the answer never comes.
cut answer: half of the answer comes. stall: the answer comes after the client's patience with a silent connection."""


class FaultyProxy:
    """Forwards to the emulator; `plan` says for each request, counted from 0, what goes wrong (None: nothing)."""

    def __init__(self, upstream: int, *, stall_seconds: float = 1.0) -> None:
        self.plan: Callable[[int], str | None] = lambda _: None
        self.requests = 0
        self.faults = 0
        self._lock = threading.Lock()
        proxy = self

        class Forward(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy._next_fault(self.path)
                if fault in ("503", "429"):
                    self.send_response(int(fault))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif fault != "refuse":
                    self.forward(body, fault)

            def forward(self, body: bytes, fault: str | None) -> None:
                connection = http.client.HTTPConnection("127.0.0.1", upstream)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if fault == "lose answer":
                    return
                if fault == "stall":
                    time.sleep(stall_seconds)
                try:
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2] if fault == "cut answer" else content)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up on a stalled answer

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _next_fault(self, path: str) -> str | None:
        if "/o" not in path:
            return None  # the client's thread that asks for the bucket's region (for its traces) comes when it likes
        with self._lock:
            fault = self.plan(self.requests)
            self.requests += 1
            self.faults += fault is not None
            return fault

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
