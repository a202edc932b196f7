"""Oracle, by its own driver in thin mode. **Never run against Oracle**: what is tested is what is asked, how errors are told, and that text
stays text. What its manual and the driver's issues say of types is heeded: the driver drops time zones, so the server renders every
column but text; a NUMBER has more digits than a float."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import oracledb

from resources.databases import dialect
from resources.databases.address import Address
from resources.databases.dialect import BATCH_BYTES, CONNECT_SECONDS, LITERAL, Dialect, Found, by_columns
from resources.requesting import Passing, Permanent

_DATE = "YYYY-MM-DD HH24:MI:SS"
_MOMENT = f"{_DATE}.FF6"
_NUMBER = "TO_CHAR({0}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
# type of the driver -> (type of a contract, how the server renders it, how that is written)
_TYPES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "DB_TYPE_NUMBER": ("decimal", _NUMBER, ()),
    "DB_TYPE_BINARY_DOUBLE": ("float", _NUMBER, ()),
    "DB_TYPE_BINARY_FLOAT": ("float", _NUMBER, ()),
    "DB_TYPE_DATE": ("timestamp", f"TO_CHAR({{0}}, '{_DATE}')", ("%Y-%m-%d %H:%M:%S",)),
    "DB_TYPE_TIMESTAMP": ("timestamp", f"TO_CHAR({{0}}, '{_MOMENT}')", ("%Y-%m-%d %H:%M:%S.%f",)),
    "DB_TYPE_TIMESTAMP_TZ": (
        "timestamp",
        f"TO_CHAR(SYS_EXTRACT_UTC({{0}}), '{_MOMENT}') || NVL2({{0}}, '+00', '')",
        ("%Y-%m-%d %H:%M:%S.%f%z",),
    ),
    "DB_TYPE_TIMESTAMP_LTZ": (
        "timestamp",
        f"TO_CHAR(SYS_EXTRACT_UTC({{0}}), '{_MOMENT}') || NVL2({{0}}, '+00', '')",
        ("%Y-%m-%d %H:%M:%S.%f%z",),
    ),
    "DB_TYPE_RAW": ("string", "LOWER(RAWTOHEX({0}))", ()),
    "DB_TYPE_INTERVAL_DS": ("string", "TO_CHAR({0})", ()),
    "DB_TYPE_INTERVAL_YM": ("string", "TO_CHAR({0})", ()),
    **dict.fromkeys(
        ("DB_TYPE_VARCHAR", "DB_TYPE_NVARCHAR", "DB_TYPE_CHAR", "DB_TYPE_NCHAR", "DB_TYPE_CLOB", "DB_TYPE_NCLOB"),
        ("string", "{0}", ()),
    ),
}
_CODES = {
    **dict.fromkeys(("ORA-01017", "ORA-28000", "ORA-28001", "ORA-01045"), dialect.LOGIN),
    **dict.fromkeys(("DPY-6001", "DPY-6003", "ORA-12514", "ORA-12505"), dialect.DATABASE),
    **dict.fromkeys(("ORA-00942", "ORA-00904", "ORA-00933", "ORA-00936", "ORA-00900"), dialect.QUERY),
    **dict.fromkeys(("ORA-01031", "ORA-41900"), dialect.RIGHT),
    **dict.fromkeys(("ORA-01013", "ORA-03156", "DPY-4024"), dialect.SLOW),
    **dict.fromkeys(("ORA-01456", "ORA-16000"), dialect.WRITES),
    **dict.fromkeys(("ORA-01722", "ORA-01476", "ORA-01830", "ORA-01861", "ORA-01843", "ORA-01426"), dialect.VALUE),
    "ORA-00918": dialect.TWICE,
    **dict.fromkeys(
        (
            "ORA-00028",
            "ORA-00060",
            "ORA-01033",
            "ORA-01034",
            "ORA-01089",
            "ORA-01555",
            "ORA-03113",
            "ORA-03114",
            "ORA-03135",
        ),
        dialect.BUSY,
    ),
    **dict.fromkeys(("ORA-12516", "ORA-12519", "ORA-12520", "ORA-12528", "ORA-12541", "ORA-12537"), dialect.BUSY),
    **dict.fromkeys(("DPY-1001", "DPY-4011", "DPY-6000", "DPY-6005", "DPY-4005"), dialect.BUSY),
}


class Oracle(Dialect):
    """How tables of Oracle are asked for, and what its errors mean."""

    port = 2484  # by TLS; 1521, in clear, is said in the address

    def connect(self, address: Address, seconds: float) -> Any:
        """See `Dialect`. A transaction that is READ ONLY reads one state."""
        try:
            connection = oracledb.connect(
                user=address.user,
                password=address.password,
                host=address.host,
                port=address.port or self.port,
                service_name=address.database,
                protocol="tcp" if address.tls == "off" else "tcps",
                ssl_server_dn_match=address.tls == "verify",
                wallet_location=address.ca or None,
                tcp_connect_timeout=CONNECT_SECONDS,
                retry_count=0,
            )
            connection.call_timeout = int(seconds * 1000)
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
        except oracledb.Error as error:
            raise self.explained(error) or AssertionError from None
        return connection

    def columns(self, connection: Any, query: str) -> list[Found]:
        """See `Dialect`. Raises Permanent for a column of which no text can be made."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({query}\n) q WHERE 1 = 0")
            found = [(column[0], column[1].name) for column in cursor.description]
        unknown = [name for name, kind in found if kind not in _TYPES]
        if unknown:
            raise Permanent(f"the column {unknown[0]!r} is of a type that has no text: leave it out of the query")
        return [Found(name, kind, _TYPES[kind][0], _TYPES[kind][2]) for name, kind in found]

    def quoted(self, name: str) -> str:
        """See `Dialect`. A name in Oracle holds no quotation mark."""
        return f'"{name}"'

    def as_text(self, column: Found) -> str:
        """See `Dialect`."""
        return _TYPES[column.server_type][1].format(f"q.{self.quoted(column.name)}")

    def reading(self, query: str, columns: Sequence[Found], since: tuple[str, str] | None) -> str:
        """See `Dialect`. A place in time is told as one: by itself a text is read by the habits of a session."""
        plain = super().reading(query, columns, None)
        if since is None:
            return plain
        name, place = since
        if not LITERAL.fullmatch(place):
            raise Permanent("the place up to which was read is not one: remove the source's file in state/")
        text, kind = place, next(c.server_type for c in columns if c.name == name)
        text += " 00:00:00" if len(text) == 10 else ""
        moment = f"TO_TIMESTAMP('{text.removesuffix('+00')}', '{_MOMENT}')"
        if kind in ("DB_TYPE_TIMESTAMP_TZ", "DB_TYPE_TIMESTAMP_LTZ"):
            moment = f"FROM_TZ({moment}, 'UTC')"
        column = f"q.{self.quoted(name)}"
        return f"{plain} WHERE {column} >= {moment} OR {column} IS NULL"

    def now(self, connection: Any) -> str:
        """See `Dialect`. Asked after the state was fixed, so a minute is taken off."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP) - INTERVAL '1' MINUTE, '{_MOMENT}') FROM dual"
            )
            return str(cursor.fetchone()[0])

    def batches(self, connection: Any, query: str) -> Iterator[list[Any]]:
        """See `Dialect`. The rows before tell how many make a batch."""
        with connection.cursor() as cursor, _lobs_as_text():
            cursor.arraysize = cursor.prefetchrows = 100
            cursor.execute(query)
            rows = 100
            while batch := cursor.fetchmany(rows):
                yield by_columns(batch)
                size = sum(len(value) for row in batch for value in row if value is not None)
                rows = max(1, min(20_000, 4 * rows, BATCH_BYTES * len(batch) // max(1, size)))

    def explained(self, error: Exception) -> Passing | Permanent | None:
        """See `Dialect`."""
        if not isinstance(error, oracledb.Error):
            return None
        text = str(error)
        codes = [c for c in _CODES if c in text]  # a refusal by the listener is told behind that of the driver
        code = next((c for c in codes if _CODES[c] != dialect.BUSY), codes[0] if codes else "")
        own = str(getattr(error.args[0], "full_code", "")) if error.args else ""
        return dialect.trouble(_CODES.get(code, dialect.QUERY), code or own)


@contextlib.contextmanager
def _lobs_as_text() -> Iterator[None]:
    """Long texts as texts, not as places to read them from."""
    before = oracledb.defaults.fetch_lobs
    oracledb.defaults.fetch_lobs = False
    try:
        yield
    finally:
        oracledb.defaults.fetch_lobs = before


DIALECT = Oracle()
