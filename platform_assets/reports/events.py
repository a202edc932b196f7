"""What Dagster is told of people's work outside of a run: that rows were erased, and that a log was made anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.reports import logs
from resources.text.markdown import plain

if TYPE_CHECKING:
    import pandas as pd

    from resources.lake.warehouse import Warehouse
    from resources.object_store import ObjectStore

GROUP = "stewardship"
PREVIEW = 10


def rows_erased(instance: dg.DagsterInstance, datasets: Sequence[str], number: str) -> None:
    """Tell Dagster that tables have changed, so that what is computed from them is computed again."""
    for dataset in datasets:
        erased = dg.AssetMaterialization(["validated", dataset], description=plain(f"Rows erased, request {number}."))
        instance.report_runless_asset_event(erased)


def publish_logs(instance: dg.DagsterInstance, warehouse: Warehouse, store: ObjectStore) -> None:
    """Make the logs anew, as assets."""
    for log in logs.LOGS:
        metadata = shown(log, logs.publish(log, warehouse, store))
        instance.report_runless_asset_event(dg.AssetMaterialization(log_key(log), metadata=metadata))


def log_key(log: logs.Log) -> dg.AssetKey:
    """The log's asset."""
    return dg.AssetKey([GROUP, log.name])


def shown(log: logs.Log, published: logs.Published) -> dict[str, Any]:
    """What Dagster shows of a log: its size, its file, its first rows."""
    return {
        "dagster/row_count": len(published.rows),
        "file": published.stored.name,
        "bytes": published.stored.size,
        "first rows": first_rows(published.rows.drop(columns=list(log.private))),
    }


def first_rows(table: pd.DataFrame) -> dg.MetadataValue:
    """As a table: what stands in a cell is shown as it is."""
    first = table.head(PREVIEW).astype("string").fillna("")
    records = [dg.TableRecord(dict(zip(first.columns, row, strict=True))) for row in first.itertuples(index=False)]
    return dg.MetadataValue.table(records) if records else dg.MetadataValue.text("nothing yet")
