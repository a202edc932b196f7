"""A record of delimited text in cells (RFC 4180), also as people and programs write it: with blanks around quoted cells."""

from __future__ import annotations

import csv
import io
import re

from platform_assets.contracts.file_format import FileFormat
from resources.text.spelling import NO_INK, has_ink

BLANKS = " \t" + NO_INK


def cells_of(text: str, fmt: FileFormat) -> list[str] | None:
    """The cells of one record; None where a quote is not closed, or stands in the wrong place, or where these are several records.

    Blanks, and what cannot be seen, before and after the quotation marks of a cell are no part of it (files that were joined have a
    byte-order mark there); those of a cell without are left, as they may be meant.
    """
    quote, separator = fmt.quote, fmt.separator
    if quote not in text:
        return text.split(separator)
    blanks = [blank for blank in (BLANKS[:2] if text.isascii() else BLANKS) if blank != separator]
    if any(blank + quote in text or quote + blank in text for blank in blanks):
        return _with_blanks(text, separator, quote, "".join(blanks))
    source = io.StringIO(text, newline="")
    try:
        rows = list(csv.reader(source, delimiter=separator, quotechar=quote, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _with_blanks(text: str, separator: str, quote: str, blanks: str) -> list[str] | None:
    q, s, b = re.escape(quote), re.escape(separator), f"[{re.escape(blanks)}]*"
    quoted = re.compile(f"{b}{q}((?:[^{q}]|{q}{q})*){q}{b}(?={s}|$)" if len(quote) == 1 else "(?!)", re.DOTALL)
    plain = re.compile(f"[^{s}\\n]*")
    found, place = [], 0
    while True:
        cell = quoted.match(text, place)
        if cell:
            found.append(cell[1].replace(quote * 2, quote))
        else:
            cell = plain.match(text, place)
            if cell is None or cell[0].lstrip(blanks).startswith(quote):
                return None
            found.append(cell[0])
        place = cell.end()
        if place == len(text):
            return found
        if text[place] != separator:
            return None
        place += 1


def is_without_values(cells: list[str] | None) -> bool:
    """Whether every cell of a record is empty, or holds blanks alone."""
    return cells is not None and not any(map(has_ink, cells))
