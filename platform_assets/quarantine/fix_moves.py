"""Where files of fixed rows are: given their name in landing, taken back, or gone without having been loaded. Every step can be cut off;
whoever comes next ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import landing_folder
from platform_assets.quarantine import tables as quarantine_tables
from resources.lake.warehouse import Warehouse
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

PREPARED, WITHDRAWN = ".part", ".withdrawn"
"""Endings of hidden names in landing: written, but its transaction may not have come yet; to be removed once its rows are open again."""
GONE = "its file was gone from landing and had not been loaded"


@dataclass(frozen=True)
class FixMoves:
    """The fix files of one dataset, on a connection on which the tables of `quarantine_tables` exist."""

    warehouse: Warehouse
    store: ObjectStore
    connection: duckdb.DuckDBPyConnection
    dataset: str
    user: str
    """Who is written down as acting."""

    def hidden(self, file: str, ending: str) -> str:
        """The name in landing under which ingest does not take `file`."""
        return f"{landing_folder(self.dataset)}/.{file}{ending}"

    def finish(self) -> None:
        """Give prepared fix files their name, and drop those whose transaction never came."""
        prepared = self._hidden_files(PREPARED)
        if prepared:
            with self.warehouse.write(self.connection):  # nobody is between preparing a file and its transaction
                sent = quarantine_tables.sent_files(self.connection, self.dataset)
                for file in prepared:
                    if file not in sent:
                        self.store.delete(self.hidden(file, PREPARED))
                    elif self.store.stat(self.hidden(file, PREPARED)):
                        self.store.move(self.hidden(file, PREPARED), self._waiting(file))

    def take_back(self, file: str, noted: Callable[[int], None]) -> int:
        """Remove `file` from landing and open the rows that it was to mend; returns how many. The caller holds the dataset's load lock.
        `noted` is told how many, before they are, and before anything is removed; what it raises undoes all of it.

        Ingest cannot see the file any more before its rows are open, and it is there until they are: a crash leaves neither a row in
        two places nor one in none.
        """
        sent = quarantine_tables.sent_files(self.connection, self.dataset)
        if file not in sent:
            noted(0)
            self.store.delete(self._waiting(file))
            return 0
        with self.warehouse.write(self.connection):
            opened = quarantine_tables.take_back(self.connection, self.dataset, self.user, file)
            noted(opened)
            self.store.move(self._waiting(file), self.hidden(file, WITHDRAWN))
        self.store.delete(self.hidden(file, WITHDRAWN))
        return opened

    def reopen_lost(self, books: Callable[[], Books], noted: Callable[[int], None]) -> int:
        """Open the rows of fix files that neither wait nor were ever loaded: someone has removed them by hand, or was cut off while taking
        them back. Returns how many rows; `noted` is told so before they are open, where there are any."""
        if not self._hidden_files(WITHDRAWN) and not self._lost(books):
            return 0
        with self.warehouse.lock(f"load-{self.dataset}"):  # a load, an erasure, or who takes one back may be at work
            lost, begun = self._lost(books), self._hidden_files(WITHDRAWN)
            with self.warehouse.write(self.connection):
                opened = [
                    quarantine_tables.take_back(self.connection, self.dataset, self.user, file, GONE) for file in lost
                ]
                if sum(opened):
                    noted(sum(opened))
            for file in begun:  # where it is in landing as well, taking it back had not begun in earnest
                self.store.delete(self.hidden(file, WITHDRAWN))
        return sum(opened)

    def _lost(self, books: Callable[[], Books]) -> list[str]:
        # asked in the order in which a file goes its way, so that one that moves on meanwhile is met further on
        missing = quarantine_tables.sent_files(self.connection, self.dataset, unknown_to_ledger=True)
        for file in list(missing):
            if any(self.store.stat(name) for name in (self.hidden(file, PREPARED), self._waiting(file))):
                del missing[file]
        loaded = {e.delivery for e in books().entries(deliveries=set(missing.values()))} if missing else set()
        return sorted(file for file, delivery in missing.items() if delivery not in loaded)

    def _waiting(self, file: str) -> str:
        return f"{landing_folder(self.dataset)}/{file}"

    def _hidden_files(self, ending: str) -> list[str]:
        """Fix files under hidden names. A store's own, while it writes, has two dots."""
        names = [o.basename for o in self.store.list(landing_folder(self.dataset))]
        own = [n for n in names if n.startswith(".") and not n.startswith("..") and n.endswith(ending) and "fix-" in n]
        return [name[1 : -len(ending)] for name in own]
