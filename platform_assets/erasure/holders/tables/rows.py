"""The lake's tables: which rows are meant, their removal in one transaction, and what is left in the texts of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.erasure.search import whole
from platform_assets.erasure.targets import Tombstone
from platform_assets.erasure.tombstones import Marks
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.books import LakeBooks, origins
from platform_assets.ingest.judging import expression_of, view_staged
from platform_assets.ingest.tables import Tables
from platform_assets.ingest.worked_out import work_out
from platform_assets.quarantine.tables import BOOKKEEPERS, STAGED
from resources.identity import IdentityKeys
from resources.lake.catalog import Extremes
from resources.lake.warehouse import LAKE, Warehouse, quoted, scalar

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


def work_out_anew(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Make what is worked out of the dataset's tables of what is left in them (see `ingest.worked_out`)."""
    if warehouse.columns(connection, ledger.TABLE):
        books = LakeBooks(warehouse, connection, contract.name, BOOKKEEPERS)
        compiled = expression_of(warehouse, contract) if contract.load.history else None
        work_out(warehouse, connection, contract, books, compiled)


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
        f"SELECT h.schema_name, t.table_name, s.table_id, s.column_id, c.column_name "
        f"FROM {catalog}.ducklake_table_column_stats s "
        f"JOIN {catalog}.ducklake_table t ON t.table_id = s.table_id AND t.end_snapshot IS NULL "
        f"JOIN {catalog}.ducklake_schema h ON h.schema_id = t.schema_id AND h.end_snapshot IS NULL "
        f"JOIN {catalog}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id "
        "AND c.end_snapshot IS NULL AND c.parent_column IS NULL WHERE s.min_value IS NOT NULL OR s.max_value IS NOT NULL"
    ).fetchall()
    tables: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for schema, table, *column in columns:
        tables.setdefault((schema, table), []).append((column[0], column[1], column[2]))
    true: list[Extremes] = []
    for (schema, table), listed in tables.items():
        # one look at a table: planning one takes longer than reading it
        looks = ", ".join(f"min({quoted(c)})::VARCHAR, max({quoted(c)})::VARCHAR" for *_, c in listed)
        found = connection.execute(f"SELECT {looks} FROM {quoted(schema)}.{quoted(table)}").fetchall()[0]
        for place, (table_id, column_id, _) in enumerate(listed):
            true.append((found[2 * place], found[2 * place + 1], table_id, column_id))
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
    if _complete(warehouse, connection, tables.quarantine, contract):
        lines = connection.execute(f"SELECT rowid, _text FROM {tables.quarantine} WHERE _text IS NOT NULL").fetchall()
        bad = [rid for (rid, _), b in zip(lines, marks.in_lines([t for _, t in lines]), strict=True) if b]
        connection.execute("CREATE OR REPLACE TEMP TABLE bad_lines AS SELECT unnest(?::BIGINT[]) AS _row", [bad])
        view_staged(
            connection,
            f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM {tables.quarantine} WHERE _text IS NULL",
        )
        keep("quarantine", f"SELECT _row FROM ({marks.in_text()}) UNION FROM bad_lines", tables.quarantine)
    if _complete(warehouse, connection, tables.raw, contract):
        view_staged(connection, f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM {tables.raw}")
        marked = f"SELECT _row FROM ({marks.in_text(pseudonymised=True)})"
        if "quarantine" in places:  # of a wrong row raw may hold less than it takes to tell who is meant
            marked += (
                f" UNION SELECT r.rowid FROM {tables.raw} r JOIN {tables.quarantine} q ON r._delivery = q._delivery "
                "AND r._file = q._file AND r._row = q._row JOIN gone_quarantine g ON g._rid = q.rowid WHERE q._text IS NULL"
            )
        keep("raw", marked, tables.raw)
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
