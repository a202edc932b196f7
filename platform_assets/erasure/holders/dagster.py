"""What Dagster remembers of runs: events with their metadata, tags, configurations, ticks of sensors, and what runs have printed.

It lies in SQLite files below DATA_HOME/dagster, or in Dagster's PostgreSQL database. No value of a row is written there, but the name of
a file may be, and what a steward typed, and what older releases have shown. Texts are replaced inside the records, so that every
record stays readable; a number in a record (a count, a time) is no text, and a steward tells that it means something else.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.erasure.decisions import DROP, ELSE, MEND, Spot
from platform_assets.erasure.holder import FileHolder, Work
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import SQLITE, Search

if TYPE_CHECKING:
    import sqlalchemy as sa


class DagsterRecords(FileHolder):
    """The folder `dagster`, and Dagster's database where it has one elsewhere."""

    order = 80
    name = "dagster"
    what = "what a run has printed, or a file that Dagster keeps of it"
    ways = (MEND, DROP, ELSE)
    remark = "In what Dagster remembers of runs the number was replaced wherever it stood as a text."

    def claims(self) -> Collection[str]:
        """The folder below DATA_HOME for which it answers."""
        return ("dagster",)

    def erase(self, work: Work) -> list[str]:
        """Do what was decided of files; records are mended after Dagster has been told of the change."""
        self.decide_files(work)
        return []

    def clean(self, work: Work) -> int:
        """Replace the texts wherever Dagster's records hold them, and leave no page that held them."""
        if not work.searched:
            return 0
        for path in self._sqlite_files():
            if _holds_bytes(path, work.searched):
                with _database(f"sqlite:///{path}") as engine:
                    _mend(engine, work.searched)
                    _vacuum_sqlite(engine)
        for address in self._servers():
            with _database(address) as engine:
                tables = _mend(engine, work.searched)
                _vacuum_server(engine, tables)
        ground, search = self.parts.ground, Search(work.searched)
        for name, opened in list(ground.files(lambda name: self.holds(name) and not _is_database(name))):
            if search.file(name, opened):
                fresh = self._mended(name, work)
                if fresh is not None:
                    ground.write(name, fresh)
        return 0

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every column of Dagster's tables in which a text stands, and for every file."""
        for path in self._sqlite_files():
            search.found.files += 1
            with _database(f"sqlite:///{path}") as engine:
                yield from _spots(engine, search, path.relative_to(self.parts.home).as_posix())
        for address in self._servers():
            with _database(address) as engine:
                yield from _spots(engine, search, "Dagster's database")
        for name, opened in self.parts.ground.files(lambda name: self.holds(name) and not _is_database(name)):
            texts = search.file(name, opened) | search.text(name)
            if texts:
                yield self.spot(name, texts, work)

    def keeps(self) -> list[str]:
        """What the database server keeps of what was replaced."""
        with self.parts.dagster() as instance:
            if instance is None and not self.parts.ground.one:
                return [
                    "Dagster's database was not reached from the machine that carried this out (DAGSTER_HOME is not set there): what it "
                    "remembers of runs was not looked into."
                ]
        if not self._servers():
            return []
        return [
            "Dagster's database server keeps what was replaced there in its write-ahead log and backups, as long as it keeps these."
        ]

    def _sqlite_files(self) -> list[Path]:
        folder = self.parts.home / "dagster"
        found = [p for p in sorted(folder.rglob("*.db")) if p.is_file() and not p.is_symlink()]
        return [p for p in found if p.open("rb").read(len(SQLITE)) == SQLITE]

    def _servers(self) -> list[str]:
        """Addresses of Dagster's databases that are no files."""
        with self.parts.dagster() as instance:
            if instance is None:
                return []
            storages = (instance.event_log_storage, instance.run_storage, instance.schedule_storage)
            return sorted({str(getattr(s, "postgres_url", "")) for s in storages} - {""})


