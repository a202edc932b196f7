"""Writes plots anew from what is understood of them: they are shown in browsers, and their files came from a script.

SVG keeps the elements and attributes that drawing needs (those that cairo, svglite and grid write). Scripts, links, embedded pages,
animations, style sheets, entities and references to anything outside the file end in `NotAPlot`.
PNG keeps its pixels: other chunks (text, profiles) are dropped, and whatever follows the image.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

MOST_PIXELS = 50_000_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples of a pixel

_SVG, _XLINK, _XML = (
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/XML/1998/namespace",
)
_PREFIXES = {_SVG: "", _XLINK: "xlink:", _XML: "xml:"}
_ELEMENTS = frozenset(  # words in lines are read more easily than a list of quotes
    [
        "svg",
        "g",
        "defs",
        "symbol",
        "use",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "title",
        "desc",
        "image",
        "clipPath",
        "mask",
        "pattern",
        "linearGradient",
        "radialGradient",
        "stop",
        "filter",
        "feBlend",
        "feColorMatrix",
        "feComponentTransfer",
        "feFuncA",
        "feFuncB",
        "feFuncG",
        "feFuncR",
        "feComposite",
        "feFlood",
        "feGaussianBlur",
        "feImage",
        "feMerge",
        "feMergeNode",
        "feOffset",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "id",
        "class",
        "version",
        "width",
        "height",
        "viewBox",
        "preserveAspectRatio",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "fx",
        "fy",
        "dx",
        "dy",
        "d",
        "points",
        "transform",
        "overflow",
        "fill",
        "fill-opacity",
        "fill-rule",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-linecap",
        "stroke-linejoin",
        "stroke-miterlimit",
        "stroke-dasharray",
        "stroke-dashoffset",
        "opacity",
        "color",
        "color-interpolation",
        "color-interpolation-filters",
        "clip-path",
        "clip-rule",
        "mask",
        "maskUnits",
        "maskContentUnits",
        "clipPathUnits",
        "patternUnits",
        "patternContentUnits",
        "patternTransform",
        "gradientUnits",
        "gradientTransform",
        "spreadMethod",
        "offset",
        "stop-color",
        "stop-opacity",
        "filter",
        "filterUnits",
        "primitiveUnits",
        "in",
        "in2",
        "result",
        "mode",
        "type",
        "values",
        "operator",
        "k1",
        "k2",
        "k3",
        "k4",
        "tableValues",
        "slope",
        "intercept",
        "amplitude",
        "exponent",
        "stdDeviation",
        "flood-color",
        "flood-opacity",
        "font-family",
        "font-size",
        "font-style",
        "font-weight",
        "text-anchor",
        "textLength",
        "lengthAdjust",
        "letter-spacing",
        "word-spacing",
        "rotate",
        "dominant-baseline",
        "paint-order",
        "display",
        "visibility",
        "image-rendering",
        "shape-rendering",
        "text-rendering",
        "mix-blend-mode",
        "isolation",
        "style",
        "href",
        "space",
    ]
)
_INSIDE = re.compile(r"#[\w.:-]{1,200}")
_PICTURE = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=\s]+")
_URL = re.compile(r"url\(\s*(['\"]?)(.*?)\1\s*\)", re.IGNORECASE | re.DOTALL)
_LOOSE_URL = re.compile(r"url\s*\(", re.IGNORECASE)
_STYLE = re.compile(r"[\w\s.,:;#%()+'\"-]*")
_ACTIVE = re.compile(r"@|\\|expression|javascript|behaviou?r|-moz-binding|/\*", re.IGNORECASE)


class NotAPlot(ValueError):
    """A file that cannot be shown. `str()` says why, without its content."""


def rewrite_svg(source: Path, target: Path) -> None:
    """The same drawing, from allowed parts only. Raises NotAPlot."""
    writer = _Writer()
    parser = expat.ParserCreate("utf-8", " ")  # whatever the file says that it is: it is written as UTF-8
    parser.buffer_text = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.StartDoctypeDeclHandler = writer.refuse("a document type")
    parser.EntityDeclHandler = writer.refuse("an entity")
    parser.ProcessingInstructionHandler = writer.refuse("an instruction to the program that shows it")
    try:
        with source.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise NotAPlot(f"is not well-formed SVG (line {error.lineno})") from None
    target.write_text("".join(writer.written), encoding="utf-8")


class _Writer:
    """Writes what the parser finds, after judging it."""

    def __init__(self) -> None:
        self.written = ['<?xml version="1.0" encoding="UTF-8"?>\n']
        self._names: list[str] = []

    def refuse(self, what: str):  # type: ignore[no-untyped-def]  # expat calls it with arguments that differ by event
        """A handler for what has no place in a plot."""

        def handler(*_: object) -> None:
            raise NotAPlot(f"holds {what}, which a plot must not")

        return handler

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if space != _SVG or local not in _ELEMENTS or (not self._names and local != "svg"):
            raise NotAPlot(f"holds an element <{_shown(local)}>, which a plot must not")
        if len(self._names) > 200:
            raise NotAPlot("nests its elements too deeply")
        parts = [f"<{local}"]
        if not self._names:
            parts.append(f' xmlns="{_SVG}" xmlns:xlink="{_XLINK}"')
        parts += [_attribute(key, value) for key, value in attributes.items()]
        self.written.append("".join(parts) + ">")
        self._names.append(local)

    def end(self, name: str) -> None:
        self.written.append(f"</{self._names.pop()}>")

    def text(self, data: str) -> None:
        self.written.append(escape(data))


def _attribute(name: str, value: str) -> str:
    space, _, local = name.rpartition(" ")
    if local not in _ATTRIBUTES or space not in ("", _XLINK, _XML):
        raise NotAPlot(f'holds an attribute "{_shown(local)}", which a plot must not')
    if local == "href":
        fine = bool(_INSIDE.fullmatch(value) or _PICTURE.fullmatch(value))
    else:
        outside = any(not _INSIDE.fullmatch(match[2]) for match in _URL.finditer(value))
        loose = _LOOSE_URL.search(_URL.sub("", value))  # without an end
        fine = not (outside or loose or _ACTIVE.search(value))
        if local == "style":
            fine = fine and bool(_STYLE.fullmatch(value))
    if not fine:
        raise NotAPlot(f'refers to something outside itself in "{_shown(local)}"')
    return f" {_PREFIXES.get(space, '')}{local}={quoteattr(value)}"


def _shown(name: str) -> str:
    """A name out of the file, for a message."""
    return re.sub(r"[^\w-]", "?", name)[:40]


def rewrite_png(source: Path, target: Path) -> None:
    """The same pixels. Raises NotAPlot."""
    data = source.read_bytes()
    if not data.startswith(_SIGNATURE):
        raise NotAPlot("is not PNG")
    kept, size, unpacked, room = [_SIGNATURE], 0, zlib.decompressobj(), 0
    kind = b""
    for kind, body, whole in _chunks(data):
        if (kind == b"IHDR") == (len(kept) > 1):
            raise NotAPlot("has no proper beginning")
        if kind == b"IHDR":
            size = room = _pixels(body)
        if kind == b"IDAT":
            room -= _unpack(unpacked, body, room)
        if kind in _KEPT_CHUNKS:
            kept.append(whole)
        if kind == b"IEND":
            break
    if kind != b"IEND" or not size or room or not unpacked.eof:
        raise NotAPlot("is not a whole PNG image")
    target.write_bytes(b"".join(kept))


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


def _pixels(header: bytes) -> int:
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
