"""What Cloud Storage does in a bucket with versioning, and the emulator does not: keep what was replaced, until it is removed by its number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import objects

from tests.resources.gcp.gcs_emulator import BUCKET, CloudStorage

Kept = dict[tuple[str, str], tuple[dict[str, Any], bytes]]
"""(name, generation) -> what the service tells of it, and its bytes."""


class _One:
    """A single generation, as the emulator's own handlers ask for it."""

    def __init__(self, about: dict[str, Any], content: bytes) -> None:
        self.about = about
        self.content = content

    def get_file(self, *_: Any) -> bytes:
        return self.content

    def get_file_obj(self, *_: Any) -> dict[str, Any]:
        return self.about


@contextmanager
def versioned(cloud: CloudStorage) -> Iterator[Kept]:
    """Let the emulator keep replaced objects; what it keeps."""
    kept: Kept = {}
    store = cloud.server._storage
    create, handlers = store.create_file, emulator.HANDLERS

    def keep_and_create(bucket: str, name: str, *rest: Any) -> None:
        before = store.objects.get(bucket, {}).get(name)
        if before:
            now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
            kept[name, str(before["generation"])] = ({**before, "timeDeleted": now}, store.get_file(bucket, name))
        create(bucket, name, *rest)

    def wrapped(method: str, handler: Callable[..., None]) -> Callable[..., None]:
        def handle(request: Any, response: Any, at: Any, *rest: Any) -> None:
            name = request.params.get("object_id")
            chosen = (name, request.query.get("generation", [""])[0])
            if chosen in kept and method == "DELETE":
                del kept[chosen]
                response.status = HTTPStatus.NO_CONTENT
            elif chosen in kept and method == "GET":
                objects.get(request, response, _One(*kept[chosen]))
            elif name is None and method == "GET" and request.query.get("versions"):
                prefix = request.query.get("prefix", [""])[0]
                live = at.get_file_list(BUCKET, prefix)[0]
                response.json({"items": live + [a for (n, _), (a, _) in kept.items() if n.startswith(prefix)]})
            else:
                handler(request, response, at, *rest)

        return handle

    store.create_file = keep_and_create
    emulator.HANDLERS = tuple((p, {m: wrapped(m, h) for m, h in methods.items()}) for p, methods in handlers)
    try:
        yield kept
    finally:
        emulator.HANDLERS = handlers
        store.create_file = create


@contextmanager
def refused(path: str) -> Iterator[None]:
    """Let the emulator answer as to an account without the permission, wherever `path` matches."""

    def forbid(request: Any, response: Any, *_: Any) -> None:
        response.status = HTTPStatus.FORBIDDEN
        response.json({"error": {"code": 403, "message": "no permission"}})

    handlers = emulator.HANDLERS
    emulator.HANDLERS = ((rf"^{path}$", {"GET": forbid}), *handlers)
    try:
        yield
    finally:
        emulator.HANDLERS = handlers
