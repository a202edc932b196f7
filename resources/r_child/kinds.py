"""The kinds of failure, from the one table that the platform's card and R authors' own are made of: `r_scripts/harness/failure_kinds.csv`.

Columns: kind; reported_by (`r`: the harness in R says so through its pipe, `supervisor`: the processes around R see it, `author`: only
`dev.R` knows it); title; title_for_author_alone; advice (empty where the message says what to do).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parents[2] / "r_scripts" / "harness" / "failure_kinds.csv"


@dataclass(frozen=True)
class Kind:
    """A kind of failure as people read it: what happened, and what to do next."""

    title: str
    advice: str
    by_r: bool
    """R itself may report it."""


@functools.lru_cache(maxsize=1)
def kinds() -> Mapping[str, Kind]:
    """All kinds that a run on the platform can end in."""
    import csv  # read after a failure only: the supervisor starts with every run

    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            row["kind"]: Kind(row["title"], row["advice"], row["reported_by"] == "r")
            for row in csv.DictReader(file)
            if row["reported_by"] != "author"
        }
