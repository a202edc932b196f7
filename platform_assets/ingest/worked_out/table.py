"""What a table is that is worked out of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.ingest.books import Books

if TYPE_CHECKING:
    import duckdb

Prepare = Callable[["duckdb.DuckDBPyConnection", Books, CompiledContract | None], None]


@dataclass(frozen=True)
class WorkedOut:
    """A table, and how its rows are found."""

    name: str
    """With its layer."""
    columns: Mapping[str, str]
    """Column -> DuckDB type."""
    sql: str
    """SELECT of the rows."""
    meaning: str
    """For people, a sentence."""
    prepare: Prepare | None = None
    """Makes temporary tables that `sql` reads."""
