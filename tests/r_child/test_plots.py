"""Plots are written anew: what draws stays, what a browser would run, fetch or follow is refused."""

from __future__ import annotations

import base64
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.r_child.plots import NotAPlot, rewrite_png, rewrite_svg, svg
from resources.r_child.plots.png import png_anew

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10" height="10">'
XSS = "https://attacker.example/x"


def _svg(text: str | bytes, tmp_path: Path) -> str:
    source, target = tmp_path / "a.svg", tmp_path / "b.svg"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    rewrite_svg(source, target)
    return target.read_text(encoding="utf-8")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(
    width: int = 2,
    height: int = 2,
    pixels: bytes | None = None,
    before: bytes = b"",
    after: bytes = b"",
    header: bytes = b"",
) -> bytes:
    rows = b"".join(b"\0" + b"\x7f" * 3 * width for _ in range(height)) if pixels is None else pixels
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header or struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + before
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
        + after
    )


FINE = [
    '<path d="M 0 0 L 1 1" style="stroke:rgb(0%,0%,0%);stroke-width:0.75;fill:none"/>',
    '<defs><g><symbol overflow="visible" id="glyph0-0"><path d=""/></symbol></g></defs><use xlink:href="#glyph0-0" x="1" y="2"/>',
    '<clipPath id="c"><rect x="0" y="0" width="1" height="1"/></clipPath><g clip-path="url(#c)"><rect width="1"/></g>',
    f'<image width="1" height="1" xlink:href="data:image/png;base64,{base64.b64encode(_png()).decode()}"/>',
    '<text font-family="Curlz MT" x="1">Zelle &amp; Ørsted &lt;b&gt; - 12 µg</text>',
    '<g style="fill:url(#paint)" font-family="\'Liberation Sans\', sans-serif"/>',
]


