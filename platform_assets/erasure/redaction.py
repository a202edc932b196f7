"""Files without the rows of those who were erased: same format, same name, every other row as it was. Where a steward has decided so,
cells of other rows are mended, or these rows go too.

How a file is written anew is its format's matter (`ingest.readers`), and is done in a process of its own, as for reading. A note beside
the file says what it lost. A file that could not be judged is treated line by line, or goes as a whole where it is no text.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.erasure.search import whole
from platform_assets.erasure.targets import Tombstone, identifying_columns
from platform_assets.erasure.tombstones import Marks, read
from platform_assets.ingest.deliveries import Delivery, open_delivery
from platform_assets.ingest.judging import view_staged
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.publish import Batch
from platform_assets.ingest.readers import reading
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.readers.interface import Edits
from platform_assets.ingest.readers.packing import packed_again
from platform_assets.ingest.readers.registry import format_named, is_text
from platform_assets.ingest.readers.rows import FileRejected
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse, literal, quoted
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

NOTE = ".redacted.txt"
"""Stands beside a file of which rows were erased, and says how many."""
Lines = Callable[[Sequence[str]], list[bool]]


class NotRedacted(OSError):
    """A file cannot be written anew within the limits of a reader. It stays as and where it is."""


@dataclass(frozen=True)
class Redacted:
    """What is left of a file."""

    rows: int
    """Rows and lines taken out."""
    content: Path | None
    """The new file; None where it must go as a whole."""
    lost: str = ""
    """What the new file could not keep of the old one."""
    mended: int = 0
    """Rows of others in which a text was replaced."""


@dataclass(frozen=True)
class Cells:
    """Where texts stand in the rows of a file."""

    columns: Mapping[str, tuple[str, ...]]
    """Column -> the cells."""
    masked: Path | None
    """The file as it is with these cells mended: what still stands in it stands elsewhere than in its rows. None where there is
    nothing to mend, and where the file cannot be written anew."""


@dataclass(frozen=True)
class _Read:
    """A file that could be read, and with what."""

    connection: duckdb.DuckDBPyConnection
    child: Child
    delivery: Delivery
    batch: Batch
    folder: Path


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
            batch = None if delivery.rejected else self._staged(connection, delivery, folder, child)
            if batch is None:
                return _without_lines(self._store.local_copy(name, folder), folder / "redacted", marks.in_lines)
            edits = {number: Edits(out) for number, out in self._marked(connection, marks, batch).items()}
            return self._written(_Read(connection, child, delivery, batch, folder), edits) if edits else None

    def cells(self, name: str, folder: Path, texts: Collection[str]) -> Cells | None:
        """Where `texts` stand in the rows of the object `name`, as whole values; None where the file cannot be judged."""
        with self._read(name, folder) as read:
            if read is None:
                return None
            mended: dict[int, dict[int, dict[str, str]]] = {}
            columns: dict[str, list[str]] = {}
            for column, number, row, cell in self._standing(read, texts):
                mended.setdefault(number, {}).setdefault(row, {})[cell] = whole.without(cell, texts)
                columns.setdefault(column, []).append(cell)
            masked = None
            if columns:
                with contextlib.suppress(NotRedacted):  # then all of the file is looked at as it is
                    masked = self._written(read, {number: Edits(cells=rows) for number, rows in mended.items()}).content
            return Cells({c: tuple(dict.fromkeys(v)) for c, v in columns.items()}, masked)

    def decide(
        self, name: str, folder: Path, texts: Collection[str], mend: Collection[str], drop: Collection[str]
    ) -> Redacted | None:
        """The object `name` with `texts` replaced in the columns `mend`, without the rows that hold one in the columns `drop`."""
        with self._read(name, folder) as read:
            if read is None:
                return None
            out: dict[int, set[int]] = {}
            mended: dict[int, dict[int, dict[str, str]]] = {}
            for column, number, row, cell in self._standing(read, texts):
                if column in identifying_columns(self._contract) and cell.strip() not in texts:
                    continue  # part of a longer number: another's
                if column in drop:
                    out.setdefault(number, set()).add(row)
                elif column in mend:
                    mended.setdefault(number, {}).setdefault(row, {})[cell] = whole.without(cell, texts)
            edits = {n: Edits(out.get(n, frozenset()), mended.get(n, {})) for n in out.keys() | mended.keys()}
            return self._written(read, edits) if edits else None

    @contextlib.contextmanager
    def _read(self, name: str, folder: Path) -> Iterator[_Read | None]:
        """A file staged on a connection of its own; None where it is gone or cannot be judged."""
        import duckdb

        found = self._store.stat(name)
        with duckdb.connect() as connection, Child() as child:
            delivery = batch = None
            if found:
                delivery = open_delivery(self._store, self._contract, found, folder, dt.datetime.min, child)
            if delivery and not delivery.rejected:
                batch = self._staged(connection, delivery, folder, child)
            yield _Read(connection, child, delivery, batch, folder) if delivery and batch else None

    def _standing(self, read: _Read, texts: Collection[str]) -> Iterator[tuple[str, int, int, str]]:
        """(column, number of the member, row, cell) wherever one of `texts` stands; broken lines under the column ``_text``."""
        columns = list(self._contract.file_columns)
        sources = [(part.sql, columns) for part in read.batch.staged]
        sources += [(f"FROM read_parquet({literal(str(p.broken))})", ["_text"]) for p in read.batch.staged if p.broken]
        for sql, names in sources:
            for column in names:
                wanted = f"SELECT _file, _row, {quoted(column)} FROM ({sql}) WHERE regexp_matches({quoted(column)}, ?)"
                for number, row, cell in read.connection.execute(wanted, [whole.filtered(texts)]).fetchall():
                    if whole.standing(cell, texts):
                        yield column, number, row, cell

    def _written(self, read: _Read, edits: Mapping[int, Edits]) -> Redacted:
        """The file with `edits`, by member. Raises NotRedacted."""
        members = []
        for number, member in enumerate(read.delivery.members):
            path = member.scan.path
            if number in edits:
                try:
                    path = reading.edited(read.child, path, self._contract, member.format, edits[number], read.folder)
                except FileRejected as error:
                    raise NotRedacted(
                        errno.EFBIG, f"rows of erased people cannot be taken out of it: {error}"
                    ) from None
            members.append((member.label.removeprefix(f"{read.delivery.file}/"), path))
        members += read.delivery.others
        target = read.folder / "redacted"
        packed_again(read.delivery.file, members, target)
        lost = {format_named(m.format.kind).lost for n, m in enumerate(read.delivery.members) if n in edits} - {""}
        return Redacted(
            rows=sum(len(e.out) for e in edits.values()),
            content=target,
            lost="".join(f"; {what}" for what in sorted(lost)),
            mended=sum(len(e.cells.keys() - set(e.out)) for e in edits.values()),
        )

    def _staged(
        self, connection: duckdb.DuckDBPyConnection, delivery: Delivery, folder: Path, child: Child
    ) -> Batch | None:
        """The rows of a file; None where it cannot be judged."""
        from platform_assets.ingest.aliases import known_as
        from platform_assets.ingest.staging import stage

        def entry(d: Delivery) -> Entry:
            return Entry(self._contract.name, d.id, d.file, 0, d.sha256, dt.datetime.min, dt.datetime.min)

        batch, _ = stage(
            connection, known_as(self._contract, self._store, ended=True), [delivery], folder, entry, child
        )
        return None if delivery.rejected else batch

    def _marked(self, connection: duckdb.DuckDBPyConnection, marks: Marks, batch: Batch) -> dict[int, set[int]]:
        """Marked rows by number of the member."""
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
    note = f"{redacted.rows} row(s) or line(s) of this file were erased; {kept}.\n"
    if redacted.mended:
        note += f"In {redacted.mended} other row(s) the number of an erased person was replaced by {whole.ERASED}.\n"
    store.write(name + NOTE, note.encode())
    if redacted.content:
        store.write(name, redacted.content)
    else:
        store.delete(name)


def _without_lines(path: Path, target: Path, marked: Lines) -> Redacted | None:
    """A file that nobody could judge, line by line; as a whole where it is no text."""
    data = path.read_bytes()
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if (b"\0" in data and not wide) or not is_text(data[:16]):
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
