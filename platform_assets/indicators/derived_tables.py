"""Tables made from tables by Python or SQL: made again only when code, inputs or parameters have changed, replaced in one commit.

`compute` does the same for R. The receipt says what a table was made of; a recipe whose receipt says the same is not cooked again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.indicators import receipts
from platform_assets.indicators.receipts import Receipt, UsedTable, file_hash
from resources.lake.warehouse import Warehouse, literal, one_state

if TYPE_CHECKING:
    import duckdb

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[["duckdb.DuckDBPyConnection", Mapping[str, UsedTable], Path], None]
"""Writes the table as Parquet to the path, from inputs at their snapshots (`at`)."""


class TableMissing(RuntimeError):
    """An input that was never loaded or made; the message says what to do."""


@dataclass(frozen=True)
class Recipe:
    """What a table is made of, apart from its data."""

    name: str
    """Layer and name, e.g. ``indicators.daily_sales``."""
    code: tuple[Path, ...]
    """The files that say how it is made."""
    inputs: Sequence[str]
    """Tables, by layer and name."""
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name on the receipt: bare for indicators, as `compute` writes it, with its layer for all others."""
        return self.name.removeprefix("indicators.")

    @property
    def files(self) -> dict[str, str]:
        """File -> SHA-256."""
        return {f.relative_to(ROOT).as_posix() if f.is_relative_to(ROOT) else f.name: file_hash(f) for f in self.code}

    @property
    def code_version(self) -> str:
        """Sixteen hex digits that change with the files."""
        return hashlib.sha256("\n".join(f"{n} {h}" for n, h in sorted(self.files.items())).encode()).hexdigest()[:16]

    def receipt(self, used: Mapping[str, UsedTable], rows: int, sha256: str, run_id: str) -> Receipt:
        """The receipt of the table made now."""
        import duckdb

        return Receipt(
            indicator=self.label,
            made_at=dt.datetime.now(dt.UTC).replace(tzinfo=None),
            run=run_id,
            code_version=self.code_version,
            files=self.files,
            inputs=dict(used),
            params=dict(self.params),
            session={"duckdb": duckdb.__version__},
            rows=rows,
            sha256=sha256,
        )


@dataclass(frozen=True)
class Made:
    """A table as it stands after `make_table`."""

    receipt: Receipt
    fresh: bool
    """False where nothing had changed and nothing was done."""


def make_table(recipe: Recipe, warehouse: Warehouse, make: Make, *, run_id: str = "") -> Made:
    """Bring the table up to date. Raises TableMissing where an input is not there; whatever fails, the last table stays."""
    with warehouse.lock(f"make-{recipe.name}"), warehouse.connect() as connection:
        before = last_receipt(recipe, warehouse, connection)
        folder = warehouse.wait_for_scratch()
        path = folder / "table.parquet"
        try:
            with one_state(connection):  # what is read is what the receipt names
                used = used_tables(recipe, warehouse, connection)
                if before and before.same_work(recipe.code_version, used, recipe.params):
                    return Made(before, fresh=False)
                rows = _write(make, connection, used, path)
            receipt = recipe.receipt(used, rows, file_hash(path), run_id)
            with warehouse.write(connection):
                connection.execute(f"CREATE OR REPLACE TABLE {recipe.name} AS FROM read_parquet({literal(str(path))})")
                receipts.write(connection, receipt)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Made(receipt, fresh=True)


def remake_table(
    name: str, warehouse: Warehouse, recipe_of: Callable[[Mapping[str, str]], tuple[Recipe, Make]]
) -> tuple[Receipt, str]:
    """Make the table again from the snapshots on its receipt. Returns the receipt and the new file's hash.

    `recipe_of` gives the recipe for the receipt's parameters. Raises TableMissing where there is no receipt, where the code is not the
    one that made it, or where a snapshot was expired.
    """
    import duckdb

    with warehouse.connect() as connection:
        receipt = last_receipt(recipe_of({})[0], warehouse, connection)
    if receipt is None:
        raise TableMissing(f"{name} was never made: materialize it first")
    recipe, make = recipe_of(receipt.params)
    if receipt.code_version != recipe.code_version:
        raise TableMissing(
            f"the code has changed since the table was made: check out the version of {', '.join(receipt.files)} that made it"
        )
    folder = warehouse.wait_for_scratch()
    try:
        # each input's snapshot is that of its last change, so at the latest of them all stand as they were used
        with warehouse.connect(snapshot=max(t.snapshot for t in receipt.inputs.values())) as connection:
            _write(make, connection, receipt.inputs, folder / "table.parquet")
        return receipt, file_hash(folder / "table.parquet")
    except duckdb.InvalidInputException:
        raise TableMissing(
            f"the inputs of {recipe.name} as they were used are gone: rows have been erased since, and with them the snapshots"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(make: Make, connection: duckdb.DuckDBPyConnection, used: Mapping[str, UsedTable], path: Path) -> int:
    make(connection, used, path)
    return int(connection.execute(f"SELECT count(*) FROM read_parquet({literal(str(path))})").fetchall()[0][0])


def used_tables(recipe: Recipe, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> dict[str, UsedTable]:
    """The inputs at their present snapshots, by table. Raises TableMissing."""
    used = {}
    for table in recipe.inputs:
        state = warehouse.state(connection, table)
        if state is None:
            raise TableMissing(
                f"{recipe.name} needs the table {table}, which is not there: materialize {table.replace('.', '/')} first"
            )
        used[table] = UsedTable(table, state.snapshot, state.rows)
    return used


def last_receipt(recipe: Recipe, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> Receipt | None:
    """The receipt of the table as it stands; None where the table was never made, or is gone."""
    with warehouse.write(connection):
        receipts.ensure(warehouse, connection)
    return receipts.last(connection, recipe.label) if warehouse.columns(connection, recipe.name) else None


def at(used: UsedTable) -> str:
    """SQL of the table at the snapshot that the receipt names, to stand after FROM."""
    return f"(FROM {used.table} AT (VERSION => {used.snapshot}))"