@contextlib.contextmanager
def _database(address: str) -> Iterator[sa.Engine]:
    import sqlalchemy as sa

    engine = sa.create_engine(address, poolclass=sa.pool.NullPool, hide_parameters=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _text_columns(engine: sa.Engine) -> Iterator[tuple[sa.Table, list[str]]]:
    """Tables, with their columns that may hold a text."""
    import sqlalchemy as sa

    tables = sa.MetaData()
    tables.reflect(engine)
    for table in tables.sorted_tables:
        kinds = (sa.String, sa.JSON, sa.LargeBinary)
        columns = [c.name for c in table.columns if isinstance(c.type, kinds)]
        if columns:
            yield table, columns


def _rows(engine: sa.Engine, table: sa.Table, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a table: its key and `columns`."""
    import sqlalchemy as sa

    key = [c.name for c in table.primary_key.columns] or columns
    with engine.connect() as connection:
        wanted = [table.c[name] for name in dict.fromkeys((*key, *columns))]
        for row in connection.execution_options(yield_per=1000).execute(sa.select(*wanted)).mappings():
            yield dict(row)


def _as_text(value: Any) -> str:
    """A value as it is searched; snapshots of jobs are packed."""
    if isinstance(value, bytes):
        with contextlib.suppress(zlib.error):
            value = zlib.decompress(value)
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else json.dumps(value)


def _mend(engine: sa.Engine, texts: Collection[str]) -> list[str]:
    """Replace `texts` in every record. Returns the tables that were changed."""
    changed = []
    for table, columns in _text_columns(engine):
        key = [c.name for c in table.primary_key.columns] or columns
        updates = []
        for row in _rows(engine, table, columns):
            fresh = {c: _mended(row[c], texts) for c in columns if isinstance(row[c], str)}
            fresh = {c: v for c, v in fresh.items() if v != row[c]}
            if fresh:
                updates.append(({k: row[k] for k in key}, fresh))
        with engine.begin() as connection:
            for where, fresh in updates:
                statement = table.update().values(fresh)
                for name, value in where.items():
                    statement = statement.where(table.c[name] == value)
                connection.execute(statement)
        if updates:
            changed.append(table.name)
    return changed


def _mended(text: str, texts: Collection[str]) -> str:
    """A record with `texts` replaced in its strings; numbers stay, so that it can still be read."""
    if not any(t in text or json.dumps(t)[1:-1] in text for t in texts):
        return text
    try:
        record = json.loads(text)
    except ValueError:
        return whole.without(text, texts)
    fresh = _in_record(record, texts)
    return text if fresh == record else json.dumps(fresh)


def _in_record(value: Any, texts: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {whole.without(k, texts): _in_record(v, texts) for k, v in value.items()}
    if isinstance(value, list):
        return [_in_record(v, texts) for v in value]
    return whole.without(value, texts) if isinstance(value, str) else value


def _spots(engine: sa.Engine, search: Search, where: str) -> Iterator[Spot]:
    """A spot for every column in which a text stands after the texts were replaced."""
    for table, columns in _text_columns(engine):
        found: dict[str, set[str]] = {}
        for row in _rows(engine, table, columns):
            for column in columns:
                texts = search.text(_as_text(row[column])) if row[column] is not None else set()
                if texts:
                    found.setdefault(column, set()).update(texts)
        for column, texts in found.items():
            kind = "a run of its own" if "/runs/" in where else where
            words = f"a number in Dagster's records of runs (a count, a time): {kind}, {table.name}.{column}"
            yield Spot(f"dagster/{table.name}/{column}", words, (ELSE,), frozenset(texts))


def _vacuum_sqlite(engine: sa.Engine) -> None:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 30000")
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _vacuum_server(engine: sa.Engine, tables: Collection[str]) -> None:
    import sqlalchemy as sa

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.execute(sa.text(f'VACUUM (FULL, ANALYZE) "{table}"'))


def _holds_bytes(path: Path, texts: Collection[str]) -> bool:
    """Whether the bytes of a text are in the file or in its write-ahead log, whole value or not, in a row or in a page that is free."""
    wanted = [form for t in texts for form in {t.encode(), json.dumps(t)[1:-1].encode()}]
    for file in (path, path.with_name(f"{path.name}-wal")):
        if file.is_file() and any(form in file.read_bytes() for form in wanted):
            return True
    # a long value lies on several pages, each with its own head, so a text may be cut in two
    return any(Search(texts).file("", lambda: path.open("rb"), ours=True))


def _is_database(name: str) -> bool:
    return name.endswith((".db", ".db-wal", ".db-shm", ".db-journal"))


HOLDER = DagsterRecords
