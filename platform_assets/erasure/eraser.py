"""Erasure: an approved request removes its rows from every store, leaves a tombstone, searches every byte, and ends in a certificate.

The steps, in order: tombstones, count, files, tables, compact, catalog, caches, search, certificate, request. Each may be repeated: a
crash at any of them and another run end in the same state. What was found is kept in the request before anything is removed, so that the
certificate tells it whatever happens in between; the request is the last thing to go.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.access import handing_out
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.model import Contract
from platform_assets.erasure import certificate, tombstones
from platform_assets.erasure.holders import bigquery as erasing
from platform_assets.erasure.holders import files as erased_files
from platform_assets.erasure.holders import tables as erased_tables
from platform_assets.erasure.holders.stores import Stores
from platform_assets.erasure.requests import FOLDER as REQUESTS
from platform_assets.erasure.requests import Request, RequestError, Requests
from platform_assets.erasure.scan import Found
from platform_assets.erasure.targets import Needles, Target, Tombstone, resolve
from resources.catalog import CatalogError
from resources.identity import IdentityKeys
from resources.object_store import ObjectStore
from resources.processes import alive
from resources.warehouse import LAKE, Warehouse

if TYPE_CHECKING:
    import duckdb

    from resources.bigquery import BigQuery

STEPS = ("tombstones", "count", "files", "tables", "compact", "catalog", "caches", "search", "certificate", "request")


class ErasureIncomplete(RuntimeError):
    """Something is left where the erasure cannot reach. `places` names it; the request stays open, run it again afterwards."""

    def __init__(self, places: Sequence[str]) -> None:
        self.places = list(places)
        super().__init__(
            f"still found in {len(places)} place(s): {', '.join(places[:10])}. Remove it there (load or withdraw files that wait, "
            "delete copies), then run the request again"
        )


@dataclass
class Eraser:
    """Carries requests out. `home` is DATA_HOME: all of it is searched."""

    contracts: Mapping[str, Contract]
    warehouse: Warehouse
    store: ObjectStore
    keys: IdentityKeys
    audit: AuditLog
    home: Path
    on_step: Callable[[str], None] = field(default=lambda _: None)
    """Told the name of each step before it begins."""
    lake: ObjectStore | None = None
    """Where the lake's data are in a bucket: that bucket, for what it keeps of replaced files."""
    bigquery: BigQuery | None = None
    """Where BigQuery is the engine of loads: its tables are erased beside the lake's, which are copies then. Where it only has copies
    of indicators and products: these."""
    on_change: Callable[[Sequence[str], str], None] = field(default=lambda _datasets, _request: None)
    """Told the datasets that have lost rows, as soon as they have, and by which request: what is computed from them is to follow,
    also where something is found later that keeps the request open."""

    @property
    def stores(self) -> Stores:
        """Every place to be searched."""
        return Stores(self.home, self.store, self.warehouse, self.lake)

    @property
    def requests(self) -> Requests:
        """The pending list."""
        return Requests(self.store, self.audit, self.contracts)

    # ------------------------------------------------------------------------------------------------ before

    def check(self, targets: Sequence[Target]) -> None:
        """Raises MalformedRequest unless every target can be read as its contract says."""
        with self.warehouse.connect() as connection:
            self._resolve(connection, targets, "", "")

    def preview(self, targets: Sequence[Target], user: User) -> dict[str, int]:
        """What a request would touch, as counts by store. Nothing is changed; that `user` has asked is written down."""
        user.require(Permission.REQUEST_ERASURE)
        with self.warehouse.connect() as connection:
            stones, needles = self._resolve(connection, targets, "", "")
            found = self._count(connection, stones, needles)[0]
        datasets = ",".join(sorted({t.dataset for t in targets}))
        marks = sorted({mark[:16] for stone in stones for mark in stone.columns.values()})
        handing_out.seen(self.audit, user, "erasure.preview", table=datasets, rows=sum(found.values()), subjects=marks)
        return found

    def submit(self, targets: Sequence[Target], ground: str, user: User) -> Request:
        """Check the targets and make a request of them. Raises MalformedRequest, RequestError, AccessDenied."""
        user.require(Permission.REQUEST_ERASURE)
        self.check(targets)
        if any(value in ground for t in targets for value in t.values.values() if len(value) > 2):
            raise RequestError("the ground names who is to be erased: it stands in the certificate, say it without")
        return self.requests.submit(targets, ground, user)

    # ------------------------------------------------------------------------------------------------ execution

    def execute(self, number: str, user: User) -> dict[str, Any]:
        """Carry out an approved request, or go on with one that was cut off. Returns the certificate.

        Raises RequestError, ErasureIncomplete.
        """
        user.require(Permission.APPROVE_ERASURE)
        request = self.requests.read(number)
        if request.status not in ("approved", "running"):
            raise RequestError(f"request {number} is {request.status}: it has to be approved first")
        with self.warehouse.lock("erasure"):
            with self.warehouse.connect() as connection:
                stones, needles = self._resolve(connection, request.targets, request.id, request.approved_at)
            with self._loads_stopped(stones):
                self.on_step("tombstones")
                request.status = "running"
                self.requests.write(request)
                tombstones.add(self.store, stones)
                self.on_step("count")
                self._remember(request, stones, needles)
                self.erase(stones, needles, request.progress, request.id)
                self.on_step("search")
                try:
                    found, elsewhere, kept = self._search(request, stones, needles)
                except ErasureIncomplete as error:
                    request.progress["left"] = str(error)
                    self.requests.write(request)
                    raise
            self.on_step("certificate")
            subjects = sorted({h for s in stones for h in s.columns.values()})
            self._record(user, "erasure.execute", request, len(subjects))
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            head = str(self.audit.head() or "")
            keeps = [*self.stores.keeps(), *([erasing.keeps(self.bigquery)] if self.bigquery else [])]
            outcome = certificate.Outcome(found, kept, elsewhere, keeps)
            document = certificate.issue(self.store, request, subjects, outcome, now, head)
            self.on_step("request")
            self.stores.forget_earlier([REQUESTS])  # every state that the request has had
            self.store.delete(request.name)
        return document

    def replay(self, user: User) -> dict[str, int]:
        """Erase again, by the tombstones, what a restored copy has brought back. Returns the rows found, by store."""
        user.require(Permission.APPROVE_ERASURE)
        stones = tombstones.read(self.store)
        progress: dict[str, Any] = {}
        with self.warehouse.lock("erasure"), self._loads_stopped(stones):
            with self.warehouse.connect() as connection:
                progress["found"], progress["deliveries"] = self._count(connection, stones, None)
            self.erase(stones, None, progress, "replay")
        self.audit.record(
            user.name, "erasure.replay", role=user.role_names, ground="restored copy", details=progress["found"]
        )
        return dict(progress["found"])

    def erase(
        self, stones: Sequence[Tombstone], needles: Needles | None, progress: dict[str, Any], number: str
    ) -> None:
        """The steps that remove. `needles` is None where only the marks are known: then every file is looked into."""
        texts = list(needles.texts) if needles else None
        self.on_step("files")
        for contract in self._touched(stones):
            files = erased_files.Files(self.warehouse, self.store, contract, self.keys, stones)
            files.redact(progress.get("deliveries", {}).get(contract.name, []), texts)
        if texts is not None:
            progress.setdefault("products", []).extend(erased_files.remove_products(self.warehouse, self.store, texts))
            erased_files.clean_samples(self.home / "sample", texts)
        self.on_step("tables")
        with self.warehouse.connect() as connection, self.warehouse.write(connection):
            for contract in self._touched(stones):
                erased_tables.delete(self.warehouse, connection, contract, self.keys, stones, number)
            erased_tables.rename_files(self.warehouse, connection, texts or [])
        if self.bigquery:
            for contract in self._touched(stones):
                erasing.erase_rows(self.bigquery, self.warehouse, contract, self.keys, stones, number)
            erasing.rename_files(self.bigquery, self._touched(stones), texts or [])
        self.on_change([contract.name for contract in self._touched(stones)], number)
        self.on_step("compact")
        self._compact()
        self.on_step("catalog")
        self._scrub_catalog()
        self.on_step("caches")
        self._clear_caches()
        folders = [f"{place}/{c.name}" for c in self._touched(stones) for place in erased_files.PLACES]
        if self.bigquery:
            for contract in self._touched(stones):
                folders += erasing.clear_leftovers(self.bigquery, self.store, contract)
        removed = self.stores.forget_earlier([*folders, "products"])
        progress["earlier_versions"] = progress.get("earlier_versions", 0) + removed

    # ------------------------------------------------------------------------------------------------ inside

    def _resolve(
        self, connection: duckdb.DuckDBPyConnection, targets: Sequence[Target], number: str, at: str
    ) -> tuple[list[Tombstone], Needles]:
        stones: list[Tombstone] = []
        needles = Needles()
        groups: dict[tuple[str, tuple[str, ...]], list[Target]] = {}
        for target in targets:
            groups.setdefault((target.dataset, tuple(target.values)), []).append(target)
        for (dataset, _), group in groups.items():
            if dataset not in self.contracts:
                raise RequestError(f"there is no dataset {dataset!r}")
            made, found = resolve(
                self.warehouse,
                connection,
                self.contracts[dataset],
                self._keys_of(dataset, connection),
                group,
                number,
                at,
            )
            needles.texts.update({text: place + len(stones) for text, place in found.texts.items()})
            stones += made
        return stones, needles

    def _keys_of(self, dataset: str, connection: duckdb.DuckDBPyConnection) -> IdentityKeys:
        """The keys under which the dataset's deliveries were loaded (throwaway ones where all are sample files)."""
        return erased_tables.keys_of(self.warehouse, connection, self.keys, dataset)

    def _touched(self, stones: Sequence[Tombstone]) -> list[Contract]:
        return [c for _, c in sorted(self.contracts.items()) if any(s.matches(c) for s in stones)]

    @contextlib.contextmanager
    def _loads_stopped(self, stones: Sequence[Tombstone]) -> Iterator[None]:
        with contextlib.ExitStack() as locks:
            for contract in self._touched(stones):
                locks.enter_context(self.warehouse.lock(f"load-{contract.name}"))
                if self.bigquery:  # nor may a copy that was begun before bring them back into the lake
                    locks.enter_context(self.warehouse.lock(f"lend-{contract.name}"))
                    # what a load that was cut off has left, before it is looked for in the lake
                    erasing.settle_loads(self.bigquery, self.warehouse, self.store, contract)
            yield

    def _count(
        self, connection: duckdb.DuckDBPyConnection, stones: Sequence[Tombstone], needles: Needles | None
    ) -> tuple[dict[str, int], dict[str, list[str]]]:
        """Rows found by store, and per dataset the deliveries that hold some."""
        found: dict[str, int] = {}
        deliveries: dict[str, list[str]] = {}
        for contract in self._touched(stones):
            counts, holding = erased_tables.count(self.warehouse, connection, contract, self.keys, stones)
            if self.bigquery:
                there, also = erasing.count(self.bigquery, self.warehouse, contract, self.keys, stones)
                counts |= {f"bigquery_{place}": rows for place, rows in there.items()}
                holding = sorted({*holding, *also})
            files = erased_files.Files(self.warehouse, self.store, contract, self.keys, stones)
            counts |= files.count(holding, list(needles.texts) if needles else None)
            deliveries[contract.name] = holding
            for place, number in counts.items():
                found[place] = found.get(place, 0) + number
        return found, deliveries

    def _remember(self, request: Request, stones: Sequence[Tombstone], needles: Needles) -> None:
        with self.warehouse.connect() as connection:
            found, deliveries = self._count(connection, stones, needles)
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
        self.requests.write(request)

    def _compact(self) -> None:
        """Files without the deleted rows, no older snapshots, no file that a snapshot does not need."""
        with self.warehouse.write_lock(), self.warehouse.connect() as connection:
            connection.execute(f"CALL ducklake_rewrite_data_files('{LAKE}', delete_threshold => 0)")
            connection.execute(f"CALL ducklake_expire_snapshots('{LAKE}', older_than => now())")
            connection.execute(f"CALL ducklake_cleanup_old_files('{LAKE}', cleanup_all => true)")
            # what a killed writer left behind: no snapshot knows it, and nobody writes now
            connection.execute(f"CALL ducklake_delete_orphaned_files('{LAKE}', cleanup_all => true)")

    def _scrub_catalog(self) -> None:
        """Table-wide minimum and maximum, which the catalog only ever widens, made true again; then no freed page is kept.

        They are set to what the table holds, not to NULL: DuckLake would take the next insert's range for the table's and leave
        rows out of answers.
        """
        with self.warehouse.write_lock():
            with self.warehouse.connect(read_only=True) as connection:
                true = erased_tables.extremes(connection)
            try:
                self.warehouse.catalog.forget(true)
            except CatalogError as error:
                raise ErasureIncomplete([str(error)]) from None

    def _clear_caches(self) -> None:
        # compiled contracts hold no values (they are searched like everything else); scratch may
        for folder in self.warehouse.scratch.iterdir() if self.warehouse.scratch.exists() else []:
            owner = folder.name.split("-")[0]
            if owner.isdigit() and not alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)
        for spilled in (self.warehouse.scratch / "spill").rglob("*"):
            if spilled.is_file() and not _in_use(spilled):
                spilled.unlink(missing_ok=True)

    def _search(self, request: Request, stones: Sequence[Tombstone], needles: Needles) -> tuple[Found, list[str], int]:
        """Search everything. Returns what was searched, where else the same text stands (datasets that the request is not about), and
        how many other records of the same keys are kept. Raises ErasureIncomplete."""
        kept: dict[str, int] = {}
        left = 0
        with self.warehouse.connect() as connection:
            for contract in self._touched(stones):
                given = (self.warehouse, connection, contract, self.keys, stones)
                counts = erased_tables.count(*given)[0]
                left += sum(counts.get(layer, 0) for layer in (*erased_tables.LAYERS, "staged_fixes"))
                others = [erased_tables.kept_records(*given)]
                if self.bigquery:
                    there = (self.bigquery, self.warehouse, contract, self.keys, stones)
                    left += sum(erasing.count(*there)[0].values())
                    others.append(erasing.kept_records(*there))
                for other in others:
                    kept |= {mark: kept.get(mark, 0) + rows for mark, rows in other.items()}
        if left:
            raise ErasureIncomplete([f"{left} row(s) in tables"])
        shared = {text for n, stone in enumerate(stones) if kept.get(_mark(stone)) for text in needles.of(n)}
        found = self.stores.search(set(needles.texts) - shared, without=request.name)
        names = {c.name for c in self._touched(stones)}
        elsewhere = [p for p in found.hits if _dataset_of(p, self.contracts) not in (None, *names)]
        remaining = [p for p in found.hits if p not in elsewhere]
        if remaining:
            raise ErasureIncomplete(remaining)
        return found, elsewhere, sum(kept.values())

    def _record(self, user: User, action: str, request: Request, subjects: int) -> None:
        self.audit.record(
            user.name,
            action,
            role=user.role_names,
            table=",".join(request.datasets),
            ground=request.ground,
            details={"request": request.id, "subjects": subjects, "found": request.progress.get("found", {})},
        )


def _mark(stone: Tombstone) -> str:
    """One word for a tombstone's subject."""
    return "+".join(stone.columns[c] for c in (stone.identifying or ("",)))


def _dataset_of(path: str, contracts: Mapping[str, Contract]) -> str | None:
    """The dataset in whose store a file lies, None where it is nobody's."""
    parts = path.split("/")
    if parts[0] in ("archive", "landing", "rejected") and len(parts) > 2:
        return parts[1] if parts[1] in contracts else None
    if parts[:2] == ["lake", "data"] and len(parts) > 4 and parts[2] in ("raw", "validated", "quarantine"):
        return parts[3] if parts[3] in contracts else None
    return None


def _in_use(path: Path) -> bool:
    """Whether a process has the file open (as far as /proc shows)."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.resolve() == path.resolve():
                return True
        except OSError:
            continue
    return False
