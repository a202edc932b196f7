"""What is released as tables in BigQuery, for readers there: `products.<name>` of every indicator, made of the files of the release; of
public ones also `indicators.<name>`. Readers never see a table that is not there or half there (`BigQuery.publish`)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_assets.indicators.sql.file import SqlIndicator
from platform_assets.releases.reading import Release
from resources.gcp.bigquery import STAGING, BigQuery, PublishedTable
from resources.gcp.bigquery_types import label
from resources.lake.warehouse import Warehouse, literal, quoted, scalar
from resources.object_store import ObjectStore

TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}
"""Declared type of a column -> the engine's."""


@dataclass(frozen=True)
class Copies:
    """What BigQuery has of indicators and products."""

    bigquery: BigQuery
    warehouse: Warehouse
    store: ObjectStore

    def publish_release(self, release: Release) -> dict[str, str]:
        """Bring the tables of every indicator of `release` up to date. Raises BigQueryError."""
        made = [table for name in release.indicators for table in self.publish_tables(release, name)]
        return {"BigQuery": ", ".join(f"{t.table} ({t.rows:,} rows)" for t in made) or "up to date"}

    def publish_sql(self, indicator: SqlIndicator, version: str) -> dict[str, str]:
        """Bring the table of a SQL indicator up to date, which the lake has in `version`. Raises BigQueryError."""
        table = f"indicators.{indicator.name}"
        if self.bigquery.version(table) == label(version):
            return {"BigQuery": "up to date"}
        with self.warehouse.connect(read_only=True) as connection:
            columns = self.warehouse.columns(connection, table)  # the decimals of the query's own precision
        folder = self.warehouse.wait_for_scratch()
        try:
            made = self._publish(table, table, columns, version, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {"BigQuery": f"{made.table} ({made.rows:,} rows)"}

    def withdraw_sql(self, indicator: SqlIndicator) -> dict[str, str]:
        """Remove the table of a SQL indicator of personal data, which was copied here before. Raises BigQueryError."""
        table = f"indicators.{indicator.name}"
        if self.bigquery.version(table) is not None:
            self.bigquery.drop(table)
        return {"BigQuery": "no table: it is made of personal data"}

    def publish_tables(self, release: Release, name: str) -> list[PublishedTable]:
        """Bring the tables of one indicator up to date; what has its version already is left alone. Raises BigQueryError."""
        about = release.indicators[name]
        columns = {column: TYPES[said["type"]] for column, said in about["columns"].items()}
        inside, outside = tables_of(name)
        if about["protected"] and self.bigquery.version(inside) is not None:
            self.bigquery.drop(inside)  # a copy of exact figures, from before there were releases
        names = [outside] if about["protected"] else [inside, outside]
        stale = [n for n in names if self.bigquery.version(n) != label(about["key"])]
        if not stale:
            return []
        folder = self.warehouse.wait_for_scratch()
        try:
            file = folder / "released.parquet"
            file.write_bytes(release.read(f"{name}/{name}.parquet"))
            source = f"read_parquet({literal(str(file))})"
            return [self._publish(n, source, columns, about["key"], folder) for n in stale]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def drop(self, name: str) -> list[str]:
        """Remove both tables of an indicator; what was removed, for people."""
        tables = tables_of(name)
        for table in tables:
            self.bigquery.drop(table)
        return [f"BigQuery table {table}" for table in tables]

    def _publish(
        self, table: str, source: str, columns: Mapping[str, str], version: str, folder: Path
    ) -> PublishedTable:
        target = folder / f"{table}.parquet"
        cast = ", ".join(f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}" for c, kind in columns.items())
        with self.warehouse.connect(read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")  # what an R time is cast by
            connection.execute(f"COPY (SELECT {cast} FROM {source}) TO {literal(str(target))} (FORMAT parquet)")
            rows = int(scalar(connection, f"SELECT count(*) FROM read_parquet({literal(str(target))})"))
        for dataset in (STAGING, table.partition(".")[0]):
            self.bigquery.ensure_dataset(dataset)
        return self.bigquery.publish(table, target, columns, version=version, rows=rows)


def tables_of(name: str) -> tuple[str, str]:
    """The tables of an indicator: as it is inside, and as it is released."""
    return f"indicators.{name}", f"products.{name}"
