"""What R says of itself: the words and the forms of its own messages, read from the message catalogs of R and its packages.

A catalog (GNU gettext, .mo) lists every message that a package can give, with %d and %s where something is put in. So what is R's own
in a message is known without a list of ours; where no catalog is installed, less is known to be R's, and more is hidden.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LIBRARIES = ("/usr/lib/R/library", "/usr/lib/R/site-library", "/usr/local/lib/R/site-library", "/opt/R")
_CATALOGS = ("**/translations/en@quot/LC_MESSAGES/*.mo", "**/po/en@quot/LC_MESSAGES/*.mo")
_OURS = ("r_runtime", "r_child")
_WORD = re.compile(r"[A-Za-z_]+")
_FIRST = re.compile(r"(?:^|[.!?:]\s+|\n)[\W_]*([A-Za-z]+)")
_PLACE = re.compile(r"%(?:\d+\$)?[-+ #0]*\d*(?:\.\d+)?(?:l{0,2}|z|h)([diufgGexs])")
_LISTS = ("arguments imply differing number of rows: ",)
"""Messages that end with a list of counts, put together where the catalog says %s."""
MORE = frozenset(
    [
        "X",
        "FUN",
        "i",
        "j",
        "k",
        "n",
        "x",
        "y",
        "z",
        "env",
        "envir",
        "expr",
        "tmp",
        "Kb",
        "Mb",
        "Gb",
        "Tb",
        "KB",
        "NaN",
        "MB",
        "GB",
    ]
)
"""Names of arguments in R's calls, and units."""


@cache
def words() -> frozenset[str]:
    """Words of R's messages, of the harness' and of the platform's own. Capitals count: a name is written with one."""
    found = set(MORE)
    for text in _messages():
        found.update(word for word in _WORD.findall(text) if word == word.lower() or word.isupper())
        found.update(_FIRST.findall(text))
    here = Path(__file__).resolve().parents[1]
    ours = [path for package in _OURS for path in (here / package).glob("*.py")]
    ours += [*(here.parent / "r_scripts" / "harness").glob("*.R")]
    for path in ours:
        text = path.read_text(encoding="utf-8")
        found.update(word for word in _WORD.findall(text) if word == word.lower() or word.isupper())
    return frozenset(found)


def counts_in(text: str) -> list[tuple[int, int]]:
    """(start, end) of the numbers that R itself put into a message that is, as a whole, one of its own."""
    plain = text.translate(_QUOTES)
    for start in _LISTS:
        if plain.startswith(start) and re.fullmatch(r"\d+(?:, \d+)*", plain[len(start) :]):
            return [match.span() for match in re.finditer(r"\d+", plain) if match.start() >= len(start)]
    for longest, template in _templates():
        if longest in plain and (match := _form(template).fullmatch(plain)):
            return [match.span(name) for name in match.groupdict() if match[name] is not None]
    return []


_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})


@cache
def _templates() -> tuple[tuple[str, str], ...]:
    """(its longest piece, message) of the messages with a number in them."""
    found = []
    for text in _messages():
        kinds = [match[1] for match in _PLACE.finditer(text)]
        if any(kind != "s" for kind in kinds):
            longest = max((piece.replace("%%", "%") for piece in _PLACE.sub("\0", text).split("\0")), key=len)
            if len(longest.strip()) >= 8:
                found.append((longest, text))
    return tuple(dict.fromkeys(found))


@cache
def _form(template: str) -> re.Pattern[str]:
    parts, place = [], 0
    for number, match in enumerate(_PLACE.finditer(template)):
        parts.append(re.escape(template[place : match.start()].replace("%%", "%")))
        parts.append(r"[\s\S]*?" if match[1] == "s" else rf"(?P<n{number}>-?[\d.]+(?:e[+-]?\d+)?)")
        place = match.end()
    return re.compile("".join(parts) + re.escape(template[place:].replace("%%", "%")) + r"\s*")


@cache
def _messages() -> tuple[str, ...]:
    paths = {path for library in LIBRARIES for pattern in _CATALOGS for path in Path(library).glob(pattern)}
    return tuple(
        part for path in sorted(paths) for text in _ids(path.read_bytes()) for part in text.split("\0") if part
    )


def _ids(catalog: bytes) -> Iterator[str]:
    """The messages of a catalog, plural forms behind a NUL (GNU gettext manual, "The Format of GNU MO Files")."""
    if len(catalog) < 20:
        return
    order = "<" if struct.unpack("<I", catalog[:4])[0] == 0x950412DE else ">"
    number, table = struct.unpack(f"{order}8xII", catalog[:16])
    for each in range(number):
        length, start = struct.unpack_from(f"{order}II", catalog, table + 8 * each)
        yield catalog[start : start + length].decode("utf-8", "replace")
