"""Making the file of a window: rows staged at one state of the lake, written, read back, put into the store, and only then noted in the ledger.

A query is an analyst's: it runs in a lake of its own that holds the tables it names and nothing else, and so does the SELECT of a table.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.exports import ledger
from platform_assets.exports.allowed import demand_allowed
from platform_assets.exports.ledger import EMPTY, FOLDER, PENDING, WITHDRAWN, Entry
from platform_assets.exports.model import Export
from platform_assets.exports.windows import Window, closed, mark_name, window_of
from platform_assets.exports.writing import (
    NotWritten,
    check,
    copy_options,
    copy_target,
    file_hash,
    straight,
    write_file,
)
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.sql.file import parsed
from platform_assets.releases import reading
from resources.lake.closed_lake import TooLarge, TooLong, closed_lake
from resources.lake.select_only import Refused
from resources.lake.warehouse import Warehouse, one_state, quoted, scalar
from resources.object_store import ObjectStore
from resources.text.shown import of_engine

if TYPE_CHECKING:
    import duckdb

LOCK = "exports"
"""Held while a file is made, and by erasures: what is written is what may leave."""
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE")


class NotMade(RuntimeError):
    """The file could not be made; the message says what to do, and quotes no value."""


@dataclass(frozen=True)
class Select:
    """What is read: a SELECT, its parameters, and its tables."""

    sql: str
    parameters: Mapping[str, object]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Copied:
    """What was written straight from the lake: its columns and their types, and how many rows."""

    columns: Mapping[str, str]
    rows: int


@dataclass(frozen=True)
class Maker:
    """What makes the files of one export."""

    export: Export
    folder: Path
    """Where its YAML is, and the query beside it."""
    warehouse: Warehouse
    store: ObjectStore
    contracts: Mapping[str, Contract]
    indicators: Mapping[str, Indicator]

    @property
    def tables(self) -> tuple[str, ...]:
        """What it is made of, as ``layer.table``. Raises HeaderError where the query cannot be read."""
        export = self.export
        if export.published is not None:
            return (f"indicators.{export.published}",)
        return (export.table,) if export.table else parsed(self._query_path, self._query)[0]

    def check(self) -> None:
        """Raises ValueError (HeaderError is one) where it may not leave, or the query does not fit."""
        demand_allowed(self.export, self.tables, self.contracts, self.indicators)
        if self.export.query is not None:
            used = set(parsed(self._query_path, self._query)[1])
            if used != {"start", "end"}:
                raise ValueError(
                    f"{self.export.query}: write $start and $end into the query (from $start on, before $end), and no other parameter"
                )

    def make(self, key: str | None, now: dt.datetime) -> Entry | None:
        """The file of the window `key` (None: of what is new), where there is none yet; and those that an erasure has removed before they were sent.

        Returns the new row of the ledger; None where nothing is new. Raises NotMade, or ValueError where there is no such closed window.
        """
        self.check()
        with self.warehouse.lock(LOCK):
            entries = ledger.read(self.warehouse, self.export.name)
            self._sweep(entries)
            for entry in entries:
                if entry.state == PENDING and (not entry.object or self.store.stat(entry.object) is None):
                    self._remake(entry, entries)
            made = self._made(key, entries, now)
            if made is not None:
                ledger.write(self.warehouse, made)
            return made

    def due(self, now: dt.datetime) -> list[str | None]:
        """Windows that are closed and have no file yet, oldest first; ``[None]`` where there is news without windows."""
        known = _known(ledger.read(self.warehouse, self.export.name))
        if self.export.published is not None:
            release = reading.current(self.store)
            return [None] if release and self.export.published in release.indicators and release.id not in known else []
        if self.export.watermark is not None:
            mark = self._mark()
            return [None] if mark is not None and mark > max(known, default="") else []
        return [window.key for window in closed(self.export, now) if window.key not in known]

    # ------------------------------------------------------------------------------------------------ which

    def _made(self, key: str | None, entries: list[Entry], now: dt.datetime) -> Entry | None:
        known = _known(entries)
        if self.export.published is not None:
            release = reading.current(self.store)
            return self._figures(release, entries) if release and release.id not in known else None
        if self.export.watermark is not None:
            return self._news(max(known, default=""), "", entries)
        if key is None:
            raise ValueError(f"{self.export.name} has windows: say which one")
        window = window_of(self.export, key)
        if key in known:
            return None
        if window not in closed(self.export, now):
            raise ValueError(f"the window {key} of {self.export.name} is not closed yet: rows of it may still come")
        return self._window(window, entries)

    def _remake(self, entry: Entry, entries: list[Entry]) -> None:
        others = [e for e in entries if e is not entry]
        made: Entry | None
        if self.export.published is not None:
            release = reading.current(self.store)
            if release is None or release.id != entry.window_key:
                return  # what sends withdraws it
            made = self._figures(release, others)
        elif self.export.watermark is not None:
            before = max((e.window_key for e in others if e.window_key < entry.window_key), default="")
            made = self._news(before, entry.window_key, others)
        else:
            made = self._window(window_of(self.export, entry.window_key), others)
        if made is None:
            made = replace(entry, state=EMPTY, object="", rows=0, bytes=0, sha256="")
        ledger.write(self.warehouse, replace(made, attempts=entry.attempts, again=entry.again))

    def _sweep(self, entries: list[Entry]) -> None:
        """Remove files that were written and never noted: a process was killed between the two."""
        known = {entry.object for entry in entries}
        for stored in list(self.store.walk(f"{FOLDER}/{self.export.name}")):
            if stored.name not in known:
                self.store.delete(stored.name)

    # ------------------------------------------------------------------------------------------------ what

    def _window(self, window: Window, entries: list[Entry]) -> Entry:
        name = window.file_name(self.export)

        def select(connection: duckdb.DuckDBPyConnection) -> Select:
            between = {"start": window.start, "end": window.end}
            if self.export.query is not None:
                return Select(self._query, between, self.tables)
            said = self.export.window or self.export.dates
            assert said is not None
            columns, _ = self._columns(connection, said.by)
            by = quoted(said.by)
            sql = f"SELECT {columns} FROM {self.export.table} WHERE {by} >= $start AND {by} < $end"
            return Select(sql, between, self.tables)

        return self._write(window.key, name, entries, select)

    def _news(self, before: str, until: str, entries: list[Entry]) -> Entry | None:
        said = self.export.watermark
        assert said is not None
        with self.warehouse.connect(read_only=True) as connection:
            columns, kind = self._columns(connection, said.by)
        by, mark = quoted(said.by), until or self._mark()
        if mark is None or mark <= before:
            return None
        lower = f" AND {by} > CAST($before AS {kind})" if before else ""
        sql = f"SELECT {columns} FROM {self.export.table} WHERE {by} <= CAST($until AS {kind}){lower}"
        parameters = {"until": mark, **({"before": before} if before else {})}
        name = mark_name(self.export, dt.datetime.fromisoformat(mark))
        made = self._write(mark, name, entries, lambda _: Select(sql, parameters, self.tables))
        return made if made.rows else None

    def _mark(self) -> str | None:
        """The latest moment in the table; None where it is empty, or not there."""
        assert self.export.watermark is not None
        with self.warehouse.connect(read_only=True) as connection:
            if self.export.watermark.by not in self.warehouse.columns(connection, self.export.table or ""):
                return None
            by = quoted(self.export.watermark.by)
            found = scalar(connection, f"SELECT CAST(max({by}) AS VARCHAR) FROM {self.export.table}")
        return None if found is None else str(found)

    def _figures(self, release: reading.Release, entries: list[Entry]) -> Entry:
        indicator = self.export.published
        assert indicator is not None
        if indicator not in release.indicators:
            raise NotMade(f"release {release.id} has no figures of {indicator}: it is not published")
        data = release.read(f"{indicator}/{indicator}.parquet")
        name = self.export.file.rendered(export=self.export.name, release=release.id)
        return self._write(release.id, name, entries, data)

    def _columns(self, connection: duckdb.DuckDBPyConnection, by: str) -> tuple[str, str]:
        """The columns that leave, as SQL, and the type of `by`."""
        table = self.export.table
        assert table is not None
        there = self.warehouse.columns(connection, table)
        if not there:
            raise NotMade(f"there is no table {table} yet: load or make it first")
        kind = there.get(by, "")
        if kind not in _TIMES:
            raise NotMade(f"{table} has no column {by} of days or moments: its windows cannot be told")
        return ", ".join(quoted(name) for name in there if not name.startswith("_")), kind

    # ------------------------------------------------------------------------------------------------ how

    def _write(self, key: str, name: str, entries: list[Entry], what: object) -> Entry:
        """The file `name` of the rows that `what` is (a SELECT made with a connection, or Parquet), in the store."""
        same = [entry.window_key for entry in entries if entry.file == name and entry.window_key != key]
        if same:
            raise NotMade(
                f"the files up to {same[0]} and {key} would both be called {name}: write more of the moment into file.name"
            )
        folder = self.warehouse.wait_for_scratch()
        file, staged, out = self.export.file, folder / "rows.parquet", folder / "file"
        copied: Copied | None = None
        sha256 = ""
        try:
            if isinstance(what, bytes):
                staged.write_bytes(what)
            else:
                assert callable(what)
                with self.warehouse.connect() as connection, one_state(connection):
                    copied = self._copy(connection, what(connection), folder, staged, out)
            engine = self.warehouse.bare_engine(folder)
            try:
                if copied is None:
                    rows = write_file(engine, staged, file, out)
                else:
                    rows = copied.rows
                    with ThreadPoolExecutor(
                        1
                    ) as beside:  # while it is read back: neither needs the interpreter for long
                        hashed = beside.submit(file_hash, out) if copy_target(file, out) == out else None
                        check(engine, file, copied.columns, rows, out)
                        sha256 = hashed.result() if hashed else ""
            finally:
                engine.close()
            return self._noted(key, name, out, rows, sha256 or file_hash(out))
        except NotWritten as error:
            raise NotMade(f"{name}: {error}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _copy(
        self, connection: duckdb.DuckDBPyConnection, select: Select, folder: Path, staged: Path, out: Path
    ) -> Copied | None:
        """The rows straight into the file, or, where they have to be looked at first, into `staged` (None). Raises NotMade, NotWritten."""
        import duckdb

        target = copy_target(self.export.file, out)
        rows = {}
        for table in select.tables:
            state = self.warehouse.state(connection, table)
            if state is None:
                raise NotMade(f"there is no table {table} yet: load or make it first")
            rows[table] = state.rows
        closed_folder = folder / "closed"
        closed_folder.mkdir(mode=0o700)
        with closed_lake(self.warehouse, connection, rows, closed_folder, (staged, target), in_order=False) as lake:
            try:
                columns = lake.describe(select.sql, select.parameters)
            except (Refused, TooLarge) as error:
                raise NotMade(f"{self.export.name}: {error}") from None
            except duckdb.Error as error:
                known = [column for table in rows for column in self.warehouse.columns(connection, table)]
                raise NotMade(f"{self.export.name}: {of_engine(error, ' '.join([select.sql, *known]))}") from None
            try:
                if straight(self.export.file, columns):
                    options = copy_options(self.export.file)
                    return Copied(columns, lake.write(select.sql, select.parameters, target, options))
                lake.write(_for_parquet(select.sql, columns), select.parameters, staged)
                return None
            except (TooLong, TooLarge) as error:
                raise NotMade(f"{self.export.name}: {error}") from None
            except duckdb.Error as error:  # its message may quote a value
                raise NotMade(
                    f"{self.export.name}: the query stopped at a row ({type(error).__name__}): use the try_ form of what fails on unusual values"
                ) from None

    def _noted(self, key: str, name: str, out: Path, rows: int, sha256: str) -> Entry:
        export, who = self.export, self.export.row_level
        entry = Entry(
            export=export.name,
            window_key=key,
            file=name,
            object="",
            sha256="",
            bytes=0,
            rows=rows,
            made_at=ledger.now(),
            tables=" ".join(self.tables),
            row_level=who is not None,
            keyed=self._keyed,
            role=who.role.value if who else "",
            ground=who.ground if who else "",
            recipient=who.recipient if who else "",
            destination=export.deliver.in_words,
            state=EMPTY,
        )
        if not rows:
            return entry
        stored = self.store.take(f"{FOLDER}/{export.name}/{name}", out)
        return replace(entry, object=stored.name, sha256=sha256, bytes=stored.size, state=PENDING)

    @property
    def _keyed(self) -> bool:
        """A table of a dataset goes as it is, with its identifiers; what a query makes of them nobody knows."""
        layer, _, name = (self.export.table or "").partition(".")
        return layer == "validated" and name in self.contracts and bool(self.contracts[name].identifiers)

    @property
    def _query_path(self) -> Path:
        assert self.export.query is not None
        return self.folder / self.export.query

    @property
    def _query(self) -> str:
        try:
            return self._query_path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").rstrip().removesuffix(";")
        except (OSError, UnicodeDecodeError):
            raise ValueError(
                f"{self.export.query} is not beside the YAML of {self.export.name}, or is no UTF-8 text"
            ) from None


def _for_parquet(sql: str, columns: Mapping[str, str]) -> str:
    """The same rows without what Parquet would round: it has no whole numbers of 128 bits, as sums are."""
    wide = ", ".join(
        f"CAST({quoted(name)} AS DECIMAL(38, 0)) AS {quoted(name)}"
        for name, kind in columns.items()
        if kind in ("HUGEINT", "UHUGEINT")
    )
    return f"SELECT * REPLACE ({wide}) FROM ({sql}\n)" if wide else sql


def _known(entries: list[Entry]) -> set[str]:
    """Windows that have their file. Of a release that is put back one is made anew where it was withdrawn."""
    return {entry.window_key for entry in entries if entry.state != WITHDRAWN}
