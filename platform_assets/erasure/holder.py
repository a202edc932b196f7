"""What can hold a person, and what an erasure asks of it. Every kind of store is one file in `holders/`, found there without a list.

A holder answers for folders below DATA_HOME and for tables of the lake (`claims`); what nobody claims is searched all the same, and
named in the certificate. It counts what is there of the people meant, removes it, cleans up where it was, and searches afterwards. The
certificate is made of what holders report, in their words.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gzip
import hashlib
import importlib
import io
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from platform_assets.access.audit.log import AuditLog
from platform_assets.contracts.bundle import Bundle
from platform_assets.contracts.model import Contract
from platform_assets.erasure.decisions import DROP, ELSE, MEND, Decision, Spot
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Ground, Search
from platform_assets.erasure.targets import Tombstone
from resources.identity import IdentityKeys
from resources.lake.warehouse import LAKE, Warehouse
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import dagster as dg

    from resources.gcp.bigquery import BigQuery


class Busy(RuntimeError):
    """A store is in use, so that it cannot be cleaned now; run the request again."""


@dataclass(frozen=True)
class Parts:
    """What holders are made of: the stores of one platform."""

    contracts: Mapping[str, Contract]
    warehouse: Warehouse
    store: ObjectStore
    keys: IdentityKeys
    audit: AuditLog
    home: Path
    """DATA_HOME of this machine."""
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    """Archives that hold files of several datasets, by name."""
    lake: ObjectStore | None = None
    """Where the lake's data are in a bucket: that bucket, for what it keeps of replaced files."""
    bigquery: BigQuery | None = None
    """A BigQuery that has tables of the platform, as engine or with copies."""
    dagster: Callable[[], AbstractContextManager[dg.DagsterInstance | None]] = lambda: contextlib.nullcontext(None)
    """Dagster's instance, whose storage remembers what runs said; None where there is none."""
    claimed: set[str] = field(default_factory=set)
    """Folders that holders answer for; filled by `all_holders`."""

    @property
    def ground(self) -> Ground:
        """Files below DATA_HOME and objects of the store, whichever way they are kept."""
        return Ground(self.home, self.store)


@dataclass
class Work:
    """One erasure at work."""

    number: str
    """Of the request; ``replay`` where there is none."""
    stones: Sequence[Tombstone]
    contracts: Sequence[Contract]
    """The datasets that the tombstones concern."""
    texts: frozenset[str] | None
    """Identifiers and pseudonyms that may be nowhere afterwards; None where only their marks are known (replay)."""
    searched: frozenset[str] = frozenset()
    """Those of `texts` that are searched for: not the key of records that are kept."""
    owners: Mapping[str, int] = field(default_factory=dict)
    """Text -> number of the tombstone that it belongs to."""
    deliveries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Dataset -> deliveries of which rows were found when they were counted."""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """What a steward has decided of a spot, by its key."""
    request: str = ""
    """Name of the object that holds the request itself, which goes last."""
    standing: set[str] = field(default_factory=set)
    """Texts that a search has found in living rows of the lake: what its files and statistics hold of them is told with these."""
    explained: dict[str, str] = field(default_factory=dict)
    """Spots that need no decision, by key: why they mean someone else."""

    def decided(self, way: str) -> set[str]:
        """Keys of the spots for which `way` was chosen."""
        return {key for key, decision in self.decisions.items() if decision.way == way}


@dataclass
class Count:
    """What a holder has of the people meant."""

    found: dict[str, int] = field(default_factory=dict)
    """Place -> rows or files."""
    deliveries: dict[str, set[str]] = field(default_factory=dict)
    """Dataset -> deliveries that hold some."""


@dataclass
class Remaining:
    """What a holder's tables still have, held against the marks."""

    rows: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    """Mark of a key -> records of it that the request does not cover (another date)."""


@dataclass(frozen=True)
class Recipient:
    """Somebody outside who got a file, and has to be told of an erasure."""

    who: str
    file: str
    sent_at: str
    """UTC."""
    sha256: str
    certain: bool
    """The people stand in the file; otherwise it cannot be told any more whether they do."""


