"""The lake's tables: which rows are meant, their removal in one transaction, and what is left in the texts of others."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from platform_assets.contracts.model import Contract
from platform_assets.erasure import whole
from platform_assets.erasure.decisions import DROP, ELSE, MEND, Spot
from platform_assets.erasure.holder import Count, Holder, Remaining, Work
from platform_assets.erasure.scan import Search
from platform_assets.erasure.targets import Tombstone, identifying_columns
from platform_assets.erasure.tombstones import Marks
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.books import LakeBooks, origins
from platform_assets.ingest.judging import view_staged
from platform_assets.ingest.tables import Tables
from platform_assets.quarantine.tables import ACTIONS, BOOKKEEPERS, STAGED
from resources.catalog import Extremes
from resources.identity import IdentityKeys
from resources.warehouse import LAKE, Warehouse, literal, quoted, scalar

if TYPE_CHECKING:
    import duckdb

LAYERS = ("raw", "quarantine", "validated")
COMPUTED = ("indicators", "products")
"""Layers whose tables are computed: a row there is removed at once, the whole table is computed again afterwards."""


def count(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    stones: Sequence[Tombstone],
) -> tuple[dict[str, int], list[str]]:
    """Marked rows by place, and the deliveries that hold some."""
    marks = Marks(warehouse, connection, contract, keys_of(warehouse, connection, keys, contract.name), stones)
    places = _find(warehouse, connection, contract, marks)
    counts = {place: scalar(connection, f"SELECT count(*) FROM gone_{place}") for place in places}
    holding: set[str] = set()
    for place in places:
        if place in LAYERS:
            holding |= {r[0] for r in connection.execute(f"SELECT DISTINCT _delivery FROM gone_{place}").fetchall()}
    computed = sum(len(values) for *_, values in _computed(connection, marks))
    return {**counts, "tables": computed}, sorted(holding)


def delete(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    stones: Sequence[Tombstone],
    number: str,
) -> list[str]:
    """Remove marked rows, inside the caller's transaction, and account for them. Returns the computed tables that lost rows."""
    marks = Marks(warehouse, connection, contract, keys_of(warehouse, connection, keys, contract.name), stones)
    places = _find(warehouse, connection, contract, marks)
    tables = {layer: getattr(Tables(contract), layer) for layer in LAYERS} | {"staged_fixes": STAGED}
    for place in places:
        connection.execute(f"DELETE FROM {tables[place]} WHERE rowid IN (SELECT _rid FROM gone_{place})")
    accounts.ensure(warehouse, connection)
    layers = [p for p in places if p in LAYERS]
    if layers:
        union = " UNION ALL ".join(f"SELECT '{layer}' AS layer, _delivery FROM gone_{layer}" for layer in layers)
        sums = ", ".join(f"count(*) FILTER (layer = '{layer}') AS {layer}" for layer in LAYERS)
        connection.execute(
            f"INSERT INTO {accounts.TABLE} BY NAME SELECT ? AS dataset, _delivery AS delivery, ? AS request, {sums} "
            f"FROM ({union}) GROUP BY _delivery",
            [contract.name, number],
        )
    lost = []
    for table, column, values in _computed(connection, marks):
        connection.execute(f"DELETE FROM {table} WHERE {quoted(column)} IN (SELECT unnest(?::VARCHAR[]))", [values])
        lost.append(table)
    return lost


def kept_records(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    stones: Sequence[Tombstone],
) -> dict[str, int]:
    """Records of an erased key that a request does not cover (another date): mark of the key -> rows in raw."""
    partial = [s for s in stones if s.matches(contract) and s.identifying and set(s.columns) - set(s.identifying)]
    kept: dict[str, int] = {}
    chosen = keys_of(warehouse, connection, keys, contract.name)
    together = Marks(warehouse, connection, contract, chosen, partial)
    if not together or not _count_other(warehouse, connection, contract, together):
        return {}
    for stone in partial:
        alone = Marks(warehouse, connection, contract, chosen, [stone])
        number = _count_other(warehouse, connection, contract, alone)
        if number:
            kept["+".join(stone.columns[c] for c in stone.identifying)] = number
    return kept


