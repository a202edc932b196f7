"""What a load mode says of itself (`Mode`). The modes are in `contracts.modes`, a file each.

What is the same in every mode (what is judged, which row of a key is the last one, how rows are counted) is said in
`platform_assets.ingest.loading.rules`, which asks the mode for the rest.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

NEWER = "coalesce((_earlier IS NULL OR _as_of >= _earlier) AND (_old_as_of IS NULL OR _as_of >= _old_as_of), TRUE)"
"""SQL for `Mode.counts`: an older row never replaces a newer one. Of the same age, or of no known one, the one that comes later counts."""


@dataclass(frozen=True)
class Present:
    """The delivery that a table is of, where one delivery is the whole table."""

    origin: str = ""
    """The delivery in which its rows first came; '' where nothing was published yet."""
    as_of: dt.datetime | None = None


class Mended(Protocol):
    """What a file of fixed rows mends (`ingest.deliveries.Mending`)."""

    @property
    def origin(self) -> str:
        """The delivery with which the rows first came."""
        ...

    @property
    def as_of(self) -> dt.datetime | None:
        """The place in time of the origin."""
        ...

    @property
    def released(self) -> bool:
        """Whether the file takes the place of a held delivery, rather than join it."""
        ...


class Candidate(Protocol):
    """A delivery that was judged and may be published (`ingest.deliveries.Delivery`)."""

    @property
    def id(self) -> str:
        """Its name in the ledger."""
        ...

    @property
    def mending(self) -> Mended | None:
        """Set where it holds rows that a steward has mended."""
        ...


class Account(Protocol):
    """What the ledger says of a delivery (`ingest.ledger.Entry`)."""

    as_of: dt.datetime | None
    status: str
    reason: str
    rows_in: int
    malformed: int
    quarantined: int
    superseded: int


class Mode(ABC):
    """One way in which deliveries change the table."""

    name: ClassVar[str]
    """As contracts write it."""
    whole: ClassVar[bool] = False
    """One delivery is the whole table: deliveries are weighed (`choose`), and what neither the chosen one nor its fixes have leaves."""
    repeatable: ClassVar[bool] = False
    """The same rows may come twice and change nothing: rows of a held delivery that were sent as fixes may come again with it."""
    counts: ClassVar[str] = "TRUE"
    """What order means between rows of one key: SQL that is true where a row takes effect, and false where it is superseded. It reads
    `_as_of` (the row's place in time), `_earlier` (that of the newest of earlier deliveries of the batch) and `_old_as_of` (the table's)."""

    @abstractmethod
    def refusal(self, key: Sequence[str], *, ordered: bool) -> str:
        """What a contract says that does not fit, and what to do; '' where all fits. `ordered`: it has an `order_by`."""

    @abstractmethod
    def in_words(self, key: str) -> str:
        """What becomes of a row, in a sentence for people. `key` is the key's columns, or ''."""

    def choose(
        self,
        deliveries: Sequence[Candidate],
        entries: Mapping[str, Account],
        dates: Mapping[str, dt.datetime | None],
        now: Present,
    ) -> str | None:
        """What order means between deliveries: the one that becomes the whole table; None where there is none, or the table stays.

        `deliveries` stand in the order of loading, `dates` are the places in time of those whose rows have one of their own, `now` is
        what the table is of. What comes too late is marked as superseded in `entries`. Asked where `whole` is true.
        """
        raise NotImplementedError(f"{self.name}: rows are weighed, not deliveries")

    def too_late(self, origin: str, entry: Account | None, now: Present, *, released: bool) -> str:
        """Why rows of the delivery `origin` can no longer be mended, in words for the person who tries; '' where they can.

        The words follow the dataset's name; `entry` is the delivery's in the ledger. `released`: all right rows of a held delivery
        are to be sent, to become the table.
        """
        return ""
