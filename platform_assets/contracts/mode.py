"""What a load mode says of itself (`Mode`). The modes are in `contracts.modes`, a file each.

What is the same in every mode (what is judged, which row of a key is the last one, how rows are counted) is said in
`platform_assets.ingest.loading.rules`, which asks the mode for the rest.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

NEWER = "coalesce((_earlier IS NULL OR _as_of >= _earlier) AND (_old_as_of IS NULL OR _as_of >= _old_as_of), TRUE)"
"""SQL for `Mode.counts`: an older row never replaces a newer one. Of the same age, or of no known one, the one that comes later counts."""


@dataclass(frozen=True)
class Terms:
    """What a contract says that is weighed between deliveries."""

    dated: bool = False
    """Deliveries, or their rows, have dates that say which is newer; otherwise only their arrival does."""
    named: bool = False
    """The date stands in the file's name."""
    parts: bool = False
    """Files of one date are parts of one delivery."""
    on_former: str = "hold"
    """What becomes of content that came before, and other content since, where only its arrival says that it is newer: apply, hold or
    ignore."""


@dataclass(frozen=True)
class Present:
    """The delivery that a table is of, where one delivery is the whole table; or the deliveries that are parts of it."""

    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of the file -> the delivery in which its rows first came, and deliveries of fixed rows that joined it. Empty where nothing was
    published yet."""
    as_of: dt.datetime | None = None

    @property
    def origins(self) -> frozenset[str]:
        """All deliveries whose rows the table has."""
        return frozenset().union(*self.files.values())


@dataclass(frozen=True)
class Chosen:
    """What becomes of the table, where one delivery is the whole of it."""

    base: str | None = None
    """The delivery that the table becomes; what neither it nor those that join it have leaves. None where the table stays."""
    whole_of: str | None = None
    """The delivery that is the whole of what it is about (`load.replaces`): rows of the table about the same that it does not have leave."""
    swept: str | None = None
    """The delivery that holds everything that its source has: rows of other keys leave (`Source.is_whole`)."""
    later: frozenset[str] = frozenset()
    """Deliveries that came after that one: their rows stay."""
    replaced: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """A part that comes again -> the deliveries whose rows it stands for: what it no longer has leaves."""


class Mended(Protocol):
    """What a file of fixed rows mends (`ingest.deliveries.Mending`)."""

    @property
    def origin(self) -> str:
        """The delivery with which the rows first came."""
        ...

    @property
    def file(self) -> str:
        """The name of its file."""
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
    def file(self) -> str:
        """The name of its file."""
        ...

    @property
    def mending(self) -> Mended | None:
        """Set where it holds rows that a steward has mended."""
        ...

    @property
    def former(self) -> bool:
        """Whether its content came before, and other content since."""
        ...

    @property
    def same_as(self) -> str:
        """The latest delivery before it with the same content, or ''."""
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


def held(entry: Account, reason: str) -> None:
    """All rows of the delivery go to quarantine; nothing of it is published until someone looks."""
    entry.status, entry.reason = "held", reason
    entry.quarantined = entry.rows_in - entry.superseded


def superseded(entry: Account, reason: str) -> None:
    """None of the delivery's rows takes effect."""
    entry.status, entry.reason = "superseded", reason
    entry.superseded, entry.quarantined = entry.rows_in - entry.malformed, entry.malformed


def only_by_arrival(delivery: Candidate, entry: Account, terms: Terms) -> None:
    """Content that came before, and other content since: `terms` say what becomes of it where only its arrival says that it is newer."""
    before = f"the same content came before (delivery {delivery.same_as}), and other content since"
    if terms.on_former == "ignore":
        superseded(entry, f"{before}: the contract says to ignore it")
    else:
        held(
            entry,
            f"{before}; only its arrival says that it is newer. Release it to have it applied, close it to leave the table as it is",
        )


class Mode(ABC):
    """One way in which deliveries change the table."""

    name: ClassVar[str]
    """As contracts write it."""
    whole: ClassVar[bool] = False
    """One delivery is the whole table: deliveries are weighed (`choose`), and what neither the chosen one nor its fixes have leaves."""
    told_apart_by_name: ClassVar[bool] = False
    """Rows add up: the same content under another name is another delivery, and under the same name the one that came before."""
    on_former: ClassVar[str] = "hold"
    """`Terms.on_former` where a contract does not say it."""
    partial: ClassVar[bool] = False
    """A delivery changes a part of the table: it may delete keys (`load.deletes`), and be the whole of that part (`load.replaces`)."""
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
        terms: Terms,
    ) -> Chosen:
        """What order means between deliveries: the one that becomes the whole table, if any.

        `deliveries` stand in the order of loading, `dates` are the places in time of those whose rows have one of their own, `now` is
        what the table is of. In `entries`, what comes too late is marked as superseded, and what a person has to decide as held. Asked
        where `whole` is true.
        """
        raise NotImplementedError(f"{self.name}: rows are weighed, not deliveries")

    def too_late(self, origin: str, entry: Account | None, now: Present, *, released: bool) -> str:
        """Why rows of the delivery `origin` can no longer be mended, in words for the person who tries; '' where they can.

        The words follow the dataset's name; `entry` is the delivery's in the ledger. `released`: all right rows of a held delivery
        are to be sent, to become the table.
        """
        return ""
