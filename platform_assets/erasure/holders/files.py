"""Files as they were delivered: waiting, archived and rejected ones, without the marked rows, and with others' cells as was decided."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from platform_assets.contracts.model import Contract
from platform_assets.erasure.decisions import DROP, ELSE, MEND, Spot
from platform_assets.erasure.holder import Busy, Count, FileHolder, Work, key_of
from platform_assets.erasure.holders.tables.rows import keys_of
from platform_assets.erasure.redaction import NOTE, Cells, NotRedacted, Redacted, Redactor, replace
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Search, search_file
from platform_assets.erasure.targets import identifying_columns
from platform_assets.ingest.bundles import take_apart
from platform_assets.ingest.deliveries import landing_folder
from platform_assets.ingest.readers.apart.process import Child


class Files(FileHolder):
    """The folders `landing`, `archive` and `rejected`, and those in which files lie on their way to BigQuery and back."""

    order = 10
    name = "files"
    places: ClassVar[Mapping[str, str]] = {
        "archive": "rows in archived files",
        "landing": "rows in waiting files",
        "rejected": "rows or lines in rejected files",
    }
    what = "a delivered file, elsewhere than in its rows"

    def claims(self) -> Collection[str]:
        """The folders."""
        return (*self.places, "staging", "quarantine")

    def count(self, work: Work) -> Count:
        """Marked rows by place."""
        with contextlib.suppress(Busy):  # which stops what follows
            self._open_bundles(work)
        found = dict.fromkeys(self.places, 0)
        for contract in work.contracts:
            redactor = self._redactor(contract, work)
            for place, name in self._candidates(contract, work):
                with self._scratch() as folder:
                    redacted = _unless_unwritable(redactor.redact, name, folder)
                    found[place] += redacted.rows if redacted else 0
        return Count(found)

    def erase(self, work: Work) -> list[str]:
        """Write every file that has marked rows anew, do what was decided, and take the texts out of the names of files."""
        self._open_bundles(work)
        self.decide_files(work)
        for contract in work.contracts:
            redactor = self._redactor(contract, work)
            for place, name in list(self._candidates(contract, work)):
                with self._scratch() as folder:
                    self._put(place, name, _unless_unwritable(redactor.redact, name, folder))
                self._decide(contract, redactor, place, name, work)
            for place in self.places:
                self._rename(f"{place}/{contract.name}", work)
        return []

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """Spots by column of the dataset, as in its tables; and by file, where a text stands elsewhere than in rows."""
        for name, opened in self.parts.ground.files(self.holds):
            texts = search.file(name, opened)
            named = search.text(name)
            if not (texts or named):
                continue
            dataset = name.split("/")[1] if name.count("/") > 1 else ""
            contract = self.parts.contracts.get(dataset)
            if contract and contract not in work.contracts:
                work.explained[key_of(name)] = f"a file of {dataset}: the dataset does not know these people"
                continue
            left = set(texts)
            if contract and texts and not name.endswith(NOTE):
                with self._scratch() as folder:
                    cells = self._redactor(contract, work).cells(name, folder, search.texts)
                    if cells and cells.columns:
                        yield from self._spots(contract, cells, search.texts, work)
                        left = search_file(cells.masked, search.texts) if cells.masked else left
            if left | named:
                yield self.spot(name, left | named, work)

    # ------------------------------------------------------------------------------------------------ inside

    def _open_bundles(self, work: Work) -> None:
        """Take waiting archives of several datasets apart: their files wait with those of their datasets then. Loads of one of these are
        stopped, so nobody else does it now. Raises Busy where one cannot be, as nobody knows who is in it."""
        concerned = {contract.name for contract in work.contracts}
        for bundle in (b for b in self.parts.bundles.values() if concerned & b.members.keys()):
            with self._scratch() as folder, Child() as child:
                left = list(take_apart(bundle, self.parts.store, folder, child, settle_seconds=0))
            if left:
                raise Busy(
                    f"{len(left)} archive(s) in landing/{bundle.name} cannot be taken apart, and nobody knows who is in them: load them, which "
                    "refuses them, or remove them. Then run the request again"
                )

    def _redactor(self, contract: Contract, work: Work) -> Redactor:
        warehouse = self.parts.warehouse
        with warehouse.connect() as connection:
            keys = keys_of(warehouse, connection, self.parts.keys, contract.name)
        return Redactor(warehouse, self.parts.store, contract, keys, work.stones)

    def _candidates(self, contract: Contract, work: Work) -> Iterator[tuple[str, str]]:
        """(place, name) of files that may hold marked rows: of deliveries that the tables name, and where the bytes say so."""
        search = Search(work.texts or ())
        for place in self.places:
            folder = landing_folder(contract.name) if place == "landing" else f"{place}/{contract.name}"
            for stored in list(self.parts.store.walk(folder)):
                if stored.name.endswith(NOTE):
                    continue
                deliveries = work.deliveries.get(contract.name, ())
                known = place == "archive" and stored.name.split("/")[2] in deliveries
                if work.texts is None or known or place == "landing" or self._has(stored.name, search):
                    yield place, stored.name

    def _has(self, name: str, search: Search) -> bool:
        with self._scratch() as folder:
            copy = self.parts.store.local_copy(name, folder)
            return bool(search.file(name, lambda: copy.open("rb")))

    def _put(self, place: str, name: str, redacted: Redacted | None) -> None:
        """Write what is left of a file in its place."""
        if redacted and place == "landing":
            if (
                redacted.content
            ):  # no note here: it would be taken for a delivery. What cannot be written stays, and is found.
                self.parts.store.write(name, redacted.content)
        elif redacted:
            replace(self.parts.store, name, redacted)

    def _decide(self, contract: Contract, redactor: Redactor, place: str, name: str, work: Work) -> None:
        prefix = f"{contract.name}/"
        mend, drop = (
            {key.removeprefix(prefix) for key in work.decided(way) if key.startswith(prefix)} for way in (MEND, DROP)
        )
        if (mend | drop) and self.parts.store.stat(name):
            with self._scratch() as folder:
                done = _unless_unwritable(redactor.decide, name, folder, work.searched, mend, drop)
                self._put(place, name, done)

    def _rename(self, folder: str, work: Work) -> None:
        """Take the texts out of names; never onto a file that is there."""
        for stored in list(self.parts.store.walk(folder)):
            clean = whole.without(stored.name, work.texts or (), "erased")
            if clean != stored.name:
                stem, dot, suffix = clean.rpartition(".")
                number = 1
                while self.parts.store.stat(clean):
                    number += 1
                    clean = f"{stem or suffix}-{number}{dot}{suffix if stem else ''}"
                self.parts.store.move(stored.name, clean)

    def _spots(self, contract: Contract, cells: Cells, texts: Collection[str], work: Work) -> Iterator[Spot]:
        for column, found in cells.columns.items():
            key = f"{contract.name}/{column}"
            words = f"other rows of {contract.name}, column {column}"
            ways: tuple[str, ...] = (MEND, DROP, ELSE)
            if column == "_text":
                words = f"lines of {contract.name} that could not be read as rows"
            elif column in identifying_columns(contract):
                ways = (DROP, ELSE)
                if all(cell.strip() not in texts for cell in found):
                    work.explained[f"{key} (longer)"] = f"{words}: part of longer numbers, which are others'"
                    continue
            there = frozenset(t for cell in found for t in whole.standing(cell, texts))
            yield Spot(key, words, ways, there, tuple(whole.around(cell, there) for cell in found[:5]))

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        folder = self.parts.warehouse.wait_for_scratch()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _unless_unwritable(redact: Callable[..., Redacted | None], *args: object) -> Redacted | None:
    """None where the file cannot be written anew: it stays, the search finds it, and a steward decides what becomes of all of it."""
    try:
        return redact(*args)
    except NotRedacted:
        return None


HOLDER = Files
