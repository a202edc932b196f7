"""A registry that publishes week after week, and somebody who wants to know what became of one new patient.

He knows the patient's hospital, sex, age band, urgency and week, and sees everything that is published. He looks which published counts of
deaths that hold the patient have moved. His advantage is P(says died | died) - P(says died | lived), for the best rule on what he sees.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from platform_assets.disclosure.drawing import Keyed, draw
from platform_assets.disclosure.policy import Policy
from tests.disclosure.before import hide_small

SLICES = ["sex", "age", "urgency"]
DIMENSIONS = ["hospital", *SLICES]
MARGINS = [c for n in range(len(SLICES) + 1) for c in itertools.combinations(SLICES, n)]
Published = dict[tuple[str, ...], int | None]
"""Margin and its values -> the number of deaths that is published, None where it is hidden."""


class Seen(NamedTuple):
    """One patient of whom the attacker wants to know."""

    died: int
    unmoved: int
    """Published counts that hold the patient and did not move."""
    known: int


def patients(rng: np.random.Generator, weeks: int = 20, hospitals: int = 8, rate: float = 5.0) -> pd.DataFrame:
    """Patients of `weeks`, 12 % of whom die."""
    rows = [
        (week, f"o{h}", f"s{rng.integers(2)}", f"a{rng.integers(4)}", f"u{rng.integers(2)}", int(rng.random() < 0.12))
        for week in range(weeks)
        for h in range(hospitals)
        for _ in range(rng.poisson(rate * (1 + h / 2)))
    ]
    frame = pd.DataFrame(rows, columns=["week", *DIMENSIONS, "died"])
    return frame.assign(cases=1, key=rng.integers(0, 2**31, len(frame)))


def _of(margin: tuple[str, ...], values: object) -> tuple[str, ...]:
    return (",".join(margin), *(values if isinstance(values, tuple) else (str(values),)))


def exact_without_small(frame: pd.DataFrame, _seed: int) -> Published:
    """Exact counts, small ones left out."""
    found: Published = {}
    for margin in MARGINS:
        sums = frame.groupby(["hospital", *margin])[["cases", "died"]].sum().reset_index()
        shown = hide_small(sums, ["cases", "died"], []).set_index(["hospital", *margin])["died"]
        found |= {_of(margin, k): None if pd.isna(v) else int(v) for k, v in shown.items()}
    return found


def cell_key(frame: pd.DataFrame, _seed: int) -> Published:
    """Noise of -4 to 4 that hangs on the records of a cell: the same for the same records."""
    deaths, found = frame[frame["died"] == 1], Published()
    for margin in MARGINS:
        sums = deaths.groupby(["hospital", *margin]).agg(n=("died", "sum"), key=("key", "sum"))
        for values, n, key in zip(sums.index, sums["n"], sums["key"], strict=True):
            u = np.random.default_rng(int(key) % 2**32).normal(0, np.sqrt(5))
            noisy = max(0, int(n) + round(float(np.clip(u, -4, 4))))
            found[_of(margin, values)] = noisy if noisy >= 10 else None
    return found


def drawn(frame: pd.DataFrame, seed: int, batch: int = 10) -> Published:
    """Cells of closed batches of weeks, each drawn once; totals are their sums."""
    policy, found = Policy(), Published()
    for number in range(int(frame["week"].max() + 1) // batch if len(frame) else 0):
        part = frame[frame["week"] // batch == number]
        cells = part.groupby(DIMENSIONS, as_index=False)[["cases", "died"]].sum()
        names = cells[DIMENSIONS].agg("/".join, axis=1)
        counts, cases = dict(zip(names, cells["died"], strict=True)), dict(zip(names, cells["cases"], strict=True))
        shown = draw(counts, cases, policy, Keyed(b"secret" * 6, f"{seed} {number}"))
        cells["shown"] = [shown[name].count for name in names]
        for margin in MARGINS:
            for values, total in cells.groupby(["hospital", *margin])["shown"].sum().items():
                key = _of(margin, values)
                found[key] = (found.get(key) or 0) + int(total)
    return found


def play(method: Callable[[pd.DataFrame, int], Published], seed: int, closes: int = 1, weeks: int = 20) -> list[Seen]:
    """What the attacker sees of every patient who is alone with his characteristics in his week; a release every `closes` weeks."""
    frame, before, seen = patients(np.random.default_rng(seed), weeks), None, []
    for week in range(max(8, closes) - 1, weeks):
        if (week + 1) % closes:
            continue
        now = method(frame[frame["week"] <= week], seed)
        if before is not None:
            new = frame[(frame["week"] <= week) & (frame["week"] > week - closes)]
            alone = new[new.groupby(["week", *DIMENSIONS])["cases"].transform("sum") == 1]
            for row in alone.to_dict("records"):
                unmoved = known = 0
                for margin in MARGINS:
                    key = _of(margin, tuple(str(row[c]) for c in ("hospital", *margin)))
                    was, shown = before.get(key), now.get(key)
                    if was is None and shown is None:
                        continue
                    known += 1
                    unmoved += was == shown
                if known:
                    seen.append(Seen(int(row["died"]), unmoved, known))
        before = now
    return seen


def advantage(seen: list[Seen]) -> float:
    """Of the best rule "says died where the share of unmoved counts is at most t" (or at least t)."""
    died = np.array([s.died for s in seen]) == 1
    share = np.array([s.unmoved / s.known for s in seen])
    found = [float((share[died] <= t).mean() - (share[~died] <= t).mean()) for t in np.linspace(0, 1, 21)]
    return max(map(abs, found))


def posteriors(seen: list[Seen]) -> list[float]:
    """What he may come to believe: the share who died among those of whom he sees the same, where there are 60 or more."""
    frame = pd.DataFrame(seen)
    frame["share"] = pd.cut(frame["unmoved"] / frame["known"], [-0.01, 0, 0.25, 0.5, 0.75, 0.99, 1])
    groups = frame.groupby("share", observed=True)["died"].agg(["size", "mean"])
    return [float(m) for m in groups[groups["size"] >= 60]["mean"]]
