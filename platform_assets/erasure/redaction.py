"""Files without the rows of those who were erased: same format, same name, every other row as it was. Where a steward has decided so,
cells of other rows are mended, or these rows go too.

Delimited files and JSON lines keep every other line byte for byte; JSON documents and Parquet are written anew; gzip and zip are
packed anew. A workbook is written anew as one sheet of texts, without what else was in it, and a note says so. A file that could not be judged is treated line by line, or goes as a whole where it is no text.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.contracts.model import Contract, FileFormat
from platform_assets.erasure import workbooks
from platform_assets.erasure.search import whole
from platform_assets.erasure.targets import Tombstone, identifying_columns
from platform_assets.erasure.tombstones import Marks, read
from platform_assets.ingest import csv_lines
from platform_assets.ingest.deliveries import Delivery, open_delivery
from platform_assets.ingest.judging import view_staged
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.publish import Batch
from platform_assets.ingest.scan import BOM, Scan
from resources.identity import IdentityKeys
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse, literal, quoted

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
    mended: int = 0
    """Rows of others in which a text was replaced."""


@dataclass
class Edits:
    """What becomes of the rows of one table-shaped file. Rows are numbered from 1, as ingest numbers them."""

    out: set[int] = field(default_factory=set)
    """These go."""
    mend: dict[int, set[str]] = field(default_factory=dict)
    """Row -> its cells (as ingest reads them) in which texts are replaced."""
    texts: Collection[str] = ()
    """The texts that are replaced."""

    def __bool__(self) -> bool:
        return bool(self.out or self.mend)

    def cell(self, row: int, value: str) -> str:
        """What a cell of the row becomes."""
        wanted = self.mend.get(row, ())
        return whole.without(value, self.texts) if value in wanted or value.strip() in wanted else value

    def record(self, row: int, value: Any) -> Any:
        """What a record of JSON becomes: every text and number in it is a cell."""
        if isinstance(value, dict):
            return {k: self.record(row, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.record(row, v) for v in value]
        if isinstance(value, bool) or value is None:
            return value
        now = self.cell(row, str(value))
        return value if now == str(value) else now


@dataclass(frozen=True)
class Cells:
    """Where texts stand in the rows of a file."""

    columns: Mapping[str, tuple[str, ...]]
    """Column -> the cells."""
    masked: Path | None
    """The file as it is with these cells mended: what still stands in it stands elsewhere than in its rows."""


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
            staged = None if delivery.rejected else self._staged(connection, delivery, folder)
            target = folder / "redacted"
            if staged is None:
                return _without_lines(self._store.local_copy(name, folder), target, marks.in_lines)
            rows = self._marked(connection, marks, staged)
            count = sum(map(len, rows.values()))
            if not count:
                return None
            edits = {number: Edits(out) for number, out in rows.items()}
            return self._written(name, delivery, edits, folder, count)

    def cells(self, name: str, folder: Path, texts: Collection[str]) -> Cells | None:
        """Where `texts` stand in the rows of the object `name`, as whole values; None where the file cannot be judged."""
        with self._read(name, folder) as read:
            if read is None:
                return None
            connection, delivery, batch = read
            edits: dict[int, Edits] = {}
            columns: dict[str, list[str]] = {}
            for column, number, row, cell in self._standing(connection, batch, texts):
                edits.setdefault(number, Edits(texts=texts)).mend.setdefault(row, set()).add(cell)
                columns.setdefault(column, []).append(cell)
            if not edits:
                return Cells({}, None)
            written = self._written(name, delivery, edits, folder, 0)
            return Cells({c: tuple(dict.fromkeys(v)) for c, v in columns.items()}, written.content)

    def decide(
        self, name: str, folder: Path, texts: Collection[str], mend: Collection[str], drop: Collection[str]
    ) -> Redacted | None:
        """The object `name` with `texts` replaced in the columns `mend`, without the rows that hold one in the columns `drop`."""
        with self._read(name, folder) as read:
            if read is None:
                return None
            connection, delivery, batch = read
            edits: dict[int, Edits] = {}
            for column, number, row, cell in self._standing(connection, batch, texts):
                edit = edits.setdefault(number, Edits(texts=texts))
                if column in identifying_columns(self._contract) and cell.strip() not in texts:
                    continue  # part of a longer number: another's
                if column in drop:
                    edit.out.add(row)
                elif column in mend:
                    edit.mend.setdefault(row, set()).add(cell)
            edits = {number: edit for number, edit in edits.items() if edit}
            if not edits:
                return None
            return self._written(name, delivery, edits, folder, sum(len(e.out) for e in edits.values()))

    @contextmanager
    def _read(self, name: str, folder: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Delivery, Batch] | None]:
        """A file staged on a connection of its own; None where it is gone or cannot be judged."""
        import duckdb

        found = self._store.stat(name)
        with duckdb.connect() as connection:
            delivery = open_delivery(self._store, self._contract, found, folder, dt.datetime.min) if found else None
            batch = None
            if delivery is not None and not delivery.rejected:
                batch = self._staged(connection, delivery, folder)
            yield (connection, delivery, batch) if delivery is not None and batch is not None else None

    def _standing(
        self, connection: duckdb.DuckDBPyConnection, batch: Batch, texts: Collection[str]
    ) -> Iterator[tuple[str, int, int, str]]:
        """(column, number of the member, row, cell) wherever one of `texts` stands; broken lines under the column ``_text``."""
        columns = list(self._contract.file_columns)
        sources = [(part.sql, columns) for part in batch.staged]
        sources += [(f"FROM read_parquet({literal(str(p.broken))})", ["_text"]) for p in batch.staged if p.broken]
        for sql, names in sources:
            for column in names:
                wanted = f"SELECT _file, _row, {quoted(column)} FROM ({sql}) WHERE regexp_matches({quoted(column)}, ?)"
                for number, row, cell in connection.execute(wanted, [whole.filtered(texts)]).fetchall():
                    if whole.standing(cell, texts):
                        yield column, number, row, cell

    def _written(self, name: str, delivery: Delivery, edits: dict[int, Edits], folder: Path, count: int) -> Redacted:
        packed = self._store.local_copy(name, folder)
        kinds = {m.format.kind for n, m in enumerate(delivery.members) if n in edits}
        lost = "; workbooks hold texts only now, one sheet each" if "xlsx" in kinds else ""
        mended = sum(len(e.mend.keys() - e.out) for e in edits.values())
        content = _rewritten(delivery, packed, edits, self._contract, folder / "redacted")
        return Redacted(count, content, lost, mended)

    def _staged(self, connection: duckdb.DuckDBPyConnection, delivery: Delivery, folder: Path) -> Batch | None:
        """The rows of a file; None where it cannot be judged."""
        from platform_assets.ingest.staging import stage

        def entry(d: Delivery) -> Entry:
            return Entry(self._contract.name, d.id, d.file, 0, d.sha256, dt.datetime.min, dt.datetime.min)

        batch, _ = stage(connection, self._contract, [delivery], folder, entry)
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


# ------------------------------------------------------------------ writing


def _rewritten(
    delivery: Delivery, packed: Path, edits: dict[int, Edits], contract: Contract, target: Path
) -> Path | None:
    """The delivery's file as `edits` (by member) say."""
    file = delivery.file.lower()
    if file.endswith(".zip"):
        with zipfile.ZipFile(packed) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            numbers = {m.label.removeprefix(f"{delivery.file}/"): n for n, m in enumerate(delivery.members)}
            for info in old.infolist():
                if info.is_dir():
                    continue
                number = numbers.get(info.filename)
                if number is None or number not in edits:
                    if number is not None:
                        new.writestr(info.filename, old.read(info))
                    continue
                member = delivery.members[number]
                content = _member(member.scan, member.format, contract, edits[number])
                if content is not None:
                    new.writestr(info.filename, content)
        return target
    member = delivery.members[0]
    content = _member(member.scan, member.format, contract, edits.get(0, Edits()))
    if content is None:
        return None
    target.write_bytes(gzip.compress(content, mtime=0) if file.endswith(".gz") else content)
    return target


