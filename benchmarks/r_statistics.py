"""The statistics of a million patients in a thousand hospitals, in R: seconds and memory of each step.

The floors are what R itself takes (glm) and the loop over hospitals that the by-group functions once were.
`python -m benchmarks r_statistics`
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = HERE.parent / "r_scripts" / "lib"


def main() -> str:
    """Measure in a fresh R, print the table and return it."""
    done = subprocess.run(
        ["Rscript", "--vanilla", str(HERE / "r_statistics.R"), str(LIBRARY)], capture_output=True, text=True, check=True
    )
    lines = [
        "1,000,000 patients, 1,000 hospitals; memory is R's highest beyond the data",
        "",
        "| step | elapsed | processor | memory |",
        "|---|---|---|---|",
    ]
    for line in done.stdout.splitlines():
        step, elapsed, processor, megabytes = line.split("\t")
        seconds = [f"{value} s" if value else "" for value in (elapsed, processor)]
        lines.append(f"| {step} | {seconds[0]} | {seconds[1]} | {megabytes} MB |")
    busy = os.getloadavg()[1]
    lines += [
        "",
        f"Load average of the machine meanwhile: {busy:.0f}; where it is above the number of cores, elapsed waits.",
    ]
    table = "\n".join(lines)
    print(table)
    return table


if __name__ == "__main__":
    main()
