"""PNG: the pixels stay, everything else goes (texts, profiles, and whatever follows the image)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from resources.r_child.plots.refused import NotAPlot

MOST_PIXELS = 50_000_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ANY = 1 << 31
_KEPT_CHUNKS = {
    **{b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"IDAT": _ANY, b"IEND": 0},
    **{b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9},
}
"""Kind -> bytes that it may have at most."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples of a pixel


def png_anew(data: bytes) -> bytes:
    """The same pixels. Raises NotAPlot."""
    if not data.startswith(_SIGNATURE):
        raise NotAPlot("is not PNG")
    kept, size, unpacked, room = [_SIGNATURE], 0, zlib.decompressobj(), 0
    kind = b""
    for kind, body, whole in _chunks(data):
        if (kind == b"IHDR") == (len(kept) > 1):
            raise NotAPlot("has no proper beginning")
        if kind == b"IHDR":
            size = room = _size(body)
        if kind == b"IDAT":
            if unpacked.eof:
                raise NotAPlot("holds more than its pixels")
            room -= _unpack(unpacked, body, room)
        if len(body) > _KEPT_CHUNKS.get(kind, _ANY):
            raise NotAPlot("holds more than its pixels")
        if kind in _KEPT_CHUNKS:
            kept.append(whole)
        if kind == b"IEND":
            break
    if kind != b"IEND" or not size or room or not unpacked.eof or unpacked.unused_data:
        raise NotAPlot("is not a whole PNG image")
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        kind, body = data[position + 4 : position + 8], data[position + 8 : end - 4]
        if end > len(data) or struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(kind + body):
            raise NotAPlot("is a damaged PNG")
        yield kind, body, data[position:end]
        position = end


def pixels(data: bytes) -> int:
    """How many pixels an image that passed has."""
    width, height = struct.unpack_from(">II", data, len(_SIGNATURE) + 8)
    return int(width * height)


def _size(header: bytes) -> int:
    """Bytes of the unpacked image."""
    if len(header) != 13:
        raise NotAPlot("has no proper beginning")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack(">IIBBBBB", header)
    if not (0 < width <= 30_000 and 0 < height <= 30_000 and width * height <= MOST_PIXELS):
        raise NotAPlot("has an impossible size")
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16) or packing or filters or interlaced:
        raise NotAPlot("is of a kind of PNG that R does not write")
    return int(height * (1 + (width * depth * _CHANNELS[colour] + 7) // 8))


def _unpack(unpacked: zlib._Decompress, body: bytes, room: int) -> int:
    """How many bytes come out; more than `room` is refused before it takes memory."""
    count, left = 0, body
    try:
        while left and not unpacked.eof:
            count += len(unpacked.decompress(left, 1 << 20))
            left = unpacked.unconsumed_tail
            if count > room:
                raise NotAPlot("holds more than its pixels")
        count += len(unpacked.decompress(b"", 1 << 20)) if not unpacked.eof else 0
    except zlib.error:
        raise NotAPlot("is a damaged PNG") from None
    if count > room:
        raise NotAPlot("holds more than its pixels")
    return count
