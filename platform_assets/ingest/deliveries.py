"""What waits in landing: files that are complete, taken apart where they are archives, each with its place in time.

A delivery is an event, known by its content where that comes for the first time (`ingest.arrivals`); stewards' fixes are known by name.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract, Order
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.packing import holds_one, is_packed, unpack
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.scan import Scan, scan
from platform_assets.ingest.readers.shape.names import part_name
from platform_assets.ingest.readers.sniff import disguise
from resources.object_store import ObjectStore, StoredObject
from resources.text.spelling import bare

if TYPE_CHECKING:
    from platform_assets.ingest.ledger import Entry

UNFINISHED = (
    *(".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".aria2"),
    *(".uploading", ".inprogress", ".swp", "~"),
)
"""Endings of files that some program is still writing."""
STRAYS = (
    *(".*", "~$*", "#*#", "thumbs.db", "ehthumbs*.db", "desktop.ini", "icon\r"),
    *("$recycle.bin", "system volume information", "__macosx", "@eadir", "lost+found"),
)
"""What programs leave in folders for themselves (locks of open files, previews, settings): never a delivery, whatever a contract says."""
EPOCH = dt.datetime(1970, 1, 1)


@dataclass
class Member:
    """One table-shaped file: the delivery itself, or one that its archive holds."""

    label: str
    """File name for people: ``week_12.csv`` or ``week_12.zip/lab.csv``."""
    scan: Scan
    format: FileFormat


@dataclass(frozen=True)
class Mending:
    """What a file of fixed rows mends."""

    delivery: str
    """The id of the file of fixes. It is not made of the content, so that the same fix can be sent again."""
    origin: str
    """The delivery with which the rows first came. A fix of a fix has the same origin."""
    as_of: dt.datetime | None
    """The place in time of the origin. The fix takes it: it is neither older nor newer."""
    released: bool
    """True: the file holds all right rows of a held delivery, and takes its place. False: its rows are added to the origin's."""
    sha256: str
    """Hash of the origin's file, by which it is told whether the rows are sample data."""
    file: str = ""
    """The name of the origin's file."""


@dataclass
class Delivery:
    """One landed file."""

    object: StoredObject
    sha256: str
    members: list[Member] = field(default_factory=list)
    not_taken: dict[str, int] = field(default_factory=dict)
    """What it holds and is not read, by name -> rows in it (0: none, or nobody can tell); see `Entry.not_taken`."""
    others: list[tuple[str, Path]] = field(default_factory=list)
    """(name, file) of what its archive holds beside its members: kept with it."""
    unforeseen: list[str] = field(default_factory=list)
    """What of `not_taken` the contract does not leave out by its own words."""
    as_of: dt.datetime | None = None
    """Its place in time by the contract; None where every row has its own (order by column)."""
    rejected: str = ""
    """Why nothing in it can be judged."""
    known_as: str = ""
    """Its id, where that is not of the content alone: content that came before, or a delivery that is judged again."""
    delivered_at: dt.datetime = dt.datetime.min
    """When it arrived (UTC)."""
    version: str = ""
    """That of the file in landing."""
    same_as: str = ""
    """The latest delivery before it with the same content."""
    repeats: Entry | None = None
    """Set where it says what was said last: the entry of that delivery. It is not read."""
    former: bool = False
    """Its content came before, and something else since: see `arrivals.Meaning.FORMER`."""
    held_before: bool = False
    """Was held under an earlier contract and is judged again, from the archive."""
    mending: Mending | None = None
    """Set where it holds rows that a steward has mended: it takes the place in time of what it mends, and may be short."""

    @property
    def id(self) -> str:
        """Sixteen hex digits: of the content's hash where that came first with it; a file of fixed rows has an id of its own."""
        return self.mending.delivery if self.mending else self.known_as or self.sha256[:16]

    @property
    def origin_sha256(self) -> str:
        """The hash by which it is told whether the rows are sample data."""
        return self.mending.sha256 if self.mending else self.sha256

    @property
    def file(self) -> str:
        """The file's name."""
        return self.object.basename


def landing_folder(dataset: str) -> str:
    """Where files of `dataset` are dropped."""
    return f"landing/{dataset}"


def archive_name(dataset: str, delivery: str, file: str) -> str:
    """Where a delivery that has been taken is kept, unchanged."""
    return f"archive/{dataset}/{delivery}/{file}"


def rejected_name(dataset: str, delivery: str, file: str) -> str:
    """Where a file of which nothing could be judged is kept, with ``<file>.reason.txt`` beside it."""
    return f"rejected/{dataset}/{delivery}/{file}"


def is_stray(name: str) -> bool:
    """Whether a file of this name is no delivery, or not yet: it is left alone, and nobody is told."""
    lower = name.lower()
    return lower.endswith(UNFINISHED) or any(fnmatch.fnmatchcase(lower, pattern) for pattern in STRAYS)


def never_taken(store: ObjectStore, dataset: str) -> list[str]:
    """Folders and links in landing, by name: nobody looks into them."""
    return [name for name in store.no_files(landing_folder(dataset)) if not is_stray(name)]


