"""One pass over a file's bytes: its hash, and the counts by which readers prove that they lost no line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 4 << 20
MAX_HEADER = 1 << 20
BOM = b"\xef\xbb\xbf"
_BARE_LINE = re.compile(rb"\n[^0-9A-Za-z\x80-\xff\n]*\n")  # faster than `in`, which stumbles over every line end
_LONGEST_EMPTY = 1 << 16


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
    """Whether there is a line without a letter or digit: blank, or of empty cells."""
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
    before = b"\n"  # the two bytes before a chunk
    line = b"\n"  # the line before a chunk that has not ended, from the line end before it; a blank first line is a blank line too
    with path.open("rb", buffering=0) as file:
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
            if not result.bare_lines:
                joined = line + chunk
                result.bare_lines = bool(_BARE_LINE.search(joined))
                line = joined[joined.rfind(b"\n") :][:_LONGEST_EMPTY]
            before = (before + chunk[-2:])[-2:]
    if not result.bare_lines and line != b"\n":
        result.bare_lines = bool(_BARE_LINE.search(line + b"\n"))
    result.last_byte = before[-1:] if result.size else b""
    result.sha256 = digest.hexdigest()
    first = bytes(head).removeprefix(BOM).split(b"\n", 1)[0]
    result.head = first.removesuffix(b"\r")
    return result