@pytest.mark.parametrize("inside", FINE)
def test_what_draws_stays(inside: str, tmp_path: Path) -> None:
    made = _svg(f'<?xml version="1.0" encoding="UTF-8"?>\n{HEAD}{inside}</svg>', tmp_path)
    assert ElementTree.canonicalize(made) == ElementTree.canonicalize(f"{HEAD}{inside}</svg>")
    assert _svg(made, tmp_path) == made


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "script of another name": '<s:script xmlns:s="http://www.w3.org/1999/xhtml">alert(1)</s:script>',
    "page inside": f'<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="{XSS}"/></foreignObject>',
    "link": f'<a xlink:href="{XSS}"><text>click</text></a>',
    "style sheet": f'<style>@import "{XSS}";</style>',
    "animation": '<animate attributeName="href" values="javascript:alert(1)"/>',
    "set": '<set attributeName="onmouseover" to="alert(1)"/>',
    "handler": '<rect onload="alert(1)"/>',
    "handler in capitals": '<rect ONCLICK="alert(1)"/>',
    "handler at the top": None,
    "picture from elsewhere": f'<image xlink:href="{XSS}"/>',
    "picture from elsewhere, new way": f'<image href="{XSS}"/>',
    "picture without a scheme": '<image href="//attacker.example/x"/>',
    "picture of markup": '<image href="data:image/svg+xml;base64,PHN2Zz4="/>',
    "page as data": '<use href="data:text/html,x"/>',
    "javascript": '<use xlink:href="javascript:alert(1)"/>',
    "javascript in pieces": '<use xlink:href="java&#10;script:alert(1)"/>',
    "use of another file": f'<use xlink:href="{XSS}#a"/>',
    "fill from elsewhere": f'<rect fill="url({XSS}#a)"/>',
    "fill from elsewhere, quoted": f'<rect fill="url(&quot;{XSS}&quot;)"/>',
    "style from elsewhere": f'<rect style="fill:url({XSS})"/>',
    "style, escaped": '<rect style="fill:\\75 rl(//attacker.example)"/>',
    "style with a comment": '<rect style="fill:u/**/rl(//attacker.example)"/>',
    "style, capitals": f'<rect style="fill:URL( {XSS} )"/>',
    "style, no end": f'<rect style="fill:url({XSS}"/>',
    "import in style": '<rect style="@import url(#a)"/>',
    "expression": '<rect style="width:expression(alert(1))"/>',
    "base": f'<rect xml:base="{XSS}"/>',
    "instruction": f'<?xml-stylesheet href="{XSS}"?>',
    "attribute of a stranger": '<rect xmlns:x="urn:x" x:evil="1"/>',
    **{
        f"{call} in {attribute}": f"<rect {attribute}=\"{prefix}{call}('{place}')\"/>"
        for call in (
            "image-set",
            "IMAGE-SET",
            "-webkit-image-set",
            "src",
            "image",
            "cross-fade",
            "element",
            "env",
            "attr",
        )
        for attribute, prefix in (("mask", ""), ("filter", ""), ("fill", "red "), ("clip-path", ""), ("style", "fill:"))
        for place in ("x.png",)
    },
    **{
        f"style that sets {style}": f'<g style="fill:red;{style}"/>'
        for style in (
            "position:fixed",
            "POSITION : absolute",
            "top:0",
            "z-index:9",
            "cursor:none",
            "background:red",
            "content:x",
            "pointer-events:none",
            "animation:a",
            "--x:1",
            "behavior:x",
            "inset:0",
            "width:1px;margin:0",
            "all:unset",
        )
    },
    "jpeg inside": '<image href="data:image/jpeg;base64,/9j/4AAQ"/>',
    "a program as a picture": f'<image href="data:image/png;base64,{base64.b64encode(b"MZ").decode()}"/>',
    "half a picture": f'<image href="data:image/png;base64,{base64.b64encode(_png()[:-9]).decode()}"/>',
    "a picture that swells": f'<image href="data:image/png;base64,{base64.b64encode(_png(pixels=bytes(9_000_000))).decode()}"/>',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_browser_would_run_or_fetch_is_refused(kind: str, tmp_path: Path) -> None:
    inside = HOSTILE[kind]
    text = f"{HEAD}{inside}</svg>" if inside else HEAD.replace(" width", ' onload="alert(1)" width') + "</svg>"
    with pytest.raises(NotAPlot) as refused:
        _svg(text, tmp_path)
    assert "attacker" not in str(refused.value)
    assert "alert" not in str(refused.value)
    assert not (tmp_path / "b.svg").exists()


def _levels(one: str, first: str, last: str, count: int = 10) -> str:
    """Ten of each level in the next one: a few kilobytes, 10^count elements on the screen."""
    return first + "".join(one.format(id=n, inside=n - 1) for n in range(1, count + 1)) + last.format(last=count)


REFERENCES = (
    ("g", '<use href="#a{inside}"/>', '<use href="#a{last}"/>'),
    ("g", '<use xlink:href="#a{inside}"/>', '<use xlink:href="#a{last}"/>'),
    ("symbol", '<use href="#a{inside}"/>', '<use href="#a{last}"/>'),
    ("pattern", '<rect fill="url(#a{inside})"/>', '<rect fill="url(#a{last})"/>'),
    ("pattern", "<rect style=\"stroke:URL( '#a{inside}' )\"/>", '<rect stroke="url(#a{last})"/>'),
    ("mask", '<rect mask="url(#a{inside})"/>', '<rect mask="url(#a{last})"/>'),
    ("clipPath", '<rect clip-path="url(#a{inside})"/>', '<rect clip-path="url(#a{last})"/>'),
    ("filter", '<feImage href="#a{inside}"/>', '<rect filter="url(#a{last})"/>'),
)


