"""PostgreSQL: every column rendered as text by the server, streamed by COPY."""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2

from resources.databases import dialect
from resources.databases.address import Address
from resources.databases.dialect import BATCH_BYTES, CONNECT_SECONDS, Dialect, Found
from resources.requesting import Passing, Permanent

_TYPES = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "real": "float",
    "double precision": "float",
    "numeric": "decimal",
    "boolean": "boolean",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp",
}
_FORMATS = {
    "date": ("%Y-%m-%d",),
    "timestamp without time zone": ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"),
    "timestamp with time zone": ("%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S.%f%z"),
}
_TLS = {"verify": "verify-full", "require": "require", "off": "disable"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# classes of SQLSTATE (appendix A of PostgreSQL's manual), the longest that fits counts
_CLASSES = {
    "28": dialect.LOGIN,
    "3D": dialect.DATABASE,
    "42": dialect.QUERY,
    "42701": dialect.TWICE,
    "42702": dialect.TWICE,
    "42501": dialect.RIGHT,
    "57014": dialect.SLOW,
    "25006": dialect.WRITES,
    "22": dialect.VALUE,
    "08": dialect.BUSY,
    "40": dialect.BUSY,
    "53": dialect.BUSY,
    "55": dialect.BUSY,
    "57": dialect.BUSY,
    "58": dialect.BUSY,
    "25P03": dialect.BUSY,
}
# libpq gives no SQLSTATE of a failed connection: words of its own, which quote nothing
_AT_THE_DOOR = (
    (r"certificate|SSL|TLS", dialect.TLS),
    (r"starting up|shutting down|too many|recovery", dialect.BUSY),
    (r"database .* does not exist", dialect.DATABASE),
    (r"FATAL", dialect.LOGIN),
)


class PostgreSQL(Dialect):
    """How tables of PostgreSQL are asked for, and what its errors mean."""

    port = 5432

    def connect(self, address: Address, seconds: float) -> Any:
        """See `Dialect`. REPEATABLE READ and READ ONLY: one state, and nothing is changed."""
        milliseconds = int(seconds * 1000)
        try:
            connection = psycopg2.connect(
                host=address.host,
                port=address.port or self.port,
                dbname=address.database,
                user=address.user,
                password=address.password,
                sslmode=_TLS[address.tls],
                sslrootcert=(address.ca or "system") if address.tls == "verify" else "",
                connect_timeout=CONNECT_SECONDS,
                application_name="health-data-platform",
                client_encoding="UTF8",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg2.OperationalError as error:
            said = str(error)
            kind = next((kind for words, kind in _AT_THE_DOOR if re.search(words, said)), dialect.BUSY)
            raise dialect.trouble(kind, "") from None
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1; "
                f"SET statement_timeout = {milliseconds}; "
                f"SET idle_in_transaction_session_timeout = {milliseconds}"
            )
        return connection

    def columns(self, connection: Any, query: str) -> list[Found]:
        """See `Dialect`."""
        with connection.cursor() as cursor:
            cursor.execute(self.limited(query))
            found = [(column.name, column.type_code) for column in cursor.description]
            cursor.execute("SELECT o, format_type(o::oid, NULL) FROM unnest(%s::bigint[]) o", ([t for _, t in found],))
            names = dict(cursor.fetchall())
        return [
            Found(name, names[code], _TYPES.get(names[code], "string"), _FORMATS.get(names[code], ()))
            for name, code in found
        ]

    def quoted(self, name: str) -> str:
        """See `Dialect`."""
        return '"' + name.replace('"', '""') + '"'

    def as_text(self, column: Found) -> str:
        """See `Dialect`. Bytes as hex digits."""
        name = f"q.{self.quoted(column.name)}"
        return f"encode({name}, 'hex')" if column.server_type == "bytea" else f"{name}::text"

    def now(self, connection: Any) -> str:
        """See `Dialect`. The clock as the transaction began, which is no later than the state that it reads."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
            return str(cursor.fetchone()[0])

    def batches(self, connection: Any, query: str) -> Iterator[list[Any]]:
        """See `Dialect`. COPY hands over a row at a time, however long it is; a cursor would hold so many rows whatever they weigh."""
        pipe = _Pipe()

        def copy() -> None:
            try:
                with connection.cursor() as cursor:
                    cursor.copy_expert(f"COPY ({query}) TO STDOUT", pipe)
                pipe.end(None)
            except Exception as error:  # noqa: BLE001 - raised where the rows are read
                pipe.end(error)

        thread = threading.Thread(target=copy, daemon=True)
        thread.start()
        try:
            for data in pipe:
                yield _columns(data)
        finally:
            pipe.left = True
            thread.join()

    def explained(self, error: Exception) -> Passing | Permanent | None:
        """See `Dialect`."""
        if not isinstance(error, psycopg2.Error):
            return None
        code = error.pgcode or ""
        fits = [c for c in _CLASSES if code.startswith(c)]
        if fits:
            return dialect.trouble(_CLASSES[max(fits, key=len)], code)
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or not code
        return dialect.trouble(dialect.BUSY if lost else dialect.QUERY, code)


class _Left(Exception):
    """Nobody reads any more."""


class _Pipe:
    """What COPY writes into, and rows are read from: at most two batches wait."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[bytes | Exception | None] = queue.Queue(1)
        self.parts: list[bytes] = []
        self.size = 0
        self.left = False

    def write(self, data: bytes) -> int:
        """A piece, as libpq has it: one row."""
        self.parts.append(data)
        self.size += len(data)
        if self.size >= BATCH_BYTES:
            self._hand_over()
        return len(data)

    def end(self, error: Exception | None) -> None:
        """No more comes."""
        with contextlib.suppress(_Left):  # whoever read has an error of their own
            if error is None and self.parts:
                self._hand_over()
            self._put(error)

    def _hand_over(self) -> None:
        data, self.parts, self.size = b"".join(self.parts), [], 0
        self._put(data)

    def _put(self, item: bytes | Exception | None) -> None:
        while not self.left:
            try:
                self.waiting.put(item, timeout=0.5)
            except queue.Full:
                continue
            return
        raise _Left

    def __iter__(self) -> Iterator[bytes]:
        while (item := self.waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


def _columns(data: bytes) -> list[Any]:
    """Rows of COPY's text format: cells end with a tab and rows with a line feed, which never stand bare in a value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    width = data[: data.index(b"\n")].count(b"\t") + 1
    names = [str(n) for n in range(width)]
    # a byte-order mark would be taken as one: the file begins with a line that goes again
    table = csv.read_csv(
        pa.BufferReader(b"\t" * (width - 1) + b"x\n" + data),
        csv.ReadOptions(use_threads=False, block_size=len(data) + width + 64, column_names=names),
        csv.ParseOptions(
            delimiter="\t", quote_char=False, escape_char=False, newlines_in_values=False, ignore_empty_lines=False
        ),
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[r"\N"],
            strings_can_be_null=True,
            check_utf8=True,
        ),
    ).slice(1)
    found = []
    for column in table.columns:
        values = column.combine_chunks()
        values = values if isinstance(values, pa.Array) else pa.concat_arrays(values.chunks)
        odd = pc.fill_null(pc.match_substring(values, "\\"), False)
        places = pc.indices_nonzero(odd)
        if len(places):
            plain = [_plain(text) for text in values.take(places).to_pylist()]
            values = pc.replace_with_mask(values, odd, pa.array(plain, pa.string()))
        found.append(values)
    return found


def _plain(cell: str) -> str:
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), cell)


DIALECT = PostgreSQL()
