"""Why rows are in quarantine, as people read it.

Ingest says of a wrong value what it looks like (``found a value like 99/99/9999``), as it may not say the value. Whoever may see the value has it
beside the reason; for others the count and the rule say enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from platform_assets.ingest.readers.delimited.encodings import OTHER
from platform_assets.ingest.readers.rows import NOT_TAKEN

_SHAPE = re.compile(r", found (?:a value like .*|nothing)$", re.DOTALL)


def rule_of(reason: str) -> str:
    """A reason without what the value looked like: rows that break the same rule have the same."""
    return _SHAPE.sub("", reason)


def column_of(reason: str, columns: Collection[str]) -> str:
    """The column that a reason is of; '' where it is of the row or the delivery."""
    name = reason.partition(":")[0]
    return name if name in columns else ""


def in_words(reason: str) -> str:
    """A sentence, without its full stop: ``The result is not one of POS, NEG, N/A``."""
    name, colon, what = rule_of(reason).partition(": ")
    if not colon:
        return _capital(reason)
    return f"The {name} {'is missing' if what == 'value is missing' else what}"


def about_cell(reasons: Iterable[str], column: str) -> str:
    """What is wrong with the cell of `column`, in words that stand beside it; '' where nothing is."""
    mine = [rule_of(r).partition(": ")[2] for r in reasons if r.startswith(f"{column}:")]
    return "; ".join(_capital("is missing" if m == "value is missing" else m) for m in mine)


def added_up(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of reasons (reason -> rows) by rule, most rows first."""
    found: Counter[str] = Counter()
    for reason, rows in counts.items():
        found[rule_of(reason)] += rows
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def drift_in_words(drift: Mapping[str, Sequence[str]]) -> list[str]:
    """What a file had otherwise than the contract foresees, a phrase for each kind: ``Columns missing: ward``."""
    what = {NOT_TAKEN: "Parts", OTHER: "Text"}
    return [f"{what.get(kind, 'Columns')} {kind}: {', '.join(names)}" for kind, names in drift.items()]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
