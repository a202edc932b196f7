"""What the number formats of a workbook make of its numbers (ECMA-376 part 1, 18.8.30 and 18.8.31): dates, times, and digits with their zeros."""

from __future__ import annotations

import re
from dataclasses import dataclass

BUILT_IN = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, 50, 51, 52, 53, 54, 57, 58), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56), "h:mm"),
    22: "yyyy-mm-dd h:mm",
    46: "[h]:mm:ss",
}
"""Number formats that have no code in the file (ECMA-376 part 1, 18.8.30), as far as they are dates."""


@dataclass(frozen=True)
class Shown:
    """What a number format makes of a number."""

    kind: str = "number"
    """number, date (also with a time), time, duration, or digits: so many, with what stands between them."""
    mask: str = ""
    """Of ``digits``: the format's own text, with 0 for a digit."""
    literal: frozenset[int] = frozenset()
    """Places in `mask` of zeros that are no digits."""


PLAIN = Shown()
_NOT_SHOWN = re.compile(r"\[(?!(?:h+|m+|s+)\])[^\]]*\]|_.|\*.", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|\\.')
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)


def shown_by(code: str) -> Shown:
    """What a format's code makes of a positive number: its first section counts."""
    section = _section(_NOT_SHOWN.sub("", code))
    bare = _QUOTED.sub("", section)
    if _ELAPSED.search(bare):
        return Shown("duration")
    if bare.lower() in ("", "general", "standard", "@"):
        return PLAIN
    if re.search("[yd]", bare, re.IGNORECASE):
        return Shown("date")
    if re.search("[mhs]", bare, re.IGNORECASE):
        return Shown("time" if re.search("[hs]", bare, re.IGNORECASE) else "date")
    if bare.count("0") >= 2 and not re.search(r"[#?.,%@/Ee]", bare):
        return _digits(section)
    return PLAIN


def _section(code: str) -> str:
    """The part before the first semicolon that is not quoted."""
    place = 0
    while place < len(code) and code[place] != ";":
        quoted = _QUOTED.match(code, place)
        place = quoted.end() if quoted else place + 1
    return code[:place]


def _digits(section: str) -> Shown:
    """Of a format of zeros and texts, ``00000`` or ``"V-"0000``."""
    mask, literal, place = "", set(), 0
    while place < len(section):
        quoted = _QUOTED.match(section, place)
        if quoted:
            text = quoted[0][1:-1] if quoted[0].startswith('"') else quoted[0][1]
            literal |= {len(mask) + n for n, c in enumerate(text) if c == "0"}
            mask, place = mask + text, quoted.end()
        else:
            mask, place = mask + section[place], place + 1
    return Shown("digits", mask, frozenset(literal))


def in_digits(number: int, shown: Shown) -> str:
    """A whole number as a format of zeros shows it: from the right, what is left over before the first."""
    rest, out = str(abs(number)), []
    places = [n for n, c in enumerate(shown.mask) if c == "0" and n not in shown.literal]
    for place in range(len(shown.mask) - 1, -1, -1):
        if place not in places:
            out.append(shown.mask[place])
        elif place == places[0]:
            out.append(rest.rjust(1, "0"))
        else:
            out.append(rest[-1:] or "0")
            rest = rest[:-1]
    return ("-" if number < 0 else "") + "".join(reversed(out))
