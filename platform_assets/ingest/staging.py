"""Which reader takes which file. A file that no reader can make sense of is marked as rejected; the others go on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.ingest import csv_engine, csv_lines, documents
from platform_assets.ingest.deliveries import Delivery, Member
from platform_assets.ingest.header import decode_header, header_names, match_header, positional_header
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.batch import Batch
from platform_assets.ingest.staged import FileRejected, Header, StagedFile

if TYPE_CHECKING:
    import duckdb

Drift = dict[str, dict[str, list[str]]]


def stage(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    deliveries: Sequence[Delivery],
    folder: Path,
    entry: Callable[[Delivery], Entry],
) -> tuple[Batch, Drift]:
    """Stage every member of `deliveries`; sets `rejected` on those of which nothing can be judged.

    Returns the batch to publish and, per delivery, how its header differs from the contract.
    """
    members: dict[int, tuple[Delivery, Member]] = {}
    for delivery in deliveries:
        for member in [] if delivery.rejected else delivery.members:
            members[len(members)] = (delivery, member)
    staged: list[StagedFile] = []
    drift: Drift = defaultdict(dict)

    def reject(delivery: Delivery, member: Member, error: FileRejected) -> None:
        inside = "" if member.label == delivery.file else f"{member.label}: "
        delivery.rejected = delivery.rejected or f"{inside}{error}"

    def note(delivery: Delivery, header: Header) -> None:
        for kind, names in header.drift.items():
            drift[delivery.id].setdefault(kind, []).extend(
                n for n in names if n not in drift[delivery.id].get(kind, [])
            )

    by_line: list[int] = []
    groups: dict[tuple[FileFormat, bytes, str | None], list[csv_engine.EngineFile]] = defaultdict(list)
    headers: dict[tuple[FileFormat, bytes], Header | FileRejected] = {}
    for number, (delivery, member) in members.items():
        if member.format.kind not in ("csv", "tsv") or not csv_engine.suits_engine(member.scan, member.format):
            by_line.append(number)
            continue
        head = member.scan.head if member.format.header else b""
        if (member.format, head) not in headers:
            headers[member.format, head] = _header(head, contract, member)
        header = headers[member.format, head]
        if isinstance(header, FileRejected):
            reject(delivery, member, header)
            continue
        note(delivery, header)
        groups[member.format, head, member.scan.line_end].append(csv_engine.EngineFile(number, member.scan, header))
    for (fmt, _, _), files in groups.items():
        part, doubtful = csv_engine.stage(connection, files, fmt, list(contract.file_columns), folder)
        staged += [part] if part else []
        by_line += doubtful
    for number in by_line:
        delivery, member = members[number]
        reader = csv_lines if member.format.kind in ("csv", "tsv") else documents
        try:
            part, header = reader.stage(member.scan.path, number, contract, member.format, folder)
        except FileRejected as error:
            reject(delivery, member, error)
            continue
        note(delivery, header)
        staged.append(part)

    good = [d for d in deliveries if not d.rejected]
    kept = {n: (d.id, m.label) for n, (d, m) in members.items() if not d.rejected}
    staged = [part for part in (_only(part, kept) for part in staged) if part]
    return Batch(good, {d.id: entry(d) for d in good}, kept, staged), drift


def _header(head: bytes, contract: Contract, member: Member) -> Header | FileRejected:
    if not member.format.header:
        return positional_header(contract)
    if not member.scan.size:
        return FileRejected("the file is empty: not even a header")
    try:
        return match_header(header_names(decode_header(head, member.format), member.format), contract, member.format)
    except FileRejected as error:
        return error


def _only(part: StagedFile, kept: dict[int, tuple[str, str]]) -> StagedFile | None:
    """`part` without the members of rejected deliveries (another file of their archive was refused)."""
    dropped = [n for n in part.rows if n not in kept]
    if not dropped:
        return part
    if len(dropped) == len(part.rows):
        return None
    listed = ", ".join(map(str, dropped))
    rows = {n: r for n, r in part.rows.items() if n in kept}
    return StagedFile(f"SELECT * FROM ({part.sql}) WHERE _file NOT IN ({listed})", rows, part.broken, part.broken_rows)
