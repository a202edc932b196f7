"""Making a release: 20 indicators x 120 organisations x 36 months, then one month more. `python -m benchmarks.releases`.

The cases are generated (about 50,000 an indicator). Counting, drawing, auditing, marks, figures by R, and writing are measured; computing cases is not.
"""

from __future__ import annotations

import datetime as dt
import resource
import tempfile
import time
from pathlib import Path

from platform_assets.disclosure.policy import read_policies
from platform_assets.indicators.header import read_indicator
from platform_assets.releases.making import make
from resources.environment import Settings, resources_for

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


def main() -> None:
    """Print seconds and memory."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        platform = resources_for("laptop", Settings(home=home / "home"))
        scripts = home / "r" / "indicators"
        scripts.mkdir(parents=True)
        indicators = {}
        with platform.warehouse.connect() as connection, platform.warehouse.write(connection):
            for number in range(INDICATORS):
                name = f"events_{number}"
                (scripts / f"{name}.R").write_text(SCRIPT.replace("NAME", name), encoding="utf-8")
                indicators[name] = read_indicator(scripts / f"{name}.R")
                connection.execute(
                    f"CREATE TABLE indicators.{name} AS SELECT 'R' || i AS record, 'Organisation ' || (hash(i, {number}) % {ORGANISATIONS}) AS organisation, "
                    f"DATE '2021-01-01' + (hash(i, 'day') % (36 * 30 + 45))::INTEGER AS date, "
                    f"CASE WHEN hash(i, 'o') % 100 < 8 THEN 'event' ELSE 'none' END AS outcome, (hash(i, 'e') % 1000) / 1000.0 AS expected "
                    f"FROM range({CASES}) r(i)"
                )
        for today in (dt.date(2024, 1, 20), dt.date(2024, 1, 20), dt.date(2024, 2, 20)):
            started = time.perf_counter()
            made = make(indicators, platform, read_policies(), today)
            peak = (
                max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
                / 1024
            )
            print(
                f"{today}: {time.perf_counter() - started:.1f} s, {len(made.redrawn)} made, {made.problems}, peak {peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