class Holder(ABC):
    """One kind of store. What is left as it is here does nothing: it is for stores that have no such thing."""

    order: ClassVar[int]
    """Holders are asked in this order: files before tables, what was replaced in buckets last."""
    name: ClassVar[str]
    """The step's name."""
    places: ClassVar[Mapping[str, str]] = {}
    """Place -> what is counted there, in words."""
    column: ClassVar[str] = ""
    """One column of the deletion log for all `places` together; empty: a column for each."""
    remark: ClassVar[str] = ""
    """A sentence for the certificate of every platform that has such a store."""
    tells_deliveries: ClassVar[bool] = False
    """Its count tells in which deliveries the people are; it is asked before those that look into files."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @classmethod
    def present(cls, parts: Parts) -> bool:
        """Whether this platform has such a store."""
        return True

    @abstractmethod
    def claims(self) -> Collection[str]:
        """What it answers for: patterns of paths below DATA_HOME, and, as ``lake:schema.table``, of tables."""

    def stopped(self, work: Work) -> AbstractContextManager[None]:
        """Held while the erasure works: nothing may bring rows back meanwhile."""
        return contextlib.nullcontext()

    def count(self, work: Work) -> Count:
        """What is there of the people meant."""
        return Count()

    @abstractmethod
    def erase(self, work: Work) -> list[str]:
        """Remove it, and do what was decided of spots. Returns the names of whole things that are gone."""

    def clean(self, work: Work) -> int:
        """After all holders have erased: leave nothing of what was there before. Returns how many earlier versions went."""
        return 0

    def remaining(self, work: Work) -> Remaining:
        """Hold the tables against the marks again."""
        return Remaining()

    @abstractmethod
    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """Where `work.searched` still stand, after all was read through `search`, which counts what it reads."""

    def keeps(self) -> list[str]:
        """What is kept for a while where no erasure reaches, as sentences."""
        return []

    def to_tell(self, request: str) -> list[Recipient]:
        """Who outside got files in which the people of `request` stand, and so has to be told."""
        return []


LARGEST = 256 << 20
"""Bytes that a file may unpack to, to be mended here."""


class FileHolder(Holder):
    """A holder of files that are searched byte by byte. A file in which a text stands is a spot."""

    what: ClassVar[str] = "a file"
    """What such a file is, in words."""
    ways: ClassVar[tuple[str, ...]] = (MEND, DROP, ELSE)

    def holds(self, name: str) -> bool:
        """Whether a file or object is this holder's."""
        return is_claimed(name, self.claims())

    def erase(self, work: Work) -> list[str]:
        """Do what was decided of files."""
        self.decide_files(work)
        return []

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every file in which, or in whose name, a text stands."""
        for name, opened in self.parts.ground.files(lambda name: name != work.request and self.holds(name)):
            texts = search.file(name, opened) | search.text(name)
            if texts:
                yield self.spot(name, texts, work)

    def spot(self, name: str, texts: Collection[str], work: Work) -> Spot:
        """The spot that the file `name` is."""
        ways = self.ways
        if MEND in ways and self._mended(name, work) is None:
            ways = tuple(w for w in ways if w != MEND)
        shown = whole.without(name, work.texts or texts, "...")
        return Spot(key_of(name), f"{self.what}: {shown}", ways, frozenset(texts))

    def decide_files(self, work: Work) -> None:
        """Mend or remove the files of which that was decided."""
        mend, drop = work.decided(MEND), work.decided(DROP)
        if not (mend | drop):
            return
        ground = self.parts.ground
        for name in [name for name, _ in ground.files(lambda name: name != work.request and self.holds(name))]:
            if key_of(name) in drop:
                ground.delete(name)
            elif key_of(name) in mend:
                fresh = self._mended(name, work)
                if fresh is not None:
                    ground.write(name, fresh)

    def _mended(self, name: str, work: Work) -> bytes | None:
        """The file with every text replaced, where it is a text and nothing would be left in it; otherwise None."""
        texts = work.searched
        data = self.parts.ground.read(name)
        packed = data[:2] == b"\x1f\x8b"
        try:
            plain = data
            if packed:
                with gzip.open(io.BytesIO(data)) as file:
                    plain = file.read(LARGEST + 1)
                if len(plain) > LARGEST:
                    return None
            wide = plain[:2] in (b"\xff\xfe", b"\xfe\xff")
            encoding = "utf-16" if wide else "utf-8"
            fresh = whole.without(plain.decode(encoding), texts).encode(encoding)
        except (OSError, EOFError, UnicodeError):
            return None
        if b"\0" in plain and not wide:
            return None
        again = gzip.compress(fresh, mtime=0) if packed else fresh
        return None if Search(texts).file("", lambda: io.BytesIO(again)) or whole.standing(name, texts) else again


def key_of(name: str) -> str:
    """The key of the spot that a file is: says nothing of its name, which may hold a value."""
    return f"file/{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def kinds() -> list[type[Holder]]:
    """The class of every file in `holders/`, in order."""
    holders = importlib.import_module(f"{__package__}.holders")
    found = [importlib.import_module(f"{holders.__name__}.{m.name}") for m in pkgutil.iter_modules(holders.__path__)]
    return sorted((module.HOLDER for module in found), key=lambda kind: kind.order)


def all_holders(parts: Parts) -> list[Holder]:
    """The holders of one platform."""
    made = [kind(parts) for kind in kinds() if kind.present(parts)]
    parts.claimed.update(claim for holder in made for claim in holder.claims())
    return made


def unclaimed(holders: Iterable[Holder], home: Path, warehouse: Warehouse) -> list[str]:
    """Files and folders below DATA_HOME, and tables of the lake (``lake:...``), that no holder answers for."""
    claims = {claim for holder in holders for claim in holder.claims()}
    found = [path.relative_to(home).as_posix() for path in sorted(home.rglob("*")) if not path.is_dir()]
    free = {name for name in found if not is_claimed(name, claims)}
    with warehouse.connect(read_only=True) as connection:
        schemas = connection.execute("SELECT schema_name FROM duckdb_schemas() WHERE database_name = ?", [LAKE])
        names = [f"lake:{schema}.*" for (schema,) in schemas.fetchall() if schema != "main"]
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ?", [LAKE]
        ).fetchall()
    free |= {n for n in names if not any(c.startswith(n.removesuffix("*")) for c in claims)}
    free |= {f"lake:{t}" for (t,) in tables if not is_claimed(f"lake:{t}", claims)}
    return sorted(free)


def is_claimed(name: str, claims: Iterable[str]) -> bool:
    """Whether one of `claims` is `name`, or a folder above it."""
    return any(fnmatch.fnmatchcase(name, claim) or name.startswith(f"{claim}/") for claim in claims)


def words() -> dict[str, str]:
    """Place -> what is counted there, of all kinds of holders."""
    return {place: text for kind in kinds() for place, text in kind.places.items()}