def look_of(found: StoredObject) -> str:
    """A file as it is now, in sixteen hex digits: another one once it changes, or comes again."""
    return hashlib.sha256(f"{found.name} {found.version}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def complete_files(
    store: ObjectStore, contract: Contract | Bundle, *, settle_seconds: float = 2.0
) -> list[StoredObject]:
    """Files in landing that nobody is still writing: no unfinished name, marker there, size and time unchanged for a moment."""
    found = {o.basename: o for o in (_readable_name(store, o) for o in store.list(landing_folder(contract.name)))}
    marker = contract.marker if isinstance(contract, Bundle) else contract.source.marker
    candidates = [
        o
        for name, o in found.items()
        if not is_stray(name) and (marker is None or (not name.endswith(marker) and name + marker in found))
    ]
    now = dt.datetime.now(dt.UTC)
    young = [o for o in candidates if (now - o.modified).total_seconds() < settle_seconds]
    if young:
        time.sleep(settle_seconds)
    still_growing = {o.name for o in young if (again := store.stat(o.name)) is None or again.version != o.version}
    return [o for o in candidates if o.name not in still_growing]


def _readable_name(store: ObjectStore, found: StoredObject) -> StoredObject:
    """`found`, renamed where its name is not UTF-8 (old transfer programs send others): caf\\xe9.csv becomes caf_xe9.csv."""
    try:
        found.name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(found.name).decode("utf-8", "backslashreplace").replace("\\", "_")
        store.move(found.name, name)
        return store.stat(name) or found
    return found


def open_delivery(
    store: ObjectStore, contract: Contract, found: StoredObject, folder: Path, loaded_at: dt.datetime, child: Child
) -> Delivery | None:
    """Read the bytes of `found` once and take it apart, in a process of `child`. None where it changed or went away meanwhile (its writer is not done).

    What is wrong with the whole file stands in `Delivery.rejected`.
    """
    try:
        whole = scan(store.local_copy(found.name, folder))
    except FileNotFoundError:
        return None
    again = store.stat(found.name)
    if again is None or again.version != found.version:
        return None
    delivery = Delivery(found, whole.sha256, delivered_at=found.arrived.replace(tzinfo=None), version=found.version)
    try:
        delivery.as_of = place_in_time(contract, found.basename, loaded_at)
        if not name_fits(found.basename, contract.source.files):
            raise FileRejected(f"the file name matches none of {', '.join(contract.source.files)}")
        # two files may have the same content
        unpacked = hashlib.sha256(os.fsencode(found.name)).hexdigest()[:16]
        delivery.members = list(_members(delivery, whole, contract, folder / unpacked, child))
    except FileRejected as error:
        delivery.rejected = str(error)
    return delivery


def place_in_time(contract: Contract, file: str, loaded_at: dt.datetime) -> dt.datetime | None:
    """What makes the delivery newer than others: arrival, or the date in its name; None for an order by column."""
    order = contract.load.order_by
    if not isinstance(order, Order):
        return loaded_at
    if order.file_name is None:
        return None
    moment = order.moment_of(bare(file), contract.zone)
    if moment is None:
        shown = " or ".join(dict.fromkeys(f.example for f in order.formats(contract.zone)))
        raise FileRejected(
            f"there is no date like {shown} in the file name where the contract expects one "
            f"({' or '.join(order.patterns)}): rename the file"
        )
    return moment


def name_fits(file: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` fits the name of a file, as people read it: an accent may be written as one character or as two."""
    return any(fnmatch.fnmatch(bare(file), bare(pattern)) for pattern in patterns)


def format_of(file: str, formats: Iterable[FileFormat]) -> FileFormat:
    """The declared format whose file-name patterns fit `file`. Raises FileRejected where none does."""
    known = list(formats)
    for fmt in known:
        if name_fits(file.lower(), [pattern.lower() for pattern in fmt.patterns]):
            return fmt
    raise FileRejected(f"unknown format: the file name fits none of {', '.join(p for f in known for p in f.patterns)}")


def _members(delivery: Delivery, whole: Scan, contract: Contract, folder: Path, child: Child) -> Iterable[Member]:
    """The table-shaped files of a delivery. Where the contract names its files (`format.files`), others in an archive are left out."""
    file, seen = delivery.file, bare(delivery.file).strip()
    if not is_packed(seen):
        yield _member(file, file, whole.path, format_of(seen, contract.format), whole)
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unpacked, hidden = unpack(child, seen, whole.path, folder)
    for name in hidden:
        delivery.not_taken[part_name(name)] = 0
    found = False
    for name, path in unpacked:
        if holds_one(seen):
            yield _member(file, file, path, format_of(name, contract.format))
            return
        try:
            fmt = format_of(PurePosixPath(name).name, contract.format)
        except FileRejected as error:
            if any(f.files for f in contract.format):
                delivery.not_taken[part_name(name)] = 0
                delivery.others.append((name, path))
                continue
            raise FileRejected(
                f"{name}: {error} (all files of an archive are taken together, or none, unless the contract names them: `files`)"
            ) from None
        if is_packed(name):
            raise FileRejected(f"{name}: it is packed again, and only one layer is taken off: send it as it is")
        found = True
        yield _member(f"{file}/{name}", name, path, fmt)
    if not found:
        raise FileRejected(
            f"none of the {len(unpacked)} file(s) in the archive fits {', '.join(p for f in contract.format for p in f.files)}"
        )


def _member(label: str, name: str, path: Path, fmt: FileFormat, scanned: Scan | None = None) -> Member:
    """One file, scanned. Raises FileRejected where it is plainly of another kind than its name says."""
    what = disguise(path, fmt.kind, fmt.encoding)
    if what:
        raise FileRejected(what if label == name else f"{name}: {what}")
    return Member(label, scanned or scan(path), fmt)
