"""One spelling for drug names and titles, and where a word ends. No matching here, only text.

Two texts that a reader takes for the same get the same spelling: case, accents on Latin letters (French
capitals drop them), full-width and ligature forms, the many dashes and apostrophes, runs of white space.
Trade mark signs separate words, as they do on paper. Nothing is guessed: a hyphen is not a space, and no
word is stemmed.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

RULES = f"1/unicode-{unicodedata.unidata_version}"
"""Version of the rules in this module, part of a drug list's fingerprint: raise it when they change."""

_TRANSLATION = str.maketrans(
    {
        # NFKC would turn ™ into the letters "tm" and glue them to the name before it.
        **dict.fromkeys("™℠®©\u200b", " "),
        **dict.fromkeys("\u00ad\u200c\u200d\u2060\ufeff\u200e\u200f", None),  # invisible: soft hyphen, joiners
        **dict.fromkeys("‐‑‒–—―−﹘﹣-", "-"),
        **dict.fromkeys("‘’ʼ＇′", "'"),
    }
)


def spelling(text: str) -> str:
    """The common spelling of `text`, on one line: what is compared when a name is looked for in a title."""
    if not text.isascii():
        text = text.translate(_TRANSLATION)
        if not text.isascii():
            return " ".join(_fold(text).split())
    return " ".join(text.lower().split())


def has_word(text: str) -> bool:
    """Whether `text` has a letter or a digit at all; without one it cannot be found as a word."""
    return any(is_word_character(character) for character in text)


def is_word_character(character: str) -> bool:
    """Letters, digits and the marks written onto them make words; everything else separates them."""
    return unicodedata.category(character)[0] in "LNM"


def word_characters(points: np.ndarray) -> np.ndarray:
    """`is_word_character` for each code point of `points`, as booleans. Each that occurs is looked up once: texts have some hundred."""
    occurs = np.zeros(0x110000, bool)
    occurs[points] = True
    for point in np.flatnonzero(occurs):
        occurs[point] = is_word_character(chr(point))
    return occurs[points]


def _fold(text: str) -> str:
    """Fold case and compatibility forms; take accents off Latin letters, keep marks that tell words apart."""
    kept: list[str] = []
    carries_marks = False
    for character in unicodedata.normalize("NFKD", text).casefold():
        if unicodedata.category(character)[0] == "M":
            # A mark without a letter comes from a spacing accent (´) used as a quote: not part of a word.
            if carries_marks:
                kept.append(character)
        else:
            kept.append(character)
            carries_marks = character.isalpha() and not _is_latin(character)
    return unicodedata.normalize("NFC", "".join(kept))


@functools.lru_cache(maxsize=4096)
def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN ")
