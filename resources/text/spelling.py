"""One spelling for one text: what people cannot see in it must not make two of one person, column or file.

Spreadsheets, web pages and word processors put in no-break and zero-width characters, macOS writes an accent as a character of its own,
files that were joined have byte-order marks in their middle. `plain` is for every text, `bare` for identifiers, `folded` for names of
columns. A text that has nothing of that kind stays as it is, so what was loaded before stays what it was.

Each rule is said once, as ranges of code points, for Python and, as regular expressions, for the engines; then comes Unicode's normal form
C (Unicode Standard Annex 15). Tests hold the two against each other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

Ranges = Iterable[tuple[int, int]]

_SPACES = (
    (0x85, 0x85),  # next line
    (0xA0, 0xA0),  # no-break space
    (0x1680, 0x1680),
    (0x2000, 0x200A),  # from en quad to hair space
    (0x2028, 0x2029),  # line and paragraph separator
    (0x202F, 0x202F),  # narrow no-break space, between thousands in French
    (0x205F, 0x205F),
    (0x3000, 0x3000),  # ideographic space
)
_INVISIBLE = (
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x180E, 0x180E),
    (0x200B, 0x200B),  # zero-width space
    (0x200E, 0x200F),  # direction marks
    (0x202A, 0x202E),
    (0x2060, 0x206F),  # word joiner, invisible operators
    (0xFEFF, 0xFEFF),  # zero-width no-break space: a byte-order mark in the middle
    (0xFFF9, 0xFFFB),
)
_UNSEEN = (
    (0x115F, 0x1160),  # fillers
    (0x17B4, 0x17B5),
    (0x180B, 0x180D),
    (0x180F, 0x180F),
    (0x200C, 0x200D),  # joiners, which Persian, Indic scripts and emoji need in other texts
    (0x2800, 0x2800),  # empty braille pattern
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),
)


def _class(ranges: Ranges) -> str:
    """A character class in RE2's syntax."""
    return "[" + "".join(rf"\x{{{a:X}}}" if a == b else rf"\x{{{a:X}}}-\x{{{b:X}}}" for a, b in ranges) + "]"


def _table(ranges: Ranges, become: str | None) -> dict[int, str | None]:
    return {code: become for a, b in ranges for code in range(a, b + 1)}


NO_INK = "".join(chr(code) for a, b in (*_SPACES, *_INVISIBLE) for code in range(a, b + 1))
"""All characters that `plain` makes a space of or takes out."""
SPACES = _class(_SPACES)
"""White space that is not ASCII: it becomes a space. RE2 syntax."""
INVISIBLE = _class(_INVISIBLE)
"""Characters without width or meaning: they go. RE2 syntax."""
UNSEEN = _class((*_INVISIBLE, *_UNSEEN))
"""All that go from an identifier. RE2 syntax."""
UNSAYABLE = r"\pC"
"""What an identifier may not hold once it is `bare`: control characters and what is no character. RE2 syntax."""

LIKE = str.maketrans(
    {
        **{0xFF01 + n: 0x21 + n for n in range(94)},  # full-width forms
        **{start + n: 0x30 + n for start in (0x660, 0x6F0) for n in range(10)},  # Arabic-Indic digits
        **dict.fromkeys((*range(0x2010, 0x2016), 0x2043, 0x2212, 0xFE58, 0xFE63), 0x2D),  # hyphens, dashes, minus
        **dict.fromkeys((0x2018, 0x2019, 0x201B, 0x2BC, 0x2032), 0x27),  # apostrophes
    }
)
"""Characters of an identifier that word processors and keyboards put in the place of an ASCII one."""
LIKE_FROM, LIKE_TO = "".join(map(chr, LIKE)), "".join(map(chr, LIKE.values()))
"""The same for SQL's `translate`."""

_PLAIN = {**_table(_INVISIBLE, None), **_table(_SPACES, " ")}
_BARE = {**LIKE, **_table(_UNSEEN, None), **_PLAIN}


def plain(text: str) -> str:
    """`text` in its normal form, every white space that is not ASCII as a space, without what has no width."""
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(_PLAIN))


def has_ink(text: str) -> bool:
    """Whether there is anything in `text` beside blanks and what cannot be seen."""
    return bool(text.strip() if text.isascii() else plain(text).strip())


def bare(text: str) -> str:
    """An identifier in the one spelling of which its pseudonym is made: `plain`, and ASCII where it only looks otherwise."""
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(_BARE))


def folded(name: str) -> str:
    """The name of a column or sheet, such that names that read alike are equal: bare, in lower case, white space as one space."""
    # bare once more: folding takes letters apart that have a mark of their own (ŉ) or get one (ß before a mark)
    return " ".join(bare(bare(name).casefold()).split())
