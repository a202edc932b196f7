"""A table or query of a database: rows as text that the server renders, into Parquet, from one consistent state."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from platform_assets.sources.base import Described, Fetched, Noted, Reach, Source, Window
from platform_assets.sources.parts.watermark import Sweep, Watermark
from platform_assets.strict import Duration, Name
from resources.credentials import setting
from resources.databases import dialect_of
from resources.databases.address import Address, read_address
from resources.databases.dialect import TWICE, trouble
from resources.deadline import cut_lines, within
from resources.requesting import Permanent, retried

if TYPE_CHECKING:
    from resources.databases.dialect import Dialect, Found

WHOLE = "whole"
"""The window in which everything is read."""
PLACE = re.compile(r"(\d{4}-\d\d-\d\d)[ T]?(\d\d:\d\d:\d\d)?(\.\d{1,6})?([+-]\d\d(?::?\d\d)?)?")
TOO_LONG = "raise `timeout`, add a `watermark` so that less is read, or ask at a quieter time"


class SqlSource(Source):
    """A table or query of a database. Only its name is said here: the address is the variable (or mounted file)
    ``PLATFORM_DATABASE_<NAME>``, the password ``PLATFORM_DATABASE_<NAME>_PASSWORD``."""

    lands: ClassVar[str] = "parquet"
    kind: Literal["sql"]
    database: Name
    """Which address is meant."""
    query: str | None = None
    """A SELECT."""
    table: str | None = Field(default=None, pattern=r"^\w+(\.\w+)*$")
    """Instead of a query: the whole table, e.g. ``public.stays``."""
    watermark: Watermark | None = None
    """Read only what has changed; default: everything, each time."""
    sweep: Sweep | None = None
    """Beside a watermark: read everything from time to time, so that rows that were deleted leave."""
    timeout: Duration = dt.timedelta(minutes=30)
    """After this long the query is given up."""

    @field_validator("query")
    @classmethod
    def _one_statement(cls, value: str | None) -> str | None:
        return value if value is None else value.strip().rstrip(";")

    @model_validator(mode="after")
    def _one_of_them(self) -> SqlSource:
        if (self.query is None) == (self.table is None):
            raise ValueError("say either 'query' (a SELECT) or 'table'")
        if self.sweep and not self.watermark:
            raise ValueError(
                "'sweep' is for sources with a watermark. Without one everything comes each time: load.mode: snapshot lets rows leave that do not"
            )
        return self

    @property
    def brings_changes(self) -> bool:
        """With a watermark."""
        return self.watermark is not None

    @property
    def sql(self) -> str:
        """What is read."""
        return self.query or f"SELECT * FROM {self.table}"

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """The whole, or what has changed: where that begins, stands in the note. And everything, where a sweep is due."""
        due = self.sweep is not None and self.sweep.due(done.get(WHOLE, {}).get("swept", ""), now)
        return [Window(), *([Window(WHOLE)] if due else [])]

    @property
    def sweeps(self) -> float | None:
        """See `Source`."""
        return self.sweep.at_most if self.sweep else None

    def is_whole(self, file: str) -> bool:
        """What a sweep has brought, by the name under which it lands."""
        return self.sweep is not None and bool(re.search(rf"_{WHOLE}_\d{{8}}T\d{{6}}Z\.parquet$", file))

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """Rows into the Parquet file `out`. Noted: up to where was read, and a hash of what came."""
        address = self._address(reach)
        begun = dt.datetime.now(dt.UTC).isoformat()
        noted = retried(lambda: self._read(address, done, out), reach.log, "query")
        if window.name == WHOLE:
            return Fetched(changed=True, file_name=f"{reach.dataset}.parquet", noted={"swept": begun})
        if (noted["rows"] == "0" and self.watermark) or (self.watermark and noted["content"] == done.get("content")):
            return Fetched(changed=False, noted=done)
        return Fetched(changed=True, file_name=f"{reach.dataset}.parquet", noted=noted)

    def describe(self, reach: Reach) -> Described:
        """Names and types as the server tells them; no row is read."""
        address = self._address(reach)
        dialect = dialect_of(address)
        columns = self._asked(dialect, address, lambda connection: _columns(dialect, connection, self.sql))
        told: dict[str, dict[str, object]] = {}
        for column in columns:
            said: dict[str, object] = {"type": column.type}
            name = re.sub(r"\W+", "_", column.name.lower()).strip("_")
            if name != column.name:
                said["from"] = column.name
            if column.formats:
                said["format"] = list(column.formats) if len(column.formats) > 1 else column.formats[0]
            if column.type == "decimal":
                said |= {"precision": 38, "scale": 10}
            told[name] = {**said, "required": False, "description": f"{column.server_type} of the source."}
        return Described(
            told,
            f"one file: {self._in_words({})}, given up after {self.timeout.total_seconds():g} s",
            {"kind": "parquet"},
        )

    def _in_words(self, done: Noted) -> str:
        if not self.watermark:
            return "all rows, each time"
        since = self._since(done)
        return f"rows whose {self.watermark.column} is " + (
            f"{since} or later" if since else "anything, the first time"
        )

    def _address(self, reach: Reach) -> Address:
        name = f"PLATFORM_DATABASE_{self.database.upper()}"
        text = setting(reach.environment, name, f"the address of the database {self.database}")
        password = setting(reach.environment, f"{name}_PASSWORD", f"the password of the database {self.database}")
        return read_address(text, password, name)

    def _since(self, done: Noted) -> str:
        """The place in time from which is read; '' for the first row."""
        if self.watermark is None:
            return ""
        found = PLACE.fullmatch(done.get("read_to", ""))
        if not found:
            return str(self.watermark.first or "")
        day, time, fraction, offset = found.groups()
        try:
            moment = dt.datetime.fromisoformat(
                f"{day} {time or '00:00:00'}{fraction.ljust(7, '0') if fraction else ''}"
            )
            begin = moment - self.watermark.lag
        except (ValueError, OverflowError):  # 0000-00-00, or the first of all days
            return str(self.watermark.first or "")
        return f"{begin.isoformat(sep=' ', timespec='microseconds')}{offset or ''}"

    def _asked(self, dialect: Dialect, address: Address, work: Any) -> Any:
        """What `work` makes of a connection, within the time that it may take. Raises Passing, Permanent."""
        seconds = self.timeout.total_seconds()

        def run() -> Any:
            connection = dialect.connect(address, seconds)
            try:
                return work(connection)
            except Exception as error:
                explained = dialect.explained(error)
                if explained is None:
                    raise
                raise explained from None
            finally:
                _close(dialect, connection)

        return within(seconds, run, lambda: cut_lines(address.host, address.port or dialect.port), TOO_LONG)

    def _read(self, address: Address, done: Noted, out: Path) -> dict[str, str]:
        dialect = dialect_of(address)

        def read(connection: Any) -> dict[str, str]:
            columns = _columns(dialect, connection, self.sql)
            since, place = None, None
            latest = dialect.now(connection) if self.watermark else ""
            if self.watermark:
                names = [column.name for column in columns]
                if self.watermark.column not in names:
                    raise Permanent(f"the query has no column {self.watermark.column!r}, which `watermark` names")
                place = names.index(self.watermark.column)
                if columns[place].type not in ("date", "timestamp"):
                    raise Permanent(
                        f"{self.watermark.column}, which `watermark` names, is neither a date nor a timestamp"
                    )
                start = self._since(done)
                since = (
                    (self.watermark.column, start[:10] if columns[place].type == "date" else start) if start else None
                )
            query = dialect.reading(self.sql, columns, since)
            return _written(dialect.batches(connection, query), columns, out, place, latest, done.get("read_to", ""))

        found: dict[str, str] = self._asked(dialect, address, read)
        return found


def _close(dialect: Dialect, connection: Any) -> None:
    try:
        connection.close()
    except Exception as error:
        if dialect.explained(error) is None:
            raise  # otherwise it was lost already


def _columns(dialect: Dialect, connection: Any, query: str) -> list[Found]:
    columns = dialect.columns(connection, query)
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise trouble(TWICE, "")
    return columns


def _written(
    batches: Iterator[Any], columns: list[Found], out: Path, place: int | None, latest: str, before: str
) -> dict[str, str]:
    """Write the rows; what to note. `place` is the watermark's column, `latest` the server's clock: a row of the future moves nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(column.name, pa.string()) for column in columns])
    content = hashlib.sha256()
    rows, read_to = 0, before
    with pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=True) as writer:
        for arrays in batches:
            if place is not None:
                read_to = max([read_to, *(v for v in _places(arrays[place]) if _key(v) <= _key(latest))], key=_key)
            writer.write_table(
                pa.table(arrays, schema=schema)
            )  # at once: batches would be kept until there is a million rows
            rows += len(arrays[0])
    with out.open("rb") as file:
        while piece := file.read(1 << 20):
            content.update(piece)
    return {"rows": str(rows), "read_to": read_to, "content": content.hexdigest()}


def _places(column: Any) -> list[str]:
    """The different places in time of a batch; what is none (``infinity``, years of five digits) moves nothing."""
    return [v for v in column.unique().to_pylist() if v is not None and PLACE.fullmatch(v)]


def _key(place: str) -> str:
    """By what places in time are compared: all are rendered in one zone and one order."""
    found = PLACE.fullmatch(place)
    return f"{found[1]} {found[2] or '00:00:00'}{found[3] or '.'}" if found else ""
