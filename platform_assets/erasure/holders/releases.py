"""What was published: counts that were drawn once, and the keyed marks of the records that made them. Marks go, drawn counts stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from platform_assets.erasure.decisions import ELSE
from platform_assets.erasure.holder import Count, FileHolder, Work
from platform_assets.releases import ledger
from platform_assets.releases.reading import FOLDER
from resources.identity import RELEASE, MissingIdentityKey


class Releases(FileHolder):
    """The folder of releases, the ledger of seals, and the key on a laptop."""

    order = 25
    name = "releases"
    places: ClassVar[Mapping[str, str]] = {"seals": "marks of records behind published counts"}
    what = "a file of a release"
    ways = (ELSE,)
    remark = (
        "Published counts are drawn once, of ten records or more or hidden, and name nobody: they stay as they were published, since a "
        "count that changed would tell what was erased. The marks by which the platform knew which records made them are gone"
    )

    def claims(self) -> Collection[str]:
        """Files, tables, key."""
        return (FOLDER, "releases", *(f"lake:{table}" for table in ledger.COLUMNS))

    def count(self, work: Work) -> Count:
        """Marks of the people meant."""
        secrets = self._secrets()
        if not secrets or not work.texts:
            return Count()
        with self.parts.warehouse.connect(read_only=True) as connection:
            return Count({"seals": ledger.marks_standing(self.parts.warehouse, connection, secrets, work.texts)})

    def erase(self, work: Work) -> list[str]:
        """Remove them. No drawn count changes."""
        self.decide_files(work)
        secrets = self._secrets()
        if secrets and work.texts:
            with self.parts.warehouse.connect() as connection, self.parts.warehouse.write(connection):
                ledger.erase(self.parts.warehouse, connection, secrets, work.texts)
        return []

    def _secrets(self) -> tuple[bytes, ...]:
        """The key and earlier ones; empty where there is none, and so nothing was drawn."""
        try:
            return self.parts.keys.ring(RELEASE)
        except MissingIdentityKey:
            return ()


HOLDER = Releases
