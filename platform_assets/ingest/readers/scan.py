"""One pass over a file's bytes: its hash, and the counts by which readers prove that they lost no line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 4 << 20
MAX_HEADER = 1 << 20
BOM = b"\xef\xbb\xbf"
_BLANK_LINE = re.compile(rb"\n\r?\n")  # faster than `in`, which stumbles over every line end


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
    blank_lines: bool = False
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
    before = b"\n"  # the two bytes before a chunk; a blank first line is a blank line too
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if result.newlines == 0 and len(head) <= MAX_HEADER:
                head += chunk
            seam = before + chunk[:2]
            result.size += len(chunk)
            result.newlines += chunk.count(b"\n")
            if b"\r" in chunk or before[-1:] == b"\r":
                result.returns += chunk.count(b"\r")
                result.crlf += chunk.count(b"\r\n") + (before[-1:] == b"\r" and chunk[:1] == b"\n")
            if b"\0" in chunk:
                result.nul += chunk.count(b"\0")
            result.blank_lines = result.blank_lines or bool(_BLANK_LINE.search(chunk) or _BLANK_LINE.search(seam))
            before = (before + chunk[-2:])[-2:]
    result.last_byte = before[-1:] if result.size else b""
    result.sha256 = digest.hexdigest()
    first = bytes(head).removeprefix(BOM).split(b"\n", 1)[0]
    result.head = first.removesuffix(b"\r")
    return result
