"""Which reader takes which file. A file that no reader can make sense of is marked as rejected; the others go on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.ingest.deliveries import Delivery, Member
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.batch import Batch
from platform_assets.ingest.parsed import add_parsed
from platform_assets.ingest.readers import reading
from platform_assets.ingest.readers.apart.process import ODD, Child
from platform_assets.ingest.readers.delimited import engine
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.rows import NOT_TAKEN, FileRejected, Header, StagedFile
from platform_assets.ingest.readers.shape.columns import find_columns, told_by_name
from platform_assets.ingest.readers.shape.header import decode_header, header_names, positional_header
from resources.lake.warehouse import literal, quoted

if TYPE_CHECKING:
    import duckdb

    from platform_assets.contracts.compiling.queries import CompiledContract

Drift = dict[str, dict[str, list[str]]]
RESPELLED = "cleaned of characters that cannot be seen"


def stage(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    deliveries: Sequence[Delivery],
    folder: Path,
    entry: Callable[[Delivery], Entry],
    child: Child,
) -> tuple[Batch, Drift]:
    """Stage every member of `deliveries`, those that the engine cannot read in processes of `child`; sets `rejected` on those of which nothing can be judged.

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

    def note(delivery: Delivery, member: Member, header: Header) -> None:
        inside = "" if member.label == delivery.file else f"{member.label}: "
        for part, rows in header.not_taken.items():
            delivery.not_taken[inside + part] = delivery.not_taken.get(inside + part, 0) + rows
        for kind, names in header.drift.items():
            names = [inside + name for name in names] if kind == NOT_TAKEN else names
            drift[delivery.id].setdefault(kind, []).extend(
                n for n in names if n not in drift[delivery.id].get(kind, [])
            )

    named: dict[int, dict[str, str | None]] = {}
    lacking: dict[int, frozenset[str]] = {}

    def see(number: int, header: Header) -> bool:
        """Note what the member's header and name tell; False where the name does not tell what it must, which rejects the delivery."""
        delivery, member = members[number]
        try:
            named[number] = told_by_name(member.label, contract, member.format, header)
        except FileRejected as error:
            reject(delivery, member, error)
            return False
        note(delivery, member, header)
        wide = member.format.wide
        brought = {*header.positions, *contract.parsed, *named[number], *((wide.name, wide.value) if wide else ())}
        lacks = frozenset(contract.file_columns) - brought
        if lacks:
            lacking[number] = lacks
        return True

    by_line: list[int] = []
    groups: dict[tuple[int, bytes, str | None], list[engine.EngineFile]] = defaultdict(list)
    headers: dict[tuple[int, bytes], Header | FileRejected] = {}
    for number, (delivery, member) in members.items():
        if not format_named(member.format.kind).delimited or not engine.suits_engine(member.scan, member.format):
            by_line.append(number)
            continue
        head = member.scan.head if member.format.header else b""
        place = contract.format.index(member.format)
        if (place, head) not in headers:
            headers[place, head] = _header(head, contract, member)
        header = headers[place, head]
        if isinstance(header, FileRejected):
            reject(delivery, member, header)
            continue
        if not see(number, header):
            continue
        groups[place, head, member.scan.line_end].append(engine.EngineFile(number, member.scan, header))
    for (place, _, _), files in groups.items():
        part, doubtful = engine.stage(connection, files, contract.format[place], list(contract.file_columns), folder)
        staged += [part] if part else []
        by_line += doubtful
    for number in by_line:
        delivery, member = members[number]
        if delivery.rejected:  # another file of its archive was refused already
            continue
        try:
            part, header = reading.stage(child, member.scan.path, number, contract, member.format, folder)
            _check_handed_over(connection, part, list(contract.file_columns))
        except FileRejected as error:
            reject(delivery, member, error)
            continue
        if not see(number, header):
            continue
        staged.append(part)

    for delivery in deliveries:
        if delivery.unforeseen:
            drift[delivery.id].setdefault(NOT_TAKEN, []).extend(delivery.unforeseen)
    good = [d for d in deliveries if not d.rejected]
    kept = {n: (d.id, m.label) for n, (d, m) in members.items() if not d.rejected}
    staged = [_told(part, named) for part in (_only(part, kept) for part in staged) if part]
    if contract.parsed:
        staged = add_parsed(connection, contract, staged)
    lacked = {n: lacking[n] for n in kept if n in lacking}
    return Batch(good, {d.id: entry(d) for d in good}, kept, staged, lacked), drift


def respelled_columns(connection: duckdb.DuckDBPyConnection, compiled: CompiledContract, batch: Batch) -> Drift:
    """Per delivery, the columns whose texts came with what cannot be seen, or with accents taken apart. After `publish.register`."""
    found = connection.execute(compiled.respelled)
    columns = [name for name, *_ in found.description][1:]
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for file, *counts in found.fetchall():
        of_delivery = rows[batch.members[file][0]]
        for column, count in zip(columns, counts, strict=True):
            of_delivery[column] = of_delivery.get(column, 0) + int(count or 0)
    told = {d: [f"{column} in {n:,} row(s)" for column, n in each.items() if n] for d, each in rows.items()}
    return {delivery: {RESPELLED: names} for delivery, names in told.items() if names}


def _header(head: bytes, contract: Contract, member: Member) -> Header | FileRejected:
    if not member.format.header:
        return positional_header(contract)
    if not member.scan.size:
        return FileRejected("the file is empty: not even a header")
    try:
        return find_columns(
            header_names(decode_header(head, member.format), member.format), contract, member.format
        ).header
    except FileRejected as error:
        return error


def _check_handed_over(connection: duckdb.DuckDBPyConnection, part: StagedFile, columns: list[str]) -> None:
    """Hold the files that a reader's process has written against what it says they are. Raises FileRejected."""
    import duckdb

    rows = [*((c, "VARCHAR") for c in columns), ("_file", "BIGINT"), ("_row", "BIGINT")]
    lines = [("_file", "BIGINT"), ("_row", "BIGINT"), ("_text", "VARCHAR"), ("_reason", "VARCHAR")]
    wanted = [(part.sql, rows, part.rows)]
    if part.broken:
        wanted.append((f"SELECT * FROM read_parquet({literal(str(part.broken))})", lines, part.broken_rows))
    for sql, types, counts in wanted:
        try:
            found = [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {sql}").fetchall()]
            counted = connection.execute(f"SELECT _file, count(*) FROM ({sql}) GROUP BY 1").fetchall()
        except duckdb.Error:
            raise FileRejected(ODD) from None
        if found != types or dict(counted) != {number: count for number, count in counts.items() if count}:
            raise FileRejected(ODD)


def _told(part: StagedFile, named: Mapping[int, Mapping[str, str | None]]) -> StagedFile:
    """`part` with what the names of its files tell."""
    columns = sorted({column for number in part.rows for column in named.get(number, {})})
    if not columns:
        return part
    told = []
    for column in columns:
        whens = " ".join(
            f"WHEN {number} THEN {'NULL' if value is None else literal(value)}"
            for number in sorted(part.rows)
            if column in (found := named.get(number, {}))
            for value in [found[column]]
        )
        told.append(f"CAST(CASE _file {whens} ELSE {quoted(column)} END AS VARCHAR) AS {quoted(column)}")
    return replace(part, sql=f"SELECT * REPLACE ({', '.join(told)}) FROM ({part.sql})")


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
