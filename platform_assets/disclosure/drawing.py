"""Drawing an atom: keyed controlled random rounding (Fellegi 1975, Survey Methodology 1:123-133).

A hidden count c (1 to 7) stands for 0 or 10, 10 with chance c/10; another for the multiple of 5 below or above it, above with
chance by its remainder (8 and 9 for 10). So every figure is right on average, and each stand-in is possible for every hidden count.
Where it does not give anybody away (`auditor.may_control`) the draws of one batch are made by one running sum in a secret order, which keeps
their total within one step of the truth; otherwise each is drawn by itself, and says nothing of any other.

What is drawn depends on the key, the labels and the counts only. Nobody without the key can repeat it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from platform_assets.disclosure import auditor
from platform_assets.disclosure.policy import Policy

ATTEMPTS = 8
"""Draws with a common sum that are tried before each count is drawn by itself."""


@dataclass(frozen=True)
class Keyed:
    """Random numbers from a key: the same key and label give the same number."""

    key: bytes
    label: str

    def at(self, *parts: object) -> float:
        """A number from 0 up to 1 for these parts."""
        text = "\0".join((self.label, *map(str, parts)))
        return int.from_bytes(hmac.new(self.key, text.encode(), hashlib.sha256).digest()[:7], "big") / 2**56


@dataclass(frozen=True)
class Drawn:
    """What is published of one count."""

    count: int
    """A figure that may be shown, or, where hidden, what the count stands for in sums: zero or the smallest figure."""
    hidden: bool
    controlled: bool
    """Whether it was drawn with a common sum."""


def draw(
    counts: Mapping[str, int], cases: Mapping[str, int], policy: Policy, keyed: Keyed, organisations: bool = True
) -> dict[str, Drawn]:
    """Draw the counts of one outcome in one period; `cases` is how many cases each cell has of all outcomes.

    `organisations` says whether the cells are those of organisations, each of which knows its own.
    """
    small = {cell: c for cell, c in counts.items() if policy.hides(c, cases[cell])}
    large = {cell: c for cell, c in counts.items() if c and cell not in small}
    lifted = {cell for cell, c in large.items() if c < policy.least}
    rounded = [cell for cell in large if cell not in lifted]
    nonzero = [cell for cell, c in small.items() if c]
    drawn = {cell: Drawn(0, hidden=False, controlled=False) for cell in counts}
    up, controlled = _steps(
        nonzero,
        lambda cell: small[cell] / policy.least,
        keyed,
        "hidden",
        lambda raised: auditor.may_control_hidden(len(small), sum(raised.values()), policy, organisations),
    )
    # whether there was a common sum is said of all alike: it must not tell zeros, or what was lifted, from the rest
    for cell in small:
        drawn[cell] = Drawn(policy.least * up.get(cell, 0), hidden=True, controlled=controlled)

    def figure(cell: str, raised: int) -> int:
        return large[cell] // policy.base * policy.base + policy.base * raised

    up, controlled = _steps(
        rounded,
        lambda cell: large[cell] % policy.base / policy.base,
        keyed,
        "shown",
        lambda raised: auditor.may_control_shown(
            [policy.least] * len(lifted) + [figure(c, n) for c, n in raised.items()], policy, organisations
        ),
    )
    for cell in large:
        count = policy.least if cell in lifted else figure(cell, up[cell])
        drawn[cell] = Drawn(count, hidden=False, controlled=controlled)
    return drawn


def draw_amount(value: float, step: float, keyed: Keyed, cell: str) -> float:
    """A multiple of `step` next to `value`, right on average."""
    low = math.floor(value / step)
    return round((low + (keyed.at("amount", cell) < value / step - low)) * step, 9)


def _steps(
    cells: Sequence[str],
    fraction: Callable[[str], float],
    keyed: Keyed,
    kind: str,
    may_control: Callable[[Mapping[str, int]], bool],
) -> tuple[dict[str, int], bool]:
    """Which cells are raised by a step (1) and which are not (0), and whether by a common sum."""
    for attempt in range(ATTEMPTS):
        order = sorted(cells, key=lambda cell: keyed.at(kind, attempt, "order", cell))
        total, raised = keyed.at(kind, attempt, "start"), {}
        for cell in order:
            before = math.floor(total + 1e-12)
            total += fraction(cell)
            raised[cell] = math.floor(total + 1e-12) - before
        if may_control(raised):
            return raised, True
    return {cell: int(keyed.at(kind, "alone", cell) < fraction(cell)) for cell in cells}, False
