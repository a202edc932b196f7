"""Files that people bring: checked before they are sent, named harmlessly, put into landing; and taken back while they wait."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest.deliveries import UNFINISHED, landing_folder, open_delivery
from platform_assets.ingest.header import decode_header, header_names, match_header
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.scan import BOM
from platform_assets.ingest.staged import FileRejected
from platform_assets.stewardship import quarantine_tables
from platform_assets.stewardship.access import Permission, User
from platform_assets.stewardship.fix_moves import FixMoves
from platform_assets.stewardship.judging import expression_of, view_staged
from platform_assets.stewardship.office import Office
from resources.object_store import LocalStore, StoredObject

LIMIT = "PLATFORM_UPLOAD_LIMIT_MB"
TOP = 20


class UploadRefused(ValueError):
    """The file is not taken; the message says why and what to do."""


@dataclass
class Check:
    """What ingest would say about a file. No values."""

    rejected: str = ""
    """Why nothing of it could be judged."""
    rows: int = 0
    wrong: int = 0
    malformed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    drift: dict[str, list[str]] = field(default_factory=dict)
    """missing, extra, renamed, reordered columns."""


def limit_mb() -> int:
    """Largest upload in MB."""
    return int(os.environ.get(LIMIT, "200"))


def safe_name(name: str) -> str:
    """A file name without folders, control characters, or anything that means something to a shell or a spreadsheet.

    Raises UploadRefused where nothing is left, or the name says that the file is not finished.
    """
    base = PurePosixPath(name.replace("\\", "/")).name
    clean = re.sub(r"[^A-Za-z0-9._ -]", "_", base).strip(" .-")[:120]
    if not clean.strip("_.") or clean.lower().endswith(UNFINISHED):
        raise UploadRefused("the file needs a name of letters and digits with an ending such as .csv: rename it")
    return clean


def fitting(office: Office, name: str, head: bytes) -> list[str]:
    """Datasets that a file of this name may be for; those whose columns stand in its first bytes come first."""
    found = []
    for contract in office.contracts.values():
        if not any(fnmatch.fnmatch(name, p) for p in contract.source.files):
            continue
        scores = [_columns_found(contract, fmt, head) for fmt in contract.format if _has_name(fmt, name)]
        if scores:
            found.append((-max(scores), contract.name))
    return [dataset for _, dataset in sorted(found)]


def _has_name(fmt: FileFormat, name: str) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern.lower()) for pattern in fmt.patterns)


def _columns_found(contract: Contract, fmt: FileFormat, head: bytes) -> float:
    """Share of the contract's columns that the first line names."""
    if fmt.kind not in ("csv", "tsv") or not fmt.header:
        return 0.0
    line = head.removeprefix(BOM).split(b"\n", 1)[0].rstrip(b"\r")
    try:
        header = match_header(header_names(decode_header(line, fmt), fmt), contract, fmt)
    except FileRejected:
        return 0.0
    return len(header.positions) / len(contract.file_columns)


def check(office: Office, dataset: str, name: str, data: bytes, user: User) -> Check:
    """Read and judge the file as ingest would, without keeping anything."""
    user.require(Permission.UPLOAD)
    import duckdb

    from platform_assets.ingest.staging import stage

    contract, name = office.contracts[dataset], _accepted(name, data)
    folder = office.warehouse.wait_for_scratch()
    try:
        store = LocalStore(folder / "store")
        found = store.write(f"{landing_folder(dataset)}/{name}", data)
        with duckdb.connect() as connection:
            delivery = open_delivery(store, contract, found, folder, dt.datetime.now())
            if delivery is None or delivery.rejected:
                return Check(rejected=delivery.rejected if delivery else "the file changed while it was read")

            def entry(d: object) -> Entry:
                return Entry(dataset, delivery.id, name, 0, delivery.sha256, dt.datetime.min, dt.datetime.min)

            batch, drift = stage(connection, contract, [delivery], folder, entry)
            if delivery.rejected:
                return Check(rejected=delivery.rejected)
            result = Check(drift=drift.get(delivery.id, {}))
            for part in batch.staged:
                result.malformed += sum(part.broken_rows.values())
                result.rows += sum(part.rows.values()) + sum(part.broken_rows.values())
                view_staged(connection, part.sql)
                judged = expression_of(office.warehouse, contract).judged
                connection.execute(f"CREATE OR REPLACE TEMP TABLE wrong AS {judged}")
                row = connection.execute("SELECT count(*) FROM wrong").fetchone()
                result.wrong += int(row[0]) if row else 0
                for reason, count in connection.execute(
                    "SELECT r, count(*) FROM (SELECT unnest(_reasons) AS r FROM wrong) GROUP BY r ORDER BY 2 DESC, 1"
                ).fetchmany(TOP):
                    result.reasons[reason] = result.reasons.get(reason, 0) + count
            result.wrong += result.malformed
            return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def send(office: Office, dataset: str, name: str, data: bytes, user: User) -> str:
    """Put the file into landing; never over another one that waits. Returns its name there."""
    user.require(Permission.UPLOAD)
    name = _accepted(name, data)
    folder = landing_folder(dataset)
    waiting = office.store.stat(f"{folder}/{name}")
    if waiting:
        tag = hashlib.sha256(data).hexdigest()[:8]
        stem, dot, suffix = name.partition(".")
        name = f"{stem}-{tag}{dot}{suffix}"
    office.store.write(f"{folder}/{name}", data)
    digest = hashlib.sha256(data).hexdigest()
    office.audit.record(
        user.name, "upload", role=user.role_names, table=dataset, details={"bytes": len(data), "sha256": digest}
    )
    return name


def waiting(office: Office, contract: Contract) -> list[StoredObject]:
    """Files in landing."""
    return [o for o in office.store.list(landing_folder(contract.name)) if not o.basename.startswith(".")]


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
            opened = FixMoves(office.warehouse, office.store, connection, dataset, user.name).take_back(name)
    details = {"file": name, "sha256": digest.hexdigest(), "bytes": found.size, "rows_opened": opened}
    office.audit.record(user.name, "delivery.withdraw", role=user.role_names, table=dataset, details=details)
    return opened


def _accepted(name: str, data: bytes) -> str:
    if len(data) > limit_mb() * 1_000_000:
        raise UploadRefused(f"the file is larger than {limit_mb()} MB: put it into landing on the server, or pack it")
    return safe_name(name)
