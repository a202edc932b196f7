"""Making an export: rows of ten columns to CSV, held against DuckDB's own COPY of the same table.

`EXPORT_ROWS=10000000 python -m benchmarks exports`. What an export does besides writing is in its time: one state of the lake is opened for it, the file
is read back and counted, hashed, flushed to disk, put into the store and noted. Each runs in a process of its own; memory is that process's largest.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_assets.exports.making import Maker
from platform_assets.exports.model import Export
from resources.clock import local
from resources.environment import Platform, Settings, resources_for

ROWS = int(os.environ.get("EXPORT_ROWS", "1000000"))
MEMORY_MIB = 600
"""What an export may take; the engine is told to take half."""
EXPORT: dict[str, Any] = {
    "name": "stays",
    "owner": "team:test",
    "table": "validated.stays",
    "window": {"by": "day", "unit": "month", "start": "2026-01-01"},
    "file": {"name": "stays_{start:%Y%m}.csv"},
    "row_level": {"role": "steward", "ground": "a law of the benchmark", "recipient": "nobody"},
    "deliver": {"kind": "folder", "place": "nowhere"},
}
COLUMNS = """md5(i::VARCHAR) AS record, md5((i % 1000003)::VARCHAR) AS person, DATE '2026-01-01' + (i % 31)::INTEGER AS day, i % 120 AS hospital,
 (i * 7919) % 100000 / 100.0 AS cost, (i % 3 = 0) AS emergency, CASE WHEN i % 5 = 0 THEN NULL ELSE i % 90 END AS age,
 'department ' || i % 40 AS department, TIMESTAMP '2026-01-01' + INTERVAL (i % 44640) MINUTE AS admitted, 'A' || i % 900 AS diagnosis"""


def main() -> str:
    """The table of results, as Markdown."""
    with tempfile.TemporaryDirectory() as place:
        _apart(_fill, place)
        copied, copy_cpu, copy_memory = _apart(_copy, place)
        made, make_cpu, make_memory = _apart(_make, place)
        size = next(Path(place).rglob("stays_*.csv")).stat().st_size
    return "\n".join(
        [
            f"{ROWS:,} rows x 10 columns, {size / 1e6:,.0f} MB of CSV.",
            "",
            "| | seconds | x COPY | CPU s | x COPY | largest memory (MiB) |",
            "|---|---|---|---|---|---|",
            f"| DuckDB: COPY of the table to CSV | {copied:.1f} | 1.00 | {copy_cpu:.1f} | 1.00 | {copy_memory:.0f} |",
            f"| an export: written, read back, hashed, stored, noted | {made:.1f} | {made / copied:.2f} | {make_cpu:.1f} | {make_cpu / copy_cpu:.2f} "
            f"| {make_memory:.0f} |",
            "",
            f"Wanted: {1.3} x, {MEMORY_MIB} MiB.",
        ]
    )


def _apart(work: Callable[[str], tuple[float, float]], place: str) -> tuple[float, float, float]:
    """Seconds and CPU seconds that `work` says it took, and MiB of memory at most, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    given, taken = context.Pipe()
    process = context.Process(target=_measured, args=(work, place, taken))
    process.start()
    taken.close()
    seconds, cpu, memory = given.recv()
    process.join()
    return float(seconds), float(cpu), float(memory)


def _measured(work: Callable[[str], tuple[float, float]], place: str, taken: Any) -> None:
    seconds, cpu = work(place)
    taken.send((seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _platform(place: str) -> Platform:
    os.environ["PLATFORM_MEMORY_LIMIT"] = f"{MEMORY_MIB // 2}MB"
    return resources_for("laptop", Settings(home=Path(place) / "home"))


def _fill(place: str) -> tuple[float, float]:
    platform = _platform(place)
    with platform.warehouse.connect() as connection, platform.warehouse.write(connection):
        connection.execute(f"CREATE TABLE validated.stays AS SELECT {COLUMNS} FROM range({ROWS}) t(i)")
    return 0.0, 0.0


def _copy(place: str) -> tuple[float, float]:
    platform = _platform(place)
    with platform.warehouse.connect(read_only=True) as connection:
        started, cpu = time.perf_counter(), time.process_time()
        connection.execute(f"COPY validated.stays TO '{place}/copy.csv' (FORMAT csv, HEADER true)")
    return time.perf_counter() - started, time.process_time() - cpu


def _make(place: str) -> tuple[float, float]:
    import datetime as dt

    import pandas  # noqa: F401  # as every process of the platform has it

    platform = _platform(place)
    maker = Maker(Export.model_validate(EXPORT), Path(place), platform.warehouse, platform.store, {}, {})
    started, cpu = time.perf_counter(), time.process_time()
    made = maker.make("2026-01-01", local(dt.datetime(2026, 6, 1, tzinfo=dt.UTC)))
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    assert made is not None
    assert made.rows == ROWS
    return seconds, used


if __name__ == "__main__":
    print(main())
