"""Several tables that come in one archive (`contracts.bundle`): loaded by their own contracts, and committed together or not at all.

First the archive is taken apart into a hidden folder of each dataset's landing, where erasure finds its rows as it finds other files that
wait, and is removed; then the files of one archive are loaded in one transaction. Where a file of it is held or refused, all of them are
held: rows in quarantine, nothing published. A crash at any point is repeated by the next run, as for single files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.arrivals import next_lot
from platform_assets.ingest.books import LakeBooks
from platform_assets.ingest.deliveries import (
    Delivery,
    archive_name,
    complete_files,
    landing_folder,
    name_fits,
    rejected_name,
)
from platform_assets.ingest.ledger import BUNDLE, HELD_WITH, Entry
from platform_assets.ingest.ledger_in_words import describe
from platform_assets.ingest.load import LONGEST_NAME, Load, LoadFailed, LoadReport, Log
from platform_assets.ingest.loading.batch import Batch
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.packing import is_packed, unpack
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.scan import scan
from platform_assets.ingest.staging import Drift
from resources.identity import IdentityKeys, bound
from resources.lake.warehouse import Warehouse
from resources.object_store import ObjectStore, StoredObject

Waiting = list[tuple[StoredObject, Entry | None]]


@dataclass
class _Part:
    """One dataset's file of an archive, staged."""

    load: Load
    deliveries: list[Delivery]
    batch: Batch
    drift: Drift
    keys: IdentityKeys
    clock: float


class _Apart(Exception):
    """Some of an archive would be published and some not."""

    def __init__(self, stopped: list[str]) -> None:
        super().__init__(", ".join(stopped))
        self.stopped = stopped


def load_bundle(
    bundle: Bundle,
    contracts: Mapping[str, Contract],
    warehouse: Warehouse,
    store: ObjectStore,
    keys: IdentityKeys,
    *,
    neighbours: Neighbours = ALONE,
    run_id: str = "",
    log: Log = lambda _: None,
    settle_seconds: float = 2.0,
) -> dict[str, LoadReport]:
    """Load all archives that wait for `bundle`, oldest first, and held ones again where a contract has changed. Dataset -> what was done.

    `contracts` are those of its members, perhaps among others. Raises what `load.load_dataset` raises.
    """
    import duckdb

    reports = {name: LoadReport(name) for name in sorted(bundle.members)}
    with ExitStack() as locked:
        for name in reports:  # in order of names, so that two bundles never wait for each other
            locked.enter_context(warehouse.lock(f"load-{name}"))
        connection = locked.enter_context(warehouse.connect())
        with warehouse.write(connection):
            ledger.ensure(warehouse, connection)

        def loads(mark: str, folder: Path) -> dict[str, Load]:
            made = {}
            for name, report in reports.items():
                books = LakeBooks(warehouse, connection, name, neighbours)
                load = Load(
                    contracts[name], warehouse, store, connection, books, folder, run_id, log, report, neighbours
                )
                load.bundle, load.keys = mark, keys
                made[name] = load
            return made

        folder = warehouse.wait_for_scratch()
        try:
            with Child() as child:
                for refused, reason in take_apart(bundle, store, folder, child, settle_seconds):
                    _refuse(loads("", folder), refused, reason)
                waiting = [*_held_before(bundle, loads("", folder)), *_taken_apart(bundle, store)]
                for number, (mark, files) in enumerate(waiting):
                    place = folder / str(number)
                    place.mkdir(mode=0o700)
                    _load_together(loads(mark, place), files, child)
        except duckdb.Error as error:
            raise LoadFailed(bundle.name, error) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return reports


# ---------------------------------------------------------------------------------------------------- from archive to files


def take_apart(
    bundle: Bundle, store: ObjectStore, folder: Path, child: Child, settle_seconds: float
) -> Iterator[tuple[StoredObject, str]]:
    """Take waiting archives apart, oldest first: their files go to the landing of their datasets, and the archive goes. Yields those that
    cannot be, with the reason; these stay for the caller to put away. Killed in between, it does the same once more."""
    for found in sorted(
        complete_files(store, bundle, settle_seconds=settle_seconds), key=lambda o: (o.arrived, o.name)
    ):
        mark = _mark(bundle, found)
        place = folder / mark
        place.mkdir(mode=0o700)
        try:
            files = _files_of(bundle, store, found, place, child)
        except FileRejected as error:
            yield found, str(error)
            continue
        again = store.stat(found.name)
        if again is None or again.version != found.version:
            continue  # its writer is not done
        for dataset, (name, path) in sorted(files.items()):
            store.write(f"{_folder(dataset, mark)}/{name.rsplit('/', 1)[-1]}", path)
        _away(bundle, store, found)


def _files_of(
    bundle: Bundle, store: ObjectStore, found: StoredObject, folder: Path, child: Child
) -> dict[str, tuple[str, Path]]:
    """Dataset -> (name, file) in the archive `found`. Raises FileRejected."""
    if not name_fits(found.basename, bundle.files):
        raise FileRejected(f"the file name matches none of {', '.join(bundle.files)}")
    unpacked, _ = unpack(child, found.basename, store.local_copy(found.name, folder), folder)
    paths = dict(unpacked)
    try:
        members = bundle.sorted_out(paths)
    except ValueError as error:
        raise FileRejected(str(error)) from None
    for name in members.values():
        if is_packed(name):
            raise FileRejected(f"{name}: it is packed again, and only one layer is taken off: send it as it is")
    return {dataset: (name, paths[name]) for dataset, name in members.items()}


