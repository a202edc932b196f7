"""SQL Server, through Microsoft's driver. Rows come typed, as Arrow, and become text here: of the styles of T-SQL's CONVERT none is exact for
all types. Tested against a stand-in of the protocol, not against Microsoft's server."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import re
import uuid
from collections.abc import Iterator
from typing import Any

import mssql_python

from resources.databases import dialect
from resources.databases.address import Address
from resources.databases.dialect import BATCH_BYTES, CONNECT_SECONDS, Dialect, Found
from resources.requesting import Passing, Permanent

_TYPES: dict[type, str] = {
    int: "integer",
    float: "float",
    decimal.Decimal: "decimal",
    bool: "boolean",
    dt.date: "date",
    dt.datetime: "timestamp",
}
_NAMES: dict[type, str] = {str: "text", bytes: "bytes", uuid.UUID: "uniqueidentifier", dt.time: "time"}
_FORMATS = {"date": ("%Y-%m-%d",), "timestamp": ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f%z")}
_FIRST_ROWS = 100
_MOST_ROWS = 20_000
# the driver's words for each SQLSTATE, which quote nothing
_STATES = (
    ("Invalid authorization", dialect.LOGIN),
    ("Base table or view not found", dialect.QUERY),
    ("Column not found", dialect.QUERY),
    ("Serialization failure", dialect.BUSY),
    ("Timeout expired", dialect.SLOW),
    ("Communication link failure", dialect.BUSY),
    ("Client unable to establish connection", dialect.BUSY),
    ("Connection", dialect.BUSY),
    ("Numeric value out of range", dialect.VALUE),
    ("Invalid character value", dialect.VALUE),
    ("Division by zero", dialect.VALUE),
    ("data", dialect.VALUE),
)
# of what the server said only these words are looked for, as two troubles share a state; it is never shown
_SAID = (
    (r"certificate|SSL Provider", dialect.TLS),
    (r"permission was denied", dialect.RIGHT),
    (r"Cannot open database", dialect.DATABASE),
    (r"specified multiple times|column names in each", dialect.TWICE),
    (r"[Ss]napshot isolation", dialect.SNAPSHOT),
)


class SqlServer(Dialect):
    """How tables of SQL Server are asked for, and what its errors mean."""

    port = 1433

    def connect(self, address: Address, seconds: float) -> Any:
        """See `Dialect`. SNAPSHOT isolation: one state for the whole transaction."""
        if address.ca:
            raise Permanent("SQL Server's driver takes trusted certificates from the system only: leave `ca` out")
        encrypt = "no" if address.tls == "off" else "yes"
        trust = "no" if address.tls == "verify" else "yes"
        said = {
            "Server": f"{address.host},{address.port or self.port}",
            "Database": address.database,
            "UID": address.user,
            "PWD": address.password,
            "Encrypt": encrypt,
            "TrustServerCertificate": trust,
            "ApplicationIntent": "ReadOnly",
        }
        with self._translated():
            connection = mssql_python.connect(
                "".join(f"{name}={{{value.replace('}', '}}')}}};" for name, value in said.items()),
                timeout=CONNECT_SECONDS,
            )
            connection.timeout = int(seconds)
            cursor = connection.cursor()
            cursor.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
            cursor.close()
        return connection

    def columns(self, connection: Any, query: str) -> list[Found]:
        """See `Dialect`."""
        cursor = connection.cursor()
        cursor.execute(f"SELECT TOP 0 * FROM ({query}\n) q")
        found = [(column[0], column[1]) for column in cursor.description]
        cursor.close()
        return [
            Found(name, _NAMES.get(kind, kind.__name__), t := _TYPES.get(kind, "string"), _FORMATS.get(t, ()))
            for name, kind in found
        ]

    def quoted(self, name: str) -> str:
        """See `Dialect`."""
        return "[" + name.replace("]", "]]") + "]"

    def as_text(self, column: Found) -> str:
        """See `Dialect`. As it is: it becomes text here."""
        return f"q.{self.quoted(column.name)}"

    def now(self, connection: Any) -> str:
        """See `Dialect`. Asked before the transaction reads anything, which is when its state is fixed."""
        cursor = connection.cursor()
        cursor.execute("SELECT CONVERT(varchar(26), SYSUTCDATETIME(), 121) AS now")
        found = str(cursor.fetchone()[0])
        cursor.close()
        return found

    def batches(self, connection: Any, query: str) -> Iterator[list[Any]]:
        """See `Dialect`. The first rows tell how many make a batch."""
        import pyarrow as pa

        cursor = connection.cursor()
        cursor.execute(query)
        rows = _FIRST_ROWS
        while (batch := cursor.arrow_batch(rows)).num_rows:
            yield [pa.array(_as_text(column), pa.string()) for column in batch.columns]
            per_row = max(1, batch.nbytes // batch.num_rows)
            rows = max(1, min(_MOST_ROWS, 4 * rows, BATCH_BYTES // per_row))
        cursor.close()

    def explained(self, error: Exception) -> Passing | Permanent | None:
        """See `Dialect`."""
        if not isinstance(error, mssql_python.Error):
            return None
        state, said = str(getattr(error, "driver_error", "")), str(getattr(error, "ddbc_error", ""))
        kind = next((kind for words, kind in _SAID if re.search(words, said)), None)
        kind = kind or next((kind for words, kind in _STATES if words in state), dialect.QUERY)
        return dialect.trouble(kind, "")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except mssql_python.Error as error:
            raise self.explained(error) or AssertionError from None


def _as_text(column: Any) -> list[str | None]:
    """An Arrow column as the texts that other dialects have: times in UTC, bytes as hex digits, numbers with all their digits."""
    import pyarrow as pa

    kind, values = column.type, column
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [None if v is None else v.hex() for v in values.to_pylist()]
    if pa.types.is_decimal(kind):
        return [None if v is None else f"{v:f}" for v in values.to_pylist()]
    if pa.types.is_floating(kind):
        return [None if v is None else repr(v) for v in values.to_pylist()]
    if pa.types.is_boolean(kind):
        return [None if v is None else "true" if v else "false" for v in values.to_pylist()]
    if pa.types.is_timestamp(kind) and kind.tz:  # what is stored is the moment in UTC
        text = values.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
        return [None if v is None else f"{v}+00" for v in text]
    plain: list[str | None] = values.cast(pa.string()).to_pylist()
    return plain


DIALECT = SqlServer()
