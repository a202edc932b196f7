"""Files without the rows of those who were erased: same format, same name, every other row as it was.

Delimited files and JSON lines keep every other line byte for byte; JSON documents and Parquet are written anew; gzip and zip are
packed anew. A workbook is written anew as one sheet of texts, without what else was in it, and a note says so. A file that could not be judged is treated line by line, or goes as a whole where it is no text.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.erasure import workbooks
from platform_assets.erasure.targets import Tombstone
from platform_assets.erasure.tombstones import Marks, read
from platform_assets.ingest import csv_lines
from platform_assets.ingest.deliveries import Delivery, open_delivery
from platform_assets.ingest.judging import view_staged
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.scan import BOM, Scan
from resources.identity import IdentityKeys
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse, literal

if TYPE_CHECKING:
    import duckdb

NOTE = ".redacted.txt"
"""Stands beside a file of which rows were erased, and says how many."""
Lines = Callable[[Sequence[str]], list[bool]]


@dataclass(frozen=True)
class Redacted:
    """What is left of a file."""

    rows: int
    """Rows and lines taken out."""
    content: Path | None
    """The new file; None where it must go as a whole."""
    lost: str = ""
    """What the new file could not keep of the old one."""


class Redactor:
    """Takes erased rows out of files of one dataset."""

    def __init__(
        self,
        warehouse: Warehouse,
        store: ObjectStore,
        contract: Contract,
        keys: IdentityKeys,
        stones: Sequence[Tombstone],
    ) -> None:
        self._warehouse = warehouse
        self._store = store
        self._contract = contract
        self._keys = keys
        self._stones = [s for s in stones if s.matches(contract)]

    def redact(self, name: str, folder: Path) -> Redacted | None:
        """The object `name` without marked rows, as a file in `folder`; None where nothing in it is marked."""
        found = self._store.stat(name)
        if found is None or not self._stones:
            return None
        import duckdb

        with duckdb.connect() as connection:
            marks = Marks(self._warehouse, connection, self._contract, self._keys, self._stones)
            delivery = open_delivery(self._store, self._contract, found, folder, dt.datetime.min)
            if delivery is None:
                return None
            rows = None if delivery.rejected else self._marked(connection, marks, delivery, folder)
            target = folder / "redacted"
            if rows is None:
                return _without_lines(self._store.local_copy(name, folder), target, marks.in_lines)
            count = sum(map(len, rows.values()))
            if not count:
                return None
            packed = self._store.local_copy(name, folder)
            kinds = {m.format.kind for n, m in enumerate(delivery.members) if n in rows}
            lost = "; workbooks hold texts only now, one sheet each" if "xlsx" in kinds else ""
            return Redacted(count, _rewritten(delivery, packed, rows, self._contract, target), lost)

    def _marked(
        self, connection: duckdb.DuckDBPyConnection, marks: Marks, delivery: Delivery, folder: Path
    ) -> dict[int, set[int]] | None:
        """Marked rows by number of the member; None where the file cannot be judged."""
        from platform_assets.ingest.staging import stage

        def entry(d: Delivery) -> Entry:
            return Entry(self._contract.name, d.id, d.file, 0, d.sha256, dt.datetime.min, dt.datetime.min)

        batch, _ = stage(connection, self._contract, [delivery], folder, entry)
        if delivery.rejected:
            return None
        marked: dict[int, set[int]] = {}
        for part in batch.staged:
            view_staged(connection, part.sql)
            for number, row in connection.execute(marks.in_text()).fetchall():
                marked.setdefault(number, set()).add(row)
            if part.broken:
                lines = connection.execute(
                    f"SELECT _file, _row, _text FROM read_parquet({literal(str(part.broken))})"
                ).fetchall()
                for (number, row, _), bad in zip(lines, marks.in_lines([t for *_, t in lines]), strict=True):
                    if bad:
                        marked.setdefault(number, set()).add(row)
        return marked


def put_away_without_erased(
    warehouse: Warehouse, store: ObjectStore, contract: Contract, keys: IdentityKeys, source: str, target: str
) -> bool:
    """For ingest: move a file out of landing without the rows of those who were erased. False where there are none."""
    stones = [s for s in read(store) if s.matches(contract)]
    if not stones:
        return False
    folder = warehouse.wait_for_scratch()
    try:
        redacted = Redactor(warehouse, store, contract, keys, stones).redact(source, folder)
        if redacted is None:
            return False
        replace(store, target, redacted)
        store.delete(source)
        return True
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace(store: ObjectStore, name: str, redacted: Redacted) -> None:
    """Put what is left of a file in its place, and the note beside it."""
    kept = f"the others are here{redacted.lost}" if redacted.content else "the file could not be kept without them"
    store.write(name + NOTE, f"{redacted.rows} row(s) or line(s) of this file were erased; {kept}.\n".encode())
    if redacted.content:
        store.write(name, redacted.content)
    else:
        store.delete(name)


# ------------------------------------------------------------------ writing


def _rewritten(
    delivery: Delivery, packed: Path, rows: dict[int, set[int]], contract: Contract, target: Path
) -> Path | None:
    """The delivery's file with `rows` (by member) left out."""
    file = delivery.file.lower()
    if file.endswith(".zip"):
        with zipfile.ZipFile(packed) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            numbers = {m.label.removeprefix(f"{delivery.file}/"): n for n, m in enumerate(delivery.members)}
            for info in old.infolist():
                if info.is_dir():
                    continue
                number = numbers.get(info.filename)
                if number is None or number not in rows:
                    if number is not None:
                        new.writestr(info.filename, old.read(info))
                    continue
                member = delivery.members[number]
                content = _member(member.scan, member.format, contract, rows[number])
                if content is not None:
                    new.writestr(info.filename, content)
        return target
    member = delivery.members[0]
    content = _member(member.scan, member.format, contract, rows.get(0, set()))
    if content is None:
        return None
    target.write_bytes(gzip.compress(content, mtime=0) if file.endswith(".gz") else content)
    return target


