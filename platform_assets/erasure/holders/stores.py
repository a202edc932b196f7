"""Every place where bytes of the platform are, for an erasure to search and to clear of earlier versions.

On a laptop all is files below DATA_HOME. In the cloud there are besides: the bucket of files with its earlier generations, the bucket of the
lake, and the catalog's database. All are named as they would be below DATA_HOME.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_assets.erasure.scan import Found, Search
from resources.object_store import LocalStore, ObjectStore
from resources.warehouse import Warehouse, literal


@dataclass(frozen=True)
class Stores:
    """All places of one platform."""

    home: Path
    """DATA_HOME of this machine."""
    store: ObjectStore
    warehouse: Warehouse
    lake: ObjectStore | None = None
    """The bucket (or folder of one) of the lake's data, for its earlier versions; None where the lake is a folder."""

    @property
    def _within_home(self) -> bool:
        """Whether the store's objects are files below `home`: then they are searched as such."""
        return isinstance(self.store, LocalStore) and self.store.root.resolve().is_relative_to(self.home.resolve())

    def search(self, texts: Collection[str], without: str) -> Found:
        """Search everything but the object `without`."""
        work = Search(texts)
        work.folder(self.home, without=[self.home / without])
        if not self._within_home:
            for stored in self.store.walk(""):
                if stored.name != without:
                    work.file(stored.name, lambda name=stored.name: self.store.open(name))  # type: ignore[misc]
        for stored in self.store.earlier(""):
            name = f"{stored.name} (version {stored.version})"
            if stored.name != without:
                work.file(name, lambda found=stored: self.store.open_earlier(found))  # type: ignore[misc]
        if self.warehouse.in_bucket:
            self._search_lake(work)
        for table, row in self.warehouse.catalog.contents():
            work.text(f"lake/catalog/{table}", row)
        return work.found

    def forget_earlier(self, folders: Sequence[str]) -> int:
        """Remove all earlier versions of objects in `folders`, and of the lake's files (its history ends with an erasure anyway).

        Returns how many there were.
        """
        places = [(self.store, folder) for folder in folders]
        if self.lake:
            places.append((self.lake, ""))
        removed = 0
        for store, folder in places:
            for found in list(store.earlier(folder)):
                store.forget(found)
                removed += 1
        return removed

    def keeps(self) -> list[str]:
        """What is kept for a while where no erasure reaches, as sentences for the certificate."""
        notes = [self.store.keeps(), self.lake.keeps() if self.lake else "", self.warehouse.catalog.keeps()]
        if not self._within_home:
            notes.append(
                "Of folders for temporary files only that of the machine that carried this out was searched; others are "
                "emptied when their work ends."
            )
        return [note for note in notes if note]

    def _search_lake(self, work: Search) -> None:
        """The lake's files in a bucket, one after the other through a copy."""
        folder = self.warehouse.wait_for_scratch()
        copy = folder / "file"
        try:
            with self.warehouse.connect(read_only=True) as connection:
                for name, address in sorted(self.warehouse.data_files(connection).items()):
                    row = connection.execute(f"SELECT content FROM read_blob({literal(address)})").fetchone()
                    copy.write_bytes(row[0] if row else b"")
                    work.file(f"lake/data/{name}", lambda: copy.open("rb"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
