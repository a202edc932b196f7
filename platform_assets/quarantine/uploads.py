"""Files that people bring: checked before they are sent, named harmlessly, put into landing; and taken back while they wait."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from platform_assets.access import handing_out
from platform_assets.access.acts import acting
from platform_assets.access.roles import Permission, User
from platform_assets.contracts.file_format import FileFormat
from platform_assets.contracts.model import Contract
from platform_assets.ingest import arrivals
from platform_assets.ingest.aliases import known_as
from platform_assets.ingest.arrivals import Meaning
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import (
    UNFINISHED,
    Delivery,
    is_stray,
    landing_folder,
    name_fits,
    open_delivery,
)
from platform_assets.ingest.judging import expression_of
from platform_assets.ingest.judging import judge as judge_texts
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.batch import Batch, choose, hold
from platform_assets.ingest.loading.publish import judge, newest_rows, register, wrong_rows
from platform_assets.ingest.loading.rules import Rules
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.packing import is_packed
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import FileRejected
from platform_assets.ingest.readers.scan import BOM
from platform_assets.ingest.readers.shape.columns import find_columns
from platform_assets.ingest.readers.shape.header import decode_header, header_names
from platform_assets.quarantine import tables as quarantine_tables
from platform_assets.quarantine.fix_moves import FixMoves
from resources.identity import PREFIX as KEY
from resources.identity import MissingIdentityKey
from resources.lake.warehouse import quoted
from resources.object_store import LocalStore, StoredObject
from resources.text.spelling import bare

if TYPE_CHECKING:
    import duckdb

    from platform_assets.ingest.readers.interface import TextRow
    from platform_assets.office import Office

LIMIT = "PLATFORM_UPLOAD_LIMIT_MB"
TOP = 20
SHOWN = 200
"""Wrong rows that are shown."""
MOST_VALUES = 2_000
"""Wrong texts of a column that are looked at."""
LONGEST = 120
"""Bytes of a file's name."""
FITS = 0.5
"""Share of a dataset's columns that a file must have for the dataset to be suggested."""


class UploadRefused(ValueError):
    """The file is not taken; the message says why and what to do."""


@dataclass(frozen=True)
class WrongRow:
    """A row of the file that would go to quarantine."""

    row: int
    texts: dict[str, str | None] = field(repr=False)
    reasons: list[str]


@dataclass
class Check:
    """What ingest would say about a file. Shown as text it holds no values."""

    rejected: str = ""
    """Why nothing of it could be judged."""
    rows: int = 0
    wrong: int = 0
    malformed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    drift: dict[str, list[str]] = field(default_factory=dict)
    """missing, extra, renamed, reordered columns."""
    held: str = ""
    """Why the delivery as a whole will be held: nothing of it will be published."""
    before: str = ""
    """What became of the same content when it was delivered before, and what becomes of it now, where that is not loaded once more."""
    nothing_changes: bool = False
    """It is known already: the file will be put away."""
    older: str = ""
    """Why this snapshot will not become the table."""
    missing_keys: list[str] = field(default_factory=list)
    """Environment variables of keys without which the load will stop."""

    wrong_rows: list[WrongRow] = field(default_factory=list, repr=False)
    """The first of them, as they came; only for who brings the file."""
    values: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)
    """Column -> its wrong texts -> rows, most first; only for who brings the file."""

    @property
    def right(self) -> bool:
        """Whether all of it will be in the table."""
        return bool(self.rows) and not (self.rejected or self.wrong or self.held or self.before or self.older)


def limit_mb() -> int:
    """Largest upload in MB."""
    return int(os.environ.get(LIMIT, "200"))


def safe_name(name: str) -> str:
    """A file name without folders, control characters, or anything that means something to a shell or a spreadsheet.

    Raises UploadRefused where nothing is left, or the name says that the file is not finished.
    """
    base = bare(PurePosixPath(name.replace("\\", "/")).name)
    clean = re.sub(r"[^\w. -]", "_", base).strip(" .-")
    if len(clean.encode()) > LONGEST:  # its ending stays
        ending = PurePosixPath(clean).suffix.encode()[:20]
        clean = (clean.encode()[: LONGEST - len(ending)] + ending).decode(errors="ignore")
    if not clean.strip("_.") or clean.lower().endswith(UNFINISHED):
        raise UploadRefused("the file needs a name of letters and digits with an ending such as .csv: rename it")
    return clean


def fitting(office: Office, name: str, head: bytes) -> list[str]:
    """Datasets that a file of this name may be for, those first whose columns stand in its first bytes.

    None of which most columns are missing there. Where columns cannot be seen in the first bytes, the name decides alone.
    """
    found = []
    for contract in office.contracts.values():
        if not name_fits(name, contract.source.files):
            continue
        named = known_as(contract, office.store)
        scores = [_columns_found(named, fmt, name, head) for fmt in contract.format if _has_name(fmt, name)]
        if any(score >= FITS for score in scores):
            found.append((-max(scores), contract.name))
    return [dataset for _, dataset in sorted(found)]


def _has_name(fmt: FileFormat, name: str) -> bool:
    return name_fits(name.lower(), [pattern.lower() for pattern in fmt.patterns])


