"""How small numbers were hidden before there were releases: the weaker methods, on which every attack must be seen to work.

`hide_small` left small counts of a row out and rounded nothing; `protect` rounded, with totals that are sums of what is shown, and chose
what hidden cells stand for without chance. Both were done anew every week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow

ALL = "(all)"
"""Stands in a dimension's column where the row is a total over it."""
UNKNOWN = "(unknown)"
"""Stands in a dimension's column where the value is missing."""
SUPPRESSED = "suppressed"


class DisclosureError(ValueError):
    """The table is not what its specification says; the message names the column."""


@dataclass(frozen=True)
class Policy:
    """What may be shown of a single count."""

    threshold: int = 7
    """Counts from 1 to this are not shown."""
    base: int = 5
    """Shown counts are rounded to multiples of this; 1 does not round."""
    rounding: Literal["nearest", "midpoint"] = "nearest"
    """nearest: the nearest multiple, halves up. midpoint: the middle of the band of `base` counts (1 to 6 is 3, 7 to 12 is 9)."""

    def __post_init__(self) -> None:
        if self.threshold < 0 or self.base < 1 or (self.rounding == "midpoint" and self.base % 2):
            raise DisclosureError("threshold is at least 0, base at least 1, and even where rounding is 'midpoint'")

    def rounded(self, count: int) -> int:
        """`count` rounded, whether or not it may be shown."""
        if self.rounding == "midpoint":
            return -(-count // self.base) * self.base - self.base // 2 if count else 0
        return (2 * count + self.base) // (2 * self.base) * self.base

    def hides(self, count: int) -> bool:
        """Whether `count` is too small to be shown."""
        return 0 < count <= self.threshold

    def shown(self, count: int) -> int | None:
        """What is published of `count`; None where it is suppressed. Never a figure from 1 to the threshold."""
        if self.hides(count):
            return None
        return 0 if count == 0 else max(self.rounded(count), self.least)

    @property
    def least(self) -> int:
        """The smallest figure other than zero that is ever shown."""
        count = self.threshold + 1
        while self.rounded(count) <= self.threshold:
            count += 1
        return self.rounded(count)


@dataclass(frozen=True)
class Rate:
    """numerator / denominator * per. Both are counts of the specification."""

    numerator: str
    denominator: str
    per: float = 1.0


@dataclass(frozen=True)
class Spec:
    """What the columns of a table are. Columns that it does not name are not published."""

    dimensions: Sequence[str]
    counts: Mapping[str, str | None]
    """Count -> the count that it is part of (positives -> tests), or None. Parts of one count do not overlap."""
    rates: Mapping[str, Rate] = field(default_factory=dict)
    carried: Mapping[str, str] = field(default_factory=dict)
    """Other statistics (a mean, a limit) -> the count that they rest on: shown for single cells only, and only where it is shown."""
    margins: Sequence[Sequence[str]] | None = None
    """The sets of dimensions to publish totals by, beside the cells themselves; None: every subset."""
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        for count, parent in self.counts.items():
            if parent is not None and parent not in self.counts:
                raise DisclosureError(f"{count} is part of {parent!r}, which is no count of the specification")
            seen = {count}
            while parent is not None:
                if parent in seen:
                    raise DisclosureError(f"{count} is part of itself")
                seen.add(parent)
                parent = self.counts[parent]
        for name, rate in self.rates.items():
            for part in (rate.numerator, rate.denominator):
                if part not in self.counts:
                    raise DisclosureError(f"rate {name}: {part!r} is no count: what a rate is made of is protected too")
        for name, count in self.carried.items():
            if count not in self.counts:
                raise DisclosureError(f"{name} rests on {count!r}, which is no count of the specification")
        for margin in self.margins or ():
            unknown = set(margin) - set(self.dimensions)
            if unknown:
                raise DisclosureError(f"margin by {sorted(unknown)[0]!r}, which is no dimension")

    @property
    def groupings(self) -> list[tuple[str, ...]]:
        """The sets of dimensions that are published, the cells first."""
        every = [c for n in range(len(self.dimensions), -1, -1) for c in combinations(self.dimensions, n)]
        if self.margins is None:
            return every
        wanted = {frozenset(m) for m in self.margins} | {frozenset(self.dimensions)}
        return [g for g in every if frozenset(g) in wanted]

    def parts(self, count: str) -> list[str]:
        """The counts directly within `count`."""
        return [c for c, parent in self.counts.items() if parent == count]


def protect(table: pd.DataFrame | pyarrow.Table, spec: Spec) -> pd.DataFrame:
    """`table` as it may be published.

    `table` holds one row per combination of dimensions (several are added up) and the columns that `spec` names; its own totals,
    if any, must be left out. Returns the dimensions as text (`ALL` in totals), each count (whole numbers, missing where
    suppressed), each rate and carried column (missing where suppressed), for each of them ``<name>_suppressed``, and
    `suppressed`: whether anything in the row is.

    Raises DisclosureError where a column is missing, a count is negative, fractional or missing, or a part exceeds its whole.
    """
    import pandas as pd

    cells = _cells(table, spec)
    stand_ins = _stand_ins(cells, spec)
    blocks = []
    for grouping in spec.groupings:
        blocks.append(_published(cells, stand_ins, spec, grouping))
    return pd.concat(blocks, ignore_index=True)


def _cells(table: pd.DataFrame | pyarrow.Table, spec: Spec) -> pd.DataFrame:
    import pandas as pd

    frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    missing = [c for c in (*spec.dimensions, *spec.counts, *spec.carried) if c not in frame.columns]
    if missing:
        raise DisclosureError(f"the table has no column {missing[0]!r}")
    cells = pd.DataFrame(index=range(len(frame)))
    for name in spec.dimensions:
        values = frame[name].astype(object)
        cells[name] = [UNKNOWN if pd.isna(v) else str(v) for v in values]
        if (cells[name] == ALL).any():
            raise DisclosureError(f"{name} holds {ALL!r}: leave totals out, they are made here")
    for name in spec.counts:
        numbers = pd.to_numeric(frame[name], errors="coerce").astype("Float64").to_numpy(dtype=float, na_value=-1.0)
        if ((numbers < 0) | (numbers % 1 != 0)).any():
            raise DisclosureError(f"{name} is not a whole number of at least 0 in every row: it cannot be protected")
        cells[name] = numbers.astype("int64")
    for name in spec.carried:
        cells[name] = pd.to_numeric(frame[name]).astype("Float64").to_numpy()
    keys = list(spec.dimensions)
    if spec.carried and keys and cells.duplicated(keys).any():
        raise DisclosureError(f"{', '.join(spec.carried)} cannot be added up: give one row per {', '.join(keys)}")
    if keys:
        sums = cells.groupby(keys, sort=True, as_index=False)[[*spec.counts, *spec.carried]]
        cells = sums.sum(min_count=1) if len(cells) else cells
    else:
        cells = cells.sum().to_frame().T.astype(dict.fromkeys(spec.counts, "int64")) if len(cells) else cells
    for name in spec.counts:
        parts = spec.parts(name)
        if parts and (cells[parts].sum(axis=1) > cells[name]).any():
            raise DisclosureError(f"{' + '.join(parts)} exceeds {name}, of which it is a part")
    return cells


def _atoms(cells: pd.DataFrame, spec: Spec) -> list[tuple[np.ndarray[Any, Any], list[str]]]:
    """The counts taken apart so that nothing overlaps: (values per cell, the counts that each is within)."""
    atoms = []
    for name in spec.counts:
        parts = spec.parts(name)
        values = (cells[name] - cells[parts].sum(axis=1)).to_numpy()
        within, parent = [name], spec.counts[name]
        while parent is not None:
            within.append(parent)
            parent = spec.counts[parent]
        atoms.append((values, within))
    return atoms


def _stand_ins(cells: pd.DataFrame, spec: Spec) -> pd.DataFrame:
    """What each count stands for in sums: additive over cells and over parts, each addend zero or a figure that may be shown."""
    import numpy as np
    import pandas as pd

    policy = spec.policy
    groupings = [g for g in spec.groupings if len(g) < len(spec.dimensions)]  # the totals: hidden cells show nothing
    places = [
        cells.groupby(list(g), sort=False).ngroup().to_numpy() if g else np.zeros(len(cells), dtype=int)
        for g in groupings
    ]
    sums = {name: np.zeros(len(cells), dtype="int64") for name in spec.counts}
    sizes = [np.bincount(place).tolist() if len(place) else [] for place in places]
    errors = {(name, i): [0] * len(size) for name in spec.counts for i, size in enumerate(sizes)}
    hidden: list[tuple[int, int, list[str]]] = []
    for values, within in _atoms(cells, spec):
        for row, value in enumerate(values.tolist()):
            if policy.hides(value):
                hidden.append((row, value, within))
            elif value:
                shown = policy.shown(value) or 0
                _add(row, shown, shown - value, within, sums, errors, places)
    up = policy.least
    # in a fixed but mixed order, so that no week or place makes good the errors of all others
    for turn in np.random.default_rng(0).permutation(len(hidden)):
        row, value, within = hidden[turn]
        # standing for `up` instead of 0 changes a total's squared error by up * (up + 2 (error - value)); the larger the total,
        # the less its error weighs
        change = sum(
            (up + 2 * (errors[name, i][place[row]] - value)) / sizes[i][place[row]] ** 0.5
            for name in within
            for i, place in enumerate(places)
        )
        stand_in = up if change < 0 else 0
        _add(row, stand_in, stand_in - value, within, sums, errors, places)
    return pd.DataFrame(sums, index=cells.index)


def _add(
    row: int,
    shown: int,
    error: int,
    within: Sequence[str],
    sums: dict[str, np.ndarray[Any, Any]],
    errors: dict[tuple[str, int], list[int]],
    places: Sequence[np.ndarray[Any, Any]],
) -> None:
    for name in within:
        sums[name][row] += shown
        for i, place in enumerate(places):
            errors[name, i][place[row]] += error


def _published(cells: pd.DataFrame, stand_ins: pd.DataFrame, spec: Spec, grouping: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    policy, counts = spec.policy, list(spec.counts)
    if grouping:
        keys = [cells[g] for g in grouping]
        true = cells.groupby(keys, sort=True)[counts].sum()
        shown = stand_ins.groupby(keys, sort=True)[counts].sum()
        labels = true.index.to_frame(index=False)
    else:
        true, shown = cells[counts].sum().to_frame().T, stand_ins[counts].sum().to_frame().T
        labels = pd.DataFrame(index=range(1))
    true, shown = true.reset_index(drop=True), shown.reset_index(drop=True)
    result = pd.DataFrame({d: labels[d] if d in grouping else ALL for d in spec.dimensions}, index=true.index)
    for name in counts:
        small = true[name].map(policy.hides).astype(bool) | ((true[name] > 0) & (shown[name] == 0))
        result[name] = shown[name].astype("Int64").mask(small)
        result[f"{name}_{SUPPRESSED}"] = small
    for name, rate in spec.rates.items():
        top, bottom = result[rate.numerator].astype("Float64"), result[rate.denominator].astype("Float64")
        hidden = result[f"{rate.numerator}_{SUPPRESSED}"] | result[f"{rate.denominator}_{SUPPRESSED}"]
        if _is_within(spec, rate.numerator, rate.denominator):  # a rate near 1 tells the few others
            hidden |= (true[rate.denominator] - true[rate.numerator]).map(policy.hides).astype(bool)
        result[name] = (top / bottom.mask(bottom == 0) * rate.per).mask(hidden)
        result[f"{name}_{SUPPRESSED}"] = hidden
    single = len(grouping) == len(spec.dimensions)
    for name, count in spec.carried.items():
        hidden = result[f"{count}_{SUPPRESSED}"]
        values = cells[name].reset_index(drop=True) if single else pd.Series(pd.NA, index=true.index)
        result[name] = values.astype("Float64").mask(hidden)
        result[f"{name}_{SUPPRESSED}"] = hidden
    flags = [c for c in result.columns if str(c).endswith(f"_{SUPPRESSED}")]
    result[SUPPRESSED] = result[flags].any(axis=1)
    return result


def _is_within(spec: Spec, part: str, whole: str) -> bool:
    parent = spec.counts[part]
    while parent is not None:
        if parent == whole:
            return True
        parent = spec.counts[parent]
    return False


def hide_small(
    table: pd.DataFrame, counts: Sequence[str], derived: Sequence[str], policy: Policy | None = None
) -> pd.DataFrame:
    """`table` with small counts left out, row by row: for tables of one count per row without totals, e.g. an indicator's.

    A count that is hidden by `policy` is missing, and so is the smaller one of two whose difference would be hidden: of 20 tests
    and 17 positives the positives go, as they would tell of 3 negatives. Where a count of a row is hidden, all its `derived`
    figures are, and the added column `suppressed` is true. Nothing is rounded, and rows are not weighed against each other:
    use `protect` where a table has totals, margins or filters.
    """
    import numpy as np
    import pandas as pd

    policy = policy or Policy()
    out = table.copy()
    numbers = out[list(counts)].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    small = (numbers > 0) & (numbers <= policy.threshold)
    for one, other in combinations(range(len(counts)), 2):
        # a count that is hidden already is missing from every difference
        rest = np.where(small[:, one] | small[:, other], np.nan, numbers[:, one] - numbers[:, other])
        small[:, one] |= (rest < 0) & (rest >= -policy.threshold)
        small[:, other] |= (rest > 0) & (rest <= policy.threshold)
    hidden = pd.DataFrame(small, index=out.index, columns=list(counts))
    rows = hidden.any(axis=1)
    for name in counts:
        out[name] = out[name].astype("Int64").mask(hidden[name])
    for name in derived:
        out[name] = out[name].mask(rows)
    out["suppressed"] = rows.to_numpy(dtype=bool)
    return out
