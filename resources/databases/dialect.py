"""What a dialect answers for: connecting, a session that reads one consistent state, columns, rows as text, and what its errors mean.

Messages are sentences of our own with the server's error code. What a server or driver says is never passed on: it quotes values.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from resources.databases.address import Address
from resources.requesting import Passing, Permanent

CONNECT_SECONDS = 10
BATCH_BYTES = 1 << 20
"""About how much text is held at a time: batches are bounded by bytes, since a row may be a note of megabytes."""
LITERAL = re.compile(r"[0-9A-Za-z :.+-]{1,60}")
"""What a place in time looks like as a server renders it; nothing else is ever put into a query."""


def by_columns(rows: Sequence[Sequence[str | None]]) -> list[Any]:
    """Rows, of which there is one at least, as an Arrow array of strings for each column."""
    import pyarrow as pa

    return [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]


LOGIN = "login"
DATABASE = "database"
QUERY = "query"
RIGHT = "right"
SLOW = "slow"
BUSY = "busy"
VALUE = "value"
TLS = "tls"
TWICE = "twice"
SNAPSHOT = "snapshot"
WRITES = "writes"

_SAID: Mapping[str, str] = {
    LOGIN: "the database does not let us in: check user and password",
    DATABASE: "there is no such database, or it is closed to this user: check the address",
    QUERY: "the query names a table, column or function that is not there, or is not well formed: try it as this user",
    RIGHT: "this user may not read what the query names: ask for SELECT on it",
    SLOW: "the query takes longer than it may: raise `timeout`, or add a `watermark` so that less is read",
    BUSY: "the connection was lost, or the server is busy or restarting",
    VALUE: "the query fails on a value of the data: try it as this user (values are not shown here)",
    TLS: "no encrypted connection came about: check the certificate, or `tls` and `ca` in the address",
    TWICE: "two columns of the query have one name: name one of them otherwise (AS)",
    SNAPSHOT: "the database keeps no earlier state of its rows, so what is read would not fit together: ask its owner for "
    "ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON",
    WRITES: "the query tries to change data: only reading is allowed",
}


def trouble(kind: str, code: str) -> Passing | Permanent:
    """What to raise for an error of this kind; `code` is the server's (SQLSTATE or number), '' where it has none."""
    text = _SAID[kind] + (f" (code {code})" if code else "")
    return Passing(text) if kind == BUSY else Permanent(text)


@dataclass(frozen=True)
class Found:
    """A column of a query."""

    name: str
    server_type: str
    """As the server calls it."""
    type: str
    """What a contract calls it: string, integer, decimal, float, boolean, date or timestamp."""
    formats: tuple[str, ...] = ()
    """How the server's text of a date or timestamp is written."""


class Dialect(ABC):
    """One kind of database."""

    port: ClassVar[int]
    """Where it listens unless an address says otherwise."""

    @abstractmethod
    def connect(self, address: Address, seconds: float) -> Any:
        """A connection whose session renders exact text in UTC, and reads one state of the data without changing it.

        `seconds`: what the server itself may take for a statement. Raises Passing, Permanent.
        """

    @abstractmethod
    def columns(self, connection: Any, query: str) -> list[Found]:
        """The columns of `query`, without running it. Raises the driver's errors."""

    @abstractmethod
    def quoted(self, name: str) -> str:
        """A name as it stands in SQL."""

    @abstractmethod
    def as_text(self, column: Found) -> str:
        """SQL that renders the column of ``q`` as text."""

    @abstractmethod
    def now(self, connection: Any) -> str:
        """The server's clock at the state that is read, in UTC: ``YYYY-MM-DD HH:MM:SS.ffffff``."""

    @abstractmethod
    def batches(self, connection: Any, query: str) -> Iterator[list[Any]]:
        """Rows of `query`, whose columns are text, in batches of about BATCH_BYTES: an Arrow array of strings for each column.

        Raises the driver's errors.
        """

    @abstractmethod
    def explained(self, error: Exception) -> Passing | Permanent | None:
        """What an error of the driver means; None where it is none of the driver's."""

    def limited(self, query: str) -> str:
        """`query` with its columns and no rows."""
        return f"SELECT * FROM ({query}\n) q LIMIT 0"  # a comment may be the query's last line

    def reading(self, query: str, columns: Sequence[Found], since: tuple[str, str] | None) -> str:
        """`query` with each column as text; `since` is (column, place in time): rows from there on."""
        shown = ", ".join(self.as_text(column) for column in columns)
        where = ""
        if since:
            name, place = since
            if not LITERAL.fullmatch(place):
                raise Permanent("the place up to which was read is not one: remove the source's file in state/")
            column = f"q.{self.quoted(name)}"
            where = (
                f" WHERE {column} >= '{place}' OR {column} IS NULL"  # a row without a time may have changed at any time
            )
        return f"SELECT {shown} FROM ({query}\n) q{where}"
