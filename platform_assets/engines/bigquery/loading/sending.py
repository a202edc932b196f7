"""What this machine does before BigQuery sees a row: pseudonymise identifiers, write and send Parquet.

Identifiers in clear never reach BigQuery. They may stand in any cell of a wrong row, so where the contract has identifiers rows are judged
here first, and of wrong ones nothing else is sent. A line that could not be split into columns may hold one anywhere: where the contract
has identifiers its text is withheld, and the archived file has it under the row's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.tables import StagingTables
from platform_assets.ingest.loading.publish import WHY, kept_texts
from platform_assets.ingest.loading.relations import Relations
from resources.gcp.bigquery import BigQuery, BigQueryError
from resources.lake.warehouse import literal, quoted
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

FILE_SIZE = "256MB"  # several files are loaded side by side
FOLDER = "staging"
WITHHELD = "(the text is in the archived file: it may name a person)"


def sending_folder(contract: Contract) -> str:
    """Where in the store files lie on their way to BigQuery."""
    return f"{FOLDER}/{contract.name}"


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    here: CompiledContract | None,
    names: Relations,
    folder: Path,
) -> tuple[list[Path], list[Path]]:
    """`Relations.staged` and `broken` as Parquet files (rows, broken lines), with pseudonyms in the place of identifiers.

    Where the contract has identifiers, `here` is it, compiled for this machine's engine: rows carry in `_wrong` what it finds wrong with
    them, and of wrong ones only what raw may hold (see `kept_texts`).
    """
    columns = list(contract.file_columns)
    values = zip(kept_texts(contract, columns, "r"), columns, strict=True)
    texts = ", ".join(f"{value} AS {quoted(column)}" for value, column in values)
    source, wrong = f"{names.staged} r", "[]::VARCHAR[]"
    if here:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE wrong_here AS {here.judged}")
        source = f"(SELECT t.*, w._reasons AS {WHY} FROM ({here.raw}) t LEFT JOIN wrong_here w USING (_file, _row)) r"
        wrong = f"coalesce(r.{WHY}, []::VARCHAR[])"
    rows = _copied(connection, f"SELECT {texts}, r._file, r._row, {wrong} AS _wrong FROM {source}", folder / "rows")
    line = literal(WITHHELD) if contract.identifiers else "_text"
    broken = _copied(connection, f"SELECT _file, _row, {line} AS _text, _reason FROM {names.broken}", folder / "broken")
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
                name = f"{sending_folder(staging.contract)}/{staging.load}-{table}-{path.name}"
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
            for found in list(self.store.list(sending_folder(contract))):
                self.store.delete(found.name)
