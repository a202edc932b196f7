"""Runs a .sql indicator on the embedded engine: parameters bound, output checked before anything is replaced.

The query is an analyst's and runs in a lake of its own that holds the tables it names and nothing else (`resources.lake.closed_lake`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.indicators.derived_tables import Made, Make, Recipe, make_table
from platform_assets.indicators.receipts import UsedTable
from platform_assets.indicators.sql.file import ENGINE_TYPES, SqlIndicator
from resources.lake.closed_lake import TooLarge, TooLong, closed_lake
from resources.lake.select_only import Refused
from resources.lake.warehouse import Warehouse
from resources.text.shown import names_in, of_engine

if TYPE_CHECKING:
    import duckdb


class SqlFailed(RuntimeError):
    """The query does not run; the message says why."""


class OutputMismatch(RuntimeError):
    """The query gives other columns than the header declares: nothing was replaced."""


def run_sql(
    indicator: SqlIndicator, warehouse: Warehouse, params: Mapping[str, object] | None = None, *, run_id: str = ""
) -> Made:
    """Bring ``indicators.<name>`` up to date; nothing runs where file, inputs and parameters are those of the last time.

    Raises TableMissing, OutputMismatch, SqlFailed, or ValueError for a parameter that cannot be read; the last table stays.
    """
    recipe, make = recipe_of(indicator, warehouse, params or {})
    return make_table(recipe, warehouse, make, run_id=run_id)


def recipe_of(indicator: SqlIndicator, warehouse: Warehouse, params: Mapping[str, object]) -> tuple[Recipe, Make]:
    """How the table is made with `params`; the header's defaults stand in for others. Raises ValueError."""
    given = {name: str(params.get(name, p.default)) for name, p in indicator.params.items()}
    bound = {}
    for name, text in given.items():
        try:
            bound[name] = indicator.params[name].parse(text)
        except ValueError as error:
            raise ValueError(f"{indicator.name}, parameter {name}: {error}") from None

    def make(connection: duckdb.DuckDBPyConnection, used: Mapping[str, UsedTable], path: Path) -> None:
        import duckdb

        folder = path.parent / "closed"
        folder.mkdir(mode=0o700)
        rows = {name: table.rows for name, table in used.items()}
        with closed_lake(warehouse, connection, rows, folder, [path]) as lake:
            try:
                found = lake.describe(indicator.query, bound)
            except (Refused, TooLarge) as error:
                raise SqlFailed(f"{indicator.path.name}: {error}") from None
            except duckdb.Error as error:  # PIVOT has read rows by now, and names columns after values
                columns = [column for table in used for column in warehouse.columns(connection, table)]
                public = " ".join([indicator.query, *indicator.outputs, *indicator.tables, *columns])
                raise SqlFailed(f"{indicator.path.name}: {of_engine(error, public)}") from None
            check_output(indicator, found)
            try:
                lake.write(indicator.query, bound, path)
            except (TooLong, TooLarge) as error:
                raise SqlFailed(f"{indicator.path.name}: {error}") from None
            except duckdb.ConversionException:
                raise SqlFailed(
                    f"{indicator.path.name}: a value does not fit the type that the query casts it to"
                ) from None
            except duckdb.Error as error:  # its message may quote a value of a row
                raise SqlFailed(
                    f"{indicator.path.name}: the query stopped at a row ({type(error).__name__}). Look for a function that "
                    "fails on unusual values (strptime, a division, a cast) and use its try_ form, or filter them first"
                ) from None

    return Recipe(f"indicators.{indicator.name}", (indicator.path,), indicator.tables, given), make


def public_names(indicator: SqlIndicator) -> set[str]:
    """Names that the file itself says: any other column of a result may be a value, as PIVOT makes them."""
    return {*indicator.outputs, *re.findall(r"\w+", indicator.query)}


def check_output(
    indicator: SqlIndicator,
    columns: Mapping[str, str],
    types: Mapping[str, Sequence[str]] = ENGINE_TYPES,
    where: str = "",
) -> None:
    """Raises OutputMismatch unless `columns` (name -> the engine's type) are the declared ones, in order.

    `types`: declared type -> what the engine may call it, best first; `where`: the engine's name for people, if it is not DuckDB.
    """
    declared = list(indicator.outputs)
    if list(columns) != declared:
        raise OutputMismatch(
            f"{indicator.path.name} gives the columns {names_in(columns, public_names(indicator))}; its header declares "
            f"{', '.join(declared)}"
        )
    for name, output in indicator.outputs.items():
        kind = columns[name].partition("(")[0]
        if kind not in types[output.type]:
            raise OutputMismatch(
                f"{indicator.path.name}: column {name} is {kind}{where}, its header declares <{output.type}>: "
                f"cast it to {types[output.type][0]}, or declare what it is"
            )
