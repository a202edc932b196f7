"""What an engine tells of its work, whichever did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime as dt

    from platform_assets.indicators.receipts import Receipt
    from platform_assets.ingest.ledger import Entry
    from platform_assets.ingest.load import LoadReport
    from platform_assets.ingest.quality import Outcome
    from resources.lake.warehouse import TableState


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
    beside: Mapping[str, TableState] = field(default_factory=dict)
    """Table that is worked out of the dataset's own (see `ingest.worked_out`) -> its state."""


@dataclass(frozen=True)
class MadeBySql:
    """The table of a SQL indicator as it stands after `Engine.run_sql`."""

    rows: int
    version: str
    """Changes with the query, its parameters, and the tables that it reads."""
    fresh: bool
    """False where nothing had changed and nothing was done."""
    params: Mapping[str, str]
    how: str
    """Who computed it, for people: ``computed by ...``."""
    receipt: Receipt | None = None
    """What it was made from, where the engine keeps receipts."""
    published: Mapping[str, str] = field(default_factory=dict)
    """Place -> what was published there, for people."""
    cost: Mapping[str, int] = field(default_factory=dict)
    """What the engine counts of its work, by a name for people."""


class MadeTable(NamedTuple):
    """The table of an indicator."""

    name: str
    rows: int
    made_at: dt.datetime
    """UTC."""