def _member(scan: Scan, fmt: FileFormat, contract: Contract, rows: set[int]) -> bytes | None:
    """One table-shaped file without `rows`; None for a format that cannot be written."""
    if fmt.kind in ("csv", "tsv"):
        return _delimited(scan, fmt, contract, rows)
    if fmt.kind == "parquet":
        return _parquet(scan.path, rows)
    if fmt.kind in ("json", "json5"):
        return _json(scan.path, fmt, rows)
    if fmt.kind == "xlsx":
        return workbooks.without_rows(scan.path, contract, fmt, rows)
    return None


def _delimited(scan: Scan, fmt: FileFormat, contract: Contract, rows: set[int]) -> bytes:
    from platform_assets.ingest.header import header_names

    head = csv_lines.rows_as_written(scan.path, fmt, 1)
    width = len(header_names(next(head)[1], fmt)) if fmt.header else len(contract.file_columns)
    with scan.path.open("rb") as file:
        marked = file.read(3) == BOM
    encoding = "utf-8-sig" if marked and fmt.encoding == "utf-8" else fmt.encoding
    end = scan.line_end or ("\n" if scan.newlines else "\r")
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, encoding=encoding, errors="surrogateescape", newline="") as out:
        for row, text in csv_lines.rows_as_written(scan.path, fmt, width):
            if row not in rows:
                out.write(text + end)
        out.flush()
        return buffer.getvalue()


def _parquet(path: Path, rows: set[int]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read()
    keep = pa.array([n not in rows for n in range(1, table.num_rows + 1)], pa.bool_())
    buffer = io.BytesIO()
    pq.write_table(table.filter(keep), buffer, compression="zstd")
    return buffer.getvalue()


def _json(path: Path, fmt: FileFormat, rows: set[int]) -> bytes:
    data = path.read_bytes()
    text = data.decode("utf-8-sig", "surrogateescape")
    if fmt.kind == "json" and not fmt.records and text.lstrip()[:1] == "{":
        lines = data.split(b"\n")
        return b"\n".join(line for n, line in enumerate(lines, start=1) if n not in rows)
    if fmt.kind == "json":
        document = json.loads(text)
    else:
        import pyjson5

        document = pyjson5.decode(data.decode(fmt.encoding).removeprefix("\ufeff"))
    place: Any = document
    for part in fmt.records.split(".") if fmt.records else []:
        place = place[part]
    place[:] = [record for n, record in enumerate(place, start=1) if n not in rows]
    return json.dumps(document, ensure_ascii=False).encode("utf-8" if fmt.kind == "json" else fmt.encoding)


def _without_lines(path: Path, target: Path, marked: Lines) -> Redacted | None:
    """A file that nobody could judge, line by line; as a whole where it is no text."""
    data = path.read_bytes()
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if (b"\0" in data and not wide) or data[:2] == b"\x1f\x8b" or data[:4] in (b"PK\x03\x04", b"PAR1"):
        # bytes of another kind may hold a name in the clear all the same
        bad = sum(marked(data.decode("latin-1").replace("\0", " ").splitlines()))
        return Redacted(bad, None) if bad else None
    encoding = "utf-16" if wide else "latin-1"
    lines = data.decode(encoding, "replace" if wide else "strict").splitlines(keepends=True)
    readable = [line.encode("latin-1", "replace").decode("utf-8", "replace") if not wide else line for line in lines]
    bad_lines = marked(readable)
    if not any(bad_lines):
        return None
    target.write_bytes("".join(line for line, bad in zip(lines, bad_lines, strict=True) if not bad).encode(encoding))
    return Redacted(sum(bad_lines), target)
