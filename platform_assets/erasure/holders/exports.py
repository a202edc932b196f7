"""Files that were made for partners. Our copies of those in which somebody stands go; who got them is told in the certificate (GDPR, article 19)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import ClassVar

from platform_assets.erasure.decisions import DROP, ELSE
from platform_assets.erasure.holder import Count, FileHolder, Recipient, Work
from platform_assets.erasure.search.scan import Search
from platform_assets.erasure.search.whole import SHORTEST
from platform_assets.exports import ledger
from platform_assets.exports.ledger import FOLDER, LEFT, PENDING, Entry
from platform_assets.exports.making import LOCK
from platform_assets.exports.sending import lock_of


class Exports(FileHolder):
    """The folder of exported files, their ledger, and whom to tell."""

    order = 27
    name = "exports"
    places: ClassVar[Mapping[str, str]] = {"exports": "exported files (our copies)"}
    what = "an exported file"
    ways = (DROP, ELSE)

    def claims(self) -> Collection[str]:
        """The files and tables for which it answers."""
        return (FOLDER, f"lake:{ledger.TABLE}", f"lake:{ledger.NOTICES}")

    def stopped(self, work: Work) -> AbstractContextManager[None]:
        """Nothing is made or sent meanwhile."""
        return self._held()

    def count(self, work: Work) -> Count:
        """Files in which somebody stands."""
        found = sum(certain for _, certain in self._concerned(work))
        return Count({"exports": found} if found else {})

    def erase(self, work: Work) -> list[str]:
        """Note whom to tell, then remove our copies. What was not sent yet is made again, without the people meant."""
        concerned = list(self._concerned(work))
        warehouse = self.parts.warehouse
        if concerned:
            with warehouse.connect() as connection, warehouse.write(connection):
                ledger.ensure(warehouse, connection)
                for entry, certain in concerned:
                    if entry.went_out and work.texts is not None:
                        ledger.notice(connection, work.number, entry, certain=certain)
                    state = entry.state if entry.state in LEFT else PENDING
                    ledger.put(connection, [replace(entry, object="", state=state)])
            for entry, _ in concerned:
                if entry.object:
                    self.parts.store.delete(entry.object)
        self.decide_files(work)
        return []

    def to_tell(self, request: str) -> list[Recipient]:
        """Recipients of files in which the people stand, or may have stood."""
        return [
            Recipient(
                str(n["recipient"]), str(n["file"]), str(n["sent_at"] or ""), str(n["sha256"]), bool(n["certain"])
            )
            for n in ledger.notices(self.parts.warehouse, request)
        ]

    def _concerned(self, work: Work) -> Iterator[tuple[Entry, bool]]:
        """Files at row level in which somebody meant stands (true), or of which that cannot be told (false)."""
        texts = work.texts or frozenset()
        search = Search(texts)
        searchable = bool(texts) and all(len(text) >= SHORTEST for text in texts)
        names = {f"validated.{contract.name}" for contract in work.contracts}
        for entry in ledger.read(self.parts.warehouse):
            if not entry.row_level or not entry.rows or not _made_of(entry, names):
                continue
            there = bool(entry.object) and self.parts.store.stat(entry.object) is not None
            if there and texts and search.file(entry.object, lambda name=entry.object: self.parts.store.open(name)):  # type: ignore[misc]
                yield entry, True
            elif not (there and entry.keyed and searchable) or entry.object in search.found.unreadable:
                yield entry, False

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with contextlib.ExitStack() as locks:
            locks.enter_context(self.parts.warehouse.lock(LOCK))
            for name in sorted({entry.export for entry in ledger.read(self.parts.warehouse)}):
                locks.enter_context(self.parts.warehouse.lock(lock_of(name)))
            yield


def _made_of(entry: Entry, names: Collection[str]) -> bool:
    """Whether rows of one of the datasets may be in it: of a computed table it is not known what it was made of then."""
    tables = entry.tables.split()
    return any(table in names or not table.startswith("validated.") for table in tables)


HOLDER = Exports
