"""Values that are one value written in several ways: "Positive", "positive", "POS.".

Two ways to find them, those of OpenRefine's clusters: a key that like values share (`fingerprint`), and a near miss, one letter more, less,
other or swapped. Where a contract lists what is right, values are gathered around its list, else around the value that most rows have.
Figures are never guessed at: values that differ in a digit, or in what stands around digits, are never one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

SHORTEST = 3
"""Letters of the shortest abbreviation that is taken for one."""
NEAR = 5
"""Letters that a word has at least for a near miss to be one: of shorter ones too many are a letter apart (Lab A, Lab B)."""


@dataclass(frozen=True)
class Cluster:
    """Values that are meant to be one."""

    target: str
    values: Mapping[str, int]
    """Those that are written otherwise -> rows that have them; most first."""

    @property
    def rows(self) -> int:
        """Rows that would change."""
        return sum(self.values.values())


def fingerprint(value: str) -> str:
    """The key that like values share: without case, accents, punctuation and order of words (OpenRefine's key collision method)."""
    apart = unicodedata.normalize("NFKD", value.casefold())
    kept = "".join(c for c in apart if c.isalnum() or c.isspace())
    return " ".join(sorted(set(kept.split())))


def clusters(values: Mapping[str, int], right: Collection[str] = ()) -> list[Cluster]:
    """Like values among `values` (value -> rows), most rows first. `right` are the only values that are right, where a contract lists them."""
    found = _around_list(values, right) if right else _around_most_frequent(values)
    return sorted(
        (Cluster(target, dict(sorted(v.items(), key=_frequent))) for target, v in found.items() if v),
        key=lambda c: (-c.rows, c.target),
    )


def near(one: str, other: str) -> bool:
    """Whether one step makes `other` of `one`: a letter more, less or other, or two neighbours swapped."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((n for n, c in enumerate(short) if c != long[n]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[:at] + short[at : at + 2][::-1] + short[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped == long


def _around_list(values: Mapping[str, int], right: Collection[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {target: {} for target in right}
    known = {target: (_figures(target), fingerprint(target)) for target in right}
    for value, rows in values.items():
        if value in known:
            continue
        figures, key = _figures(value), fingerprint(value)
        meant = {t: k for t, (f, k) in known.items() if f == figures and k and key}
        for alike in (_same, _short_for, near):
            targets = [t for t, k in meant.items() if alike(key, k)]
            if len(targets) == 1 and (
                alike is not near or _near_miss(key, meant[targets[0]])
            ):  # what may be two is neither
                found[targets[0]][value] = rows
            if targets:
                break
    return found


def _around_most_frequent(values: Mapping[str, int]) -> dict[str, dict[str, int]]:
    groups: dict[tuple[str, str], dict[str, int]] = {}
    for value, rows in values.items():
        key = (_figures(value), fingerprint(value))
        if key[1]:
            groups.setdefault(key, {})[value] = rows
    order = sorted(groups, key=lambda key: (-sum(groups[key].values()), key))
    neighbours = _neighbours(order)
    found: dict[str, dict[str, int]] = {}
    taken: set[tuple[str, str]] = set()
    for key in order:  # a star around the most frequent, no chain: each is one step from what it becomes
        if key in taken:
            continue
        alike = [key, *(k for k in neighbours.get(key, ()) if k not in taken)]
        taken.update(alike)
        members = {value: rows for k in alike for value, rows in groups[k].items()}
        target = min(groups[key].items(), key=_frequent)[0]
        found[target] = {value: rows for value, rows in members.items() if value != target}
    return found


def _neighbours(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Keys that are a near miss of each other. Those that become one text by leaving out a letter are compared, no others: no square of many."""
    without: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for figures, text in keys:
        if len(text) >= NEAR:
            for shorter in {text, *(text[:n] + text[n + 1 :] for n in range(len(text)))}:
                without.setdefault((figures, shorter), []).append((figures, text))
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for bucket in without.values():
        for one in bucket:
            for other in bucket:
                if one != other and _near_miss(one[1], other[1]) and other not in found.setdefault(one, []):
                    found[one].append(other)
    return found


def _same(key: str, target: str) -> bool:
    return key == target


def _short_for(key: str, target: str) -> bool:
    """One is how the other begins, and neither is several words: POS of positive, and positive of POS."""
    short, long = sorted((key, target), key=len)
    return len(short) >= SHORTEST and long.startswith(short) and " " not in long


def _near_miss(key: str, target: str) -> bool:
    apart = set(key.split()) ^ set(target.split())
    return all(len(word) >= NEAR for word in apart) and near(key, target)


def _figures(value: str) -> str:
    """Digits with what stands around them, where the value has any: 1.5 is not 15, and <50 is not 50."""
    text = unicodedata.normalize("NFKC", value)
    return re.sub(r"[^\W\d_]|\s", "", text) if re.search(r"\d", text) else ""


def _frequent(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
