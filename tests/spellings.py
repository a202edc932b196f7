"""Spellings of one text that people take for the same: what spreadsheets, web pages, word processors and macOS make of it."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

NO_BREAK = ["\u00a0", "\u202f", "\u2007", "\u2009", "\u3000", "\u2028", "\u0085"]
"""White space that is not ASCII."""
INVISIBLE = ["\u200b", "\ufeff", "\u00ad", "\u2060", "\u200e", "\u202a", "\u202c", "\u2066", "\u180e", "\u061c"]
"""Without width."""
JOINERS = ["\u200c", "\u200d", "\ufe0f", "\u3164", "\u115f", "\U000e0041"]
"""Without width, and needed by some scripts."""
HYPHENS = ["\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212"]


@st.composite
def siblings(draw: st.DrawFn, base: str, *, joiners: bool = True) -> str:
    """Another spelling of `base`, or the same."""
    text = draw(st.sampled_from([base, unicodedata.normalize("NFD", base), unicodedata.normalize("NFC", base)]))
    if joiners:
        text = "".join(draw(st.sampled_from(HYPHENS)) if c == "-" and draw(st.booleans()) else c for c in text)
        text = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and draw(st.integers(0, 5)) == 0 else c for c in text)
    marks = INVISIBLE + (JOINERS if joiners else [])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(marks)) + text[place:]
    around = st.sampled_from(["", " ", "\t", *NO_BREAK])
    return draw(around) + text + draw(around)
