"""Files without the rows of those who were erased: same format, same name, every other row as it was.

Delimited files and JSON lines keep every other line byte for byte; JSON documents and Parquet are written anew; gzip and zip are
packed anew. A workbook is written anew as one sheet of texts, without what else was in it, and a note says so. A file that could not be judged is treated line by line, or goes as a whole where it is no text.
"""

from __future__ import annotations

import datetime as dt
import errno
import gzip
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.erasure.targets import Tombstone
from platform_assets.erasure.tombstones import Marks, read
from platform_assets.ingest.deliveries import Delivery, open_delivery
from platform_assets.ingest.judging import view_staged
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.readers.process import Child
from platform_assets.ingest.readers.reading import without_rows
from platform_assets.ingest.readers.registry import format_named
from platform_assets.ingest.readers.staged import FileRejected
from resources.identity import IdentityKeys
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse, literal

if TYPE_CHECKING:
    import duckdb

NOTE = ".redacted.txt"
"""Stands beside a file of which rows were erased, and says how many."""
Lines = Callable[[Sequence[str]], list[bool]]


class NotRedacted(OSError):
    """A file cannot be written without some of its rows, within the limits of a reader. It stays as and where it is."""


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

        with duckdb.connect() as connection, Child() as child:
            marks = Marks(self._warehouse, connection, self._contract, self._keys, self._stones)
            delivery = open_delivery(self._store, self._contract, found, folder, dt.datetime.min, child)
            if delivery is None:
                return None
            rows = None if delivery.rejected else self._marked(connection, marks, delivery, folder, child)
            target = folder / "redacted"
            if rows is None:
                return _without_lines(self._store.local_copy(name, folder), target, marks.in_lines)
            count = sum(map(len, rows.values()))
            if not count:
                return None
            _rewritten(child, delivery, rows, self._contract, folder, target)
            lost = {format_named(m.format.kind).lost for n, m in enumerate(delivery.members) if n in rows} - {""}
            return Redacted(count, target, "".join(f"; {what}" for what in sorted(lost)))

    def _marked(
        self, connection: duckdb.DuckDBPyConnection, marks: Marks, delivery: Delivery, folder: Path, child: Child
    ) -> dict[int, set[int]] | None:
        """Marked rows by number of the member; None where the file cannot be judged."""
        from platform_assets.ingest.staging import stage

        def entry(d: Delivery) -> Entry:
            return Entry(self._contract.name, d.id, d.file, 0, d.sha256, dt.datetime.min, dt.datetime.min)

        batch, _ = stage(connection, self._contract, [delivery], folder, entry, child)
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
    child: Child, delivery: Delivery, rows: dict[int, set[int]], contract: Contract, folder: Path, target: Path
) -> None:
    """Write to `target` the delivery's file with `rows` (by member) left out."""
    left: list[Path] = []
    for number, member in enumerate(delivery.members):
        path = member.scan.path
        if number in rows:
            try:
                path = without_rows(child, path, contract, member.format, rows[number], folder)
            except FileRejected as error:
                raise NotRedacted(errno.EFBIG, f"rows of erased people cannot be taken out of it: {error}") from None
        left.append(path)
    file = delivery.file.lower()
    if file.endswith(".zip"):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, path in zip(delivery.members, left, strict=True):
                archive.write(path, member.label.removeprefix(f"{delivery.file}/"))
    elif file.endswith(".gz"):
        with (
            target.open("wb") as out,
            gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed,
            left[0].open("rb") as whole,
        ):
            shutil.copyfileobj(whole, packed, 1 << 20)
    else:
        shutil.copyfile(left[0], target)


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