def _columns_found(contract: Contract, fmt: FileFormat, name: str, head: bytes) -> float:
    """Share of the contract's columns that the first line names; just enough where the first line cannot name any."""
    if not format_named(fmt.kind).delimited or not fmt.header or fmt.laid_out or is_packed(name):
        return FITS
    line = head.removeprefix(BOM).split(b"\n", 1)[0].rstrip(b"\r")
    try:
        header = find_columns(header_names(decode_header(line, fmt), fmt), contract, fmt).header
    except FileRejected:
        return 0.0
    return len(header.positions) / max(1, len(contract.file_columns) - len(contract.named) - len(contract.parsed))


def check(office: Office, dataset: str, name: str, data: bytes, user: User) -> Check:
    """Read and judge the file as ingest would, without keeping anything but that `user` has had it judged."""
    user.require(Permission.UPLOAD)
    result = _checked(office, dataset, name, data, user)
    digest = hashlib.sha256(data).hexdigest()
    counts: dict[str, Any] = {"rows": result.rows, "wrong": result.wrong, "rejected": bool(result.rejected)}
    counts["shown"] = len(result.wrong_rows)
    handing_out.seen(office.audit, user, "upload.judge", table=dataset, sha256=digest, **counts)
    return result


def _checked(office: Office, dataset: str, name: str, data: bytes, user: User) -> Check:
    import duckdb

    from platform_assets.ingest.staging import respelled_columns, stage

    contract, name = office.contracts[dataset], _accepted(name, data)
    folder = office.warehouse.wait_for_scratch()
    try:
        store = LocalStore(folder / "store")
        found = store.write(f"{landing_folder(dataset)}/{name}", data)
        config: dict[str, Any] = {
            "memory_limit": office.warehouse.memory_limit,
            "temp_directory": str(folder / "spill"),
        }
        with duckdb.connect(config=config) as connection, Child() as child:
            now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            delivery = open_delivery(store, contract, found, folder, now, child)
            if delivery is None or delivery.rejected:
                return Check(rejected=delivery.rejected if delivery else "the file changed while it was read")

            def entry(d: object) -> Entry:
                return Entry(dataset, delivery.id, name, 0, delivery.sha256, dt.datetime.min, dt.datetime.min)

            batch, drift = stage(connection, known_as(contract, office.store), [delivery], folder, entry, child)
            if delivery.rejected:
                return Check(rejected=delivery.rejected)
            result = Check(drift=drift.get(delivery.id, {}))
            rules = Rules(contract)
            _judge(office, connection, rules, batch, result)
            result.drift.update(
                respelled_columns(connection, expression_of(office.warehouse, contract), batch).get(delivery.id, {})
            )
            _foresee(office, connection, rules, batch, result)
            result.missing_keys = missing_keys(office, contract, delivery.sha256)
            return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judge(office: Office, connection: duckdb.DuckDBPyConnection, rules: Rules, batch: Batch, result: Check) -> None:
    """Judge the rows as ingest does, and count wrong ones and reasons."""
    register(connection, batch, rules)
    judge(connection, rules, expression_of(office.warehouse, rules.contract))
    wrong = rules.names.wrong
    result.malformed = sum(n for part in batch.staged for n in part.broken_rows.values())
    result.rows = sum(n for part in batch.staged for n in part.rows.values()) + result.malformed
    result.wrong = sum(wrong_rows(connection, rules).values()) + result.malformed
    asked = f"SELECT r, count(*) FROM (SELECT unnest(_reasons) AS r FROM {wrong}) GROUP BY r ORDER BY 2 DESC, 1"
    result.reasons = dict(connection.execute(asked).fetchmany(TOP))
    _show(connection, rules, result)


def _show(connection: duckdb.DuckDBPyConnection, rules: Rules, result: Check) -> None:
    """The first wrong rows, and the wrong texts of each column by count."""
    names, columns = rules.names, list(rules.contract.file_columns)
    listed = ", ".join(f"s.{quoted(c)}" for c in columns)
    joined = f"{names.wrong} w JOIN {names.staged} s ON s._file = w._file AND s._row = w._row"
    for row, why, *texts in connection.execute(
        f"SELECT w._row, w._reasons, {listed} FROM {joined} ORDER BY w._file, w._row LIMIT {SHOWN}"
    ).fetchall():
        result.wrong_rows.append(WrongRow(row, dict(zip(columns, texts, strict=True)), list(why)))
    for column in columns:
        found = connection.execute(
            f"SELECT s.{quoted(column)}, count(*) FROM {joined} WHERE s.{quoted(column)} IS NOT NULL "
            f"AND len(list_filter(w._reasons, r -> starts_with(r, ?))) > 0 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}",
            [f"{column}:"],
        ).fetchall()
        if found:
            result.values[column] = dict(found)


def judging(office: Office, dataset: str, user: User) -> Callable[[Sequence[TextRow]], list[list[str]]]:
    """For rows in text form, every reason why the contract of `dataset` finds each wrong."""
    user.require(Permission.UPLOAD)
    contract = office.contracts[dataset]

    def judged(rows: Sequence[TextRow]) -> list[list[str]]:
        with office.warehouse.connect() as connection:
            return judge_texts(office.warehouse, connection, contract, rows)

    return judged


