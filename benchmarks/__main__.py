"""`make bench`: run the benchmarks one after the other and write results.md. Names on the command line choose some of them."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

BENCHMARKS = {
    "ingest": "Landing to raw, validated and quarantine",
    "years": "Ten years of weekly deliveries",
    "sources": "Doors in",
    "r_startup": "Starting an indicator",
    "r_exchange": "Tables to R and back",
    "r_statistics": "Statistics of a million patients",
    "releases": "Making a release",
    "dashboard": "A thousand people at the dashboard",
    "exports": "Doors out",
    "mentions": "Drug names in titles",
}
RESULTS = Path(__file__).parent / "results.md"


def machine() -> str:
    """What the figures were measured on."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // 1024**2
    r = subprocess.run(["R", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    packages = ", ".join(f"{p} {version(p)}" for p in ("duckdb", "dagster", "pyarrow", "pandas"))
    return f"{os.cpu_count()} cores, {memory} GiB, Python {platform.python_version()}, {packages}, {r.split(' (')[0]}"


def main(names: list[str]) -> None:
    """Run and write; a part that was not run now keeps its last figures."""
    parts: dict[str, str] = {}
    if RESULTS.exists():
        for chunk in RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]:
            title, _, body = chunk.partition("\n")
            parts[title] = body.strip()
    for name in names or BENCHMARKS:
        print(f"{name} ...", flush=True)
        body = importlib.import_module(f"benchmarks.{name}").main()
        parts[BENCHMARKS[name]] = f"{dt.date.today()}, {machine()}\n\n{body}"
    text = "# Benchmarks\n\n`make bench` measures; ratios are to a floor measured in the same run, and matter more than seconds.\n"
    RESULTS.write_text(
        text + "".join(f"\n## {title}\n\n{parts[title]}\n" for title in BENCHMARKS.values() if title in parts),
        encoding="utf-8",
    )
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
