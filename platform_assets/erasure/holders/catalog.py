"""The lake's catalog: smallest and largest values of columns, names of files, and what the database keeps of rows it has deleted."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator

from platform_assets.erasure.decisions import ELSE, Spot
from platform_assets.erasure.holder import Busy, Holder, Work, is_claimed
from platform_assets.erasure.holders.tables.rows import extremes
from platform_assets.erasure.search.scan import Search
from resources.lake.catalog import CatalogError

STATISTICS = (
    "ducklake_table_column_stats",
    "ducklake_file_column_stats",
    "ducklake_file_partition_value",
    "pg_stats",
)
"""Tables whose values are values of living rows, once they are made true."""


class Statistics(Holder):
    """The catalog, in its file or its database."""

    order = 60
    name = "catalog"

    def claims(self) -> Collection[str]:
        """The catalog's file, with what SQLite keeps beside it."""
        return ("lake/catalog.sqlite*",)

    def erase(self, work: Work) -> list[str]:
        """Nothing: what it holds follows the tables."""
        return []

    def clean(self, work: Work) -> int:
        """Table-wide minimum and maximum, which the catalog only ever widens, made true again; then no freed page is kept.

        They are set to what the table holds, not to NULL: DuckLake would take the next insert's range for the table's and leave rows
        out of answers. Raises Busy.
        """
        warehouse = self.parts.warehouse
        with warehouse.write_lock():
            with warehouse.connect(read_only=True) as connection:
                true = extremes(connection)
            try:
                warehouse.catalog.forget(true)
            except CatalogError as error:
                raise Busy(f"still in use: {error}. Run the request again") from None
        return 0

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every table of the catalog. Statistics of living rows are told with these rows."""
        ground = self.parts.ground
        for name, opened in ground.files(lambda name: is_claimed(name, self.claims())):
            texts = search.file(name, opened, ours=True) - work.standing  # by rows; what else lies there was vacuumed
            if texts:
                yield Spot(f"catalog/{name}", f"the lake's catalog, file {name}", (ELSE,), frozenset(texts))
        found: dict[str, set[str]] = {}
        for table, row in self._rows():
            texts = search.text(row)
            if texts:
                found.setdefault(table, set()).update(texts)
        for table, there in found.items():
            left = there - work.standing if table in STATISTICS else there
            if left:
                yield Spot(f"catalog/{table}", f"the lake's catalog, table {table}", (ELSE,), frozenset(left))

    def keeps(self) -> list[str]:
        """What the database server keeps of what it has deleted."""
        note = self.parts.warehouse.catalog.keeps()
        return [note] if note else []

    def _rows(self) -> Iterator[tuple[str, str]]:
        """(table, row as text) of the catalog."""
        yield from self.parts.warehouse.catalog.contents()
        path = self.parts.home / "lake" / "catalog.sqlite"
        if not path.is_file():
            return
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
        ) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    yield table, "\n".join(map(str, row))


HOLDER = Statistics