def _member(scan: Scan, fmt: FileFormat, contract: Contract, edits: Edits) -> bytes | None:
    """One table-shaped file as `edits` say; None for a format that cannot be written."""
    if fmt.kind in ("csv", "tsv"):
        return _delimited(scan, fmt, contract, edits)
    if fmt.kind == "parquet":
        return _parquet(scan.path, edits)
    if fmt.kind in ("json", "json5"):
        return _json(scan.path, fmt, edits)
    if fmt.kind == "xlsx":
        return workbooks.edited(scan.path, contract, fmt, edits.out, edits.cell)
    return None


def _delimited(scan: Scan, fmt: FileFormat, contract: Contract, edits: Edits) -> bytes:
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
            if row not in edits.out:
                out.write((_mended(text, fmt, edits, row) if row in edits.mend else text) + end)
        out.flush()
        return buffer.getvalue()


def _mended(text: str, fmt: FileFormat, edits: Edits, row: int) -> str:
    """A row of a delimited file with its cells mended; a line that is no row is mended as a whole."""
    if text in edits.mend[row]:
        return whole.without(text, edits.texts)
    try:
        cells = next(csv.reader([text], delimiter=fmt.separator, quotechar=fmt.quote))
    except csv.Error:
        return whole.without(text, edits.texts)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=fmt.separator, quotechar=fmt.quote, lineterminator="")
    writer.writerow([edits.cell(row, cell) for cell in cells])
    return buffer.getvalue()


