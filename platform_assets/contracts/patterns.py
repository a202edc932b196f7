"""A regular expression in words, for people who do not read them: ``^GM[0-9]{4}$`` is "GM, then 4 digits".

Only what can be told exactly is told: characters, classes of them, repeats, one after the other, from the beginning of the text. For all else a
contract has words of its own (``matches: {pattern, says}``).
"""

from __future__ import annotations

import re

_ITEM = re.compile(
    r"(?P<one>\[(?P<class>[^\]^\[](?:\\.|[^\]\\\[])*)\]|\\[dw]|\\[^A-Za-z0-9]|[^\\\[\](){}|.*+?^$])"
    r"(?P<times>\{(?P<low>\d+)(?P<upto>,(?P<high>\d*))?\}|[*+?])?"
)
_MEMBER = re.compile(r"(?P<first>\\.|[^\\])(?:-(?P<last>\\.|[^\\]))?")
_RANGES = {
    ("A", "Z"): ("capital letter", "capital letters"),
    ("a", "z"): ("small letter", "small letters"),
    ("0", "9"): ("digit", "digits"),
}
_DIGITS, _WORD = _RANGES["0", "9"], [("letter", "letters"), _RANGES["0", "9"], ("_", "_")]
_MOST = 5
"""Kinds of characters, or characters, that are named one by one."""
_NAMED = {" ": "a space", ",": "a comma", "'": "an apostrophe"}


def in_words(pattern: str) -> str | None:
    """What a text that matches `pattern` from its beginning is made of; None where that cannot be said in plain words."""
    rest = pattern.removeprefix("^")
    whole = rest.endswith("$") and not rest.endswith(r"\$")
    rest = rest.removesuffix("$") if whole else rest
    parts: list[str] = []
    literal = ""
    while rest:
        found = _ITEM.match(rest)
        if found is None:
            return None
        rest = rest[found.end() :]
        kinds = _kinds(found["one"])
        if kinds is None:
            return None
        plain = found["class"] is None and found["one"] not in (r"\d", r"\w")
        if plain and found["times"] is None:
            literal += found["one"][-1]
            continue
        parts += [_NAMED.get(literal, literal)] if literal else []
        literal = ""
        parts.append(_repeated(kinds, *_times(found)))
    parts += [_NAMED.get(literal, literal)] if literal else []
    if not parts:
        return None
    return ", then ".join(parts) + ("" if whole else ", and more after it")


def _times(found: re.Match[str]) -> tuple[int, int | None]:
    """How often the item is there: at least, at most."""
    if found["low"] is None:
        return {"*": (0, None), "+": (1, None), "?": (0, 1), None: (1, 1)}[found["times"]]
    low = int(found["low"])
    return low, low if found["upto"] is None else int(found["high"]) if found["high"] else None


def _kinds(one: str) -> list[tuple[str, str]] | None:
    """What may stand in one place: kinds and characters, each for one and for several."""
    if one == r"\d":
        return [_DIGITS]
    if one == r"\w":
        return _WORD
    if not one.startswith("["):
        return [(_NAMED.get(one[-1], one[-1]),) * 2]
    kinds: list[tuple[str, str]] = []
    for member in _MEMBER.finditer(one[1:-1]):
        first, last = member["first"], member["last"]
        if last is not None and len(last) == 1:
            if (first, last) not in _RANGES:
                kinds.append((f"{first} to {last}",) * 2)
            else:
                kinds.append(_RANGES[first, last])
        elif last is not None:
            return None
        elif first == r"\d":
            kinds.append(_DIGITS)
        elif first == r"\w":
            kinds += _WORD
        elif first.startswith("\\") and first[1].isalnum():
            return None
        else:
            kinds.append((_NAMED.get(first[-1], first[-1]),) * 2)
    if {_RANGES["A", "Z"], _RANGES["a", "z"]} <= set(kinds):
        kinds = [("letter", "letters"), *(k for k in kinds if k not in (_RANGES["A", "Z"], _RANGES["a", "z"]))]
    return kinds if len(kinds) <= _MOST else None


def _repeated(kinds: list[tuple[str, str]], low: int, high: int | None) -> str:
    one = (low, high) in ((1, 1), (0, 1))
    *first, last = [kind[0 if one else 1] for kind in kinds]
    named = f"{', '.join(first)} or {last}" if first else last
    if high is None:
        return f"{low} or more {named}" if low else f"any number of {named}"
    if (low, high) == (0, 1):
        return f"perhaps {named}"
    return f"{low} {named}" if low == high else f"{low} to {high} {named}"
