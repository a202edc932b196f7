"""What one run of a dataset's asset has to tell, whichever engine did the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.load import LoadReport
from platform_assets.ingest.quality import Outcome
from resources.warehouse import TableState


@dataclass(frozen=True)
class Loaded:
    """A load, and the dataset as it stands after it."""

    report: LoadReport
    outcomes: Sequence[Outcome]
    states: Mapping[str, TableState]
    """Layer -> the state of its table."""
    partitions: Sequence[tuple[str, int]]
    """The last weeks or months, and their rows; empty where the contract has none."""
    held: Sequence[Entry]
    """Deliveries that wait for another contract."""
    cost: Mapping[str, int] = field(default_factory=dict)
    """What the engine counts of its work, by a name for people."""
