"""Names and columns of a dataset's tables in the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.contracts.columns import Column, ColumnType
from platform_assets.contracts.model import Contract

if TYPE_CHECKING:
    import duckdb

    from resources.lake.warehouse import Warehouse

LINEAGE = {"_delivery": "VARCHAR", "_row": "BIGINT"}


def duckdb_type(column: Column) -> str:
    """The DuckDB type of a column's values."""
    return {
        ColumnType.INTEGER: "BIGINT",
        ColumnType.DECIMAL: f"DECIMAL({column.precision},{column.scale})",
        ColumnType.FLOAT: "DOUBLE",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.DATE: "DATE",
        ColumnType.TIMESTAMP: "TIMESTAMP",
    }.get(column.type, "VARCHAR")


class Tables:
    """The three tables of a dataset."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.name = contract.name
        self.raw = f"raw.{contract.name}"
        self.validated = f"validated.{contract.name}"
        self.quarantine = f"quarantine.{contract.name}"
        self.texts = list(contract.file_columns)

    @property
    def raw_columns(self) -> dict[str, str]:
        """Text as it came (identifiers as pseudonyms), file, row (the header is row 1) and delivery."""
        return {**dict.fromkeys(self.texts, "VARCHAR"), "_file": "VARCHAR", **LINEAGE}

    @property
    def validated_columns(self) -> dict[str, str]:
        """Typed columns, the partition's label, and from which delivery and row they come."""
        partition = {"_partition": "VARCHAR"} if self._contract.partition else {}
        typed = {name: duckdb_type(c) for name, c in self._contract.columns.items()}
        return {**typed, **partition, **LINEAGE, "_as_of": "TIMESTAMP"}

    @property
    def quarantine_columns(self) -> dict[str, str]:
        """Original text, or the whole line in `_text` where it could not be split; every reason; where it came from."""
        return {
            **dict.fromkeys(self.texts, "VARCHAR"),
            "_text": "VARCHAR",
            "_reasons": "VARCHAR[]",
            "_file": "VARCHAR",
            **LINEAGE,
            "_quarantined_at": "TIMESTAMP",
        }

    def ensure(self, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
        """Create the tables, or add columns that the contract has gained."""
        partition = "_partition" if self._contract.partition else None
        warehouse.ensure_table(connection, self.raw, self.raw_columns)
        self.ensure_quarantine(warehouse, connection)
        warehouse.ensure_table(connection, self.validated, self.validated_columns, partitioned_by=partition)

    def ensure_quarantine(self, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
        """Create the quarantine alone, or add columns to it."""
        warehouse.ensure_table(connection, self.quarantine, self.quarantine_columns)
