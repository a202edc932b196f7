"""One pass over a file's bytes: its hash, and the counts by which readers prove that they lost no line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from resources.text.spelling import NO_INK

CHUNK = 4 << 20
MAX_HEADER = 1 << 20
BOM = b"\xef\xbb\xbf"


def _any_of(characters: str) -> bytes:
    """A regular expression of one of these characters in UTF-8, by their first bytes: much faster than one by one."""
    lasts: dict[bytes, bytes] = {}
    for code in sorted(c.encode() for c in characters):
        lasts[code[:-1]] = lasts.get(code[:-1], b"") + code[-1:]
    return b"(?:" + b"|".join(first + b"[" + last + b"]" for first, last in lasts.items()) + b")"


_UNSEEN = _any_of(NO_INK)
_BARE_LINE = re.compile(rb"\n(?:[^\r\n0-9A-Za-z\x80-\xff]|" + _UNSEEN + rb")*\r?\n")
_LONGEST_BARE = 1 << 16
_UNSEEN_AT_QUOTE = re.compile(_UNSEEN + b'"'), re.compile(b'"' + _UNSEEN)  # as one they take four times as long


@dataclass
class Scan:
    """What the bytes of a file tell before anyone reads them as a table."""

    path: Path
    size: int = 0
    sha256: str = ""
    newlines: int = 0
    returns: int = 0
    """Carriage returns."""
    crlf: int = 0
    nul: int = 0
    bare_lines: bool = False
    """Some line holds neither a letter nor a digit: it is blank, or a row without any value (``;;``)."""
    blank_at_quote: bool = False
    """A blank, or what cannot be seen, stands before or after a quotation mark: a writer that puts blanks around cells, or just a text."""
    tab_at_quote: bool = False
    """The same of a tab."""
    last_byte: bytes = b""
    head: bytes = field(default=b"", repr=False)
    """The first line (at most 1 MiB) without line end and byte-order mark."""

    @property
    def lines(self) -> int:
        """Lines, counting a last one without line end."""
        return self.newlines + (self.size > 0 and self.last_byte != b"\n")

    @property
    def line_end(self) -> str | None:
        r"""``\n`` or ``\r\n`` where all lines end alike, otherwise None."""
        if self.returns == 0:
            return "\n"
        return "\r\n" if self.returns == self.crlf == self.newlines else None


def scan(path: Path) -> Scan:
    """Read `path` once."""
    result, digest = Scan(path), hashlib.sha256()
    head = bytearray()
    before = b"\n"  # what is left of the last line before a chunk; a blank first line is a blank line too
    with path.open("rb", buffering=0) as file:
        if file.read(len(BOM)) == BOM:
            digest.update(BOM)
            result.size = len(BOM)
        else:
            file.seek(0)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if result.newlines == 0 and len(head) <= MAX_HEADER:
                head += chunk
            result.size += len(chunk)
            result.newlines += chunk.count(b"\n")
            if b"\r" in chunk or before[-1:] == b"\r":
                result.returns += chunk.count(b"\r")
                result.crlf += chunk.count(b"\r\n") + (before[-1:] == b"\r" and chunk[:1] == b"\n")
            if b"\0" in chunk:
                result.nul += chunk.count(b"\0")
            seam = before + chunk[:_LONGEST_BARE]
            result.bare_lines = result.bare_lines or bool(_BARE_LINE.search(chunk) or _BARE_LINE.search(seam))
            for part in (chunk, seam[-_LONGEST_BARE - 3 :]) if b'"' in chunk or b'"' in before[-3:] else ():
                result.blank_at_quote = result.blank_at_quote or b' "' in part or b'" ' in part
                if not result.blank_at_quote and not part.isascii():
                    result.blank_at_quote = any(pattern.search(part) for pattern in _UNSEEN_AT_QUOTE)
                result.tab_at_quote = result.tab_at_quote or b'\t"' in part or b'"\t' in part
            before = (
                (before + chunk)[-_LONGEST_BARE:]
                if b"\n" not in chunk
                else chunk[chunk.rfind(b"\n") :][-_LONGEST_BARE:]
            )
    result.last_byte = before[-1:] if result.size else b""
    if result.size and result.last_byte != b"\n":
        result.bare_lines = result.bare_lines or bool(_BARE_LINE.search(before + b"\n"))
    result.sha256 = digest.hexdigest()
    first = bytes(head).split(b"\n", 1)[0]
    result.head = first.removesuffix(b"\r")
    return result
