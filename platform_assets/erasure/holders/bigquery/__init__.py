"""BigQuery's tables as a holder, where it loads datasets or has copies. Which rows are meant is in `rows`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import ClassVar

from platform_assets.engines.bigquery.tables import LINEAGE, BigTables
from platform_assets.erasure.decisions import DROP, ELSE, MEND, Spot
from platform_assets.erasure.holder import Count, Holder, Parts, Remaining, Work
from platform_assets.erasure.holders.bigquery import rows
from platform_assets.erasure.holders.tables.rows import COMPUTED, LAYERS
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Search
from platform_assets.erasure.targets import identifying_columns
from resources.gcp.bigquery import BigQuery


class BigTablesHolder(Holder):
    """BigQuery's tables, where it loads datasets or has copies."""

    order = 50
    name = "bigquery"
    tells_deliveries = True
    places: ClassVar[Mapping[str, str]] = {
        "bigquery_raw": "rows as delivered (raw), in BigQuery",
        "bigquery_validated": "checked rows (validated), in BigQuery",
        "bigquery_quarantine": "rejected rows (quarantine), in BigQuery",
        "bigquery_tables": "rows of computed tables, in BigQuery",
    }
    column = "bigquery"
    remark = (
        "BigQuery's bytes cannot be searched: its tables were held against the marks again, and no row was left; the texts of other "
        "rows were searched there."
    )

    @classmethod
    def present(cls, parts: Parts) -> bool:
        """Whether there is a BigQuery with tables of the platform."""
        return parts.bigquery is not None

    @property
    def _engine(self) -> BigQuery:
        assert self.parts.bigquery is not None
        return self.parts.bigquery

    def claims(self) -> Collection[str]:
        """Nothing below DATA_HOME: rows on their way there are files."""
        return ()

    @contextlib.contextmanager
    def stopped(self, work: Work) -> Iterator[None]:
        """No copy that was begun before may bring rows back into the lake; what a load that was cut off has left is brought in first."""
        with contextlib.ExitStack() as locks:
            for contract in work.contracts:
                locks.enter_context(self.parts.warehouse.lock(f"lend-{contract.name}"))
                rows.settle_loads(self._engine, self.parts.warehouse, self.parts.store, contract)
            yield

    def count(self, work: Work) -> Count:
        """Marked rows by layer."""
        total = Count()
        for contract in work.contracts:
            found, holding = rows.count(self._engine, self.parts.warehouse, contract, self.parts.keys, work.stones)
            total.deliveries.setdefault(contract.name, set()).update(holding)
            for place, number in found.items():
                total.found[f"bigquery_{place}"] = total.found.get(f"bigquery_{place}", 0) + number
        return total

    def erase(self, work: Work) -> list[str]:
        """Marked rows, names of files, and what was decided of others' texts."""
        for contract in work.contracts:
            rows.erase_rows(self._engine, self.parts.warehouse, contract, self.parts.keys, work.stones, work.number)
        rows.rename_files(self._engine, work.contracts, sorted(work.texts or ()))
        if work.decided(MEND) | work.decided(DROP):
            with rows.told():
                for key, _, table, column, cells in self._standing(work.searched, work):
                    if key in work.decided(MEND):
                        rows.replace_cells(
                            self._engine, table, column, {c: whole.without(c, work.searched) for c in cells}
                        )
                    elif key in work.decided(DROP):
                        with rows.lent(self._engine, {"value": "VARCHAR"}, [{"value": c} for c in cells]) as values:
                            self._engine.transaction([rows.clearing(self._engine.name(table), column, values)])
        return []

    def clean(self, work: Work) -> int:
        """Staging tables and files of loads that were cut off; their earlier versions go with those of all files."""
        for contract in work.contracts:
            rows.clear_leftovers(self._engine, self.parts.store, contract)
        return 0

    def remaining(self, work: Work) -> Remaining:
        """Marked rows that are there again, and records of other dates."""
        left = Remaining()
        for contract in work.contracts:
            given = (self._engine, self.parts.warehouse, contract, self.parts.keys, work.stones)
            left.rows += sum(rows.count(*given)[0].values())
            for mark, number in rows.kept_records(*given).items():
                left.kept[mark] = left.kept.get(mark, 0) + number
        return left

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every column of the datasets, and of computed tables, in whose texts one of the texts stands."""
        with rows.told():
            for key, words, _, _, cells in self._standing(search.texts, work):
                there = frozenset(t for cell in cells for t in whole.standing(cell, search.texts))
                # a row that goes here would have to be accounted for in the ledger: others' rows are mended, or left
                ways = (MEND, DROP, ELSE) if key.startswith("bigquery:") else (MEND, ELSE)
                yield Spot(key, f"{words}, in BigQuery", ways, there, tuple(whole.around(c, there) for c in cells[:5]))

    def keeps(self) -> list[str]:
        """What BigQuery keeps where no erasure reaches."""
        return [rows.keeps(self._engine)]

    def _standing(self, texts: Collection[str], work: Work) -> Iterator[tuple[str, str, str, str, list[str]]]:
        """(key, words, table, column, cells) wherever one of `texts` stands."""
        for contract in work.contracts:
            skipped = {*identifying_columns(contract), *LINEAGE}
            for layer in LAYERS:
                table = getattr(BigTables(contract), layer)
                for column in self._engine.columns(table, kind="STRING"):
                    cells = [] if column in skipped else rows.containing(self._engine, table, column, texts)
                    if cells:
                        words = f"other rows of {contract.name}, column {column}"
                        yield f"{contract.name}/{column}", words, table, column, cells
        for dataset in COMPUTED:
            for name in self._engine.tables(dataset):
                table = f"{dataset}.{name}"
                for column in self._engine.columns(table, kind="STRING"):
                    cells = rows.containing(self._engine, table, column, texts)
                    if cells:
                        yield (
                            f"bigquery:{table}/{column}",
                            f"the computed table {table}, column {column}",
                            table,
                            column,
                            cells,
                        )


HOLDER = BigTablesHolder
