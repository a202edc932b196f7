"""What a column holds, guessed from all its texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from platform_assets.contracts.dates.formats import read_format

DAYS = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d", "%-d/%-m/%Y", "%-m/%-d/%Y",
    "%-d-%-m-%Y", "%-d.%-m.%Y", "%-d %B %Y", "%-d %b %Y", "%d%b%Y", "%-d-%b-%Y", "%B %-d, %Y", "%b %-d, %Y",
    "%-d/%-m/%y", "%-m/%-d/%y", "%-d-%-m-%y", "%-d-%b-%y", "%d%b%y", "%-d.%-m.%y",
)  # fmt: skip
TIMES = (" %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", "T%H:%M:%S%z", "T%H:%M:%S.%f%z", "T%H:%M%z", " %-I:%M %p", " %-I:%M:%S %p", " %H:%M:%S%z")  # fmt: skip
CENTURY = 1930
NOTHING = ("NA", "N/A", "n/a", "na", "NULL", "null", "NaN", "nan", "None", "-", "--", ".", "?", "\\N", "#N/A")
YES_NO = (("true", "false"), ("True", "False"), ("TRUE", "FALSE"))
MOST_VALUES, LEAST_EACH = 12, 3
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBERS = {
    ".": re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"),
    ",": re.compile(r"[+-]?(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)"),
}
_GROUPED = {
    (",", "."): re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]*)?|[+-]?[0-9]{1,3}(?:,[0-9]*)?"),
    (".", ","): re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[+-]?[0-9]{1,3}(?:\.[0-9]*)?"),
}
_PERSON = re.compile(
    r"patient|person|bsn|nhs|mrn|ssn|subject|surname|first_?name|last_?name|naam|geburt|birth|geboren|e_?mail|phone|address",
    re.IGNORECASE,
)


@dataclass
class Guess:
    """A column of the draft."""

    name: str
    header: str
    options: dict[str, Any] = field(default_factory=dict)
    """Of the contract, in the order in which they are written."""
    unsure: list[str] = field(default_factory=list)
    """What a person should look at."""
    unique: bool = False
    """Whether no two rows have the same value, and all have one."""


def column(name: str, header: str, texts: Sequence[str | None], *, listed: bool = False) -> Guess:
    """Guess what a column holds. `listed`: its values may be written into the contract, as they name nobody."""
    said = [t.strip() for t in texts if t is not None and t.strip()]
    guess = Guess(name, header)
    missing = len(said) < len(texts)
    kind = _kind(said)
    if kind is None:
        without = [t for t in said if t not in NOTHING]
        kind = _kind(without) if without else None
        if kind is not None:
            tokens = sorted({t for t in said if t in NOTHING})
            kind["null_tokens"] = ["", *tokens]
            missing = True
    guess.options = kind or _text(said, listed)
    unsure = guess.options.pop("unsure", "")
    if unsure:
        guess.unsure.append(unsure)
    if missing or not said:
        guess.options["required"] = False
    if not said:
        guess.unsure.append("no row has a value here: what does it hold?")
    if _PERSON.search(name):
        guess.unsure.append(
            "may tell who someone is: `role: identifier` replaces it by a pseudonym, `quasi_identifier` marks it"
        )
    guess.unique = bool(said) and not missing and len(set(said)) == len(said)
    return guess


def _kind(said: Sequence[str]) -> dict[str, Any] | None:
    """The options of a column in which all texts are numbers, dates or yes and no; None where they are not."""
    if not said:
        return None
    for pair in YES_NO:
        if set(said) <= set(pair):
            return {"type": "boolean"}
    if all(_WHOLE.fullmatch(t) for t in said):
        days = _dates(said, ("%Y%m%d",))
        if days:
            return days
        if any(len(t.lstrip("+-")) > 1 and t.lstrip("+-").startswith("0") for t in said):
            return {"type": "string", "unsure": "numbers with zeros before them: kept as text"}
        if max(len(t) for t in said) > 9 and len(set(said)) == len(said):
            return {"type": "string", "unsure": "long numbers, none twice: kept as text, as numbers of things are"}
        return {"type": "integer"}
    for mark, pattern in _NUMBERS.items():
        if all(pattern.fullmatch(t) for t in said):
            other = {"decimal_separator": mark} if mark != "." else {}
            return {"type": "float", **other, **_grouped_instead(said)}
    for (mark, thousands), pattern in _GROUPED.items():
        if all(pattern.fullmatch(t) for t in said):
            return {"type": "float", "decimal_separator": mark, "thousands_separator": thousands}
    return _dates(said, DAYS) or _dates(said, [d + t for d in DAYS for t in TIMES])


def _grouped_instead(said: Sequence[str]) -> dict[str, str]:
    if all(re.fullmatch(r"[+-]?[0-9]{1,3}([.,])[0-9]{3}", t) for t in said):
        mark = said[0].lstrip("+-").strip("0123456789")
        return (
            {"unsure": f"is 1{mark}234 a thousand or a decimal? Add thousands_separator: '{mark}' for thousands"}
            if len(said) > 1
            else {}
        )
    return {}


def _dates(said: Sequence[str], candidates: Iterable[str]) -> dict[str, Any] | None:
    """The options of a column of dates, where one to three formats read all of them."""
    few = list(dict.fromkeys(said))
    left, taken = few, list[str]()
    fits: dict[str, set[str]] = {}
    for text in candidates:
        fmt = read_format(text, CENTURY)
        fits[text] = {t for t in few if _plausible(fmt.parse(t))}
    while left and len(taken) < 3:
        best = max(fits, key=lambda f: len(fits[f] & set(left)))
        if not fits[best] & set(left):
            return None
        taken.append(best)
        left = [t for t in left if t not in fits[best]]
    if left:
        return None
    options: dict[str, Any] = {
        "type": "timestamp" if "%M" in taken[0] else "date",
        "format": taken[0] if len(taken) == 1 else taken,
    }
    if len({"%M" in t for t in taken}) > 1:
        return None
    unsure = []
    swapped = taken[0].translate(str.maketrans("dm", "md"))
    if swapped != taken[0] and fits.get(swapped, set()) >= set(few):
        unsure.append("day or month first? Both read every date; here the day comes first")
    if any("%y" in t for t in taken):
        options["two_digit_years_from"] = CENTURY
        unsure.append(f"years of two digits: {CENTURY} to {CENTURY + 99}?")
    if unsure:
        options["unsure"] = "; ".join(unsure)
    return options


def _plausible(moment: Any) -> bool:
    return moment is not None and 1850 <= moment.year <= 2150


def _text(said: Sequence[str], listed: bool) -> dict[str, Any]:
    """A few texts that come again and again may be codes, or names of people: a contract is kept where anybody may read it, so that they
    are written only where somebody has said so, or where a single character cannot name anybody."""
    counted = Counter(said)
    if not (counted and len(counted) <= MOST_VALUES and min(counted.values()) >= LEAST_EACH and len(said) >= 20):
        return {"type": "string"}
    if listed or all(len(text) == 1 for text in counted):
        return {
            "type": "categorical",
            "in": sorted(counted),
            "unsure": "are these all values that may come? Any other is quarantined",
        }
    return {"type": "string", "unsure": f"{len(counted)} different texts: if they name nobody, draft again with --list"}


def plain_name(text: str, taken: Iterable[str], otherwise: str) -> str:
    """A name of the platform from any text, other than those `taken`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", plain)).strip("_")[:50]
    if not re.match("[a-z]", name):
        name = f"{otherwise}_{name}".strip("_")
    there, number, found = set(taken), 2, name
    while found in there or found in ("rowid", "snapshot_id", "filename", "file_row_number", "file_index"):
        found, number = f"{name}_{number}", number + 1
    return found
