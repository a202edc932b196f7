"""Files that no part of the platform answers for: a copy, a note, the folder of something new. They are searched all the same."""

from __future__ import annotations

from collections.abc import Collection

from platform_assets.erasure.holder import FileHolder, is_claimed


class Strays(FileHolder):
    """Whatever lies below DATA_HOME, or in the bucket, and is nobody's."""

    order = 120
    name = "strays"
    what = "a file that no part of the platform answers for"

    def claims(self) -> Collection[str]:
        """Nothing."""
        return ()

    def holds(self, name: str) -> bool:
        """Whether no holder claims it."""
        return not is_claimed(name, self.parts.claimed)


HOLDER = Strays
