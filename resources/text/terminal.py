"""Text on a terminal. Names of files, reasons and rows come from others: an escape code in them would repaint the screen, a line end would add
a line that nobody wrote, a character that turns the direction of writing would show another order."""

from __future__ import annotations

import unicodedata
from typing import TextIO

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def field(value: object) -> str:
    """One value inside a line: what cannot be seen is written as an escape."""
    return "".join(_escaped(c) if unicodedata.category(c) in _UNSEEN else c for c in str(value))


def say(stream: TextIO, text: str) -> None:
    """Write lines: their ends are ours, whatever else cannot be seen is written as an escape."""
    stream.write("\n".join(field(line) for line in text.split("\n")))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
