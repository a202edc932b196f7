"""The whole way of one dataset: what waits in landing becomes published rows. The only door into the warehouse.

A crash at any point leaves the old state or the new one: everything up to the commit is scratch, everything after it (moving files
out of landing) is repeated by the next run, which recognises the content.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.contracts.model import Contract
from platform_assets.ingest import accounts, arrivals, ledger
from platform_assets.ingest.aliases import known_as
from platform_assets.ingest.arrivals import History, next_lot
from platform_assets.ingest.books import Books, LakeBooks
from platform_assets.ingest.deliveries import (
    Delivery,
    archive_name,
    complete_files,
    look_of,
    open_delivery,
    rejected_name,
)
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.ledger_in_words import describe
from platform_assets.ingest.loading.batch import Batch
from platform_assets.ingest.loading.publish import publish
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.staging import Drift, respelled_columns, stage
from platform_assets.ingest.worked_out import work_out
from resources.identity import IdentityKeys, bound
from resources.lake.catalog import CatalogError
from resources.lake.compaction import compact
from resources.lake.warehouse import Warehouse, WarehouseError
from resources.object_store import ObjectStore, StoredObject
from resources.text.shown import of_engine

if TYPE_CHECKING:
    import duckdb

LONGEST_NAME = 150  # file systems allow 255 bytes, and parts of names are added


@dataclass
class LoadReport:
    """What one load did."""

    dataset: str
    entries: list[Entry] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def blocked(self) -> bool:
        """Something came, and nothing of it could be published: the last good table stays."""
        return bool(self.entries) and all(e.status in ("held", "rejected") for e in self.entries)

    def total(self, count: str) -> int:
        """Sum of a row count over the deliveries of this load."""
        return sum(getattr(e, count) for e in self.entries)


class LoadFailed(RuntimeError):
    """The engine gave up: nothing was changed by what is still in landing. Its message is told without what it quotes, which may be a value of a row."""

    def __init__(self, dataset: str, error: Exception) -> None:
        said = of_engine(str(error).split("\n\n")[0].split("LINE ")[0])
        super().__init__(
            f"{dataset}: the engine gave up ({type(error).__name__}: {said[:300]}). Files that are in landing were not "
            "loaded, and nothing of them was changed; run it again. If it happens again, look for a full disk or a small PLATFORM_MEMORY_LIMIT."
        )


Log = Callable[[str], None]


def load_dataset(
    contract: Contract,
    warehouse: Warehouse,
    store: ObjectStore,
    keys: IdentityKeys,
    *,
    neighbours: Neighbours = ALONE,
    run_id: str = "",
    log: Log = lambda _: None,
    settle_seconds: float = 2.0,
    only: Collection[str] | None = None,
) -> LoadReport:
    """Load all that waits for `contract`, or, of files in landing, `only` those (by `deliveries.look_of`). One at a time per dataset;
    other datasets and readers go on.

    `neighbours` answer for who was erased and what was mended (`office.NEIGHBOURS` on a platform where stewards work).

    Raises MissingIdentityKey before anything is read where the contract has identifiers and their key is not set.
    """
    started = time.monotonic()
    report = LoadReport(contract.name)
    with warehouse.lock(f"load-{contract.name}"), warehouse.connect() as connection:
        with warehouse.write(connection):
            ledger.ensure(warehouse, connection)
        books = LakeBooks(warehouse, connection, contract.name, neighbours)
        waiting = waiting_files(books, store, contract, settle_seconds, only)
        if waiting:
            import duckdb

            folder = warehouse.wait_for_scratch()
            try:
                Load(contract, warehouse, store, connection, books, folder, run_id, log, report, neighbours).run(
                    waiting, keys
                )
            except duckdb.Error as error:
                raise LoadFailed(contract.name, error) from None
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    if waiting:
        tidy(warehouse, log)
    report.seconds = time.monotonic() - started
    return report


def tidy(warehouse: Warehouse, log: Log) -> None:
    """Put small files of the lake together where it pays. What was loaded stands, whatever becomes of this; the next load tries again."""
    import duckdb

    try:
        done = compact(warehouse)
    except (duckdb.Error, WarehouseError, CatalogError) as error:
        said = of_engine(str(error).split("\n\n")[0])
        log(f"small files of the lake could not be put together, the next load tries again: {said[:300]}")
        return
    if done:
        log(f"small files put together: {', '.join(done)}")


def waiting_files(
    books: Books, store: ObjectStore, contract: Contract, settle_seconds: float, only: Collection[str] | None = None
) -> list[tuple[StoredObject, Entry | None]]:
    """What is to be loaded: complete files in landing, and held deliveries with their entry, which are judged again, from the archive,
    once the contract has changed."""
    complete = complete_files(store, contract, settle_seconds=settle_seconds)
    found: list[tuple[StoredObject, Entry | None]] = [(o, None) for o in complete if only is None or look_of(o) in only]
    for entry in books.entries(status="held"):
        archived = store.stat(archive_name(contract.name, entry.delivery, entry.file))
        if entry.contract != contract.hash and archived and not entry.bundle:  # a bundle's are judged together
            found.append((archived, entry))
    return found


@dataclass
class Load:
    """One load at work: the parts that every step needs. Another engine has its own `write`."""

    contract: Contract
    warehouse: Warehouse
    store: ObjectStore
    connection: duckdb.DuckDBPyConnection
    """The engine that reads files: the lake's, or one of its own where rows go elsewhere."""
    books: Books
    folder: Path
    run_id: str
    log: Log
    report: LoadReport
    neighbours: Neighbours
    bundle: str = ""
    """What the archive is called that the files came in, where they are committed together with others of it (`ingest.bundles`)."""
    loaded_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC).replace(tzinfo=None))
    keys: IdentityKeys = field(init=False)

    def run(self, waiting: list[tuple[StoredObject, Entry | None]], keys: IdentityKeys) -> None:
        """Load the files of `waiting` (see `waiting_files`)."""
        name, self.keys = self.contract.name, keys
        self.log(f"{name}: {len(waiting)} file(s) waiting, {sum(o.size for o, _ in waiting) / 1e6:,.1f} MB")
        with Child() as child:
            self._load(waiting, keys, child)

    def _load(self, waiting: list[tuple[StoredObject, Entry | None]], keys: IdentityKeys, child: Child) -> None:
        """Deliveries in their order, as many at once as do not depend on what becomes of another; each lot is one transaction."""
        pending = self.opened(waiting, child)
        if not pending:
            return
        purposes = set(self.contract.identifiers.values())
        keys_of_files = keys.for_files([d.origin_sha256 for d in pending])
        with bound(self.connection, keys_of_files, purposes):
            for lot in count(1):
                deliveries = next_lot(self.contract, self.books, pending)
                if not deliveries:
                    break
                folder = self.folder / f"lot{lot}"
                folder.mkdir(mode=0o700)
                self._load_lot(deliveries, keys_of_files, folder, child)
                pending = pending[len(deliveries) :]

    def _load_lot(self, deliveries: list[Delivery], keys: IdentityKeys, folder: Path, child: Child) -> None:
        name, clock = self.contract.name, time.monotonic()
        read = [d for d in deliveries if d.repeats is None]
        batch, drift = self.staged(read, folder, child)
        if read:
            self.log(f"{name}: {sum(sum(s.rows.values()) for s in batch.staged):,} rows read, now judged")
        entries = self.write(batch, deliveries, drift, keys, clock)
        self.put_away(deliveries)
        self.report.entries += entries
        for entry in entries:
            self.log(f"{name}: {describe(entry)}")

    def staged(self, read: list[Delivery], folder: Path, child: Child) -> tuple[Batch, Drift]:
        """Rows of these deliveries, as `staging.stage` makes them, with columns by the names that stewards have agreed to."""
        return stage(self.connection, known_as(self.contract, self.store), read, folder, self.entry, child)

    def write(
        self, batch: Batch, deliveries: list[Delivery], drift: Drift, keys: IdentityKeys, clock: float
    ) -> list[Entry]:
        """Rows and ledger in one transaction; the entries as they were written. `clock` is when the work began."""
        with self.warehouse.write(self.connection):
            return self.apply(batch, deliveries, drift, keys, clock)

    def apply(
        self, batch: Batch, deliveries: list[Delivery], drift: Drift, keys: IdentityKeys, clock: float
    ) -> list[Entry]:
        """As `write`, in the caller's transaction."""
        expression = compiled(self.contract, self.contract.today(), self.warehouse.home / "expressions")
        publish(
            self.warehouse,
            self.connection,
            self.contract,
            expression,
            batch,
            self.books,
            lambda: self._leave_out(batch, keys),
        )
        entries = self.complete(batch, deliveries, drift, clock)
        ledger.write(self.connection, entries)
        if any(e.status == "published" for e in entries):
            work_out(self.warehouse, self.connection, self.contract, self.books, expression)
        return entries

    def _leave_out(self, batch: Batch, keys: IdentityKeys) -> Mapping[int, tuple[int, int]]:
        """Take out of what is staged who may not come in, and account for it in the lake."""
        gone = self.neighbours.leave_out(self.warehouse, self.connection, self.contract, keys, self.store)
        if gone is None:
            return {}
        accounts.replace(self.warehouse, self.connection, self.contract.name, batch.members, gone)
        return gone

    def complete(self, batch: Batch, deliveries: list[Delivery], drift: Drift, clock: float) -> list[Entry]:
        """The batch's entries, those of rejected files and of repeated ones, ready for the ledger. Raises AssertionError where rows are
        missing."""
        rejected = {d.id: self.entry(d, "rejected", d.rejected) for d in deliveries if d.rejected}
        repeated = [self._repeated(d, d.repeats) for d in deliveries if d.repeats]
        expression = compiled(self.contract, self.contract.today(), self.warehouse.home / "expressions")
        respelled = respelled_columns(self.connection, expression, batch) if batch.entries else {}
        for entry in (*batch.entries.values(), *rejected.values()):
            absent = entry.drift.get("missing", [])
            entry.drift = {**drift.get(entry.delivery, {}), **respelled.get(entry.delivery, {})}
            if absent:
                entry.drift["missing"] = [*entry.drift.get("missing", []), *absent]
            entry.seconds = round(time.monotonic() - clock, 3)
        entries = [*batch.entries.values(), *rejected.values(), *repeated]
        for entry in entries:
            if not entry.conserved:  # cannot happen; if it does, nothing may be published
                raise AssertionError(
                    f"{self.contract.name}, {entry.file}: rows in {entry.rows_in} are not accounted for: {entry}"
                )
        return entries

    def opened(self, waiting: list[tuple[StoredObject, Entry | None]], child: Child) -> list[Delivery]:
        """Deliveries in the order of loading: oldest first. Files whose load was committed already are only put away."""
        opened: list[Delivery] = []
        fixes = self.books.mendings()
        for found, held in waiting:
            delivery = open_delivery(self.store, self.contract, found, self.folder, self.loaded_at, child)
            if delivery is None:
                self.log(f"{self.contract.name}: {found.basename} is still being written, left for the next run")
                continue
            if self.bundle:
                delivery.version = f"{self.bundle} {delivery.version}"
            if held:
                # its place in time is that of its first arrival: what came since is newer
                delivery.held_before, delivery.known_as, delivery.same_as = True, held.delivery, held.same_as
                delivery.sha256, delivery.as_of, delivery.version = held.sha256, held.as_of, held.version
                delivery.delivered_at = held.delivered_at
            delivery.mending = fixes.get(delivery.file)
            if delivery.mending:
                delivery.as_of = delivery.mending.as_of or delivery.as_of
            opened.append(delivery)
        known = self.books.entries(deliveries=[d.id for d in opened])
        known += self.books.entries(contents={d.sha256 for d in opened})
        mended, sent_on = {m.delivery for m in fixes.values()}, self.books.sent_on()
        fresh = [d for d in opened if not self._is_done(d, known, mended, sent_on)]
        fresh.sort(key=lambda d: (d.as_of or dt.datetime.min, d.delivered_at, d.object.modified, d.file))
        if not self.contract.load.terms.dated:
            for place, delivery in enumerate(fresh):  # what came together has an order, too
                if delivery.as_of == self.loaded_at:
                    delivery.as_of += dt.timedelta(microseconds=place)
        return fresh

    def _is_done(self, delivery: Delivery, known: list[Entry], mended: set[str], sent_on: set[str]) -> bool:
        """Whether this very file was loaded before; it is put away then. Rows of a held delivery that were sent as fixes must not come
        twice where they have no key."""
        if delivery.held_before:
            return not self.contract.load.changes.repeatable and delivery.id in sent_on
        if delivery.mending:
            done = next(
                (e for e in known if e.delivery == delivery.id and e.status in ("published", "superseded")), None
            )
        else:
            history = History.of(self.contract, known, mended, ())
            done = history.taken(delivery) or self._taken_long_ago(history.latest_same(delivery))
        if done is None:
            return False
        self.log(
            f"{self.contract.name}: {delivery.file} was loaded already (delivery {done.delivery}), and is put away now"
        )
        delivery.known_as = done.delivery
        delivery.rejected = done.reason if done.status == "rejected" else ""
        delivery.repeats = done if done.status == "repeated" else None
        self.put_away([delivery])
        return True

    def _taken_long_ago(self, entry: Entry | None) -> Entry | None:
        """The entry of a delivery that was loaded before versions were kept, where its file was never put away."""
        if entry is None or entry.version or entry.status not in ("published", "superseded", "held"):
            return None
        return None if self._is_archived(entry.delivery) else entry

    def entry(self, delivery: Delivery, status: str = "published", reason: str = "") -> Entry:
        """What the ledger says of `delivery`, before rows are counted."""
        return Entry(
            dataset=self.contract.name,
            delivery=delivery.id,
            file=delivery.file,
            bytes=delivery.object.size,
            sha256=delivery.sha256,
            delivered_at=delivery.delivered_at,
            loaded_at=self.loaded_at,
            as_of=delivery.as_of,
            status=status,
            reason=reason,
            contract=self.contract.hash,
            run=self.run_id,
            version=delivery.version,
            same_as=delivery.same_as,
            not_taken=dict(delivery.not_taken),
        )

    def _repeated(self, delivery: Delivery, before: Entry) -> Entry:
        """What says what was said last: its rows were judged and counted then, and none of them takes effect now."""
        entry = self.entry(delivery, "repeated", f"{arrivals.in_words(before)}: nothing changes")
        entry.rows_in = entry.superseded = before.rows_in
        entry.drift, entry.not_taken = before.drift, before.not_taken
        return entry

    def put_away(self, deliveries: list[Delivery]) -> None:
        """Move what was committed out of landing. What cannot be moved now is known by its version to the next run."""
        for delivery in deliveries:
            try:
                if delivery.rejected:
                    target = rejected_name(self.contract.name, delivery.id, delivery.file)
                    reason = rejected_name(
                        self.contract.name, delivery.id, f"{delivery.file[:LONGEST_NAME]}.reason.txt"
                    )
                    self.store.write(reason, f"{delivery.file}: {delivery.rejected}\n".encode())
                    self._move(delivery, target)
                elif delivery.repeats and any(
                    self._is_archived(e.delivery) for e in self.books.entries(contents=[delivery.sha256])
                ):
                    self._clear(delivery)  # its bytes are there
                else:
                    self._move(delivery, archive_name(self.contract.name, delivery.id, delivery.file))
            except OSError as error:
                # committed already: the next run knows the file by its version and tries again
                self.log(
                    f"{self.contract.name}: {delivery.file} cannot be put away now ({error.strerror}), it stays in landing"
                )

    def _is_archived(self, delivery: str) -> bool:
        return any(True for _ in self.store.list(archive_name(self.contract.name, delivery, "").rstrip("/")))

    def _move(self, delivery: Delivery, target: str) -> None:
        source = delivery.object.name
        if source != target:
            keys = self.keys.for_files([delivery.origin_sha256])
            if not self.neighbours.put_away(self.warehouse, self.store, self.contract, keys, source, target):
                self.store.move(source, target)
            self._clear_marker(delivery)

    def _clear(self, delivery: Delivery) -> None:
        self.store.delete(delivery.object.name)
        self._clear_marker(delivery)

    def _clear_marker(self, delivery: Delivery) -> None:
        if self.contract.source.marker:
            self.store.delete(delivery.object.name + self.contract.source.marker)
