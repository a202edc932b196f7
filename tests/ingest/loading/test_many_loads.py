"""Weekly deliveries, one after the other: files stay few, and everything is as if they had come at once, before anything was compacted."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.years import NEW, contract, delivery
from platform_assets.indicators.derived_tables import Recipe, make_table, remake_table
from platform_assets.indicators.receipts import UsedTable
from platform_assets.ingest import load
from resources.environment import Platform
from resources.lake import compaction
from resources.lake.warehouse import CATALOG, Warehouse, literal
from tests.conftest import Bench

ROWS = "sample_id, test_date, result, viral_load, _partition, _delivery, _row"
TOTALS = Recipe("indicators.totals", (Path(__file__),), ["validated.weekly"])


def totals(connection: Any, used: Any, path: Path) -> None:
    """A figure of the whole table, from the state that the receipt names."""
    table: UsedTable = used["validated.weekly"]
    connection.execute(
        f"COPY (SELECT _partition, result, count(*) AS n, sum(viral_load) AS load, min(test_date) AS first FROM {table.table} "
        f"AT (VERSION => {table.snapshot}) GROUP BY ALL ORDER BY ALL) TO {literal(str(path))} (FORMAT parquet)"
    )


def live_files(bench: Bench) -> int:
    """Files, and files of deletes, that the tables are made of now."""
    with bench.platform.warehouse.connect() as connection:
        (row,) = connection.execute(
            f"SELECT count(*) + count(d.data_file_id) FROM (FROM {CATALOG}.ducklake_data_file WHERE end_snapshot IS NULL) f "
            f"LEFT JOIN (FROM {CATALOG}.ducklake_delete_file WHERE end_snapshot IS NULL) d USING (data_file_id)"
        ).fetchall()
    return int(row[0])


@pytest.mark.parametrize("weeks", [16, pytest.param(120, marks=pytest.mark.soak)])
def test_many_loads_leave_few_files_and_every_row_and_figure_is_that_of_one_load(
    weeks: int, platform: Platform, tmp_path: Path
) -> None:
    often = Bench(platform, contract())
    told: list[str] = []
    made = None
    for week in range(weeks):
        often.drop(f"week{week:02d}.csv", delivery(week))
        load.load_dataset(
            often.contract, platform.warehouse, platform.store, platform.keys, settle_seconds=0, log=told.append
        )
        if week == weeks // 2:
            made = make_table(TOTALS, platform.warehouse, totals)
    assert made is not None
    assert sum("small files put together" in line for line in told) > 1

    # as many partitions as weeks; two tables and the ledger; what has come since the last time, with its deletes
    assert live_files(often) < weeks + 4 * compaction.FEW
    often.assert_nothing_lost()

    home = tmp_path / "once"
    once = Bench(replace(platform, warehouse=Warehouse(home / "lake")), contract())
    for week in range(weeks):
        once.drop(f"all{week:02d}.csv", delivery(week))
        landed = platform.settings.home / "landing" / "weekly" / f"all{week:02d}.csv"
        os.utime(landed, (1_700_000_000 + week, 1_700_000_000 + week))
    once.load()
    assert often.sql("SELECT count(*) FROM {validated}") == [(NEW * weeks,)]
    assert often.table(*ROWS.split(", ")) == once.table(*ROWS.split(", "))
    counts = "SELECT delivery, rows_in, valid, inserted, updated, unchanged, superseded, partitions FROM platform.ledger ORDER BY 1"
    assert often.sql(counts) == once.sql(counts)
    make_table(TOTALS, once.platform.warehouse, totals)
    receipt, again = remake_table("totals", platform.warehouse, lambda _: (TOTALS, totals))
    assert again == receipt.sha256 == made.receipt.sha256  # as of half of them, from files that were put together since
    assert make_table(TOTALS, platform.warehouse, totals).fresh
    figures = "SELECT * FROM indicators.totals ORDER BY ALL"
    assert often.sql(figures) == once.sql(figures)

    # what is computed from a table that is only compacted is not computed anew
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "FEW", 1)
        assert "validated.weekly" in compaction.compact(platform.warehouse)
    assert not make_table(TOTALS, platform.warehouse, totals).fresh


def test_a_load_stands_where_files_cannot_be_put_together(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    def full(_: Warehouse) -> list[str]:
        raise duckdb.IOException("No space left on device 'patient 123'")

    monkeypatch.setattr(load, "compact", full)
    lab = bench()
    lab.drop("a.csv", "sample_id,test_date,result,viral_load\nA,2024-12-30,POS,10\n")
    said: list[str] = []
    p = lab.platform
    report = load.load_dataset(lab.contract, p.warehouse, p.store, p.keys, settle_seconds=0, log=said.append)
    assert report.total("valid") == 1
    assert "the next load tries again" in said[-1]
    assert "123" not in said[-1]
