"""What a header says of cases: what becomes of them, amounts, and the slices by which people filter their own. Errors are ValueErrors that say what to write."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

from platform_assets.indicators.model import NOT_KNOWN, Amount, AmountKind, Slice

NAME = re.compile(r"[a-z][a-z0-9_]*")
NUMBER = r"-?\d+(?:\.\d+)?"
MOST_SLICES, MOST_LEVELS = 3, 6
RESERVED = ("record", "organisation", "date", "outcome", "period", "cases")
"""Columns of the cases."""
_AMOUNT = re.compile(
    rf"(?P<name>\S+)\s+(?P<kind>sum|mean|median) of (?P<column>\S+)\s+(?P<low>{NUMBER})\.\.(?P<high>{NUMBER})"
    rf"\s+in steps of (?P<step>{NUMBER})(?:\s+(?P<help>.*))?",
    re.DOTALL,
)
_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+<>=/-]{0,39}")


def named(tag: str, name: str, known: Collection[str]) -> None:
    """Raises ValueError where `name` can be no name, or is taken."""
    if not NAME.fullmatch(name):
        raise ValueError(f'@{tag} "{name}": a name has small letters, digits and _, and starts with a letter')
    if name in known:
        raise ValueError(f'@{tag} "{name}" is declared twice')


@dataclass
class OfCases:
    """The tags of cases, gathered one by one."""

    outcomes: dict[str, str] = field(default_factory=dict)
    amounts: dict[str, Amount] = field(default_factory=dict)
    slices: dict[str, Slice] = field(default_factory=dict)

    def add(self, tag: str, text: str) -> None:
        """Read one of @cases, @amount, @slices."""
        if tag == "amount":
            return self._amount(text)
        for part in text.split(","):
            name, _, rest = part.strip().partition(" ")
            if tag == "cases":
                named(tag, name, self.outcomes)
                if name in RESERVED:
                    raise ValueError(f'@cases cannot be named "{name}": that is a column of the cases')
                self.outcomes[name] = rest.strip()
            else:
                self._slice(name, rest)
        return None

    def wrong(self) -> str:
        """What does not go together; empty where all does."""
        if not self.outcomes:
            return next((f"@{t} is of cases: add a line @cases" for t in ("amount", "slices") if self._of(t)), "")
        taken = {amount.column for amount in self.amounts.values()}
        return next((f'@slices "{name}" is the column of an @amount, too' for name in self.slices if name in taken), "")

    def _of(self, tag: str) -> bool:
        return bool(self.amounts if tag == "amount" else self.slices)

    def _slice(self, name: str, text: str) -> None:
        named("slices", name, self.slices)
        if name in RESERVED:
            raise ValueError(f'@slices cannot be named "{name}": that is a column of the cases')
        levels = tuple(level.strip() for level in text.split("|"))
        if len(set(levels)) != len(levels) or not 2 <= len(levels) <= MOST_LEVELS:
            raise ValueError(
                f'@slices "{name}": name two to {MOST_LEVELS} values that differ, as in: sex F | M, age under 60 | 60 to 79 | 80 and over'
            )
        for level in levels:
            if not _LEVEL.fullmatch(level) or level == NOT_KNOWN:
                raise ValueError(
                    f'@slices "{name}": "{level}" cannot be a value; write at most 40 letters, digits and spaces (a missing value is NA)'
                )
        if len(self.slices) == MOST_SLICES:
            raise ValueError(f"@slices: at most {MOST_SLICES}")
        self.slices[name] = Slice(name, levels)

    def _amount(self, text: str) -> None:
        match = _AMOUNT.fullmatch(text)
        if match is None:
            raise ValueError("cannot read @amount; write: @amount name sum of column 0..1 in steps of 0.5")
        named("amount", match["name"], self.amounts)
        low, high, step = (float(match[part]) for part in ("low", "high", "step"))
        if low >= high or step <= 0:
            raise ValueError(f'@amount "{match["name"]}": the limits must rise, and the step be above 0')
        if match["kind"] == "sum" and step < (high - low) / 2:
            raise ValueError(
                f'@amount "{match["name"]}": a step must be at least half of what one case can bring ({(high - low) / 2:g})'
            )
        kind = cast("AmountKind", match["kind"])
        self.amounts[match["name"]] = Amount(
            match["name"], kind, match["column"], low, high, step, (match["help"] or "").strip()
        )
