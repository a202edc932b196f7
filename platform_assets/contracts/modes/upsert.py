"""upsert: a row replaces an earlier row of the same key, newer over older; other rows stay."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from platform_assets.contracts.mode import NEWER, Mode


class Upsert(Mode):
    """Replaces rows by their key, and adds those that are new."""

    name = "upsert"
    partial = True
    repeatable = True
    counts = NEWER

    @override
    def refusal(self, key: Sequence[str], *, ordered: bool) -> str:
        return "" if key else "upsert needs a key: the columns by which a row replaces an earlier one"

    @override
    def in_words(self, key: str) -> str:
        return f"A row replaces an earlier row of the same {key}; an older one never replaces a newer one."


MODE = Upsert()