def _mark(bundle: Bundle, found: StoredObject) -> str:
    """The name of one arrival of an archive; by it names sort in the order of arrival."""
    told = hashlib.sha256(os.fsencode(f"{found.name} {found.version}")).hexdigest()[:12]
    return f"{BUNDLE}{bundle.name}-{found.arrived:%Y%m%dT%H%M%S%f}-{told}"


def _folder(dataset: str, mark: str) -> str:
    """Where a file of an archive waits: hidden from what loads single files."""
    return f"{landing_folder(dataset)}/.{mark}"


def _away(bundle: Bundle, store: ObjectStore, found: StoredObject) -> None:
    store.delete(found.name)
    if bundle.marker:
        store.delete(found.name + bundle.marker)


def _taken_apart(bundle: Bundle, store: ObjectStore) -> list[tuple[str, dict[str, Waiting]]]:
    """(mark, dataset -> its file) of archives that were taken apart, oldest first. After a crash some of their files may be put away."""
    found: dict[str, dict[str, Waiting]] = defaultdict(dict)
    for dataset in sorted(bundle.members):
        depth = landing_folder(dataset).count("/") + 1
        for stored in store.walk(landing_folder(dataset)):
            parts = stored.name.split("/")
            mark = parts[depth].removeprefix(".") if len(parts) == depth + 2 else ""
            if mark.startswith(f"{BUNDLE}{bundle.name}-"):
                if stored.basename.startswith(".") and stored.basename.endswith(".part"):
                    store.delete(
                        stored.name
                    )  # of a process that was killed while it wrote: no file, and nobody's but ours
                else:
                    found[mark][dataset] = [(stored, None)]
    return sorted(found.items())


def _held_before(bundle: Bundle, loads: Mapping[str, Load]) -> list[tuple[str, dict[str, Waiting]]]:
    """The same of archives that were held, where the contract of a member has changed since: all of it is judged again."""
    found: dict[str, dict[str, Waiting]] = defaultdict(dict)
    changed = set()
    for dataset, load in loads.items():
        for entry in load.books.entries(status="held"):
            stored = load.store.stat(archive_name(dataset, entry.delivery, entry.file))
            if stored and entry.bundle.startswith(f"{BUNDLE}{bundle.name}-"):
                found[entry.bundle][dataset] = [(stored, entry)]
                changed |= {entry.bundle} if entry.contract != load.contract.hash else set()
    return sorted((mark, files) for mark, files in found.items() if mark in changed)


def _refuse(loads: Mapping[str, Load], found: StoredObject, reason: str) -> None:
    """Nothing in an archive can be judged: every dataset is told, and keeps it."""
    first = next(iter(loads.values()))
    whole = scan(first.store.local_copy(found.name, first.folder))
    told = hashlib.sha256(f"{whole.sha256} {found.version}".encode()).hexdigest()[:16]
    delivery = Delivery(found, whole.sha256, rejected=reason, known_as=told, version=found.version)
    delivery.delivered_at = found.arrived.replace(tzinfo=None)
    for name in loads:
        first.store.write(
            rejected_name(name, told, f"{found.basename[:LONGEST_NAME]}.reason.txt"),
            f"{found.basename}: {reason}\n".encode(),
        )
        first.store.write(rejected_name(name, told, found.basename), whole.path)
    with first.warehouse.write(first.connection):
        for load in loads.values():
            entry = load.entry(delivery, "rejected", reason)
            ledger.write(first.connection, [entry])
            load.report.entries.append(entry)
            load.log(f"{load.contract.name}: {describe(entry)}")
    first.store.delete(found.name)


# ---------------------------------------------------------------------------------------------------- one transaction


def _load_together(loads: Mapping[str, Load], files: Mapping[str, Waiting], child: Child) -> None:
    """The files of one archive."""
    parts: list[_Part] = []
    for dataset, waiting in files.items():
        load = loads[dataset]
        load.folder = load.folder / dataset
        load.folder.mkdir(mode=0o700)
        clock = time.monotonic()
        deliveries = next_lot(load.contract, load.books, load.opened(waiting, child))
        if deliveries:
            keys = load.keys.for_files([d.origin_sha256 for d in deliveries])
            read = [d for d in deliveries if d.repeats is None]
            batch, drift = load.staged(read, load.folder, child)
            parts.append(_Part(load, deliveries, batch, drift, keys, clock))
    if not parts:
        return
    try:
        entries = _written(parts)
    except _Apart as found:
        reason = f"{HELD_WITH}: {', '.join(found.stopped)} cannot be published, and the tables of a bundle are published together"
        for part in parts:
            part.batch.entries = {d.id: part.load.entry(d) for d in part.batch.deliveries}
            part.batch.withheld = "" if part.load.contract.name in found.stopped else reason
        entries = _written(parts)
    for part, written in zip(parts, entries, strict=True):
        part.load.put_away(part.deliveries)
        part.load.report.entries += written
        for entry in written:
            part.load.log(f"{part.load.contract.name}: {describe(entry)}")


def _written(parts: list[_Part]) -> list[list[Entry]]:
    """All of them in one transaction. Raises _Apart, with nothing written, where some would be published and some not."""
    warehouse, connection = parts[0].load.warehouse, parts[0].load.connection
    written: list[list[Entry]] = []
    with warehouse.write(connection):
        for part in parts:
            contract = part.load.contract
            with bound(connection, part.keys, set(contract.identifiers.values())):
                written.append(part.load.apply(part.batch, part.deliveries, part.drift, part.keys, part.clock))
        stopped = [e.dataset for entries in written for e in entries if e.status in ("held", "rejected")]
        if stopped and any(e.status == "published" for entries in written for e in entries):
            raise _Apart(stopped)
    return written
