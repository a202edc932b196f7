"""The lake's tables as a holder: what is left in the texts of others, and its data files. Which rows are meant is in `rows`."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from platform_assets.contracts.model import Contract
from platform_assets.erasure.decisions import DROP, ELSE, MEND, Spot
from platform_assets.erasure.holder import Count, Holder, Remaining, Work
from platform_assets.erasure.holders.tables import rows
from platform_assets.erasure.holders.tables.rows import COMPUTED, LAYERS
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Search
from platform_assets.erasure.targets import identifying_columns
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.worked_out import HISTORY
from platform_assets.quarantine.disputes import TABLE as DISPUTES
from platform_assets.quarantine.tables import ACTIONS, STAGED
from resources.lake.warehouse import LAKE, literal, quoted

if TYPE_CHECKING:
    import duckdb


class Standing(NamedTuple):
    """Texts that stand in living rows of one column of one table, as whole values."""

    schema: str
    table: str
    column: str
    kind: str
    cells: dict[str, int]
    """Cell -> rows."""

    @property
    def name(self) -> str:
        """The table, as it stands in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"


class LakeTables(Holder):
    """All tables of the lake, and their data files."""

    order = 40
    name = "tables"
    tells_deliveries = True
    places: ClassVar[Mapping[str, str]] = {
        "raw": "rows as delivered (raw)",
        "validated": "checked rows (validated)",
        "quarantine": "rejected rows (quarantine)",
        "staged_fixes": "fixes in preparation",
        "tables": "rows of computed tables",
    }

    def claims(self) -> Collection[str]:
        """The layers of datasets and of computed tables; those of the platform's own tables that are known to it."""
        layers = (*LAYERS, HISTORY, *COMPUTED)
        return ("lake/data", *(f"lake:{layer}.*" for layer in layers), *(f"lake:{table}" for table in PLATFORM))

    def count(self, work: Work) -> Count:
        """Marked rows by layer."""
        total = Count()
        with self.parts.warehouse.connect() as connection:
            for contract in work.contracts:
                found, holding = rows.count(self.parts.warehouse, connection, contract, self.parts.keys, work.stones)
                total.deliveries.setdefault(contract.name, set()).update(holding)
                for place, number in found.items():
                    total.found[place] = total.found.get(place, 0) + number
        return total

    def erase(self, work: Work) -> list[str]:
        """Marked rows, names of files, and what was decided of others' rows, in one transaction."""
        warehouse = self.parts.warehouse
        with warehouse.connect() as connection, warehouse.write(connection):
            for contract in work.contracts:
                rows.delete(warehouse, connection, contract, self.parts.keys, work.stones, work.number)
            rows.rename_files(warehouse, connection, sorted(work.texts or ()))
            if work.decided(MEND) | work.decided(DROP):
                for standing in self._standing(connection, work.searched):
                    self._decide(connection, standing, work)
            for contract in work.contracts:
                rows.work_out_anew(warehouse, connection, contract)
        return []

    def clean(self, work: Work) -> int:
        """Files without the deleted rows, no older snapshots, no file that a snapshot does not need."""
        with self.parts.warehouse.write_lock(), self.parts.warehouse.connect() as connection:
            # the past goes first: once files are written anew, DuckLake reads it wrongly (see resources.lake.compaction)
            expire = f"CALL ducklake_expire_snapshots('{LAKE}', older_than => now())"
            connection.execute(expire)
            connection.execute(f"CALL ducklake_rewrite_data_files('{LAKE}', delete_threshold => 0)")
            connection.execute(expire)
            connection.execute(f"CALL ducklake_cleanup_old_files('{LAKE}', cleanup_all => true)")
            # what a killed writer left behind: no snapshot knows it, and nobody writes now
            connection.execute(f"CALL ducklake_delete_orphaned_files('{LAKE}', cleanup_all => true)")
        return 0

    def remaining(self, work: Work) -> Remaining:
        """Marked rows that are there again, and records of other dates."""
        left = Remaining()
        with self.parts.warehouse.connect() as connection:
            for contract in work.contracts:
                given = (self.parts.warehouse, connection, contract, self.parts.keys, work.stones)
                found = rows.count(*given)[0]
                left.rows += sum(found.get(layer, 0) for layer in (*LAYERS, "staged_fixes"))
                for mark, number in rows.kept_records(*given).items():
                    left.kept[mark] = left.kept.get(mark, 0) + number
        return left

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every column in whose cells a text stands; then every data file, which holds the same."""
        with self.parts.warehouse.connect() as connection:
            for standing in self._standing(connection, search.texts):
                work.standing.update(*(whole.standing(cell, search.texts) for cell in standing.cells))
                spot = self._spot(standing, search.texts, work)
                if spot:
                    yield spot
        for name, texts in self._files(search):
            if texts - work.standing:
                words = (
                    "a data file of the lake that no table shows: run the request again once nothing else is running"
                )
                yield Spot(f"lake/{name.split('/')[0]}", words, (ELSE,), frozenset(texts - work.standing))

    # ------------------------------------------------------------------------------------------------ others' rows

    def _standing(self, connection: duckdb.DuckDBPyConnection, texts: Collection[str]) -> Iterator[Standing]:
        if not texts:
            return
        columns = connection.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = ? ORDER BY ALL",
            [LAKE],
        ).fetchall()
        tables: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, table, column, kind in columns:
            tables.setdefault((schema, table), []).append((column, kind))
        pattern = whole.filtered(texts)
        for (schema, table), listed in tables.items():
            name = f"{quoted(schema)}.{quoted(table)}"
            # one look at the whole table, then at the columns in which something may stand
            looks = ", ".join(f"bool_or(regexp_matches(CAST({quoted(c)} AS VARCHAR), $pattern))" for c, _ in listed)
            row = connection.execute(f"SELECT {looks} FROM {name}", {"pattern": pattern}).fetchone() or ()
            for (column, kind), there in zip(listed, row, strict=True):
                if not there:
                    continue
                cell = f"CAST({quoted(column)} AS VARCHAR)"
                found = connection.execute(
                    f"SELECT {cell}, count(*) FROM {name} WHERE regexp_matches({cell}, ?) GROUP BY 1 ORDER BY 1",
                    [pattern],
                ).fetchall()
                cells = {value: number for value, number in found if whole.standing(value, texts)}
                if cells:
                    yield Standing(schema, table, column, kind, cells)

    def _spot(self, standing: Standing, texts: Collection[str], work: Work) -> Spot | None:
        """The spot that a column is; None where it needs no decision."""
        contract = self.parts.contracts.get(standing.table) if standing.schema in LAYERS else None
        key, words, ways = self._place(standing, contract)
        cells = dict(standing.cells)
        if contract and contract not in work.contracts:
            work.explained[key] = f"{words}: the dataset does not know these people"
            return None
        if contract and standing.column in identifying_columns(contract):
            longer = {cell for cell in cells if cell.strip() not in texts}
            if longer:
                work.explained[f"{key} (longer)"] = f"{words}: part of longer numbers, which are others'"
            cells = {cell: number for cell, number in cells.items() if cell not in longer}
        if not cells:
            return None
        there = frozenset(t for cell in cells for t in whole.standing(cell, texts))
        shown = tuple(whole.around(cell, there) for cell in list(cells)[:5])
        return Spot(key, words, ways, there, shown)

    def _place(self, standing: Standing, contract: Contract | None) -> tuple[str, str, tuple[str, ...]]:
        """(key, words, ways) of a column."""
        text = standing.kind == "VARCHAR"
        if contract:
            key = f"{contract.name}/{standing.column}"
            if standing.column == "_text":
                return key, f"lines of {contract.name} that could not be read as rows", (MEND, DROP, ELSE)
            fixed = not text or standing.column in identifying_columns(contract) or standing.column.startswith("_")
            ways = (DROP, ELSE) if fixed else (MEND, DROP, ELSE)
            return key, f"other rows of {contract.name}, column {standing.column}", ways
        key = f"lake:{standing.schema}.{standing.table}/{standing.column}"
        if standing.schema in COMPUTED:
            words = f"the computed table {standing.schema}.{standing.table}, column {standing.column}"
            return key, words, (MEND, DROP, ELSE) if text else (DROP, ELSE)
        known = {
            (ACTIONS, "reason"): "a reason that a steward gave for rejected rows",
            (STAGED, "fixed"): "fixes in preparation of others' rows",
            (DISPUTES, "words"): "what a steward answered to a disputed record",
        }
        table = f"{standing.schema}.{standing.table}"
        words = known.get((table, standing.column), f"the platform's table {table}, column {standing.column}")
        return key, words, (MEND, ELSE) if text else (ELSE,)

    def _decide(self, connection: duckdb.DuckDBPyConnection, standing: Standing, work: Work) -> None:
        """Do what was decided of one column's cells."""
        contract = self.parts.contracts.get(standing.table) if standing.schema in LAYERS else None
        if contract and contract not in work.contracts:
            return
        key, _, ways = self._place(standing, contract)
        cells = list(standing.cells)
        if contract and standing.column in identifying_columns(contract):
            cells = [cell for cell in cells if cell.strip() in work.searched]
        column = quoted(standing.column)
        if key in work.decided(MEND) and MEND in ways:
            for cell in cells:
                given = [whole.without(cell, work.searched), cell]
                connection.execute(f"UPDATE {standing.name} SET {column} = ? WHERE {column} = ?", given)
        elif key in work.decided(DROP) and DROP in ways:
            where = f"CAST({column} AS VARCHAR) IN (SELECT unnest(?::VARCHAR[]))"
            if contract:
                self._account(connection, standing, contract, where, cells, work.number)
            connection.execute(f"DELETE FROM {standing.name} WHERE {where}", [cells])

    def _account(
        self,
        connection: duckdb.DuckDBPyConnection,
        standing: Standing,
        contract: Contract,
        where: str,
        cells: list[str],
        number: str,
    ) -> None:
        accounts.ensure(self.parts.warehouse, connection)
        zero = ", ".join(f"{'count(*)' if layer == standing.schema else '0'} AS {layer}" for layer in LAYERS)
        connection.execute(
            f"INSERT INTO {accounts.TABLE} BY NAME SELECT ? AS dataset, _delivery AS delivery, ? AS request, {zero} "
            f"FROM {standing.name} WHERE {where} GROUP BY _delivery",
            [contract.name, number, cells],
        )

    def _files(self, search: Search) -> Iterator[tuple[str, set[str]]]:
        """(name, texts in it) of every data file: below DATA_HOME, or in a bucket, one after the other through a copy."""
        warehouse = self.parts.warehouse
        if not warehouse.in_bucket:
            for name, opened in self.parts.ground.files(lambda name: name.startswith("lake/data/")):
                yield name.removeprefix("lake/data/"), search.file(name, opened, ours=True) | search.text(name)
            return
        folder = warehouse.wait_for_scratch()
        copy = folder / "file"
        try:
            with warehouse.connect(read_only=True) as connection:
                for name, address in sorted(warehouse.data_files(connection).items()):
                    row = connection.execute(f"SELECT content FROM read_blob({literal(address)})").fetchone()
                    copy.write_bytes(row[0] if row else b"")
                    texts = search.file(f"lake/data/{name}", lambda: copy.open("rb"), ours=True)
                    yield name, texts | search.text(name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


PLATFORM = (
    ledger.TABLE,
    accounts.TABLE,
    ACTIONS,
    STAGED,
    DISPUTES,
    "platform.receipts",
    "platform.texts",
    "platform.lent",
    "platform.execution_log",
    "platform.deletion_log",
)
"""The platform's own tables, in which people stand at most by mistake: in a reason, or in the name of a file."""
HOLDER = LakeTables