@pytest.mark.parametrize("reference", REFERENCES, ids=range(len(REFERENCES)))
def test_a_drawing_that_is_endless_on_the_screen_is_refused(reference: tuple[str, str, str], tmp_path: Path) -> None:
    element, inside, last = reference
    one = f'<{element} id="a{{id}}">{inside * 10}</{element}>'
    first = f'<{element} id="a0"><rect/></{element}>'
    with pytest.raises(NotAPlot, match="draws too much"):
        _svg(f"{HEAD}{_levels(one, first, last)}</svg>", tmp_path)
    # the first of two with one name counts, as in a browser
    twice = f'<g id="a10">{_levels(one, "", "")}<g id="a10"/></g>'
    with pytest.raises(NotAPlot):
        _svg(f'{HEAD}<g id="a0"><rect/></g>{twice}{last.format(last=10)}</svg>', tmp_path)
    with pytest.raises(NotAPlot, match="refers to itself"):
        _svg(f'{HEAD}<{element} id="a0">{inside.format(inside=0)}</{element}></svg>', tmp_path)
    # a few levels are what devices write
    _svg(f"{HEAD}{_levels(one, first, last, 1)}</svg>", tmp_path)


@pytest.mark.parametrize("many", ['<feGaussianBlur stdDeviation="9e9"/>' * 11, "<mask/>" * 110, "<rect/>" * 10_000])
def test_what_costs_much_counts_more(many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg, "MOST_DRAWN", 10_000)
    with pytest.raises(NotAPlot, match="draws too much"):
        _svg(f"{HEAD}{many}</svg>", tmp_path)


def test_a_picture_inside_is_written_anew(tmp_path: Path) -> None:
    inside = base64.b64encode(_png(before=_chunk(b"tEXt", b"Comment\0of a patient"), after=b"<script>")).decode()
    made = _svg(f'{HEAD}<image xlink:href="data:image/png;base64,{inside[:40]}&#10;{inside[40:]}"/></svg>', tmp_path)
    assert base64.b64decode(made.partition("base64,")[2].partition('"')[0]) == _png()


