"""Requests for erasure: who asks, on what ground, who agrees. A request names people in clear, so it is readable by its owner only,
and the last thing that its execution removes is the request."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from platform_assets.access.acts import Act, acting
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.erasure.decisions import WITH_REASON, Decision, Spot, from_dict
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
    """What execution has found so far: it survives a crash here, the rows themselves do not. `left`: why it ended incomplete; `spots`:
    what has to be decided; `step`: what it does now."""
    asked_by: str = ""
    """`User.id` of who asked: a name may be another person's too. '' in requests of earlier releases."""
    decisions: dict[str, Decision] = field(default_factory=dict)
    """What was decided of spots, by key."""

    @property
    def name(self) -> str:
        """Where it is kept."""
        return f"{FOLDER}/{self.id}.json"

    @property
    def datasets(self) -> list[str]:
        """The datasets that it names."""
        return sorted({t.dataset for t in self.targets})

    @property
    def spots(self) -> list[Spot]:
        """What is left, where nothing was decided yet, or where the last run could not do it."""
        return [from_dict(s) for s in self.progress.get("spots", [])]

    @property
    def undecided(self) -> list[Spot]:
        """Spots that wait for a decision."""
        return [s for s in self.spots if s.key not in self.decisions]


class Requests:
    """The pending list."""

    def __init__(
        self,
        store: ObjectStore,
        audit: AuditLog,
        contracts: Mapping[str, Contract],
        lock: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
        refuse: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`refuse` raises RequestError for a text that names somebody: grounds and reasons are kept for good."""
        self.store = store
        self.audit = audit
        self.contracts = contracts
        self._lock = lock
        self._refuse = refuse

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
        decided = {key: Decision(**d) for key, d in content.get("decisions", {}).items()}
        return Request(**{**content, "targets": [Target(**t) for t in content["targets"]], "decisions": decided})

    def write(self, request: Request) -> None:
        """Keep `request`."""
        self.store.write(request.name, json.dumps(asdict(request)).encode())

    def keep(self, request: Request) -> None:
        """Keep the progress of a request that is being carried out. Raises RequestError where it was withdrawn meanwhile."""
        with self._lock():
            self.read(request.id)
            self.write(request)

    def begin(self, request: Request) -> Request:
        """From now on rows are removed, and the request cannot be withdrawn. Raises RequestError where it was withdrawn meanwhile."""
        with self._lock():
            self.read(request.id)
            request.status = "running"
            self.write(request)
        return request

    def decide(self, number: str, ways: Mapping[str, tuple[str, str]], user: User) -> Request:
        """Decide what becomes of spots: key -> (way, reason). Raises RequestError, AccessDenied; then nothing is decided."""
        user.require(Permission.APPROVE_ERASURE)
        with self._lock():
            request = self.read(number)
            spots = {s.key: s for s in request.spots}
            names = [v for t in request.targets for v in t.values.values() if len(v) > 2]
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            for _, reason in ways.values():
                self._refuse(reason)
            for key, (way, reason) in ways.items():
                if key not in spots:
                    raise RequestError("that place is not among those that wait: load the page again")
                if way not in spots[key].ways:
                    raise RequestError(f"{spots[key].words}: choose one of {', '.join(spots[key].ways)}")
                if way in WITH_REASON and not reason.strip():
                    raise RequestError(f"{spots[key].words}: say why, it stands in the certificate")
                if any(name in reason for name in names):
                    raise RequestError("the reason names who is erased: it stands in the certificate, say it without")
            with self._acting(user, "erasure.decide", request) as act:
                chosen = [{"spot": k, "way": w, "reason": r.strip()} for k, (w, r) in sorted(ways.items())]
                act.note(request=request.id, decisions=chosen)
                for key, (way, reason) in ways.items():
                    request.decisions[key] = Decision(way, reason.strip(), user.name, now, spots[key].words)
                self.write(request)
        return request

    def submit(self, targets: Sequence[Target], ground: str, user: User) -> Request:
        """Make a request of targets that were checked (`targets.read_csv`, `erasure.check`)."""
        user.require(Permission.REQUEST_ERASURE)
        if not ground.strip():
            raise RequestError("say on what ground: it stands in the certificate")
        self._refuse(ground)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        request = Request(secrets.token_hex(6), user.name, now, ground.strip(), list(targets), asked_by=user.id)
        with self._noted(user, "erasure.request", request):
            self.write(request)
        return request

    def withdraw(self, number: str, user: User) -> None:
        """Take back a request that has not begun to remove."""
        user.require(Permission.REQUEST_ERASURE)
        with self._lock():
            request = self.read(number)
            if request.status == "running":
                raise RequestError(
                    f"request {number} has begun to remove: what is erased cannot be given back, it has to be finished"
                )
            with self._noted(user, "erasure.withdraw", request):
                for earlier in list(self.store.earlier(FOLDER)):  # every state that it has had names people too
                    if earlier.name == request.name:
                        self.store.forget(earlier)
                self.store.delete(request.name)

    def approve(self, number: str, user: User) -> Request:
        """Agree to a request; by someone else than who asked, unless PLATFORM_ERASURE_SECOND_PERSON is 0."""
        user.require(Permission.APPROVE_ERASURE)
        with self._lock():
            request = self._approved(number, user)
            with self._noted(user, "erasure.approve", request):
                self.write(request)
        return request

    def _approved(self, number: str, user: User) -> Request:
        request = self.read(number)
        if request.status != "pending":
            raise RequestError(f"request {number} is {request.status} already")
        if user.id == (request.asked_by or request.requested_by) and os.environ.get(SECOND_PERSON, "1") != "0":
            raise RequestError("a second person must approve: who asks for an erasure cannot also agree to it")
        request.status, request.approved_by = "approved", user.name
        request.approved_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return request

    @contextmanager
    def _noted(self, user: User, action: str, request: Request) -> Iterator[None]:
        with self._acting(user, action, request) as act:
            act.note(request=request.id, targets=len(request.targets))
            yield

    def _acting(self, user: User, action: str, request: Request) -> AbstractContextManager[Act]:
        return acting(self.audit, user, action, table=",".join(request.datasets), ground=request.ground)
