"""MySQL and MariaDB: what comes over the wire is text already; only what the server abbreviates or sends as bytes is rendered by the query."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.constants import FIELD_TYPE as T
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from resources.databases import dialect
from resources.databases.address import Address
from resources.databases.dialect import BATCH_BYTES, CONNECT_SECONDS, Dialect, Found, by_columns
from resources.requesting import Passing, Permanent

MOST_ROWS = 50_000
"""Of a batch, however short they are."""
_BYTES = 63
"""The character set of what is no text."""
_NAMES = {value: name.lower() for name, value in vars(T).items() if isinstance(value, int)}
_TYPES = {
    **dict.fromkeys((T.TINY, T.SHORT, T.LONG, T.LONGLONG, T.INT24, T.YEAR), "integer"),
    **dict.fromkeys((T.FLOAT, T.DOUBLE), "float"),
    **dict.fromkeys((T.DECIMAL, T.NEWDECIMAL), "decimal"),
    T.DATE: "date",
    T.NEWDATE: "date",
    T.DATETIME: "timestamp",
    T.TIMESTAMP: "timestamp",
}
_TEXTS = (T.VARCHAR, T.VAR_STRING, T.STRING, T.TINY_BLOB, T.BLOB, T.MEDIUM_BLOB, T.LONG_BLOB, T.GEOMETRY)
_FORMATS = {"date": ("%Y-%m-%d",), "timestamp": ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")}
_CODES = {
    **dict.fromkeys((1045, 1698, 1251, 2059), dialect.LOGIN),
    **dict.fromkeys((1044, 1049), dialect.DATABASE),
    **dict.fromkeys((1142, 1143, 1227, 1370), dialect.RIGHT),
    **dict.fromkeys((1969, 3024), dialect.SLOW),
    **dict.fromkeys((1792, 1290), dialect.WRITES),
    **dict.fromkeys((1292, 1366, 1365, 1690, 1406), dialect.VALUE),
    1060: dialect.TWICE,
    2026: dialect.TLS,
    **dict.fromkeys(
        (1040, 1053, 1129, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1317, 1927, 2002, 2003, 2006, 2013, 2014, 2055),
        dialect.BUSY,
    ),
}


class MySQL(Dialect):
    """How tables of MySQL and MariaDB are asked for, and what its errors mean."""

    port = 3306

    def connect(self, address: Address, seconds: float) -> Any:
        """See `Dialect`. One consistent snapshot, READ ONLY."""
        try:
            connection: Any = pymysql.connect(
                host=address.host,
                port=address.port or self.port,
                database=address.database,
                user=address.user,
                password=address.password,
                charset="utf8mb4",
                conv=dict[Any, Any](encoders),  # nothing is decoded: what comes is text
                connect_timeout=CONNECT_SECONDS,
                read_timeout=seconds,
                write_timeout=CONNECT_SECONDS,
                **_tls(address),
            )
        except OSError:  # of the certificates' file
            raise dialect.trouble(dialect.TLS, "") from None
        except pymysql.Error as error:
            raise self.explained(error) or AssertionError from None
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            mariadb = "MariaDB" in cursor.fetchone()[0]
            limit = f"max_statement_time = {seconds}" if mariadb else f"max_execution_time = {int(seconds * 1000)}"
            cursor.execute(
                f"SET time_zone = '+00:00', net_write_timeout = 600, SESSION {limit}, tx_isolation = 'REPEATABLE-READ'"
                if mariadb
                else f"SET time_zone = '+00:00', net_write_timeout = 600, SESSION {limit}, transaction_isolation = 'REPEATABLE-READ'"
            )
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return connection

    def columns(self, connection: Any, query: str) -> list[Found]:
        """See `Dialect`."""
        with connection.cursor() as cursor:
            cursor.execute(self.limited(query))
            fields = cursor._result.fields
        return [_found(field) for field in fields]

    def quoted(self, name: str) -> str:
        """See `Dialect`."""
        return "`" + name.replace("`", "``") + "`"

    def as_text(self, column: Found) -> str:
        """See `Dialect`. A FLOAT is sent with six digits unless it is computed with; bytes are shown as hex digits."""
        name = f"q.{self.quoted(column.name)}"
        if column.server_type == "float":
            return f"{name}+0e0"
        return f"lower(hex({name}))" if column.server_type in ("bytes", "bit") else name

    def now(self, connection: Any) -> str:
        """See `Dialect`. Asked after the snapshot was taken, so a moment is taken off for what was asked in between."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT CAST(UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE AS CHAR)")
            return str(cursor.fetchone()[0])

    def batches(self, connection: Any, query: str) -> Iterator[list[Any]]:
        """See `Dialect`. Unbuffered: a row at a time."""
        cursor = connection.cursor(SSCursor)
        try:
            cursor.execute(query)
            rows: list[Any] = []
            size = 0
            while (row := cursor.fetchone()) is not None:
                rows.append(row)
                size += sum(map(len, filter(None, row)))
                if size >= BATCH_BYTES or len(rows) >= MOST_ROWS:
                    yield by_columns(rows)
                    rows, size = [], 0
            if rows:
                yield by_columns(rows)
        finally:
            _drop(connection, cursor)

    def explained(self, error: Exception) -> Passing | Permanent | None:
        """See `Dialect`."""
        if not isinstance(error, pymysql.Error):
            return None
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        lost = isinstance(error, pymysql.InterfaceError)
        return dialect.trouble(_CODES.get(code, dialect.BUSY if lost else dialect.QUERY), str(code or ""))


def _found(field: Any) -> Found:
    if field.type_code == T.BIT:
        return Found(field.name, "bit", "string")
    if field.type_code in _TEXTS and field.charsetnr == _BYTES:
        return Found(field.name, "bytes", "string")
    kind = _TYPES.get(field.type_code, "string")
    return Found(field.name, _NAMES.get(field.type_code, "text"), kind, _FORMATS.get(kind, ()))


def _tls(address: Address) -> dict[str, Any]:
    if address.tls == "off":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cafile=address.ca or None)
    if address.tls == "require":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return {"ssl": context}


def _drop(connection: Any, cursor: Any) -> None:
    """The driver would read a result that was begun to its end, of a connection that may be lost: take both from it."""
    if cursor._result is not None:
        cursor._result.unbuffered_active = False
        cursor._result.connection = None
    cursor._result = cursor.connection = None
    connection._force_close()


DIALECT = MySQL()
