"""Moves a lake over to one spelling of identifiers: pseudonyms that were made of another spelling become those of the one.

A pseudonym cannot be turned back, but archived files hold what it was made of. They are read again; where an identifier came in another
spelling, its former pseudonym and its present one are put beside each other, and tables follow. Identifiers in plain spelling keep their
pseudonym, so most tables do not change. Doing it again changes nothing. See docs/decisions.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.compiled import compiled
from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.aliases import known_as
from platform_assets.ingest.books import Books, LakeBooks
from platform_assets.ingest.deliveries import archive_name, open_delivery
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading.publish import register
from platform_assets.ingest.loading.rules import Rules
from platform_assets.ingest.neighbours import ALONE, Neighbours
from platform_assets.ingest.readers.apart.process import Child
from platform_assets.ingest.staging import stage
from platform_assets.ingest.tables import Tables
from platform_assets.ingest.worked_out import work_out
from resources.identity import IdentityKeys, bound, pseudonym_sql
from resources.lake.warehouse import Warehouse, literal, quoted, scalar
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

PAIRS = "respelled"
"""Temporary table: ``name`` of the identifier column, former pseudonym ``was``, present one ``now``."""


@dataclass
class Moved:
    """What was done to one dataset. Counts only."""

    pseudonyms: int = 0
    """Former pseudonyms that became another."""
    merged: int = 0
    """Rows of the validated table that left because they are those of a person who was there in another spelling."""
    emptied: int = 0
    """Rows of raw that lost the text of a wrong row, which is in quarantine."""
    unread: int = 0
    """Archived files that cannot be read any more, and were left out."""

    @property
    def text(self) -> str:
        """One sentence for people."""
        left = f"; {self.unread:,} archived file(s) could not be read" if self.unread else ""
        return (
            f"{self.pseudonyms:,} pseudonym(s) of another spelling replaced, {self.merged:,} row(s) of the same person merged, "
            f"{self.emptied:,} wrong row(s) emptied in raw{left}"
        )


def respell(
    contract: Contract,
    warehouse: Warehouse,
    store: ObjectStore,
    keys: IdentityKeys,
    *,
    neighbours: Neighbours = ALONE,
    log: Callable[[str], None] = lambda _: None,
) -> Moved:
    """Move the tables of `contract` in the lake over, in one transaction. Raises MissingIdentityKey."""
    tables = Tables(contract)
    if not contract.identifiers:
        return Moved()
    with warehouse.lock(f"load-{contract.name}"), warehouse.connect() as connection:
        if not warehouse.columns(connection, tables.validated) or not warehouse.columns(connection, ledger.TABLE):
            return Moved()
        with warehouse.write(connection):
            tables.ensure(warehouse, connection)
        books = LakeBooks(warehouse, connection, contract.name, neighbours)
        moved = find_pairs(contract, warehouse, store, connection, books, keys, log)
        with warehouse.write(connection):
            for layer in (tables.raw, tables.validated):
                for name in contract.identifiers:
                    connection.execute(
                        f"UPDATE {layer} SET {quoted(name)} = p.now FROM {PAIRS} p "
                        f"WHERE p.name = {literal(name)} AND {layer}.{quoted(name)} = p.was"
                    )
            moved.merged = _merge(connection, contract)
            moved.emptied = _empty_wrong_rows(connection, contract)
            expression = compiled(contract, contract.today(), warehouse.home / "expressions")
            work_out(warehouse, connection, contract, books, expression)
    return moved


def find_pairs(
    contract: Contract,
    warehouse: Warehouse,
    store: ObjectStore,
    connection: duckdb.DuckDBPyConnection,
    books: Books,
    keys: IdentityKeys,
    log: Callable[[str], None],
) -> Moved:
    """Make the table PAIRS from all archived files of the dataset."""
    moved = Moved()
    expression = compiled(contract, contract.today(), warehouse.home / "expressions")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {PAIRS} (name VARCHAR, was VARCHAR, now VARCHAR)")
    mendings = books.mendings()
    folder = warehouse.wait_for_scratch()
    try:
        with Child() as child:
            for entry in books.entries():
                found = store.stat(archive_name(contract.name, entry.delivery, entry.file))
                delivery = open_delivery(store, contract, found, folder, entry.loaded_at, child) if found else None
                if delivery is None or delivery.rejected:
                    moved.unread += entry.status != "rejected"
                    continue
                mending = mendings.get(delivery.file)
                origin = mending.sha256 if mending else entry.sha256

                def blank(_: object, entry: Entry = entry) -> Entry:
                    return Entry(contract.name, entry.delivery, entry.file, 0, "", dt.datetime.min, dt.datetime.min)

                batch, _ = stage(connection, known_as(contract, store, ended=True), [delivery], folder, blank, child)
                if delivery.rejected:
                    moved.unread += 1
                    continue
                register(connection, batch, Rules(contract))
                with bound(connection, keys.for_files([origin]), set(contract.identifiers.values())):
                    for name, purpose in contract.identifiers.items():
                        was, now = quoted(f"{name}__was"), quoted(name)
                        connection.execute(
                            f"INSERT INTO {PAIRS} SELECT DISTINCT {literal(name)}, {pseudonym_sql(was, purpose)}, "
                            f"{pseudonym_sql(now, purpose)} FROM ({expression.both_spellings}) "
                            f"WHERE {was} <> {now}"
                        )
                log(f"{contract.name}: {entry.file} read again")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {PAIRS} AS SELECT DISTINCT * FROM {PAIRS}")
    moved.pseudonyms = int(scalar(connection, f"SELECT count(*) FROM {PAIRS}"))
    return moved


def _merge(connection: duckdb.DuckDBPyConnection, contract: Contract) -> int:
    """Of rows that have the same key now the most recent stays. The others leave the table, and the ledger says so."""
    if not set(contract.load.key) & set(contract.identifiers):
        return 0
    validated = Tables(contract).validated
    key = ", ".join(f"v.{quoted(k)}" for k in contract.load.key)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE leaving AS SELECT _rid, _delivery FROM (SELECT v.rowid AS _rid, v._delivery, row_number() OVER ("
        f"PARTITION BY {key} ORDER BY v._as_of DESC NULLS LAST, l.loaded_at DESC NULLS LAST, v._row DESC) AS n "
        f"FROM {validated} v LEFT JOIN {ledger.TABLE} l ON l.dataset = {literal(contract.name)} AND l.delivery = v._delivery) WHERE n > 1"
    )
    connection.execute(f"DELETE FROM {validated} WHERE rowid IN (SELECT _rid FROM leaving)")
    connection.execute(
        f"UPDATE {ledger.TABLE} SET removed = removed + g.n FROM (SELECT _delivery, count(*) AS n FROM leaving GROUP BY 1) g "
        f"WHERE {ledger.TABLE}.dataset = {literal(contract.name)} AND {ledger.TABLE}.delivery = g._delivery"
    )
    return int(scalar(connection, "SELECT count(*) FROM leaving"))


def _empty_wrong_rows(connection: duckdb.DuckDBPyConnection, contract: Contract) -> int:
    """Take out of raw what `publish.kept_texts` would not let in today: wrong rows whose text is in quarantine."""
    tables = Tables(contract)
    texts = [c for c in tables.texts if c not in contract.identifiers and c not in contract.load.key]
    if not texts:
        return 0
    wrong = (
        f"SELECT r.rowid FROM {tables.raw} r JOIN {tables.quarantine} q ON r._delivery = q._delivery AND r._file = q._file "
        "AND r._row = q._row WHERE len(list_filter(q._reasons, x -> NOT starts_with(x, 'delivery: '))) > 0 "
        f"AND coalesce({', '.join(f'r.{quoted(c)}' for c in texts)}) IS NOT NULL"
    )
    emptied = int(scalar(connection, f"SELECT count(*) FROM ({wrong})"))
    cleared = ", ".join(f"{quoted(c)} = NULL" for c in texts)
    connection.execute(f"UPDATE {tables.raw} SET {cleared} WHERE rowid IN ({wrong})")
    return emptied
