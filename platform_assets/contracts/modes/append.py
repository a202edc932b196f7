"""append: every row is added. A row has no key, so none replaces another.

Two days that happen to be equal are two days: deliveries are told apart by their names, and the same file again adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from platform_assets.contracts.mode import Mode


class Append(Mode):
    """Adds every row, and replaces none."""

    name = "append"
    told_apart_by_name = True
    on_former = "ignore"

    @override
    def refusal(self, key: Sequence[str], *, ordered: bool) -> str:
        if key or ordered:
            return "append keeps every row: 'key' and 'order_by' would be ignored; use upsert, or drop them"
        return ""

    @override
    def in_words(self, key: str) -> str:
        return "Every row is added."


MODE = Append()
