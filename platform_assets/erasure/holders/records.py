"""What erasure itself keeps: tombstones (keyed hashes), certificates, and requests, which name people until they are carried out."""

from __future__ import annotations

from collections.abc import Collection

from platform_assets.erasure.decisions import STAYS, Spot
from platform_assets.erasure.holder import FileHolder, Work


class Records(FileHolder):
    """The folder `erasure`. The request at work goes last, by the eraser."""

    order = 90
    name = "records"
    ways = (STAYS,)

    def claims(self) -> Collection[str]:
        """The folder below DATA_HOME for which it answers."""
        return ("erasure",)

    def spot(self, name: str, texts: Collection[str], work: Work) -> Spot:
        """Another request is named by its number; so is a certificate."""
        found = super().spot(name, texts, work)
        folder, _, file = name.rpartition("/")
        number = file.partition(".")[0]
        words = f"a file of the erasures: {name}"
        if folder.endswith("requests"):
            words = (
                f"another open request for erasure, {number}: what it names goes when it is carried out or withdrawn"
            )
        elif folder.endswith("certificates"):
            words = f"the certificate of an earlier erasure, {number}"
        return Spot(found.key, words, self.ways, found.texts)


HOLDER = Records
