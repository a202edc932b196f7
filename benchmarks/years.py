"""Ten years of one dataset: what a weekly delivery and a count of its rows cost as history grows, and how many files the lake has.

A delivery is 1,000 rows of an upsert into ISO weeks: 950 new ones, and 50 corrections of rows of up to eight weeks before. BENCH_WEEKS says how
many (520). Costs are CPU seconds, user and system, of the process that loads and of its children: mean of ten weeks.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEEKS = int(os.environ.get("BENCH_WEEKS", "520"))
SHOWN = (10, 50, 100, 200, 300, 400, 520)
NEW, CORRECTED, BACK = 950, 50, 8
TOTALS = "SELECT _partition, count(*), sum(viral_load) FROM validated.weekly GROUP BY 1"
START = dt.date(2016, 1, 4)


def main() -> str:
    """Load week after week and return a markdown table."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        lines = measure(Path(folder), WEEKS)
    return "\n".join(
        [
            "| week | a load, CPU s | counting the rows, CPU s | a total by week, CPU s | live files | files of deletes | data on disk, MB | catalog, MB |",
            "|---|---|---|---|---|---|---|---|",
            *lines,
        ]
    )


def contract() -> Any:
    """The dataset."""
    from platform_assets.contracts.model import Contract

    return Contract.model_validate(
        {
            "name": "weekly",
            "description": "Benchmark.",
            "owner": "team:bench",
            "format": {"kind": "csv"},
            "load": {"mode": "upsert", "key": ["sample_id"]},
            "partition": {"by": "test_date", "unit": "iso_week"},
            "columns": {
                "sample_id": {"type": "string", "matches": "^[A-Z0-9-]{3,40}$"},
                "test_date": {"type": "date", "format": "%Y-%m-%d"},
                "result": {"type": "categorical", "in": ["POS", "NEG", "N/A"]},
                "viral_load": {"type": "integer", "ge": 0, "le": 100_000_000, "required": False},
            },
        }
    )


def delivery(week: int) -> str:
    """The file of one week: new rows of that week, and corrections of rows of the weeks before it."""
    rows = [(week, n, week) for n in range(NEW)]
    rows += [(week - 1 - n % BACK, (n * 37 + week) % NEW, week) for n in range(CORRECTED) if week > n % BACK]
    lines = [
        f"S{of:04d}{n:05d},{START + dt.timedelta(weeks=of, days=n % 7)},{('POS', 'NEG', 'N/A')[(n + at) % 3]},{n * 7 + at}"
        for of, n, at in rows
    ]
    return "sample_id,test_date,result,viral_load\n" + "\n".join(lines) + "\n"


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of `work`."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def measure(home: Path, weeks: int) -> list[str]:
    """Rows of the table, for the weeks that are shown."""
    from platform_assets.ingest.load import load_dataset
    from resources.identity import EnvironmentKeys
    from resources.lake.warehouse import CATALOG, Warehouse
    from resources.object_store import LocalStore

    warehouse, store, keys = Warehouse(home / "lake", memory_limit="600MB"), LocalStore(home), EnvironmentKeys({})
    landing = home / "landing" / "weekly"
    landing.mkdir(parents=True)
    spent: list[float] = []
    lines = []

    def ask(sql: str) -> list[Any]:
        with warehouse.connect() as connection:
            return connection.execute(sql).fetchall()

    for week in range(weeks):
        (landing / f"week{week:04d}.csv").write_text(delivery(week), encoding="utf-8")
        spent.append(cpu(lambda: load_dataset(contract(), warehouse, store, keys, settle_seconds=0)))
        if week + 1 not in SHOWN and week + 1 != weeks:
            continue
        counted = [cpu(lambda: ask("SELECT count(*) FROM validated.weekly")) for _ in range(5)]
        totals = [cpu(lambda: ask(TOTALS)) for _ in range(5)]
        if ask("SELECT count(*) FROM validated.weekly")[0][0] != NEW * (week + 1):
            raise RuntimeError("wrong result")
        files, deletes = (
            ask(f"SELECT count(*) FROM {CATALOG}.ducklake_data_file {joined} WHERE f.end_snapshot IS NULL")[0][0]
            for joined in (
                "f",
                f"f JOIN {CATALOG}.ducklake_delete_file d ON f.data_file_id = d.data_file_id AND d.end_snapshot IS NULL",
            )
        )
        disk = sum(f.stat().st_size for f in (home / "lake" / "data").rglob("*.parquet")) / 1e6
        catalog = (home / "lake" / "catalog.sqlite").stat().st_size / 1e6
        lines.append(
            f"| {week + 1} | {sum(spent[-10:]) / len(spent[-10:]):.2f} | {sorted(counted)[2]:.3f} | {sorted(totals)[2]:.3f} | {files:,} "
            f"| {deletes:,} | {disk:,.0f} | {catalog:,.1f} |"
        )
        print(lines[-1], flush=True)
    return lines
