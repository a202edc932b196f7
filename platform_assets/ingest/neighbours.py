"""What a load asks of others, each as one question. A load without neighbours is a complete load: nobody was erased, nothing was mended.

Who was erased and what stewards have mended is known elsewhere (`erasure`, `quarantine`), which stand above this room. The composition
root (`platform_assets.office`) hands the answers in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.ingest.deliveries import Mending
from platform_assets.ingest.ledger import Entry
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

    LeaveOut = Callable[
        [Warehouse, duckdb.DuckDBPyConnection, Contract, IdentityKeys, ObjectStore],
        Mapping[int, tuple[int, int]] | None,
    ]
    LeaveOutOf = Callable[
        [Warehouse, duckdb.DuckDBPyConnection, Contract, IdentityKeys, ObjectStore, str],
        None,
    ]
    PutAway = Callable[[Warehouse, ObjectStore, Contract, IdentityKeys, str, str], bool]
    Mendings = Callable[
        [Warehouse, duckdb.DuckDBPyConnection, str, Callable[..., Iterable[Entry]]], Mapping[str, Mending]
    ]
    SentOn = Callable[[Warehouse, duckdb.DuckDBPyConnection, str], set[str]]


@dataclass(frozen=True)
class Neighbours:
    """The questions. Every default is the answer of a platform on which nobody was erased and nothing mended."""

    leave_out: LeaveOut = lambda *_: None
    """(warehouse, connection, contract, keys, store): which of the staged rows may not come in? They are gone from the views `staged`
    and `broken` afterwards. Returns, per number of the member, how many rows and how many broken lines they were, or None where nobody
    of this dataset may be kept out."""

    leave_out_of: LeaveOutOf = lambda *_: None
    """(warehouse, connection, contract, keys, store, table): the same of a temporary table of typed rows with pseudonyms, which loses
    them."""

    put_away: PutAway = lambda *_: False
    """(warehouse, store, contract, keys, source, target): move this file without the rows that may not be kept. False where it has none,
    and nothing was moved."""

    mendings: Mendings = lambda *_: {}
    """(warehouse, connection, dataset, entries of its books): which files mend which rows? By name of the file."""

    sent_on: SentOn = lambda *_: set()
    """(warehouse, connection, dataset): deliveries of which rows were sent as fixes already; without a key they may not come in twice."""


ALONE = Neighbours()
