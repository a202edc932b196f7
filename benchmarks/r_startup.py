"""What a run costs beside the script itself: one indicator against `Rscript -e 1`, and twenty of them on two cores.

`python -m benchmarks.r_startup`
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from platform_assets.indicators import Indicator, read_indicator
from resources.r_runtime import InputTable, RRuntime, RunResult
from resources.r_runtime.slots import Slots

REPEATS = 7
MANY = 20
CORES = 2
SCRIPT = """#' Visits by ward
#' @input visits ward <text>, n <integer>
#' @output ward <text>, n <integer>
visits_by_ward <- function(visits) {
  aggregate(n ~ ward, visits, sum)
}
"""


def main() -> str:
    """Measure, print the table and return it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        indicator, inputs = _indicator(folder), _inputs(folder)
        runtime = RRuntime(slots=Slots(folder / "slots", CORES))

        def run(_: int = 0) -> RunResult:
            return runtime.run(indicator, inputs, {}, folder / "runs", lambda event: None)

        bare = _median(lambda: subprocess.run(["Rscript", "-e", "1"], check=True, capture_output=True))
        plain = _median(lambda: subprocess.run(["Rscript", "-e", SCRIPT], check=True, capture_output=True))
        one = _median(run)
        started = time.perf_counter()
        with ThreadPoolExecutor(MANY) as pool:
            results = list(pool.map(run, range(MANY)))
        many = time.perf_counter() - started
    child = max(result.child_peak_mb for result in results)
    parent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = [
        "| | seconds |",
        "|---|---|",
        f"| `Rscript -e 1` | {bare:.2f} |",
        f"| `Rscript` on the bare script, no data | {plain:.2f} |",
        f"| one indicator: new process, sandbox, table in, checked table out | {one:.2f} |",
        f"| {MANY} indicators, at most {CORES} at once | {many:.2f} |",
        "",
        f"Median of {REPEATS}. Peak memory: {child:.0f} MB in a child, {parent:.0f} MB in the parent.",
    ]
    table = "\n".join(lines)
    print(table)
    return table


def _indicator(folder: Path) -> Indicator:
    path = folder / "r_scripts" / "indicators" / "visits_by_ward.R"
    path.parent.mkdir(parents=True)
    path.write_text(SCRIPT, encoding="utf-8")
    return read_indicator(path)


def _inputs(folder: Path) -> dict[str, InputTable]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"ward": ["A", "B"] * 500, "n": list(range(1000))})
    pq.write_table(table, folder / "visits.parquet")
    return {"visits": InputTable(folder / "visits.parquet", "validated/visits", "1", table.num_rows)}


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