def _parquet(path: Path, edits: Edits) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read()
    for place, (name, column) in enumerate(zip(table.schema.names, table.columns, strict=True)):
        if edits.mend and pa.types.is_string(column.type):
            cells = [v if v is None else edits.cell(n, v) for n, v in enumerate(column.to_pylist(), start=1)]
            table = table.set_column(place, name, pa.array(cells, column.type))
    keep = pa.array([n not in edits.out for n in range(1, table.num_rows + 1)], pa.bool_())
    buffer = io.BytesIO()
    pq.write_table(table.filter(keep), buffer, compression="zstd")
    return buffer.getvalue()


def _json(path: Path, fmt: FileFormat, edits: Edits) -> bytes:
    data = path.read_bytes()
    text = data.decode("utf-8-sig", "surrogateescape")
    if fmt.kind == "json" and not fmt.records and text.lstrip()[:1] == "{":
        lines = enumerate(data.split(b"\n"), start=1)
        kept = ((n, line) for n, line in lines if n not in edits.out)
        return b"\n".join(_json_line(line, edits, n) if n in edits.mend else line for n, line in kept)
    if fmt.kind == "json":
        document = json.loads(text)
    else:
        import pyjson5

        document = pyjson5.decode(data.decode(fmt.encoding).removeprefix("\ufeff"))
    place: Any = document
    for part in fmt.records.split(".") if fmt.records else []:
        place = place[part]
    place[:] = [
        edits.record(n, record) if n in edits.mend else record
        for n, record in enumerate(place, start=1)
        if n not in edits.out
    ]
    return json.dumps(document, ensure_ascii=False).encode("utf-8" if fmt.kind == "json" else fmt.encoding)


def _json_line(line: bytes, edits: Edits, row: int) -> bytes:
    """A line of JSON with its cells mended; one that is no JSON is mended as text."""
    try:
        return json.dumps(edits.record(row, json.loads(line)), ensure_ascii=False).encode()
    except ValueError:
        return whole.without(line.decode("utf-8", "surrogateescape"), edits.texts).encode("utf-8", "surrogateescape")


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
