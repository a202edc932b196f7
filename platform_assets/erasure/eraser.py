"""Erasure: an approved request removes its rows from every store, leaves a tombstone, searches every byte, and ends in a certificate.

The eraser walks a list of holders (`erasure.holder`) and knows none of them by name. The steps, in order: count, tombstones, every holder
erases, every holder cleans up, search, certificate, request. Each may be repeated: a crash at any of them and another run end in the
same state. What was found is kept in the request before anything is removed, so that the certificate tells it whatever happens in
between; the request is the last thing to go.

What the search still finds is not the person's own rows: a steward decides each spot (`erasure.decisions`), and the next run does what
was decided and ends.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platform_assets.access import handing_out
from platform_assets.access.acts import acting, done
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.erasure import certificate, decisions, tombstones
from platform_assets.erasure.decisions import Spot
from platform_assets.erasure.holder import Busy, Holder, Parts, Remaining, Work, unclaimed
from platform_assets.erasure.naming import Names
from platform_assets.erasure.requests import FOLDER as REQUESTS
from platform_assets.erasure.requests import Request, RequestError, Requests
from platform_assets.erasure.search.scan import Search
from platform_assets.erasure.targets import Needles, Target, Tombstone, resolve

if TYPE_CHECKING:
    import duckdb

    from resources.identity import IdentityKeys

FIRST = ("count", "tombstones")
LAST = ("search", "certificate", "request")


class ErasureIncomplete(RuntimeError):
    """Something is left that a steward has to decide (`spots`), or that keeps changing. The request stays open."""

    def __init__(self, message: str, spots: Sequence[Spot] = ()) -> None:
        self.spots = list(spots)
        super().__init__(message)


def waits(spots: Sequence[Spot]) -> ErasureIncomplete:
    """The error that says what has to be decided."""
    listed = "; ".join(s.words for s in spots[:5]) + ("; ..." if len(spots) > 5 else "")
    return ErasureIncomplete(
        f"the rows are gone; the same number still stands in {len(spots)} other place(s): {listed}. Decide for each what becomes of it "
        "(page Erasure), then run the request again",
        spots,
    )


@dataclass
class Eraser:
    """Carries requests out."""

    parts: Parts
    """The stores of the platform."""
    holders: Sequence[Holder]
    """What can hold a person there, in order."""
    keys_of: Callable[[duckdb.DuckDBPyConnection, str], IdentityKeys]
    """The keys under which a dataset's deliveries were loaded (throwaway ones where all are sample files)."""
    on_step: Callable[[str], None] = field(default=lambda _: None)
    """Told the name of each step before it begins."""
    on_change: Callable[[Sequence[str], str], None] = field(default=lambda _datasets, _request: None)
    """Told the datasets that have lost rows, as soon as they have, and by which request: what is computed from them is to follow,
    also where something is found later that keeps the request open."""

    @property
    def requests(self) -> Requests:
        """The pending list."""
        lock = self.parts.warehouse.lock
        names = Names(self.parts.contracts, self.parts.warehouse, self.keys_of)
        return Requests(
            self.parts.store,
            self.parts.audit,
            self.parts.contracts,
            lambda: lock("erasure-requests"),
            names.refuse,
        )

    @property
    def steps(self) -> list[str]:
        """The names of all steps, in order."""
        names = [h.name for h in self.holders]
        return [*FIRST, *names, *(f"clean {name}" for name in names), *LAST]

    # ------------------------------------------------------------------------------------------------ before

    def check(self, targets: Sequence[Target]) -> None:
        """Raises MalformedRequest unless every target can be read as its contract says."""
        with self.parts.warehouse.connect() as connection:
            self._resolve(connection, targets, "", "")

    def preview(self, targets: Sequence[Target], user: User) -> dict[str, int]:
        """What a request would touch, as counts by place. Nothing is changed; that somebody has looked is written down first."""
        user.require(Permission.REQUEST_ERASURE)
        work = self._work(targets, "", "")
        self._looked(user, "erasure.preview", work, targets)
        return self._count(work)[0]

    def look(self, number: str, user: User) -> tuple[Request, dict[str, dict[str, int]]]:
        """A request with whom it names, and what it would remove, as counts by dataset and place. Written down before it is shown."""
        user.require(Permission.APPROVE_ERASURE)
        request = self.requests.read(number)
        work = self._work(request.targets, request.id, "")
        self._looked(user, "erasure.look", work, request.targets, request)
        found = {}
        for contract in work.contracts:
            alone = Work(work.number, work.stones, [contract], work.texts, work.searched, work.owners)
            found[contract.name] = self._count(alone)[0]
        return request, found

    def submit(self, targets: Sequence[Target], ground: str, user: User) -> Request:
        """Check the targets and make a request of them. Raises MalformedRequest, RequestError, AccessDenied."""
        user.require(Permission.REQUEST_ERASURE)
        self.check(targets)
        if any(value in ground for t in targets for value in t.values.values() if len(value) > 2):
            raise RequestError("the ground names who is to be erased: it stands in the certificate, say it without")
        return self.requests.submit(targets, ground, user)

    # ------------------------------------------------------------------------------------------------ execution

    def execute(self, number: str, user: User) -> dict[str, Any]:
        """Carry out an approved request, or go on with one that was cut off or that waited for decisions. Returns the certificate.

        Raises RequestError, ErasureIncomplete.
        """
        user.require(Permission.APPROVE_ERASURE)
        request = self.requests.read(number)
        if request.status not in ("approved", "running"):
            raise RequestError(f"request {number} is {request.status}: it has to be approved first")
        begins = acting(
            self.parts.audit, user, "erasure.begin", table=",".join(request.datasets), ground=request.ground
        )
        with self.parts.warehouse.lock("erasure"), begins as act:
            work = self._work(request.targets, request.id, request.approved_at)
            work.request, work.decisions = request.name, request.decisions
            self._spare(work, request.progress.get("shared", []))
            with self._loads_stopped(work):
                self._step("count", request)
                self._remember(request, work)
                act.note(request=request.id, approved_by=request.approved_by, found=request.progress["found"])
                self._step("tombstones", request)
                request = self.requests.begin(request)
                tombstones.add(self.parts.store, work.stones)
                try:
                    self.erase(work, request.progress, request)
                except Busy as error:
                    raise self._stopped(request, ErasureIncomplete(str(error))) from None
                self._step("search", request)
                outcome, subjects = self._search(request, work)
            self._step("certificate", request)
            self._record(user, request, len(subjects))
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            head = str(self.parts.audit.head() or "")
            document = certificate.issue(self.parts.store, request, subjects, outcome, now, head)
            self.on_step("request")
            for earlier in list(self.parts.store.earlier(REQUESTS)):  # every state that the request has had
                self.parts.store.forget(earlier)
            self.parts.store.delete(request.name)
        return document

    def replay(self, user: User) -> dict[str, int]:
        """Erase again, by the tombstones, what a restored copy has brought back. Returns the rows found, by place."""
        user.require(Permission.APPROVE_ERASURE)
        stones = tombstones.read(self.parts.store)
        work = Work("replay", stones, self._touched(stones), None)
        progress: dict[str, Any] = {}
        again = acting(self.parts.audit, user, "erasure.replay", ground="restored copy")
        with self.parts.warehouse.lock("erasure"), self._loads_stopped(work), again as act:
            progress["found"], work.deliveries = self._count(work)
            act.note(**progress["found"])
            self.erase(work, progress)
        return dict(progress["found"])

    def erase(self, work: Work, progress: dict[str, Any], request: Request | None = None) -> None:
        """The steps that remove."""
        removed: list[str] = progress.setdefault("products", [])
        for holder in self.holders:
            self._step(holder.name, request)
            removed += [name for name in holder.erase(work) if name not in removed]
        self.on_change([contract.name for contract in work.contracts], work.number)
        if request is not None:  # what is cleaned next must not touch the key of records that are kept
            kept = self._remaining(work).kept
            progress["shared"] = [n for n, stone in enumerate(work.stones) if kept.get(_mark(stone))]
            self._spare(work, progress["shared"])
        for holder in self.holders:
            self._step(f"clean {holder.name}", request)
            progress["earlier_versions"] = progress.get("earlier_versions", 0) + holder.clean(work)

    # ------------------------------------------------------------------------------------------------ inside

    def _step(self, name: str, request: Request | None) -> None:
        self.on_step(name)
        if request is not None and request.status == "running":
            steps = self.steps
            at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            request.progress["step"] = {"name": name, "number": steps.index(name) + 1, "of": len(steps), "at": at}
            self.requests.write(request)

    def _work(self, targets: Sequence[Target], number: str, at: str) -> Work:
        """What is to be done for `targets`."""
        with self.parts.warehouse.connect() as connection:
            stones, needles = self._resolve(connection, targets, number, at)
        texts = frozenset(needles.texts)
        return Work(number, stones, self._touched(stones), texts, texts, needles.texts)

    def _spare(self, work: Work, numbers: Sequence[int]) -> None:
        """Do not search for the keys of tombstones whose key other records have, which are kept."""
        work.searched = frozenset(text for text, number in work.owners.items() if number not in numbers)

    def _remaining(self, work: Work) -> Remaining:
        total = Remaining()
        for holder in self.holders:
            found = holder.remaining(work)
            total.rows += found.rows
            for mark, rows in found.kept.items():
                total.kept[mark] = total.kept.get(mark, 0) + rows
        return total

    def _stopped(self, request: Request, error: ErasureIncomplete) -> ErasureIncomplete:
        """Keep in the request why it did not end."""
        request.progress["left"] = str(error)
        self.requests.write(request)
        return error

    def _resolve(
        self, connection: duckdb.DuckDBPyConnection, targets: Sequence[Target], number: str, at: str
    ) -> tuple[list[Tombstone], Needles]:
        stones: list[Tombstone] = []
        needles = Needles()
        groups: dict[tuple[str, tuple[str, ...]], list[Target]] = {}
        for target in targets:
            groups.setdefault((target.dataset, tuple(target.values)), []).append(target)
        for (dataset, _), group in groups.items():
            if dataset not in self.parts.contracts:
                raise RequestError(f"there is no dataset {dataset!r}")
            contract, keys = self.parts.contracts[dataset], self.keys_of(connection, dataset)
            made, found = resolve(self.parts.warehouse, connection, contract, keys, group, number, at)
            needles.texts.update({text: place + len(stones) for text, place in found.texts.items()})
            stones += made
        return stones, needles

    def _touched(self, stones: Sequence[Tombstone]) -> list[Contract]:
        return [c for _, c in sorted(self.parts.contracts.items()) if any(s.matches(c) for s in stones)]

    @contextlib.contextmanager
    def _loads_stopped(self, work: Work) -> Iterator[None]:
        with contextlib.ExitStack() as locks:
            for contract in work.contracts:
                locks.enter_context(self.parts.warehouse.lock(f"load-{contract.name}"))
            for holder in self.holders:
                locks.enter_context(holder.stopped(work))
            yield

    def _count(self, work: Work) -> tuple[dict[str, int], dict[str, list[str]]]:
        """Rows found by place, and per dataset the deliveries that hold some. Files are looked for by what the tables have told."""
        found: dict[str, int] = {}
        deliveries: dict[str, set[str]] = {}
        order = [place for holder in self.holders for place in holder.places]
        for holder in sorted(self.holders, key=lambda h: not h.tells_deliveries):
            counted = holder.count(work)
            for place, number in counted.found.items():
                found[place] = found.get(place, 0) + number
            for dataset, holding in counted.deliveries.items():
                deliveries.setdefault(dataset, set()).update(holding)
            work.deliveries = {dataset: sorted(ids) for dataset, ids in deliveries.items()}
        return {place: found[place] for place in order if place in found}, dict(work.deliveries)  # type: ignore[arg-type]

    def _remember(self, request: Request, work: Work) -> None:
        found, deliveries = self._count(work)
        before = request.progress
        request.progress = {
            **before,
            # after a crash less is found, or, where something came in between, more
            "found": {k: max(v, before.get("found", {}).get(k, 0)) for k, v in found.items()},
            "deliveries": {
                d: sorted({*ids, *before.get("deliveries", {}).get(d, [])}) for d, ids in deliveries.items()
            },
            "products": before.get("products", []),
            "earlier_versions": before.get("earlier_versions", 0),
        }
        work.deliveries = request.progress["deliveries"]
        self.requests.keep(request)

    def _search(self, request: Request, work: Work) -> tuple[certificate.Outcome, list[str]]:
        """Search everything. Returns what the certificate is made of. Raises ErasureIncomplete."""
        remaining = self._remaining(work)
        if remaining.rows:
            words = f"{remaining.rows} row(s) in tables came back while this ran: run the request again"
            raise self._stopped(request, ErasureIncomplete(words))
        search = Search(work.searched)
        spots = decisions.merged([spot for holder in self.holders for spot in holder.search(work, search)])
        open_spots = [spot for spot in spots if not self._ended(spot, work)]
        request.progress["spots"] = [decisions.as_dict(spot) for spot in open_spots]
        if open_spots:
            raise self._stopped(request, waits(open_spots))
        request.progress.pop("left", None)
        outcome = certificate.Outcome(
            found=search.found,
            kept=sum(remaining.kept.values()),
            explained=work.explained,
            holders=self.holders,
            unclaimed=unclaimed(self.holders, self.parts.home, self.parts.warehouse),
        )
        return outcome, sorted({h for s in work.stones for h in s.columns.values()})

    def _ended(self, spot: Spot, work: Work) -> bool:
        """Whether a decision leaves it where it is."""
        decision = work.decisions.get(spot.key)
        return decision is not None and decision.way in decisions.WITH_REASON

    def _looked(
        self, user: User, action: str, work: Work, targets: Sequence[Target], request: Request | None = None
    ) -> None:
        subjects = sorted({h for s in work.stones for h in s.columns.values()})
        which: dict[str, Any] = {"request": request.id} if request else {}
        datasets = ",".join(sorted({t.dataset for t in targets}))
        handing_out.seen(
            self.parts.audit, user, action, table=datasets, targets=len(targets), subjects=subjects[:100], **which
        )

    def _record(self, user: User, request: Request, subjects: int) -> None:
        chosen = {key: decision.way for key, decision in sorted(request.decisions.items())}
        done(
            self.parts.audit,
            user,
            "erasure.execute",
            table=",".join(request.datasets),
            ground=request.ground,
            **{"request": request.id, "subjects": subjects, "found": request.progress.get("found", {})},
            **({"decisions": chosen} if chosen else {}),
        )


def _mark(stone: Tombstone) -> str:
    """One word for a tombstone's subject."""
    return "+".join(stone.columns[c] for c in (stone.identifying or ("",)))