def _foresee(
    office: Office,
    connection: duckdb.DuckDBPyConnection,
    rules: Rules,
    batch: Batch,
    result: Check,
) -> None:
    """What ingest will do with the delivery as a whole."""
    contract = rules.contract
    (delivery,) = batch.deliveries
    entry = batch.entries[delivery.id]
    entry.rows_in, entry.quarantined, entry.as_of = result.rows, result.wrong, delivery.as_of
    with office.warehouse.connect() as lake:
        known, books = office.engine.has_books(lake), office.engine.books(contract, lake)
        if known:
            _came_before(contract, books, delivery, result)
            if result.nothing_changes:
                return
        hold(batch, contract)
        if known:
            choose(batch, contract, lambda: newest_rows(connection, rules), books)
        result.held = entry.reason if entry.status == "held" else ""
        result.older = entry.reason if entry.status == "superseded" else ""


def _came_before(contract: Contract, books: Books, delivery: Delivery, result: Check) -> None:
    """What it means that the content came before."""
    history = arrivals.history_of(contract, books)
    meaning, latest = history.meaning(delivery), history.latest_same(delivery)
    if latest is None or meaning is Meaning.LOAD:
        return
    delivery.former, delivery.same_as = meaning is Meaning.FORMER, latest.delivery
    what = "it waits for a steward already" if latest.status == "held" else "nothing will change"
    if delivery.former:
        what = "other content came since. What only its arrival would change "
        what += "is left as it is" if contract.load.on_former == "ignore" else "waits until a steward says yes"
    when = f"{latest.loaded_at:%Y-%m-%d %H:%M} UTC"
    result.before = f"as {latest.file}, loaded {when} and {latest.status} then: {what}"
    result.nothing_changes = not delivery.former


def missing_keys(office: Office, contract: Contract, sha256: str) -> list[str]:
    """Environment variables of keys that a load of a file with this hash needs and that are not set, or hold no proper key."""
    purposes = set(contract.identifiers.values())
    purposes |= office.purposes_of_erasure(contract)
    keys, missing = office.keys.for_files([sha256]), []
    for purpose in sorted(purposes):
        try:
            keys.key(purpose)
        except (MissingIdentityKey, ValueError):
            missing.append(KEY + purpose.upper())
    return missing


def send(
    office: Office, dataset: str, name: str, data: bytes, user: User, mends: Mapping[str, object] | None = None
) -> str:
    """Put the file into landing; never over another one that waits. Returns its name there. `mends`: what was changed in it before (no values)."""
    user.require(Permission.UPLOAD)
    name = _accepted(name, data)
    office.refuse(name)
    folder = landing_folder(dataset)
    waiting = office.store.stat(f"{folder}/{name}")
    if waiting:
        tag = hashlib.sha256(data).hexdigest()[:8]
        stem, dot, suffix = name.partition(".")
        name = f"{stem}-{tag}{dot}{suffix}"
    with acting(office.audit, user, "upload", table=dataset) as act:
        act.note(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), **(mends or {}))
        office.store.write(f"{folder}/{name}", data)
    return name


def waiting(office: Office, contract: Contract) -> list[StoredObject]:
    """Files in landing, also those that are still being written."""
    found = office.store.list(landing_folder(contract.name))
    shown = (o for o in found if not o.basename.startswith("."))
    return [o for o in shown if o.basename.lower().endswith(UNFINISHED) or not is_stray(o.basename)]


def withdraw(office: Office, dataset: str, name: str, user: User) -> int:
    """Take a waiting file out of landing. Rows that it was to mend are open in quarantine again; returns how many.

    Raises UploadRefused where it has been loaded meanwhile.
    """
    user.require(Permission.WITHDRAW)
    with office.warehouse.lock(f"load-{dataset}"):
        found = next((o for o in waiting(office, office.contracts[dataset]) if o.basename == name), None)
        if found is None:
            raise UploadRefused("the file does not wait any more: it was loaded, or taken back already")
        digest = hashlib.sha256()
        with office.store.open(found.name) as file:
            while block := file.read(1 << 20):
                digest.update(block)
        with office.warehouse.connect() as connection:
            if not office.warehouse.columns(connection, quarantine_tables.ACTIONS):
                with office.warehouse.write(connection):
                    quarantine_tables.ensure(office.warehouse, connection)
            which = {"file": office.told(name), "sha256": digest.hexdigest(), "bytes": found.size}
            moves = FixMoves(office.warehouse, office.store, connection, dataset, user.name)
            with acting(office.audit, user, "delivery.withdraw", table=dataset) as act:
                return moves.take_back(name, lambda opened: act.note(**which, rows_opened=opened))


def _accepted(name: str, data: bytes) -> str:
    if len(data) > limit_mb() * 1_000_000:
        raise UploadRefused(f"the file is larger than {limit_mb()} MB: put it into landing on the server, or pack it")
    return safe_name(name)
