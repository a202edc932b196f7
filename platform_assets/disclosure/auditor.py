"""What somebody can work out of drawn counts who has everything that was ever published and knows some of the counts exactly.

Of a count that was drawn by itself nothing follows but what its own figure says. Counts that were drawn by one sum tell one thing of each other: that
their total was off by less than a step. So what is possible for one of them is an interval, which is found without search; the tests hold it
against integer programming. A draw with a common sum is made only where no three organisations together could narrow any count: then every
hidden one can still be any of 1 to 7, and every shown one spans at least five values. The rule looks at what is published alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from platform_assets.disclosure.policy import Policy

COALITION = 3
"""Organisations that may put together what each knows exactly."""
SPAN = 5
"""Values that a shown count must still be able to have."""


def may_control_hidden(cells: int, raised: int, policy: Policy, organisations: bool) -> bool:
    """Whether `raised` of `cells` hidden counts may be drawn by one sum: each can be 1 and can be the threshold for any coalition."""
    known = min(COALITION, cells - 1) if organisations else 0
    others = cells - 1 - known
    if others < 0:
        return False
    least = 0 if policy.sensitive else 1
    most = 1 + policy.threshold * others + least * known  # with the smallest that the coalition may have
    fewest = policy.threshold + others + policy.threshold * known
    return most > policy.least * (raised - 1) and fewest < policy.least * (raised + 1)


def may_control_shown(figures: Sequence[int], policy: Policy, organisations: bool) -> bool:
    """Whether these shown counts may be drawn by one sum: what a coalition knows can be made good by others."""
    free = sum(figure > policy.least for figure in figures)  # one that shows the least may have been lifted
    known = COALITION if organisations else 0
    return free >= max(2 * known, 1)


def verdict(batch: Mapping[str, Seen], policy: Policy, organisations: bool) -> str:
    """What is wrong with a batch as it is published; empty where it gives nobody away. Needs nothing that is not public."""
    hidden = [s for s in batch.values() if s.hidden]
    shown = [s for s in batch.values() if not s.hidden and s.count]
    if any(s.count not in (0, policy.least) for s in hidden):
        return "a hidden count stands for something else than nothing or the smallest figure"
    if any(s.count % policy.base or s.count < policy.least for s in shown):
        return "a figure is shown that may not be"
    if any(s.controlled for s in hidden):
        raised = sum(s.count == policy.least for s in hidden)
        if not may_control_hidden(len(hidden), raised, policy, organisations):
            return f"{COALITION} organisations together could narrow a hidden count"
    if any(s.controlled for s in shown) and not may_control_shown([s.count for s in shown], policy, organisations):
        return f"{COALITION} organisations together could narrow a shown count"
    return ""


@dataclass(frozen=True)
class Seen:
    """One count of a batch, as it is published."""

    count: int
    hidden: bool
    controlled: bool

    def bounds(self, policy: Policy) -> tuple[int, int]:
        """What it can be, by itself."""
        if self.hidden:
            return (1, policy.threshold)
        if self.count == 0:
            return (0, 0)
        low = policy.threshold + 1 if self.count == policy.least else self.count - policy.base + 1
        return (low, self.count + policy.base - 1)


def possible(batch: Mapping[str, Seen], known: Mapping[str, int], policy: Policy) -> dict[str, tuple[int, int]]:
    """The smallest and largest value that each count of `batch` can have for who knows those in `known`.

    Both kinds of sums are looked at: of hidden counts and of shown ones.
    """
    found = {cell: seen.bounds(policy) for cell, seen in batch.items() if cell not in known}
    for hidden in (True, False):
        summed = {c: s for c, s in batch.items() if s.controlled and s.hidden == hidden and (hidden or s.count)}
        step = policy.least if hidden else policy.base
        total = sum(s.count for s in summed.values())
        spans = {c: _of_sum(s, policy, known.get(c)) for c, s in summed.items()}
        lows, highs = sum(low for low, _ in spans.values()), sum(high for _, high in spans.values())
        for cell, (low, high) in spans.items():
            if cell in known:
                continue
            # the total is off by less than a step
            least = total - step + 1 - (highs - high)
            most = total + step - 1 - (lows - low)
            if least > low:
                found[cell] = (max(found[cell][0], least), found[cell][1])
            if most < high:
                found[cell] = (found[cell][0], min(found[cell][1], most))
    return found


def _of_sum(seen: Seen, policy: Policy, known: int | None) -> tuple[int, int]:
    """What a count may add to its sum: a hidden one may be zero, and one that was lifted to the least adds that."""
    if seen.hidden:
        low, high = 0 if policy.sensitive else 1, policy.threshold
        return (low, high) if known is None else (known, known)
    low, high = max(seen.bounds(policy)[0], policy.least), seen.bounds(policy)[1]
    return (low, high) if known is None else (max(known, policy.least),) * 2


def narrowed(batch: Mapping[str, Seen], coalitions: Iterable[Mapping[str, int]], policy: Policy) -> list[str]:
    """Cells of `batch` that one of `coalitions` (each the exact counts that it knows) can work out too closely."""
    wrong = set()
    for known in coalitions:
        for cell, (low, high) in possible(batch, known, policy).items():
            seen = batch[cell]
            close = (low, high) != (1, policy.threshold) if seen.hidden else seen.count and high - low + 1 < SPAN
            if close:
                wrong.add(cell)
    return sorted(wrong)
