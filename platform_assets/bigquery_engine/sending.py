"""What this machine does before BigQuery sees a row: leave out who was erased, pseudonymise identifiers, write and send Parquet.

Identifiers in clear never leave the machine. A line that could not be split into columns may hold one anywhere: where the contract
has identifiers its text is withheld, and the archived file has it under the row's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.bigquery_engine.tables import StagingTables
from platform_assets.contracts.compiled import CompiledContract
from platform_assets.contracts.model import Contract
from platform_assets.stewardship import tombstones
from platform_assets.stewardship.tombstones import Marks
from resources.bigquery import BigQuery, BigQueryError
from resources.identity import IdentityKeys, pseudonym_sql
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse, literal, quoted

if TYPE_CHECKING:
    import duckdb

FILE_SIZE = "256MB"  # several files are loaded side by side
FOLDER = "staging"
WITHHELD = "(the text is in the archived file: it may name a person)"


def hide_erased(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    keys: IdentityKeys,
    store: ObjectStore,
) -> dict[int, tuple[int, int]]:
    """Take erased rows out of the views `staged` and `broken`. Returns, per member, the rows and broken lines taken out."""
    import duckdb

    stones = tombstones.read(store)
    marks = Marks(warehouse, connection, contract, keys, stones)
    if not marks:
        return {}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE erased_staged AS {marks.in_text()}")
    lines = connection.execute("SELECT _file, _row, _text FROM broken").fetchall()
    with duckdb.connect() as aside:  # lines are read through a relation `staged` too
        bad = Marks(warehouse, aside, contract, keys, stones).in_lines([words for *_, words in lines])
    hits = [(file, row) for (file, row, _), hit in zip(lines, bad, strict=True) if hit]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE erased_broken AS SELECT unnest(?::BIGINT[]) AS _file, unnest(?::BIGINT[]) AS _row",
        [[h[0] for h in hits], [h[1] for h in hits]],
    )
    gone: dict[int, tuple[int, int]] = {}
    for name in ("staged", "broken"):
        for file, number in connection.execute(f"SELECT _file, count(*) FROM erased_{name} GROUP BY 1").fetchall():
            rows, broken = gone.get(file, (0, 0))
            gone[file] = (rows + number, broken) if name == "staged" else (rows, broken + number)
        connection.execute(f"ALTER VIEW {name} RENAME TO all_{name}")
        connection.execute(
            f"CREATE TEMP VIEW {name} AS SELECT * FROM all_{name} ANTI JOIN erased_{name} USING (_file, _row)"
        )
    return gone


def write_rows(
    connection: duckdb.DuckDBPyConnection, contract: Contract, identifiers: CompiledContract | None, folder: Path
) -> tuple[list[Path], list[Path]]:
    """The views `staged` and `broken` as Parquet files (rows, broken lines), with pseudonyms in the place of identifiers.

    Rows carry in `_wrong` what `identifiers` found wrong with the text in clear; it is None where the contract has none.
    """
    purposes = contract.identifiers
    texts = ", ".join(
        f"{pseudonym_sql(f'r.{quoted(c)}', purposes[c])} AS {quoted(c)}" if c in purposes else f"r.{quoted(c)}"
        for c in contract.file_columns
    )
    source, wrong = "staged r", "[]::VARCHAR[]"
    if identifiers:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE wrong_identifiers AS {identifiers.judged}")
        source = f"({identifiers.raw}) r LEFT JOIN wrong_identifiers w USING (_file, _row)"
        wrong = "coalesce(w._reasons, []::VARCHAR[])"
    rows = _copied(connection, f"SELECT {texts}, r._file, r._row, {wrong} AS _wrong FROM {source}", folder / "rows")
    line = literal(WITHHELD) if purposes else "_text"
    broken = _copied(connection, f"SELECT _file, _row, {line} AS _text, _reason FROM broken", folder / "broken")
    return rows, broken


def _copied(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> list[Path]:
    connection.execute(
        f"COPY ({query}) TO {literal(str(folder))} (FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES '{FILE_SIZE}')"
    )
    return sorted(folder.glob("*.parquet"))


@dataclass(frozen=True)
class Road:
    """How files come to BigQuery: by way of the bucket of `store`, or, without one, as uploads."""

    engine: BigQuery
    store: ObjectStore
    bucket: str
    """Name of the store's bucket; empty: upload."""

    def send(self, staging: StagingTables, table: str, files: list[Path], rows: int) -> None:
        """Fill the staging table from Parquet files. Raises BigQueryError unless it then has `rows` rows."""
        self.engine.create_staging(staging[table], staging.columns[table])
        sources: list[Path | str] = list(files)
        if self.bucket:
            sources = []
            for path in files:
                name = f"{self._folder(staging.contract)}/{staging.load}-{table}-{path.name}"
                self.store.write(name, path)
                sources.append(f"gs://{self.bucket}/{name}")
        if rows:
            self.engine.load_files(staging[table], staging.columns[table], sources)
        found = self.engine.rows(staging[table])
        if found != rows:
            raise BigQueryError(
                f"{staging.contract.name}: {found:,} rows were loaded, {rows:,} were sent. Nothing was changed; run it again"
            )

    def clear(self, contract: Contract) -> None:
        """Remove what was sent, also by loads that were cut off. The caller holds the dataset's lock."""
        if self.bucket:
            for found in list(self.store.list(self._folder(contract))):
                self.store.delete(found.name)

    def _folder(self, contract: Contract) -> str:
        return f"{FOLDER}/{contract.name}"
