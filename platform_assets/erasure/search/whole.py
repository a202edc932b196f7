"""When does a number stand in a text? Where it stands as a whole value, not as part of a longer one.

``70412`` stands in ``see 70412.``, ``70412;north`` and ``visit_70412.csv``, but not in ``704129`` or ``A70412``. A value ends where no
ASCII letter or digit follows, and begins where none precedes; one that belongs to an escape (``\\n70412`` in JSON, ``%2070412`` in an
address) does not count as one. A hyphen ends a value too: ``70412-B`` is reported, and a steward tells whether it means someone else.
"""

from __future__ import annotations

import re
from collections.abc import Collection

ERASED = "[erased]"
SHORTEST = 4
"""Shorter texts stand everywhere by chance: they are looked for in tables only, as whole cells."""
_WORD = re.compile("[A-Za-z0-9]")
_ESCAPE = re.compile(r"(?:\\[abfnrtv0]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|=[0-9A-F]{2})$")
CONTEXT = 6
"""How many characters before a value are looked at."""


def is_whole(before: str, after: str) -> bool:
    """Whether a value is whole between `before` (at least CONTEXT characters, where there are so many) and `after` (at least one)."""
    if _WORD.match(after[:1]):
        return False
    return not _WORD.match(before[-1:]) or bool(_ESCAPE.search(before[-CONTEXT:]))


def standing(text: str, texts: Collection[str]) -> set[str]:
    """Which of `texts` stand in `text` as whole values."""
    return {t for t in texts if len(t) >= SHORTEST and t in text and any(True for _ in _places(text, t))}


def without(text: str, texts: Collection[str], instead: str = ERASED) -> str:
    """`text` with every one of `texts` that stands in it replaced."""
    for wanted in sorted((t for t in texts if len(t) >= SHORTEST and t in text), key=len, reverse=True):
        parts, begin = [], 0
        for start in _places(text, wanted):
            if start >= begin:
                parts += [text[begin:start], instead]
                begin = start + len(wanted)
        text = "".join([*parts, text[begin:]])
    return text


def around(text: str, texts: Collection[str], width: int = 60) -> str:
    """The piece of `text` in which one of `texts` stands, for a person to judge."""
    for wanted in texts:
        for start in _places(text, wanted):
            begin, end = max(0, start - width), start + len(wanted) + width
            return f"{'...' if begin else ''}{text[begin:end]}{'...' if end < len(text) else ''}"
    return text[: 2 * width]


def filtered(texts: Collection[str]) -> str:
    """A regular expression (RE2) that finds every cell in which one of `texts` may stand: a first look, by the engine."""
    return "|".join(re.escape(t) for t in sorted(texts) if len(t) >= SHORTEST) or r"\z."


def _places(text: str, wanted: str) -> list[int]:
    found, start = [], text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if is_whole(text[max(0, start - CONTEXT) : start], text[end : end + 1]):
            found.append(start)
        start = text.find(wanted, start + 1)
    return found
