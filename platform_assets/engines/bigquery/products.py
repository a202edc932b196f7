"""Indicators and products as tables in BigQuery, for readers there: `indicators.<name>` as it is, `products.<name>` without small
counts. Readers never see a table that is not there or half there (`BigQuery.publish`)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from platform_assets.indicators.model import Indicator
from platform_assets.indicators.product import Product
from platform_assets.indicators.sqlfile import SqlIndicator
from resources.bigquery import STAGING, BigQuery, PublishedTable
from resources.bigquery_types import label
from resources.environment import Platform
from resources.warehouse import literal, quoted, scalar

TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}
"""Declared type of a column -> the engine's."""


def publish_tables(indicator: Indicator, platform: Platform, product: Product) -> list[PublishedTable]:
    """Bring both tables up to date with the published `product`; what has its version already is left alone. Raises BigQueryError."""
    engine = platform.published
    assert engine is not None
    columns = {c.name: TYPES[c.type] for c in indicator.outputs.values()}
    names = (f"indicators.{indicator.name}", f"products.{indicator.name}")
    stale = [n for n in names if engine.version(n) != label(product.version)]
    if not stale:
        return []
    folder = platform.warehouse.wait_for_scratch()
    try:
        file = platform.store.local_copy(product.files[0], folder)
        sources = {
            names[0]: (names[0], columns),
            names[1]: (f"read_parquet({literal(str(file))})", {**columns, "suppressed": "BOOLEAN"}),
        }
        return [_publish(platform, engine, name, *sources[name], product.version, folder) for name in stale]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_indicator(indicator: SqlIndicator, platform: Platform, version: str) -> PublishedTable | None:
    """Bring the table of a SQL indicator up to date, which the lake has in `version`; None where it is. Raises BigQueryError."""
    engine, table = platform.published, f"indicators.{indicator.name}"
    assert engine is not None
    if engine.version(table) == label(version):
        return None
    with platform.warehouse.connect(read_only=True) as connection:
        columns = platform.warehouse.columns(connection, table)  # the decimals of the query's own precision
    folder = platform.warehouse.wait_for_scratch()
    try:
        return _publish(platform, engine, table, table, columns, version, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(
    platform: Platform,
    engine: BigQuery,
    table: str,
    source: str,
    columns: Mapping[str, str],
    version: str,
    folder: Path,
) -> PublishedTable:
    target = folder / f"{table}.parquet"
    cast = ", ".join(f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}" for c, kind in columns.items())
    with platform.warehouse.connect(read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")  # what an R time is cast by
        connection.execute(f"COPY (SELECT {cast} FROM {source}) TO {literal(str(target))} (FORMAT parquet)")
        rows = int(scalar(connection, f"SELECT count(*) FROM read_parquet({literal(str(target))})"))
    for dataset in (STAGING, table.partition(".")[0]):
        engine.ensure_dataset(dataset)
    return engine.publish(table, target, columns, version=version, rows=rows)
