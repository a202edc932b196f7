"""Other names of columns (``aliases``): words of headers, and who proposed them. A name that tells of somebody is refused when it is proposed."""

from __future__ import annotations

from collections.abc import Collection

from platform_assets.erasure.decisions import STAYS
from platform_assets.erasure.holder import FileHolder
from platform_assets.ingest.aliases import FOLDER


class Aliases(FileHolder):
    """The folder `aliases`."""

    order = 89
    name = "aliases"
    ways = (STAYS,)

    def claims(self) -> Collection[str]:
        """The folder."""
        return (FOLDER,)


HOLDER = Aliases
