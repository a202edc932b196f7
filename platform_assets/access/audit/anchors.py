"""Heads of the audit log kept elsewhere: in a bucket that lets nobody overwrite or remove them for years (or, on one machine, in a folder on
another disk). Log and head together can be put back to an earlier state by who writes files; these cannot.

An anchor is an object of its own, ``heads/000000000120/<hash>``: its name says it all.
"""

from __future__ import annotations

from platform_assets.access.audit.entry import Head
from resources.object_store import ObjectStore

FOLDER = "heads"


class Anchors:
    """The anchors in `store`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def keep(self, head: Head) -> None:
        """Put `head` there."""
        name = f"{FOLDER}/{head.seq:012}/{head.hash}"
        if self._store.stat(name) is None:  # one that is kept may not be written again
            self._store.write(name, f"{head}\n".encode())

    def at(self, number: int) -> list[Head]:
        """What was written down of entry `number`."""
        found = self._store.list(f"{FOLDER}/{number:012}")
        return [Head(number, stored.basename) for stored in found]

    def all(self) -> list[Head]:
        """Every head that was written down. Names that are none are no head."""
        found = []
        for stored in self._store.walk(FOLDER):
            number, _, digest = stored.name.removeprefix(f"{FOLDER}/").partition("/")
            if number.isdigit() and len(digest) == 64:
                found.append(Head(int(number), digest))
        return found