LAUGHS = (
    '<!DOCTYPE svg [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + f"]>{HEAD}<text>&j;</text></svg>"
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        f'<!DOCTYPE svg SYSTEM "{XSS}">{HEAD}</svg>',
        f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>{HEAD}<text>&x;</text></svg>',
        f"{HEAD}",
        f"{HEAD}</svg><script>1</script>",
        "",
        "<html><body/></html>",
        '<html xmlns="http://www.w3.org/1999/xhtml"/>',
        "<svg/>",
        b"\x89PNG\r\n\x1a\n",
        HEAD + "<g>" * 300 + "</g>" * 300 + "</svg>",
        f'<?xml version="1.0" encoding="utf-16"?>{HEAD}<script>1</script></svg>'.encode("utf-16"),
    ],
    ids=range(12),
)
def test_what_is_no_plain_svg_is_refused(text: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(NotAPlot):
        _svg(text, tmp_path)


def test_another_encoding_hides_nothing(tmp_path: Path) -> None:
    made = _svg(f'<?xml version="1.0" encoding="utf-7"?>{HEAD}<text>+ADw-script+AD4-</text></svg>', tmp_path)
    assert made.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert "+ADw-script+AD4-" in made  # as UTF-8 that is text


def test_every_device_of_r_that_writes_svg_passes(tmp_path: Path) -> None:
    """Text, shades, transparency, gradients, rasters, clips: by cairo as it is installed here."""
    program = """
        library(grid); library(ggplot2)
        svg("all.svg", width = 8, height = 5)
        print(ggplot(data.frame(x = 1:50, y = (1:50)^2, g = letters[1:5]), aes(x, y, colour = g, fill = y)) +
          geom_point(alpha = 0.4) + geom_raster() + geom_text(aes(label = g)) + facet_wrap(~g) + labs(title = "Ørsted & <b> é"))
        grid.newpage(); image(volcano)
        grid.rect(gp = gpar(fill = linearGradient(c("red", "blue"))))
        grid.rect(gp = gpar(fill = radialGradient(c("#FF000080", "blue"))))
        grid.rect(gp = gpar(fill = pattern(circleGrob(), width = .1, height = .1, extend = "repeat")))
        pushViewport(viewport(clip = circleGrob(), mask = circleGrob(gp = gpar(fill = rgb(0, 0, 0, .5)))))
        grid.raster(as.raster(matrix(runif(100), 10)))
        invisible(dev.off())
    """
    subprocess.run(["Rscript", "--vanilla", "-e", program], check=True, cwd=tmp_path, capture_output=True)
    source = (tmp_path / "all.svg").read_text(encoding="utf-8")
    made = _svg(source, tmp_path)
    assert source.count("<") > 100
    assert "data:image/png" in source
    assert ElementTree.canonicalize(made) == ElementTree.canonicalize(_PICTURE.sub(_pixels_only, source))


_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def _pixels_only(match: re.Match[str]) -> str:
    return f"data:image/png;base64,{base64.b64encode(png_anew(base64.b64decode(match[1]))).decode()}"


# --- PNG --------------------------------------------------------------------------------------------------------


def _rewritten(data: bytes, tmp_path: Path) -> bytes:
    (tmp_path / "a.png").write_bytes(data)
    rewrite_png(tmp_path / "a.png", tmp_path / "b.png")
    return (tmp_path / "b.png").read_bytes()


def test_pixels_stay_and_all_else_is_dropped(tmp_path: Path) -> None:
    extra = _chunk(b"tEXt", b"Comment\0<script>") + _chunk(b"iCCP", b"x") + _chunk(b"eXIf", b"x")
    assert _rewritten(_png(before=extra, after=b"<script>alert(1)</script>"), tmp_path) == _png()


BROKEN = {
    "nothing": b"",
    "markup": b"<svg/>",
    "cut": _png()[:-6],
    "no end": _png()[:-12],
    "no pixels": _png(pixels=b""),
    "too few": _png(pixels=b"\0" * 5),
    "bomb": _png(pixels=b"\0" * 50_000_000),
    "damaged": _png().replace(b"IDAT", b"IDAT", 1)[:-20] + b"x" + _png()[-19:],
    "no header": b"\x89PNG\r\n\x1a\n" + _chunk(b"IEND", b""),
    "two headers": _png(before=_chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))),
    "huge": _png(header=struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)),
    "flat": _png(header=struct.pack(">IIBBBBB", 0, 2, 8, 2, 0, 0, 0)),
    "odd depth": _png(header=struct.pack(">IIBBBBB", 2, 2, 7, 2, 0, 0, 0)),
    "interlaced": _png(header=struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 1)),
    "short header": _png(header=b"\0" * 5),
    "bytes behind the pixels": _png().replace(
        _png()[41:-12], _chunk(b"IDAT", zlib.compress(b"\0" + b"\x7f" * 6 + b"\0" + b"\x7f" * 6) + b"more")[8:]
    ),
    "a second stream of pixels": _png(before=_chunk(b"IDAT", zlib.compress((b"\0" + b"\x7f" * 6) * 2))),
    "a palette that is none": _png(before=_chunk(b"PLTE", bytes(3000))),
    "gamma that is none": _png(before=_chunk(b"gAMA", bytes(3000))),
    "length beyond": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**32 - 1) + b"IHDR" + b"\0" * 30,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_whole_png_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(NotAPlot):
        _rewritten(BROKEN[kind], tmp_path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_change_of_a_byte_raises_anything_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("plots")
    png = bytearray(_png())
    svg = bytearray(f"{HEAD}{''.join(FINE)}</svg>".encode())
    for _ in range(data.draw(st.integers(1, 4))):
        png[data.draw(st.integers(0, len(png) - 1))] = data.draw(st.integers(0, 255))
        svg[data.draw(st.integers(0, len(svg) - 1))] = data.draw(st.integers(0, 255))
    for rewrite, given_bytes in ((rewrite_png, png), (rewrite_svg, svg)):
        (tmp_path / "a").write_bytes(given_bytes)
        try:
            rewrite(tmp_path / "a", tmp_path / "b")
        except NotAPlot:
            continue
    shutil.rmtree(tmp_path)


def test_whatever_it_was_written_in_it_is_written_as_utf_8(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>{HEAD}<text>é</text></svg>'
        assert "<text>é</text>" in _svg(text.encode(encoding), tmp_path)
