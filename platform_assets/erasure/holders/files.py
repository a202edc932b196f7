"""Erasure in the object store: archived, waiting and rejected files without the marked rows, products that name someone removed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from platform_assets.contracts.model import Contract
from platform_assets.erasure.holders.tables import keys_of, without
from platform_assets.erasure.redaction import NOTE, Redacted, Redactor, replace
from platform_assets.erasure.scan import search_file
from platform_assets.erasure.targets import Tombstone
from platform_assets.ingest.deliveries import landing_folder
from resources.identity import IdentityKeys
from resources.object_store import ObjectStore
from resources.warehouse import Warehouse

PLACES = ("archive", "landing", "rejected")


class Files:
    """The files of one dataset, held against its tombstones."""

    def __init__(
        self,
        warehouse: Warehouse,
        store: ObjectStore,
        contract: Contract,
        keys: IdentityKeys,
        stones: Sequence[Tombstone],
    ) -> None:
        self._warehouse = warehouse
        self._store = store
        self._contract = contract
        with warehouse.connect() as connection:
            keys = keys_of(warehouse, connection, keys, contract.name)
        self._redactor = Redactor(warehouse, store, contract, keys, stones)

    def count(self, deliveries: Sequence[str], texts: Sequence[str] | None) -> dict[str, int]:
        """Marked rows by place."""
        found = dict.fromkeys(PLACES, 0)
        for place, name in self._candidates(deliveries, texts):
            redacted = self._in_scratch(name, None)
            found[place] += redacted.rows if redacted else 0
        return found

    def redact(self, deliveries: Sequence[str], texts: Sequence[str] | None) -> None:
        """Write every file that has marked rows anew; take `texts` out of file names."""
        for place, name in self._candidates(deliveries, texts):
            self._in_scratch(name, place)
        for place in PLACES:
            for stored in list(self._store.walk(f"{place}/{self._contract.name}")):
                clean = without(stored.name, texts or [])
                if clean != stored.name:
                    self._store.move(stored.name, clean)

    def _candidates(self, deliveries: Sequence[str], texts: Sequence[str] | None) -> list[tuple[str, str]]:
        """(place, name) of files that may hold marked rows: of deliveries that the tables name, and where the bytes say so."""
        found = []
        for place in PLACES:
            folder = landing_folder(self._contract.name) if place == "landing" else f"{place}/{self._contract.name}"
            for stored in list(self._store.walk(folder)):
                if stored.name.endswith(NOTE):
                    continue
                known = place == "archive" and stored.name.split("/")[2] in deliveries
                if texts is None or known or place == "landing" or self._holds(stored.name, texts):
                    found.append((place, stored.name))
        return found

    def _holds(self, name: str, texts: Sequence[str]) -> bool:
        folder = self._warehouse.wait_for_scratch()
        try:
            return bool(search_file(self._store.local_copy(name, folder), texts))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _in_scratch(self, name: str, place: str | None) -> Redacted | None:
        """What is left of `name`; written in its place where `place` is given."""
        folder = self._warehouse.wait_for_scratch()
        try:
            redacted = self._redactor.redact(name, folder)
            if redacted and place == "landing":
                if (
                    redacted.content
                ):  # no note here: it would be taken for a delivery. What cannot be written stays, and is found.
                    self._store.write(name, redacted.content)
            elif redacted and place:
                replace(self._store, name, redacted)
            return redacted
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_products(warehouse: Warehouse, store: ObjectStore, texts: Sequence[str]) -> list[str]:
    """Delete files of products in which one of `texts` stands: they are made again. Returns their names, without the texts."""
    removed = []
    folder: Path = warehouse.wait_for_scratch()
    try:
        for stored in list(store.walk("products")):
            if search_file(store.local_copy(stored.name, folder), texts) or without(stored.name, texts) != stored.name:
                store.delete(stored.name)
                removed.append(without(stored.name, texts))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return removed


def clean_samples(folder: Path, texts: Sequence[str]) -> None:
    """Take lines that hold one of `texts` out of the generated tables that authors try their scripts on (`make sample`)."""
    for path in sorted(folder.glob("*.csv")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [*lines[:1], *(line for line in lines[1:] if not _names(line, texts))]
        if len(kept) < len(lines):
            fresh = path.with_suffix(".part")
            fresh.write_text("".join(kept), encoding="utf-8")
            fresh.replace(path)


def _names(line: str, texts: Sequence[str]) -> bool:
    cells = {cell.strip().strip('"') for cell in line.split(",")}
    return any(text in cells or (len(text) > 3 and text in line) for text in texts)
