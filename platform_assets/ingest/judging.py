"""Rows in text form, judged by the contract's own compiled expression: what ingest will say, said before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.ingest.readers.interface import TextRow
from resources.lake.warehouse import Warehouse, quoted

if TYPE_CHECKING:
    import duckdb

    from platform_assets.contracts.compiling.queries import CompiledContract


def expression_of(warehouse: Warehouse, contract: Contract) -> CompiledContract:
    """The compiled contract as of today, as ingest uses it."""
    from platform_assets.contracts.compiling.compiled import compiled

    return compiled(contract, contract.today(), warehouse.home / "expressions")


def stage_rows(connection: duckdb.DuckDBPyConnection, contract: Contract, rows: Sequence[TextRow]) -> None:
    """Make `rows` the temporary table `staged` that the compiled contract reads; `_row` is the place in `rows`."""
    columns = list(contract.file_columns)
    listed = ", ".join(f"unnest(?::VARCHAR[]) AS {quoted(c)}" for c in columns)
    _drop_staged(connection)
    connection.execute(
        f"CREATE TEMP TABLE staged AS SELECT {listed}, 0::BIGINT AS _file, unnest(?::BIGINT[]) AS _row",
        [*([row.get(c) for row in rows] for c in columns), list(range(len(rows)))],
    )


def view_staged(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Make the rows of `sql` the relation `staged` that the compiled contract reads."""
    _drop_staged(connection)
    connection.execute(f"CREATE TEMP VIEW staged AS {sql}")


def _drop_staged(connection: duckdb.DuckDBPyConnection) -> None:
    for kind in ("view", "table"):
        found = connection.execute(
            f"SELECT 1 FROM duckdb_{kind}s() WHERE {kind}_name = 'staged' AND database_name = 'temp'"
        ).fetchone()
        if found:
            connection.execute(f"DROP {kind} temp.staged")


def judge(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, contract: Contract, rows: Sequence[TextRow]
) -> list[list[str]]:
    """For each of `rows` (column -> text), every reason why it is wrong; an empty list where it is right."""
    reasons: list[list[str]] = [[] for _ in rows]
    if rows:
        stage_rows(connection, contract, rows)
        found = connection.execute(
            f"SELECT _row, _reasons FROM ({expression_of(warehouse, contract).judged})"
        ).fetchall()
        for place, why in found:
            reasons[place] = list(why)
    return reasons
