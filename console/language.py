"""The reader's language: texts, plurals, numbers and times. English is what stands in the code; `nl.po` (gettext) holds the Dutch of all of it.

Two ways lead there. What the console says itself is looked up as it is written: ``tr("{files} were sent", files=...)``. What the platform says
(reasons of wrong rows, refusals, states; some of it is kept in the lake, in English) comes as a finished sentence: `retold` finds the text of
the catalogue that it was made by, and says that one in the reader's language. A sentence that the catalogue does not have stays as it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import streamlit as st
from babel.dates import format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

CATALOGUE = Path(__file__).with_name("nl.po")
LANGUAGES = {"en": "en_GB", "nl": "nl"}
"""Language -> whose numbers and times go with it. The first is what stands in the code."""
PLATFORM, COUNT = "platform", "count"
"""Contexts in the catalogue: what the platform says, and things that are counted."""
NUMBERS = frozenset(
    {
        "n",
        "all",
        "low",
        "high",
        "line",
        "row",
        "rows",
        "wrong",
        "valid",
        "old",
        "least",
        "leaving",
        "most",
        "width",
        "part",
    }
)
"""Parts of the platform's sentences that are numbers."""
PARTS = {"column": "[^ ]+", **dict.fromkeys(NUMBERS, r"[\d,.]+%?")}
"""What a part can be, as a regular expression; any text else."""


def language() -> str:
    """That of the reader's browser, as it says with every page (Accept-Language); English where it asks for none that is here."""
    headers = st.context.headers
    return preferred(str(headers.get("Accept-Language") or "") if headers else "")


def preferred(accepted: str) -> str:
    """Of an Accept-Language header (``nl-NL,nl;q=0.9,en;q=0.8``) the language that is here and liked best."""
    found = []
    for place, part in enumerate(accepted.split(",")):
        name, _, weight = part.strip().partition(";")
        said = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        found.append((-float(said[1]) if said else -1.0, place, name.strip().lower().partition("-")[0]))
    return next((name for weight, _, name in sorted(found) if name in LANGUAGES and weight), next(iter(LANGUAGES)))


@dataclass(frozen=True)
class Catalogue:
    """One language. All are empty for the language of the code."""

    texts: Mapping[str, str]
    """What the console says -> the same in this language."""
    counts: Mapping[tuple[str, str], tuple[str, str]]
    """(one, many) -> both forms."""
    platform: Mapping[str, str]
    """What the platform says -> the same in this language."""

    @functools.cached_property
    def sentences(self) -> list[tuple[re.Pattern[str], str]]:
        """Sentences of the platform with parts, those with most words of their own first."""
        found = []
        for text, said in self.platform.items():
            pieces = list(Formatter().parse(text))
            if any(part for _, part, _, _ in pieces):
                own = sum(len(literal) for literal, _, _, _ in pieces)
                found.append((own, re.compile(_pattern(pieces), re.DOTALL), said))
        return [(pattern, said) for _, pattern, said in sorted(found, key=lambda f: -f[0])]


@functools.cache
def catalogue(name: str) -> Catalogue:
    """That of the language `name`."""
    if name == next(iter(LANGUAGES)):
        return Catalogue({}, {}, {})
    with CATALOGUE.open("rb") as file:
        messages = [m for m in read_po(file, locale=name, abort_invalid=True) if m.id]
    return Catalogue(
        {m.id: str(m.string) for m in messages if isinstance(m.id, str) and not m.context},
        {(m.id[0], m.id[1]): _forms(m.string) for m in messages if m.context == COUNT},
        {str(m.id): str(m.string) for m in messages if m.context == PLATFORM},
    )


def tr(text: str, **parts: object) -> str:
    """`text` in the reader's language, with its ``{parts}``; whole numbers among them in the reader's form."""
    said = spoken(text, language())
    return said.format(**{k: number(v) if type(v) is int else v for k, v in parts.items()}) if parts else said


def spoken(text: str, name: str) -> str:
    """`text` in the language `name`."""
    known = catalogue(name)
    return known.texts.get(text) or known.platform.get(text, text)


def counted(count: int, one: str, many: str = "") -> str:
    """``1 row``, ``1,200 rows``; ``1.200 rijen``."""
    forms = (one, many or one + "s")
    said = catalogue(language()).counts.get(forms, forms)
    return f"{number(count)} {said[0 if count == 1 else 1]}"


def retold(text: str) -> str:
    """A sentence of the platform in the reader's language; sentences with a semicolon between them one by one."""
    return _retold(text, catalogue(language()))


def sentence(text: str) -> str:
    """The same, with a capital; a name (of a file, a dataset, a person) at its beginning stays as it is."""
    said = retold(text)
    return capital(said) if said.partition(" ")[0].rstrip(":,").isalpha() else said


def number(value: float, digits: int = 0) -> str:
    """``1,200.5``; ``1.200,5``. `digits`: of decimals."""
    return str(format_decimal(value, format="#,##0" + ("." + "0" * digits if digits else ""), locale=_locale()))


def share(value: float) -> str:
    """``12.5%``; ``12,5%``."""
    return str(format_percent(value, format="#,##0.0%", locale=_locale()))


def moment_in_words(local: object) -> str:
    """A local time: ``27 Nov 2026, 23:20``; ``27 nov 2026, 23:20``."""
    said = str(format_datetime(local, "d MMM y, HH:mm", locale=_locale()))  # type: ignore[arg-type]
    return said.replace("Sept ", "Sep ")


def capital(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _locale() -> str:
    return LANGUAGES.get(language(), LANGUAGES["en"])


def _forms(string: object) -> tuple[str, str]:
    one, many = map(str, string if isinstance(string, list | tuple) else ())
    return one, many


def _retold(text: str, known: Catalogue) -> str:
    if not known.platform or not text:
        return text
    for said_by in (known.platform, known.texts):
        if text in said_by:
            return said_by[text]
    for pattern, said in known.sentences:
        found = pattern.fullmatch(text)
        if found:
            return said.format(**{name: _part(name, part, known) for name, part in found.groupdict().items()})
    small = text[:1].lower() + text[1:]
    if small != text and (said := _retold(small, known)) != small:
        return capital(said)
    parts = text.split("; ")
    return "; ".join(_retold(part, known) for part in parts) if len(parts) > 1 else text


def _part(name: str, text: str, known: Catalogue) -> str:
    """A part of a sentence: what is a sentence itself, the items of a pattern (contracts.patterns) and the kinds of characters in one, or a value."""
    match name:
        case "what" | "why" | "status":
            return _retold(text, known)
        case "parts":
            return ", ".join(_retold(part, known) for part in text.split(", then "))
        case "kinds":
            words = re.split("(, | or )", text)
            return "".join(" of " if word == " or " else known.platform.get(word, word) for word in words)
        case "limit" if text in known.platform:
            return known.platform[text]
        case "examples":
            return text.replace(" or ", " of ")
        case _ if name in NUMBERS or (name == "limit" and re.fullmatch(r"[\d,.]+%?", text)):
            return text.translate(str.maketrans(".,", ",."))
    return text


def _pattern(pieces: Iterable[tuple[str, str | None, object, object]]) -> str:
    """The regular expression of a sentence."""
    found: list[str] = []
    seen: set[str] = set()
    for literal, part, _, _ in pieces:
        found.append(re.escape(literal))
        if part:
            found.append(f"(?P={part})" if part in seen else f"(?P<{part}>{PARTS.get(part, '.+?')})")
            seen.add(part)
    return "".join(found)
