"""In which encoding a file is written, where its bytes contradict the contract.

A text in cp1252 or latin-1 can be made of any bytes, so a sender who moves to UTF-8 is read without an error, as "CafÃ©". But a text of these
encodings with a letter that is not ASCII is practically never valid UTF-8: what is valid, is UTF-8.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

CHUNK = 1 << 20
OTHER = "in another encoding"
"""How it is told."""
SINGLE_BYTE = ("latin-1", "cp1252")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CONTROLS = re.compile(rb"[\x80-\x9f]")
"""In latin-1 control characters that nobody writes, in cp1252 quotes, dashes and the euro."""


def spoken(path: Path, declared: str) -> str:
    """The encoding of the file at `path`: `declared`, unless a byte-order mark or all of its bytes say otherwise.

    Of files that are declared UTF-8 nothing is asked here: bytes that are no UTF-8 do not pass for it.
    """
    if declared == "utf-8":
        return declared
    with path.open("rb") as file:
        head = file.read(4)
        marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if marked:
            return marked
        file.seek(0)
        decoder, ascii_only, controls, nul, utf8 = codecs.getincrementaldecoder("utf-8")(), True, False, False, True
        while chunk := file.read(CHUNK):
            nul = nul or b"\0" in chunk
            if utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    utf8 = False
            if not chunk.isascii():
                ascii_only = False
                controls = controls or bool(_CONTROLS.search(chunk))
        if utf8:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                utf8 = False
    if declared == "utf-16":
        return "utf-8" if utf8 and not nul else declared
    if utf8 and not ascii_only:
        return "utf-8"
    return "cp1252" if controls else declared


def utf_16(path: Path) -> str:
    """Which UTF-16 a file is: its byte-order mark tells, and where there is none the bytes that are zero in Latin letters."""
    with path.open("rb") as file:
        head = file.read(CHUNK)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or not head.count(0):
        return "utf-16"
    return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"


def is_other(text: str, encoding: str) -> bool:
    """Whether a line that was read in `encoding` is UTF-8 in truth, as where files of two encodings were joined."""
    if encoding not in SINGLE_BYTE or text.isascii():
        return False
    try:
        text.encode(encoding, "surrogateescape").decode("utf-8")
    except UnicodeError:
        return False
    return True


def told(spoken_one: str, declared: str) -> dict[str, list[str]]:
    """What of it is told as drift; nothing where the file is written as declared."""
    return {} if spoken_one == declared else {OTHER: [f"{spoken_one}, the contract says {declared}"]}
