"""From validated tables to an indicator's table: hand the inputs to R, keep its output and the receipt. No Dagster here.

The table of a script that gives cases is its cases. It stays inside; what leaves is made of their counts (`platform_assets.releases`).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from platform_assets.indicators import receipts, texts
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.receipts import Receipt, UsedTable
from platform_assets.ingest import ledger
from resources.lake.warehouse import Warehouse, literal, one_state, quoted
from resources.r_runtime import Event, InputTable, RRuntime, RunResult

if TYPE_CHECKING:
    import duckdb


class InputMissing(RuntimeError):
    """A table or column that the script asks for is not there (yet)."""


@dataclass(frozen=True)
class Work:
    """What one run of R does; the same work gives the same table."""

    indicator: Indicator
    used: Mapping[str, UsedTable]
    params: Mapping[str, str]

    def same_as(self, other: Work) -> bool:
        """Whether both are one script on one state of the inputs with one set of parameters."""
        return self._key() == other._key()

    def done_by(self, receipt: Receipt | None) -> bool:
        """Whether the table that has this receipt is this work's."""
        return receipt is not None and receipt.same_work(self.indicator.code_version, self.used, self.params)

    def _key(self) -> tuple[object, ...]:
        return (self.indicator.name, self.indicator.code_version, dict(self.used), dict(self.params))


class Begun(Protocol):
    """Runs of R that were begun before their step came (`indicators.ahead`)."""

    def take(self, work: Work, on_event: Callable[[Event], None]) -> tuple[RunResult, Path] | None:
        """The result of exactly `work`, and the folder around it, which is the caller's to remove. None where it was not run ahead.

        Waits for the end, and hands on what R says meanwhile. Raises IndicatorFailed.
        """
        ...


@dataclass(frozen=True)
class Computed:
    """An indicator's table as it stands after `compute`."""

    receipt: Receipt
    result: RunResult | None
    """The run that made it; None where nothing had changed since the last one."""


def compute(
    indicator: Indicator,
    warehouse: Warehouse,
    runtime: RRuntime,
    *,
    params: Mapping[str, object] | None = None,
    run_id: str = "",
    on_event: Callable[[Event], None] = lambda _: None,
    keep: Callable[[RunResult], None] = lambda _: None,
    ahead: Begun | None = None,
) -> Computed:
    """Bring ``indicators.<name>`` up to date; nothing runs where script, inputs and parameters are those of the last time.

    `keep` is called with the run's files before they are removed. `ahead` may have run it already. Raises InputMissing, or
    IndicatorFailed with the failure card; the last good table stays in either case.
    """
    with warehouse.connect() as connection:
        with warehouse.write(connection):
            receipts.ensure(warehouse, connection)
        work = work_of(indicator, warehouse, connection, params)
        before = receipts.last(connection, indicator.name)
        if before and work.done_by(before):
            return Computed(before, None)
        made = ahead.take(work, on_event) if ahead else None
        folder = made[1] if made else warehouse.wait_for_scratch()
        try:
            result = made[0] if made else run_on(work, warehouse, connection, runtime, folder, on_event)
            made_by = texts.of(indicator)
            receipt = Receipt(
                indicator=indicator.name,
                made_at=dt.datetime.now(dt.UTC).replace(tzinfo=None),
                run=run_id,
                code_version=indicator.code_version,
                files=texts.hashes(made_by),
                inputs=work.used,
                params=work.params,
                session=receipts.session_of(result.session, result.notes),
                rows=result.rows,
                sha256=receipts.file_hash(result.output),
            )
            table = f"indicators.{indicator.name}"
            with warehouse.write(connection):
                connection.execute(
                    f"CREATE OR REPLACE TABLE {table} AS FROM read_parquet({literal(str(result.output))})"
                )
                receipts.write(connection, receipt)
                texts.keep(warehouse, connection, made_by)
            keep(result)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Computed(receipt, result)


