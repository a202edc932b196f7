"""What is known of a dataset's deliveries, whichever engine keeps it: the ledger, and what stewards have sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from platform_assets.ingest import ledger
from platform_assets.ingest.deliveries import Mending
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.neighbours import ALONE, Neighbours
from resources.lake.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb


class Books(Protocol):
    """What is known of a dataset's deliveries."""

    def entries(
        self,
        *,
        deliveries: Iterable[str] | None = None,
        status: str | None = None,
        contents: Iterable[str] | None = None,
    ) -> list[Entry]:
        """Entries of the ledger, oldest first; only `deliveries`, those of one `status`, or of `contents` (hashes) where given."""
        ...

    def newest(self) -> Entry | None:
        """The newest published delivery; None where nothing was published yet."""
        ...

    def mendings(self) -> Mapping[str, Mending]:
        """The files of fixed rows that stewards have sent, by name."""
        ...

    def sent_on(self) -> set[str]:
        """Deliveries of which rows were sent as fixes already."""
        ...


@dataclass(frozen=True)
class LakeBooks(Books):
    """The books that the lake keeps."""

    warehouse: Warehouse
    connection: duckdb.DuckDBPyConnection
    dataset: str
    neighbours: Neighbours = ALONE

    @override
    def entries(
        self,
        *,
        deliveries: Iterable[str] | None = None,
        status: str | None = None,
        contents: Iterable[str] | None = None,
    ) -> list[Entry]:
        return ledger.read(self.connection, self.dataset, deliveries=deliveries, status=status, contents=contents)

    @override
    def newest(self) -> Entry | None:
        return ledger.newest(self.connection, self.dataset)

    @override
    def mendings(self) -> Mapping[str, Mending]:
        return self.neighbours.mendings(self.warehouse, self.connection, self.dataset, self.entries)

    @override
    def sent_on(self) -> set[str]:
        return self.neighbours.sent_on(self.warehouse, self.connection, self.dataset)


def origins(books: Books) -> list[str]:
    """Hashes of a dataset's deliveries, by which it is told whether all of it is sample data. A fix goes with what it mends."""
    fixes = {m.delivery for m in books.mendings().values()}
    return [e.sha256 for e in books.entries() if e.delivery not in fixes]