def rename_files(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> None:
    """Take `texts` out of the file names that tables remember."""
    names = connection.execute(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() WHERE database_name = ? "
        "AND column_name IN ('_file', 'file', 'fix_file', 'first_rows') AND data_type = 'VARCHAR'",
        [LAKE],
    ).fetchall()
    for table, column in names:
        found = connection.execute(f"SELECT DISTINCT {quoted(column)} FROM {table}").fetchall()
        for (name,) in found:
            clean = whole.without(name or "", texts, "erased")
            if clean != (name or ""):
                connection.execute(f"UPDATE {table} SET {quoted(column)} = ? WHERE {quoted(column)} = ?", [clean, name])


def extremes(connection: duckdb.DuckDBPyConnection) -> list[Extremes]:
    """The minimum and maximum, as text, that every column of the lake really has, where the catalog keeps some."""
    catalog = f"__ducklake_metadata_{LAKE}"
    columns = connection.execute(
        f"SELECT s.table_id, s.column_id, h.schema_name, t.table_name, c.column_name "
        f"FROM {catalog}.ducklake_table_column_stats s "
        f"JOIN {catalog}.ducklake_table t ON t.table_id = s.table_id AND t.end_snapshot IS NULL "
        f"JOIN {catalog}.ducklake_schema h ON h.schema_id = t.schema_id AND h.end_snapshot IS NULL "
        f"JOIN {catalog}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id "
        "AND c.end_snapshot IS NULL AND c.parent_column IS NULL WHERE s.min_value IS NOT NULL OR s.max_value IS NOT NULL"
    ).fetchall()
    true: list[Extremes] = []
    for table_id, column_id, schema, table, column in columns:
        name = quoted(column)
        low, high = connection.execute(
            f"SELECT min({name})::VARCHAR, max({name})::VARCHAR FROM {quoted(schema)}.{quoted(table)}"
        ).fetchall()[0]
        true.append((low, high, table_id, column_id))
    return true


def keys_of(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, keys: IdentityKeys, dataset: str
) -> IdentityKeys:
    """The keys under which a dataset's deliveries were loaded (throwaway ones where all of them are sample files)."""
    if not warehouse.columns(connection, ledger.TABLE):
        return keys
    hashes = origins(LakeBooks(warehouse, connection, dataset, BOOKKEEPERS))
    return keys.for_files(hashes) if hashes else keys


# ------------------------------------------------------------------ finding


def _find(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, contract: Contract, marks: Marks) -> list[str]:
    """Temporary tables `gone_<place>` (`_rid`, `_delivery`) of marked rows; the places whose tables exist."""
    tables = Tables(contract)
    texts = ", ".join(quoted(c) for c in contract.file_columns)
    places: list[str] = []

    def keep(place: str, marked: str, table: str, delivery: str = "_delivery") -> None:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE gone_{place} AS SELECT t.rowid AS _rid, t.{delivery} AS _delivery FROM {table} t "
            f"WHERE t.rowid IN (SELECT * FROM ({marked}))"
        )
        places.append(place)

    if not marks:
        return places
    if _complete(warehouse, connection, tables.raw, contract):
        view_staged(connection, f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM {tables.raw}")
        keep("raw", f"SELECT _row FROM ({marks.in_text(pseudonymised=True)})", tables.raw)
    if _complete(warehouse, connection, tables.quarantine, contract):
        lines = connection.execute(f"SELECT rowid, _text FROM {tables.quarantine} WHERE _text IS NOT NULL").fetchall()
        bad = [rid for (rid, _), b in zip(lines, marks.in_lines([t for _, t in lines]), strict=True) if b]
        connection.execute("CREATE OR REPLACE TEMP TABLE bad_lines AS SELECT unnest(?::BIGINT[]) AS _row", [bad])
        view_staged(
            connection,
            f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM {tables.quarantine} WHERE _text IS NULL",
        )
        keep("quarantine", f"SELECT _row FROM ({marks.in_text()}) UNION FROM bad_lines", tables.quarantine)
    if _complete(warehouse, connection, tables.validated, contract):
        keep("validated", marks.in_table(tables.validated, contract.file_columns), tables.validated)
    if warehouse.columns(connection, STAGED):
        fixed = ", ".join(f"json_extract_string(fixed, '$.\"{c}\"') AS {quoted(c)}" for c in contract.file_columns)
        mine = f"FROM {STAGED} WHERE dataset = '{contract.name}'"
        view_staged(connection, f"SELECT {fixed}, 0::BIGINT AS _file, rowid AS _row {mine}")
        marked = f"SELECT _row FROM ({marks.in_text()})"
        if "quarantine" in places:  # the fix of a row that goes, whatever it says
            marked += (
                f" UNION SELECT s.rowid FROM {STAGED} s JOIN {tables.quarantine} q ON s.delivery = q._delivery "
                f"AND s.file = q._file AND s.row = q._row JOIN gone_quarantine g ON g._rid = q.rowid "
                f"WHERE s.dataset = '{contract.name}'"
            )
        keep("staged_fixes", marked, STAGED, "delivery")
    return places


def _complete(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, table: str, contract: Contract) -> bool:
    present = warehouse.columns(connection, table)
    return bool(present) and set(contract.file_columns) <= set(present)


def _computed(connection: duckdb.DuckDBPyConnection, marks: Marks) -> list[tuple[str, str, list[str]]]:
    """(table, column, values) of computed tables that hold an erased pseudonym, identifier or key."""
    if not marks:
        return []
    columns = connection.execute(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() WHERE database_name = ? "
        "AND schema_name IN (SELECT unnest(?::VARCHAR[])) AND data_type = 'VARCHAR' ORDER BY ALL",
        [LAKE, list(COMPUTED)],
    ).fetchall()
    found = []
    for table, column in columns:
        values = [r[0] for r in connection.execute(f"SELECT DISTINCT {quoted(column)} FROM {table}").fetchall() if r[0]]
        marked = marks.matching_values(values) if values else []
        if marked:
            found.append((table, column, marked))
    return found


def _count_other(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, contract: Contract, marks: Marks) -> int:
    """Rows in raw and quarantine that have a marked key. After the deletion these are records of other dates."""
    tables, total = Tables(contract), 0
    texts = ", ".join(quoted(c) for c in contract.file_columns)
    for table, pseudonymised in ((tables.raw, True), (tables.quarantine, False)):
        if _complete(warehouse, connection, table, contract):
            view_staged(connection, f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM {table}")
            marked = marks.in_text(pseudonymised=pseudonymised, whole=False)
            total += scalar(connection, f"SELECT count(*) FROM ({marked})")
    return int(total)


# ------------------------------------------------------------------ the holder


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
        layers = (*LAYERS, *COMPUTED)
        return ("lake/data", *(f"lake:{layer}.*" for layer in layers), *(f"lake:{table}" for table in PLATFORM))

    def count(self, work: Work) -> Count:
        """Marked rows by layer."""
        total = Count()
        with self.parts.warehouse.connect() as connection:
            for contract in work.contracts:
                found, holding = count(self.parts.warehouse, connection, contract, self.parts.keys, work.stones)
                total.deliveries.setdefault(contract.name, set()).update(holding)
                for place, number in found.items():
                    total.found[place] = total.found.get(place, 0) + number
        return total

    def erase(self, work: Work) -> list[str]:
        """Marked rows, names of files, and what was decided of others' rows, in one transaction."""
        warehouse = self.parts.warehouse
        with warehouse.connect() as connection, warehouse.write(connection):
            for contract in work.contracts:
                delete(warehouse, connection, contract, self.parts.keys, work.stones, work.number)
            rename_files(warehouse, connection, sorted(work.texts or ()))
            if work.decided(MEND) | work.decided(DROP):
                for standing in self._standing(connection, work.searched):
                    self._decide(connection, standing, work)
        return []

    def clean(self, work: Work) -> int:
        """Files without the deleted rows, no older snapshots, no file that a snapshot does not need."""
        with self.parts.warehouse.write_lock(), self.parts.warehouse.connect() as connection:
            connection.execute(f"CALL ducklake_rewrite_data_files('{LAKE}', delete_threshold => 0)")
            connection.execute(f"CALL ducklake_expire_snapshots('{LAKE}', older_than => now())")
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
                found = count(*given)[0]
                left.rows += sum(found.get(layer, 0) for layer in (*LAYERS, "staged_fixes"))
                for mark, rows in kept_records(*given).items():
                    left.kept[mark] = left.kept.get(mark, 0) + rows
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
        pattern = whole.filtered(texts)
        for schema, table, column, kind in columns:
            cell = f"CAST({quoted(column)} AS VARCHAR)"
            found = connection.execute(
                f"SELECT {cell}, count(*) FROM {quoted(schema)}.{quoted(table)} WHERE regexp_matches({cell}, ?) GROUP BY 1 ORDER BY 1",
                [pattern],
            ).fetchall()
            cells = {value: rows for value, rows in found if whole.standing(value, texts)}
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
            cells = {cell: rows for cell, rows in cells.items() if cell not in longer}
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
                yield name.removeprefix("lake/data/"), search.file(name, opened) | search.text(name)
            return
        folder = warehouse.wait_for_scratch()
        copy = folder / "file"
        try:
            with warehouse.connect(read_only=True) as connection:
                for name, address in sorted(warehouse.data_files(connection).items()):
                    row = connection.execute(f"SELECT content FROM read_blob({literal(address)})").fetchone()
                    copy.write_bytes(row[0] if row else b"")
                    yield name, search.file(f"lake/data/{name}", lambda: copy.open("rb")) | search.text(name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


PLATFORM = (
    ledger.TABLE,
    accounts.TABLE,
    ACTIONS,
    STAGED,
    "platform.receipts",
    "platform.lent",
    "platform.execution_log",
    "platform.deletion_log",
)
"""The platform's own tables, in which people stand at most by mistake: in a reason, or in the name of a file."""
HOLDER = LakeTables
