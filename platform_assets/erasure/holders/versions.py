"""Earlier versions of objects, where a bucket keeps what was replaced or deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from platform_assets.erasure.decisions import DROP, ELSE, Spot
from platform_assets.erasure.holder import Holder, Work, key_of
from platform_assets.erasure.search import whole
from platform_assets.erasure.search.scan import Search
from resources.object_store import StoredObject


class Versions(Holder):
    """Of the bucket of files, and of the lake's bucket, whose history ends with an erasure anyway."""

    order = 110
    name = "versions"

    def claims(self) -> Collection[str]:
        """Nothing below DATA_HOME."""
        return ()

    def erase(self, work: Work) -> list[str]:
        """Nothing: they go after the others have written anew."""
        return []

    def clean(self, work: Work) -> int:
        """Remove earlier versions of the datasets' files, of products, of the lake, and those of which that was decided."""
        folders = [f"{place}/{c.name}" for c in work.contracts for place in _FOLDERS]
        found = [
            (self.parts.store, old) for folder in (*folders, "products") for old in self.parts.store.earlier(folder)
        ]
        if self.parts.lake:
            found += [(self.parts.lake, old) for old in self.parts.lake.earlier("")]
        drop = work.decided(DROP)
        if drop:
            found += [(self.parts.store, old) for old in self.parts.store.earlier("") if _key(old) in drop]
        gone = {(id(store), old.name, old.version): (store, old) for store, old in found}
        for store, old in gone.values():
            store.forget(old)
        return len(gone)

    def search(self, work: Work, search: Search) -> Iterable[Spot]:
        """A spot for every version in which a text stands; those of the request go with it."""
        for old in self.parts.store.earlier(""):
            if old.name == work.request:
                continue
            texts = search.file(old.name, lambda old=old: self.parts.store.open_earlier(old)) | search.text(old.name)  # type: ignore[misc]
            if texts:
                shown = whole.without(old.name, work.texts or texts, "...")
                words = f"an earlier version of a file in the bucket: {shown} (version {old.version})"
                yield Spot(_key(old), words, (DROP, ELSE), frozenset(texts))

    def keeps(self) -> list[str]:
        """What buckets keep of deleted objects."""
        return [note for note in (self.parts.store.keeps(), self.parts.lake.keeps() if self.parts.lake else "") if note]


_FOLDERS = ("archive", "landing", "rejected", "staging", "quarantine")


def _key(old: StoredObject) -> str:
    return key_of(f"{old.name}#{old.version}")


HOLDER = Versions
