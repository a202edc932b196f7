"""What stewards do with rejected rows: a fix, what became of several that were sent, and why something cannot be done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_assets.quarantine.tables import RowKey

HELD = "delivery: held"


class QuarantineError(ValueError):
    """What was asked does not fit the rows; the message says what to do."""


@dataclass(frozen=True)
class Fix:
    """A row's new text, all columns of the file."""

    key: RowKey
    values: Mapping[str, str | None]
    seen: dt.datetime | None = None
    """`_staged_at` of the text that was changed (see `Desk.rows`); None: the row as it came."""


@dataclass
class Resubmission:
    """What was sent, and what was not."""

    files: list[str] = field(default_factory=list)
    sent: int = 0
    still_wrong: dict[RowKey, list[str]] = field(default_factory=dict)
    """Staged rows that still break a rule: they stay staged."""
