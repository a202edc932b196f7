"""The execution log and the deletion log as tables that people find in Dagster, query in the warehouse, and open in a spreadsheet.

Both are copies of what is kept anyway (the ledger; the certificates of erasures), made anew whenever one of those has changed. No value of
a row stands in them, and no identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_assets.erasure import certificate
from platform_assets.ingest import ledger
from platform_assets.people_csv import csv_bytes
from platform_assets.quarantine.tables import insert
from platform_assets.reports import tables as reports

if TYPE_CHECKING:
    import pandas as pd

    from resources.lake.warehouse import Warehouse
    from resources.object_store import ObjectStore, StoredObject

Columns = Mapping[str, tuple[str, str]]
"""Name -> (DuckDB type, meaning)."""


@dataclass(frozen=True)
class Log:
    """One log."""

    name: str
    description: str
    columns: Columns
    read: Callable[[Warehouse, ObjectStore], pd.DataFrame]
    private: tuple[str, ...] = ()
    """Columns that a preview leaves out: everyone who can open Dagster sees it."""

    @property
    def table(self) -> str:
        """The table in the warehouse."""
        return f"platform.{self.name}"

    @property
    def file(self) -> str:
        """The file among the products."""
        return f"products/{self.name}/{self.name}.csv"


@dataclass(frozen=True)
class Published:
    """A log as it was just written."""

    rows: pd.DataFrame
    stored: StoredObject


def publish(log: Log, warehouse: Warehouse, store: ObjectStore) -> Published:
    """Write the table and the CSV file (no cell of it runs as a formula)."""
    rows = log.read(warehouse, store)
    kinds = {name: kind for name, (kind, _) in log.columns.items()}
    with warehouse.connect() as connection, warehouse.write(connection):
        warehouse.ensure_table(connection, log.table, kinds)
        connection.execute(f"DELETE FROM {log.table}")
        insert(connection, log.table, kinds, list(_plain(rows).itertuples(index=False, name=None)))
    return Published(rows, store.write(log.file, csv_bytes(rows)))


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Python's own values, None where one is missing."""
    plain: pd.DataFrame = rows.astype(object)
    return plain.where(plain.notna(), None)


def _executions(warehouse: Warehouse, _: ObjectStore) -> pd.DataFrame:
    with warehouse.connect() as connection:
        with warehouse.write(connection):
            ledger.ensure(warehouse, connection)
        return reports.execution_log(connection)


def _deletions(_: Warehouse, store: ObjectStore) -> pd.DataFrame:
    return certificate.deletion_log(store)


def _columns(names: Mapping[str, str], **kinds: str) -> Columns:
    return {name: (kinds.get(name, "VARCHAR"), meaning) for name, meaning in names.items()}


def _counts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, "BIGINT")


EXECUTION_LOG = Log(
    "execution_log",
    "Every delivery that was taken, newest first: what came in, and what became of it. rows_in = valid + quarantined + superseded.",
    _columns(
        reports.LOG_MEANINGS,
        loaded_at="TIMESTAMP",
        seconds="DOUBLE",
        **_counts("rows_in", "valid", "quarantined", "superseded", "inserted", "updated", "unchanged"),
        **_counts("partitions_touched"),
    ),
    _executions,
)
DELETION_LOG = Log(
    "deletion_log",
    "Every erasure that was carried out, newest first: what was found and removed, place by place. People are not named.",
    _columns(certificate.log_meanings(), **_counts(*certificate.counted_columns())),
    _deletions,
    private=("requested_by", "approved_by", "ground"),
)
LOGS = (EXECUTION_LOG, DELETION_LOG)
