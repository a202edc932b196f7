"""Erasure in BigQuery: tombstoned rows leave raw, quarantine and validated in one transaction, and are accounted for.

BigQuery cannot compute the keyed hashes of tombstones, so the columns that tell who is meant are read onto this machine, held against
the tombstones there, and the rows that match are named to BigQuery by file, delivery and row number.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.bigquery_engine.books import BigBooks
from platform_assets.bigquery_engine.load import WRITING
from platform_assets.bigquery_engine.tables import LINEAGE, BigTables
from platform_assets.contracts.model import Contract
from platform_assets.stewardship import erased
from platform_assets.stewardship.judging import view_staged
from platform_assets.stewardship.targets import Tombstone
from platform_assets.stewardship.tombstones import Marks
from resources.bigquery import STAGING, TIME_TRAVEL_HOURS, BigQuery
from resources.identity import IdentityKeys
from resources.warehouse import Warehouse, literal, quoted

if TYPE_CHECKING:
    import duckdb

LAYERS = ("raw", "quarantine", "validated")
GONE = {"dataset": "VARCHAR", "request": "VARCHAR", "layer": "VARCHAR", **LINEAGE}
KEPT = (
    f"BigQuery can show what was deleted for {TIME_TRAVEL_HOURS} hours more (time travel), and keeps it for seven days after that where "
    "only its makers can reach it (fail-safe storage). Nobody can shorten either."
)
"""What a certificate has to say of an erasure in BigQuery."""


def erase_rows(
    engine: BigQuery,
    warehouse: Warehouse,
    contract: Contract,
    keys: IdentityKeys,
    stones: Sequence[Tombstone],
    request: str,
) -> dict[str, int]:
    """Remove the rows that `stones` mean. Returns the rows removed by layer; a second time there are none.

    The caller holds the dataset's lock (``load-<name>``): a load that is under way would bring rows back. `warehouse` lends locks and
    scratch.
    """
    import duckdb

    folder = warehouse.wait_for_scratch()
    try:
        with duckdb.connect(config={"memory_limit": warehouse.memory_limit}) as connection:
            chosen = keys.for_files([e.sha256 for e in BigBooks(engine, contract.name).entries()])
            marks = Marks(warehouse, connection, contract, chosen, stones)
            if not marks:
                return dict.fromkeys(LAYERS, 0)
            search = _Search(engine, connection, contract, marks, folder)
            found = {layer: search.find(layer) for layer in LAYERS}
            if any(found.values()):
                path = folder / "gone.parquet"
                connection.execute(
                    f"COPY (SELECT $dataset AS dataset, $request AS request, layer, _file, _delivery, _row FROM gone) "
                    f"TO {literal(str(path))} (FORMAT parquet)",
                    {"dataset": contract.name, "request": request},
                )
                with warehouse.lock(WRITING):
                    _delete(engine, contract, path)
            return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Search:
    """Marked rows, collected in the table `gone` on this machine."""

    def __init__(
        self, engine: BigQuery, connection: duckdb.DuckDBPyConnection, contract: Contract, marks: Marks, folder: Path
    ) -> None:
        self._engine, self._connection, self._contract, self._marks = engine, connection, contract, marks
        self._tables, self._folder = BigTables(contract), folder
        connection.execute("CREATE TABLE gone (layer VARCHAR, _file VARCHAR, _delivery VARCHAR, _row BIGINT)")

    def find(self, layer: str) -> int:
        """Add the marked rows of `layer`; returns how many there are."""
        table = getattr(self._tables, layer)
        asked = {c for match in self._marks.matches for c in match.hashes}
        columns = [c for c in self._engine.columns(table) if c in asked or c in LINEAGE or c == "_text"]
        if not asked & set(columns):
            return 0
        path = self._folder / f"{layer}.parquet"
        self._engine.read(table, path, columns)
        self._connection.execute(f"CREATE OR REPLACE TABLE here AS FROM read_parquet({literal(str(path))})")
        path.unlink()
        if layer == "validated":
            marked = self._marks.in_table("here", columns)
        else:
            lines = self._in_lines() if "_text" in columns else ""  # first: it needs the name `staged` as well
            marked = self._in_text(columns) + lines
        found = self._connection.execute(
            f"INSERT INTO gone SELECT {literal(layer)}, _file, _delivery, _row FROM here WHERE rowid IN (SELECT * FROM ({marked}))"
        ).fetchall()
        return int(found[0][0])

    def _in_text(self, columns: Collection[str]) -> str:
        texts = ", ".join(
            quoted(c) if c in columns else f"NULL::VARCHAR AS {quoted(c)}" for c in self._contract.file_columns
        )
        rows = "_text IS NULL" if "_text" in columns else "true"
        view_staged(self._connection, f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM here WHERE {rows}")
        return f"SELECT _row FROM ({self._marks.in_text(pseudonymised=True)})"

    def _in_lines(self) -> str:
        """Lines that could not be split; where a contract has identifiers their text was withheld, and nothing is found."""
        lines = self._connection.execute("SELECT rowid, _text FROM here WHERE _text IS NOT NULL").fetchall()
        bad = [
            row for (row, _), hit in zip(lines, self._marks.in_lines([words for _, words in lines]), strict=True) if hit
        ]
        self._connection.execute("CREATE OR REPLACE TABLE bad_lines AS SELECT unnest(?::BIGINT[]) AS _row", [bad])
        return " UNION SELECT _row FROM bad_lines" if bad else ""


def _delete(engine: BigQuery, contract: Contract, path: Path) -> None:
    tables = BigTables(contract)
    staging = f"{STAGING}.{contract.name}__{uuid.uuid4().hex[:12]}__gone"
    gone = engine.name(staging)
    engine.create_staging(staging, GONE)
    try:
        engine.load_files(staging, GONE, [path])
        same = " AND ".join(f"g.{c} = t.{c}" for c in LINEAGE)
        script = [
            f"DELETE FROM {engine.name(getattr(tables, layer))} t "
            f"WHERE EXISTS (SELECT 1 FROM {gone} g WHERE g.layer = '{layer}' AND {same})"
            for layer in LAYERS
        ]
        sums = ", ".join(f"COUNTIF(layer = '{layer}')" for layer in LAYERS)
        script.append(
            f"INSERT INTO {engine.name(erased.TABLE)} (dataset, delivery, request, {', '.join(LAYERS)}) "
            f"SELECT dataset, _delivery, request, {sums} FROM {gone} GROUP BY dataset, _delivery, request"
        )
        engine.transaction(script)
    finally:
        engine.drop(staging)
