"""SVG, written anew from allowed parts only; see the package."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from resources.r_child.plots.png import pixels, png_anew
from resources.r_child.plots.refused import NotAPlot

MOST_DRAWN = 1_000_000
"""Elements that a browser has to draw, each as often as it is used. Those that cost more count more (`_COSTS`)."""
_DEEPEST_USE = 32
_SVG, _XLINK, _XML = (
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/XML/1998/namespace",
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PREFIXES = {_SVG: "", _XLINK: "xlink:", _XML: "xml:"}
_ELEMENTS = _words(
    "svg g defs symbol use path rect circle ellipse line polyline polygon text tspan title desc image clipPath mask "
    "pattern linearGradient radialGradient stop filter feBlend feColorMatrix feComponentTransfer feFuncA feFuncB "
    "feFuncG feFuncR feComposite feFlood feGaussianBlur feImage feMerge feMergeNode feOffset"
)
_COSTS = {"mask": 100, "pattern": 100, "clipPath": 10}
_FILTER_COST = 1_000
_PIXELS_OF_ONE = 100
_ATTRIBUTES = _words(
    "id class version width height viewBox preserveAspectRatio x y x1 x2 y1 y2 cx cy r rx ry fx fy dx dy d points "
    "transform overflow fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap "
    "stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color color-interpolation "
    "color-interpolation-filters clip-path clip-rule mask maskUnits maskContentUnits clipPathUnits patternUnits "
    "patternContentUnits patternTransform gradientUnits gradientTransform spreadMethod offset stop-color "
    "stop-opacity filter filterUnits primitiveUnits in in2 result mode type values operator k1 k2 k3 k4 tableValues "
    "slope intercept amplitude exponent stdDeviation flood-color flood-opacity font-family font-size font-style "
    "font-weight text-anchor textLength lengthAdjust letter-spacing word-spacing rotate dominant-baseline "
    "paint-order display visibility image-rendering shape-rendering text-rendering mix-blend-mode isolation style "
    "href space"
)
_STYLES = _ATTRIBUTES | _words(
    "white-space text-decoration font font-variant font-stretch line-height background-color"
)
"""Properties that a style may set: nothing that moves the drawing over the page around it."""
_FUNCTIONS = _words("url rgb rgba hsl hsla matrix translate rotate scale skewx skewy")
"""What may be called in a value: others, such as image-set() and src(), fetch as url() does."""
_INSIDE = re.compile(r"#([\w.:-]{1,200})")
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_URL = re.compile(r"url\(\s*(['\"]?)(.*?)\1\s*\)", re.IGNORECASE | re.DOTALL)
_CALLED = re.compile(r"([^\s,;:()]*)\s*\(")
_STYLE = re.compile(r"[\w\s.,:;#%()+'\"-]*")
_ACTIVE = re.compile(r"@|\\|expression|javascript|behaviou?r|-moz-binding|/\*", re.IGNORECASE)
_FREE_TEXT = frozenset({"id", "class", "font-family"})
"""Attributes of names, in which a bracket calls nothing."""


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
        parser.Parse(source.read_bytes(), True)
    except expat.ExpatError as error:
        raise NotAPlot(f"is not well-formed SVG (line {error.lineno})") from None
    writer.judge()
    target.write_text("".join(writer.written), encoding="utf-8")


@dataclass
class _Drawn:
    """What an element and those in it cost to draw, and what they refer to, each as often as it does."""

    cost: int = 0
    uses: Counter[str] = field(default_factory=Counter)


class _Writer:
    """Writes what the parser finds, after judging it."""

    def __init__(self) -> None:
        self.written = ['<?xml version="1.0" encoding="UTF-8"?>\n']
        self._names: list[str] = []
        self._open = [_Drawn()]
        self._named: dict[str, _Drawn] = {}

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
        drawn = _Drawn(_FILTER_COST if local.startswith("fe") else _COSTS.get(local, 1))
        parts += [_attribute(key, value, drawn) for key, value in attributes.items()]
        self.written.append("".join(parts) + ">")
        self._names.append(local)
        if "id" in attributes:
            self._named.setdefault(attributes["id"], drawn)
        self._open.append(drawn)

    def end(self, name: str) -> None:
        self.written.append(f"</{self._names.pop()}>")
        drawn = self._open.pop()
        self._open[-1].cost += drawn.cost
        self._open[-1].uses.update(drawn.uses)

    def judge(self) -> None:
        """Raises NotAPlot where what is used again and again makes a small file endless."""
        if self._cost_of(self._open[0], {}, 0) > MOST_DRAWN:
            raise NotAPlot("draws too much: a browser would not come to its end")

    def _cost_of(self, drawn: _Drawn, known: dict[str, int], depth: int) -> int:
        """Cost with all that is used, at most a little more than MOST_DRAWN."""
        if depth > _DEEPEST_USE:  # in a circle, too
            raise NotAPlot("refers to itself, or by too many steps")
        cost = drawn.cost
        for name, times in drawn.uses.items():
            if name in self._named and name not in known:
                known[name] = self._cost_of(self._named[name], known, depth + 1)
            cost += times * known.get(name, 0)
        return min(cost, MOST_DRAWN + 1)

    def text(self, data: str) -> None:
        self.written.append(escape(data))


def _attribute(name: str, value: str, drawn: _Drawn) -> str:
    """The attribute as it may stand; what it refers to is added to `drawn`. Raises NotAPlot."""
    space, _, local = name.rpartition(" ")
    if local not in _ATTRIBUTES or space not in ("", _XLINK, _XML):
        raise NotAPlot(f'holds an attribute "{_shown(local)}", which a plot must not')
    if local == "href":
        value = _reference(value, drawn)
    elif local not in _FREE_TEXT or _ACTIVE.search(value):
        _judge_value(local, value, drawn)
    return f" {_PREFIXES.get(space, '')}{local}={quoteattr(value)}"


def _reference(value: str, drawn: _Drawn) -> str:
    inside, picture = _INSIDE.fullmatch(value), _PICTURE.fullmatch(value)
    if inside:
        drawn.uses[inside[1]] += 1
        return value
    if not picture:
        raise NotAPlot('refers to something outside itself in "href"')
    try:
        data = png_anew(base64.b64decode("".join(picture[1].split()), validate=True))
    except (binascii.Error, NotAPlot):
        raise NotAPlot("holds a picture that is no whole PNG image") from None
    drawn.cost += pixels(data) // _PIXELS_OF_ONE
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _judge_value(local: str, value: str, drawn: _Drawn) -> None:
    for match in _URL.finditer(value):
        inside = _INSIDE.fullmatch(match[2])
        if not inside:
            raise NotAPlot(f'refers to something outside itself in "{_shown(local)}"')
        drawn.uses[inside[1]] += 1
    left = _URL.sub("", value)
    called = {name.lower() for name in _CALLED.findall(left)}
    if "url" in called or called - _FUNCTIONS or _ACTIVE.search(value):  # a url() that is left has no end
        raise NotAPlot(f'refers to something outside itself in "{_shown(local)}"')
    if local == "style":
        properties = {part.partition(":")[0].strip().lower() for part in left.split(";")} - {""}
        if not _STYLE.fullmatch(value) or properties - _STYLES:
            raise NotAPlot('sets in "style" what a plot must not')


def _shown(name: str) -> str:
    """A name out of the file, for a message."""
    return re.sub(r"[^\w-]", "?", name)[:40]
