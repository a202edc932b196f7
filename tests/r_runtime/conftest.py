"""Runs the fixture scripts on a small table of visits whose values must never be seen in a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.indicators import read_indicator
from resources.r_runtime import Event, FailureCard, IndicatorFailed, InputTable, RRuntime, RunResult

SCRIPTS = Path(__file__).parent / "fixtures" / "indicators"

VISITS = pa.table(
    {
        "patient": ["Q7-Okonkwo", "Zelle Ørsted", "P-44417"],
        "visit_date": pa.array([date(2019, 3, 17), date(1987, 11, 30), date(2001, 6, 8)]),
        "age": pa.array([47, 30583, None], pa.int64()),
        "score": [12.34567, 99.25, 61.875],
        "not_declared": ["secret one", "secret two", "secret three"],
    }
)
CANARIES = (
    *("Q7-Okonkwo", "Okonkwo", "Zelle", "Ørsted", "P-44417", "44417"),
    *("2019-03-17", "1987-11-30", "2001-06-08", "30583", "12.34567", "12.35", "99.25", "61.88", "61.875"),
)


@dataclass
class Ran:
    """What one run left: a result or a card, and what was said meanwhile."""

    events: list[Event] = field(default_factory=list)
    result: RunResult | None = None
    card: FailureCard | None = None

    @property
    def said(self) -> list[str]:
        """Messages and warnings, without the line about the sandbox."""
        return [event.text for event in self.events if event.level != "sandbox"]

    @property
    def everything(self) -> str:
        """All text that left the run."""
        parts = [str(event) for event in self.events]
        if self.card:
            parts += [self.card.text(), self.card.markdown(), self.card.headline]
        if self.result:
            parts += [str(warning) for warning in self.result.warnings]
        return "\n".join(parts)

    def rows(self) -> list[dict[str, object]]:
        """The output table."""
        assert self.result is not None, self.card and self.card.text()
        return list(pq.read_table(self.result.output).to_pylist())

    def failure(self) -> FailureCard:
        """The card of a run that had to fail."""
        assert self.card is not None, "the run succeeded"
        return self.card


RunScript = Callable[..., Ran]


@pytest.fixture
def visits(tmp_path: Path) -> InputTable:
    """The table of visits at a snapshot."""
    path = tmp_path / "visits.parquet"
    pq.write_table(VISITS, path)
    return InputTable(path, "validated/visits", "4711", VISITS.num_rows)


@pytest.fixture
def run(tmp_path: Path, visits: InputTable) -> RunScript:
    """Run a fixture script by name."""

    def run_script(name: str, runtime: RRuntime | None = None, **params: object) -> Ran:
        runtime = runtime or RRuntime(timeout_seconds=60, memory_limit_mb=2048)
        ran = Ran()
        try:
            ran.result = runtime.run(
                read_indicator(SCRIPTS / f"{name}.R"),
                {"visits": visits},
                params,
                tmp_path / "runs",
                ran.events.append,
            )
        except IndicatorFailed as failed:
            ran.card = failed.card
        return ran

    return run_script
