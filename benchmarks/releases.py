"""Making a release: 20 indicators x 120 organisations x 36 months, then one month more.

The cases are generated (50,000 an indicator). Counting, drawing, auditing, marks, figures by R, and writing are measured; computing cases is not.
"""

from __future__ import annotations

import datetime as dt
import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.disclosure.policy import read_policies
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.script.header import read_indicator
from platform_assets.releases.making import make
from platform_assets.releases.sealing import seal_all
from resources.environment import Settings, resources_for

if TYPE_CHECKING:
    import duckdb

WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
INDICATORS, ORGANISATIONS, MONTHS, CASES = 20, 120, 36, 50_000
SCRIPT = """#' Events by organisation
#' @input lab  sample_id <text>
#' @output organisation <text>, events <integer>, cases <integer>, share <number>, expected <number>
#' @cases event, none
#' @amount expected sum of expected 0..1 in steps of 0.5
#' @grain month by organisation
#' @settles 2 weeks
#' @plot bars Share by organisation
#' @minimum_n 20 of cases
NAME <- function(lab) lab
NAME_figures <- function(atoms) {
  sums <- rowsum(as.matrix(atoms[c("event", "none", "expected")]), atoms$organisation, na.rm = TRUE)
  data <- data.frame(organisation = rownames(sums), events = as.integer(sums[, 1]),
                     cases = as.integer(sums[, 1] + sums[, 2]), expected = sums[, 3])
  data$share <- ifelse(data$cases > 0, data$events / data$cases, NA)
  list(data = data, bars = function(table) function() graphics::barplot(table$share))
}
"""


def main() -> str:
    """The table of results, as Markdown."""
    lines = [
        f"{INDICATORS} indicators x {ORGANISATIONS} organisations x {MONTHS} months, {CASES:,} cases each. Drawing: counting, drawing, marks of",
        "records. Figures: auditing, table and plot by R, files.",
        "",
        "| | drawing (s) | figures (s) | CPU (s), all processes | largest process (MB) | indicators made |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as place:
        platform = resources_for("laptop", Settings(home=Path(place) / "home"))
        indicators = _indicators(Path(place) / "r" / "indicators")
        with platform.warehouse.connect() as connection, platform.warehouse.write(connection):
            _cases(connection, indicators)
        organisations = {name: [("validated.lab", "laboratory")] for name in indicators}
        for what, today in (
            ("the first release", dt.date(2024, 1, 20)),
            ("nothing new", dt.date(2024, 1, 20)),
            ("one month more", dt.date(2024, 2, 20)),
        ):
            used, started = _processor(), time.perf_counter()
            _, refused = seal_all(indicators, organisations, platform.warehouse, platform.keys, read_policies(), today)
            drawn = time.perf_counter()
            made = make(indicators, platform, read_policies())
            done = time.perf_counter()
            assert {**refused, **made.problems} == {}
            peak = max(resource.getrusage(who).ru_maxrss for who in WHO) / 1024
            lines.append(
                f"| {what} | {drawn - started:.1f} | {done - drawn:.1f} | {_processor() - used:.1f} | {peak:.0f} | {len(made.redrawn)} |"
            )
    return "\n".join(lines)


def _processor() -> float:
    """Seconds of all cores so far, of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in WHO]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _indicators(folder: Path) -> dict[str, Indicator]:
    folder.mkdir(parents=True)
    for number in range(INDICATORS):
        (folder / f"events_{number}.R").write_text(SCRIPT.replace("NAME", f"events_{number}"), encoding="utf-8")
    return {path.stem: read_indicator(path) for path in sorted(folder.glob("*.R"))}


def _cases(connection: duckdb.DuckDBPyConnection, indicators: Mapping[str, Indicator]) -> None:
    connection.execute(
        f"CREATE TABLE validated.lab AS SELECT 'Organisation ' || i AS laboratory FROM range({ORGANISATIONS}) r(i)"
    )
    for number, name in enumerate(indicators):
        connection.execute(
            f"CREATE TABLE indicators.{name} AS SELECT 'R' || i AS record, 'Organisation ' || (hash(i, {number}) % {ORGANISATIONS}) AS organisation, "
            f"DATE '2021-01-01' + (hash(i, 'day') % (36 * 30 + 45))::INTEGER AS date, "
            f"CASE WHEN hash(i, 'o') % 100 < 8 THEN 'event' ELSE 'none' END AS outcome, (hash(i, 'e') % 1000) / 1000.0 AS expected "
            f"FROM range({CASES}) r(i)"
        )


if __name__ == "__main__":
    print(main())
