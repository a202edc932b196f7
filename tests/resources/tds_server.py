"""A stand-in for SQL Server: the protocol by pysqlbridge (TDS 7.4, TLS, logins, error numbers), with the types that it lacks, encoded as
[MS-TDS] 2.2.5.5 says. No SQL is run: a query is answered by the words in it. There is no real server to be had for tests."""

from __future__ import annotations

import datetime as dt
import decimal
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pysqlbridge.logins import from_document
from pysqlbridge.server import start_background
from pysqlbridge.tds.result import (
    Bit,
    Column,
    ColumnType,
    Float,
    Integer,
    NVarChar,
    QueryError,
    QueryResult,
    UniqueIdentifier,
    VarBinary,
)

PASSWORD = "loopback;only}Ts52"
_DAY_ONE = dt.date(1, 1, 1)
TICKS = (10 * 3600 + 20 * 60 + 30) * 10_000_000 + 1_234_567
"""10:20:30.1234567, in steps of 100 ns."""


@dataclass(frozen=True)
class Decimal(ColumnType):
    precision: int
    scale: int

    @property
    def size(self) -> int:
        return 5 if self.precision < 10 else 9 if self.precision < 20 else 13 if self.precision < 29 else 17

    def type_info(self) -> bytes:
        return bytes([0x6A, self.size, self.precision, self.scale])

    def encode(self, value: str | None) -> bytes:
        if value is None:
            return b"\0"
        number = int(decimal.Decimal(value).scaleb(self.scale, decimal.Context(prec=60)))
        return bytes([self.size, int(number >= 0)]) + abs(number).to_bytes(self.size - 1, "little")


@dataclass(frozen=True)
class Money(ColumnType):
    def type_info(self) -> bytes:
        return bytes([0x6E, 8])

    def encode(self, value: str | None) -> bytes:
        if value is None:
            return b"\0"
        number = int(decimal.Decimal(value) * 10_000) & (2**64 - 1)
        return b"\x08" + struct.pack("<II", number >> 32, number & 0xFFFFFFFF)


@dataclass(frozen=True)
class Moment(ColumnType):
    """date, time, datetime2 and datetimeoffset: a tuple of day, ticks and minutes, as far as the type has them."""

    kind: int

    def type_info(self) -> bytes:
        return bytes([self.kind]) + (b"" if self.kind == 0x28 else b"\x07")

    def encode(self, value: tuple[Any, ...] | None) -> bytes:
        if value is None:
            return b"\0"
        parts = b""
        for part in value:
            if isinstance(part, dt.date):
                parts += (part - _DAY_ONE).days.to_bytes(3, "little")
            else:
                parts += part.to_bytes(5, "little")
        return bytes([len(parts)]) + parts


@dataclass(frozen=True)
class Offset(ColumnType):
    """datetimeoffset: day and ticks in UTC, and the minutes that a clock there is ahead."""

    def type_info(self) -> bytes:
        return b"\x2b\x07"

    def encode(self, value: tuple[dt.date, int, int] | None) -> bytes:
        if value is None:
            return b"\0"
        day, ticks, minutes = value
        parts = ticks.to_bytes(5, "little") + (day - _DAY_ONE).days.to_bytes(3, "little") + struct.pack("<h", minutes)
        return b"\x0a" + parts


ODD = {
    "id": (Integer(8), 9223372036854775807, "9223372036854775807"),
    "precise": (
        Decimal(38, 10),
        "-1234567890123456789012345678.0123456789",
        "-1234567890123456789012345678.0123456789",
    ),
    "small": (Decimal(38, 10), "-0.0000000001", "-0.0000000001"),
    "money": (Money(), "922337203685477.5807", "922337203685477.5807"),
    "day": (Moment(0x28), (dt.date(1, 1, 1),), "0001-01-01"),
    "last_day": (Moment(0x28), (dt.date(9999, 12, 31),), "9999-12-31"),
    "clock": (Moment(0x29), (TICKS,), "10:20:30.123456700"),
    "moment": (Moment(0x2A), (TICKS, dt.date(9999, 12, 31)), "9999-12-31 10:20:30.123456"),
    "abroad": (Offset(), (dt.date(2026, 3, 28), TICKS, -660), "2026-03-28 10:20:30.123456+00"),
    "words": (NVarChar(8000), "é🎉", "é🎉"),
    "empty": (NVarChar(8000), "", ""),
    "bytes": (VarBinary(100), b"\0\x01\xff", "0001ff"),
    "truth": (Bit(), True, "true"),
    "ratio": (Float(8), 0.1, "0.1"),
    "guid": (UniqueIdentifier(), "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
}
"""Column -> type, value, and the text that must come."""
ROWS = 30_000


def _answer(query: Any) -> QueryResult:
    sql = query if isinstance(query, str) else query.sql
    if "sysutcdatetime" in sql.lower():
        return QueryResult([Column("now", NVarChar(60))], [["2026-03-01 10:00:00.000000"]])
    if "FROM odd" in sql:
        rows = [[value for _, value, _ in ODD.values()], [None] * len(ODD)]
        return QueryResult([Column(n, kind) for n, (kind, _, _) in ODD.items()], [] if "TOP 0" in sql else rows)
    if "FROM big" in sql:
        columns = [Column("id", Integer(8)), Column("note", NVarChar(200)), Column("updated_at", Moment(0x2A))]
        many = [[n, f"note é {n}", (n, dt.date(2026, 1, 5))] for n in range(1, ROWS + 1)]
        return QueryResult(columns, [] if "TOP 0" in sql else many)
    troubles = {
        "slow": (0, ""),
        "deadlock": (1205, "Transaction was deadlocked on lock resources with another process. PATIENT-4711"),
        "denied": (229, "The SELECT permission was denied on the object 'PATIENT-4711', database 'h', schema 'dbo'."),
        "snapshot": (3952, "Snapshot isolation transaction failed accessing database 'PATIENT-4711'"),
        "nothere": (208, "Invalid object name 'PATIENT-4711'."),
    }
    for word, (number, text) in troubles.items():
        if word in sql:
            if number:
                raise QueryError(text, number=number)
            time.sleep(20)
    return QueryResult([], [])


@contextmanager
def sql_server() -> Iterator[int]:
    """The port of a stand-in that answers until the end."""
    logins = from_document({"logins": [{"user": "platform", "password": PASSWORD}]}, "test")
    server, _ = start_background(port=0, query_handler=_answer, logins=logins)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
