"""Requests for erasure: who asks, on what ground, who agrees. A request names people in clear, so it is readable by its owner only,
and the last thing that its execution removes is the request."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.erasure.targets import Target
from resources.object_store import ObjectStore

FOLDER = "erasure/requests"
SECOND_PERSON = "PLATFORM_ERASURE_SECOND_PERSON"
"""Environment variable; 0 lets the person who asked also approve (a laptop with one user)."""


class RequestError(ValueError):
    """The request cannot do that now; the message says what to do."""


@dataclass
class Request:
    """One request. Times are UTC, ISO 8601."""

    id: str
    requested_by: str
    requested_at: str
    ground: str
    targets: list[Target]
    status: str = "pending"
    """pending, approved, running."""
    approved_by: str = ""
    approved_at: str = ""
    progress: dict[str, Any] = field(default_factory=dict)
    """What execution has found so far: it survives a crash here, the rows themselves do not. `left`: why it ended incomplete."""
    asked_by: str = ""
    """`User.id` of who asked: a name may be another person's too. '' in requests of earlier releases."""

    @property
    def name(self) -> str:
        """Where it is kept."""
        return f"{FOLDER}/{self.id}.json"

    @property
    def datasets(self) -> list[str]:
        """The datasets that it names."""
        return sorted({t.dataset for t in self.targets})


class Requests:
    """The pending list."""

    def __init__(self, store: ObjectStore, audit: AuditLog, contracts: Mapping[str, Contract]) -> None:
        self.store = store
        self.audit = audit
        self.contracts = contracts

    def all(self) -> list[Request]:
        """Requests that wait or run, oldest first."""
        found = [self.read(o.basename.removesuffix(".json")) for o in self.store.list(FOLDER)]
        return sorted(found, key=lambda r: r.requested_at)

    def read(self, number: str) -> Request:
        """One request. Raises RequestError where there is none (any more)."""
        name = f"{FOLDER}/{number}.json"
        if not number.isalnum() or self.store.stat(name) is None:
            raise RequestError(f"there is no open request {number}: it was carried out, withdrawn, or never made")
        with self.store.open(name) as file:
            content = json.load(file)
        return Request(**{**content, "targets": [Target(**t) for t in content["targets"]]})

    def write(self, request: Request) -> None:
        """Keep `request`."""
        self.store.write(request.name, json.dumps(asdict(request)).encode())

    def submit(self, targets: Sequence[Target], ground: str, user: User) -> Request:
        """Make a request of targets that were checked (`targets.read_csv`, `erasure.check`)."""
        user.require(Permission.REQUEST_ERASURE)
        if not ground.strip():
            raise RequestError("say on what ground: it stands in the certificate")
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        request = Request(secrets.token_hex(6), user.name, now, ground.strip(), list(targets), asked_by=user.id)
        self.write(request)
        self._log(user, "erasure.request", request)
        return request

    def withdraw(self, number: str, user: User) -> None:
        """Take back a request that has not begun to run."""
        user.require(Permission.REQUEST_ERASURE)
        request = self.read(number)
        if request.status == "running":
            raise RequestError(
                f"request {number} has begun: what is erased cannot be given back, it has to be finished"
            )
        for earlier in list(self.store.earlier(FOLDER)):  # every state that it has had names people too
            if earlier.name == request.name:
                self.store.forget(earlier)
        self.store.delete(request.name)
        self._log(user, "erasure.withdraw", request)

    def approve(self, number: str, user: User) -> Request:
        """Agree to a request; by someone else than who asked, unless PLATFORM_ERASURE_SECOND_PERSON is 0."""
        user.require(Permission.APPROVE_ERASURE)
        request = self.read(number)
        if request.status != "pending":
            raise RequestError(f"request {number} is {request.status} already")
        if user.id == (request.asked_by or request.requested_by) and os.environ.get(SECOND_PERSON, "1") != "0":
            raise RequestError("a second person must approve: who asks for an erasure cannot also agree to it")
        request.status, request.approved_by = "approved", user.name
        request.approved_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self.write(request)
        self._log(user, "erasure.approve", request)
        return request

    def _log(self, user: User, action: str, request: Request) -> None:
        self.audit.record(
            user.name,
            action,
            role=user.role_names,
            table=",".join(request.datasets),
            ground=request.ground,
            details={"request": request.id, "targets": len(request.targets)},
        )