def rederive(name: str, warehouse: Warehouse, runtime: RRuntime) -> tuple[Receipt, str]:
    """Make the table of the indicator `name` again from its receipt: its snapshots, and the texts of the script as they were. Returns the receipt and
    the new output's hash.

    Raises InputMissing where there is no receipt or a snapshot was expired, NotKept where a text is not there any more.
    """
    with warehouse.connect(read_only=True) as connection:
        known = warehouse.columns(connection, receipts.TABLE)
        receipt = receipts.last(connection, name) if known else None
        if receipt is None:
            raise InputMissing(f"indicators.{name} was never made: materialize it first")
        folder = warehouse.wait_for_scratch()
        try:
            indicator, harness = texts.restored(warehouse, connection, receipt, folder)
            work = Work(indicator, receipt.inputs, receipt.params)
            result = run_on(work, warehouse, connection, replace(runtime, harness=harness), folder, lambda _: None)
            return receipt, receipts.file_hash(result.output)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def pending(wanted: Iterable[tuple[Indicator, Mapping[str, object] | None]], warehouse: Warehouse) -> list[Work]:
    """What there is to do for indicators (with their parameters), now; those that are up to date or lack an input are left out."""
    found = []
    with warehouse.connect() as connection:
        with warehouse.write(connection):
            receipts.ensure(warehouse, connection)
        for indicator, params in wanted:
            try:
                work = work_of(indicator, warehouse, connection, params)
            except InputMissing:
                continue  # its own step says so
            if not work.done_by(receipts.last(connection, indicator.name)):
                found.append(work)
    return found


def work_of(
    indicator: Indicator,
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    params: Mapping[str, object] | None,
) -> Work:
    """The indicator on its inputs as they are now. Raises InputMissing with what to do."""
    given = {name: str(value) for name, value in (params or {}).items()}
    return Work(indicator, used_tables(indicator, warehouse, connection), given)


def used_tables(
    indicator: Indicator, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> dict[str, UsedTable]:
    """The inputs at their present snapshots. Raises InputMissing with what to do."""
    used = {}
    for name, declared in indicator.inputs.items():
        table = ".".join(declared.asset_key)
        present = warehouse.columns(connection, table)
        if not present:
            layer, missing = declared.asset_key
            if (
                layer == "validated"
                and warehouse.columns(connection, ledger.TABLE)
                and ledger.newest(connection, missing)
            ):
                raise InputMissing(
                    f"{indicator.name} needs the table {table}, which is loaded but stays in BigQuery: it has more rows than are "
                    "copied for R (PLATFORM_BIGQUERY_COPY_ROWS). Aggregate it in an SQL indicator, and read that with @input"
                )
            rows = connection.execute(
                "SELECT DISTINCT table_name FROM duckdb_tables() WHERE schema_name = ? ORDER BY 1", [layer]
            ).fetchall()
            others = f", or correct the @input line: there are {', '.join(row[0] for row in rows)}" if rows else ""
            raise InputMissing(
                f"{indicator.name} needs the table {table}, which is not there: load {missing} first{others}"
            )
        lacking = [c for c in declared.columns if c not in present]
        if lacking:
            raise InputMissing(
                f"{indicator.name}: {table} has no column {', '.join(lacking)} (it has "
                f"{', '.join(c for c in present if not c.startswith('_'))}): correct the @input line"
            )
        state = warehouse.state(connection, table)
        assert state is not None
        used[name] = UsedTable(table, state.snapshot, state.rows)
    return used


def run_on(
    work: Work,
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    runtime: RRuntime,
    folder: Path,
    on_event: Callable[[Event], None],
) -> RunResult:
    """Export the inputs at their snapshots, in a fixed order of rows, and run the script on them."""
    import duckdb

    indicator, inputs = work.indicator.computing, {}
    for name, table in work.used.items():
        columns = indicator.inputs[name].columns
        present = warehouse.columns(connection, table.table)
        # uncast: what does not fit the declared type exactly must fail on the way to R, not be rounded before
        selected = ", ".join(quoted(c) for c in columns)
        order = ["_delivery", "_row"] if {"_delivery", "_row"} <= set(present) else [quoted(c) for c in columns]
        path = folder / f"{name}.parquet"
        try:
            with one_state(connection):
                # the table as it stands, where it has not changed since: erasure expires old snapshots, also those of unchanged tables
                state = warehouse.state(connection, table.table)
                past = "" if state and state.snapshot == table.snapshot else f"AT (VERSION => {table.snapshot})"
                connection.execute(
                    f"COPY (SELECT {selected} FROM {table.table} {past} ORDER BY {', '.join(order)}) "
                    f"TO {literal(str(path))} (FORMAT parquet)"
                )
        except duckdb.Error:
            raise InputMissing(
                f"{table.table} cannot be read at snapshot {table.snapshot}: it was expired (rows have been erased since), "
                "or a column that the script asks for did not exist then"
            ) from None
        named = tuple(column for column in present if not column.startswith("_"))
        inputs[name] = InputTable(path, table.table, str(table.snapshot), table.rows, named)
    command = f"dagster asset materialize --select indicators/{indicator.name} -m platform_assets.definitions"
    return runtime.run(indicator, inputs, dict(work.params), folder, on_event, reproduce=command)
