"""The one place where text becomes Markdown. Dagster's pages and Streamlit's widgets read Markdown; data must never be read so.

A laboratory's name, a file's name, a column, what R says: whatever stands in them is shown as it is. It becomes no link, no picture (which a
browser fetches from where the text says), no heading, formula, emoji or icon. `make lint` refuses Markdown that was made elsewhere
(`scripts/markup.py`).
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NewType

Markdown = NewType("Markdown", str)
"""Text that may be given to what reads Markdown. Only the functions here make it from other text."""
JOINER = "\u2060"
"""Word joiner: without width, without a break. Addresses become links, and :names: emoji, after escapes have been read, so that no escape
helps: something must stand between their letters."""
_MARKUP = re.compile(r"([!#$&*<>\[\\\]^`{|}~]|(?<![^\W_])_|_(?![^\W_])|^[+\-=])")
_ORDERED = re.compile(r"^(\d+)([.)])")
_JOINED = re.compile(r"(:(?=\S)|@(?=\S)|www(?=\.)|(?<=-)(?=[->])|(?<=<)(?=-)|(?<=[<>])(?==))", re.IGNORECASE)
_ADDRESS = re.compile(r"(:(?=//)|www(?=\.)|(?<=\w)@(?=\w))", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def plain(text: object) -> Markdown:
    """`text` to be shown as it is by what reads Markdown; characters that no one can see go, lines stay lines."""
    lines = [" ".join(_visible(line).split()) for line in str(text).splitlines()]
    return Markdown("\n".join(_ORDERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", _joined(line))) for line in lines))


def unescaped(markdown: str) -> str:
    """What was given to `plain`, for readers of text."""
    return _ESCAPED.sub(r"\1", markdown.replace(JOINER, ""))


def unlinked(text: object) -> str:
    """`text` for what makes links of addresses and colours of escape codes without reading Markdown (Dagster's log of a run): lines and
    spaces stay."""
    return "\n".join(
        _ADDRESS.sub(rf"\1{JOINER}", _visible(line.replace("\t", "    "))) for line in str(text).splitlines()
    )


def fenced(text: object, language: str = "text") -> Markdown:
    """`text` as a block of code: lines and spaces stay. The fence is longer than any run of backticks in it."""
    shown = "\n".join(_visible(line.replace("\t", "    ")) for line in str(text).splitlines())
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    ticks = "`" * max(3, longest + 1)
    return Markdown(f"{ticks}{re.sub(r'[^a-z]', '', language)}\n{shown}\n{ticks}")


def bold(text: object) -> Markdown:
    """`text` in bold, on one line."""
    return Markdown(f"**{_one_line(text)}**")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """Rows of text."""
    lines = [[_one_line(name) for name in header], ["---"] * len(header)]
    lines += [[_one_line(cell) for cell in row] for row in rows]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def bullets(items: Iterable[object]) -> Markdown:
    """A list, an item a line."""
    return Markdown("\n".join(f"- {_one_line(item)}" for item in items))


def picture(title: str, png: bytes) -> Markdown:
    """A picture that stands in the text itself: nothing is fetched."""
    return Markdown(f"![{_one_line(title)}](data:image/png;base64,{base64.b64encode(png).decode()})")


def together(*blocks: Markdown) -> Markdown:
    """Blocks below each other."""
    return Markdown("\n\n".join(block for block in blocks if block))


def beside(*parts: Markdown) -> Markdown:
    """Parts of one paragraph."""
    return Markdown(" ".join(part for part in parts if part))


def _one_line(text: object) -> str:
    return " ".join(plain(text).split("\n"))


def _joined(line: str) -> str:
    return _JOINED.sub(rf"\1{JOINER}", line.replace(JOINER, ""))


def _visible(line: str) -> str:
    """`line` without control and format characters (those that turn the direction of writing among them)."""
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") else " " if c == "\t" else "" for c in line
    )
