"""Writes plots anew from what is understood of them: they are shown in browsers, and their files came from a script.

SVG keeps the elements and attributes that drawing needs (those that cairo, svglite and grid write). Scripts, links, embedded pages,
animations, style sheets, entities and references to anything outside the file end in `NotAPlot`, and so does a drawing that is small as a
file and endless on the screen. PNG keeps its pixels, also where it stands in an SVG.
"""

from pathlib import Path

from resources.r_child.plots.png import png_anew
from resources.r_child.plots.refused import NotAPlot
from resources.r_child.plots.svg import rewrite_svg

__all__ = ["NotAPlot", "rewrite_png", "rewrite_svg"]


def rewrite_png(source: Path, target: Path) -> None:
    """The same pixels. Raises NotAPlot."""
    target.write_bytes(png_anew(source.read_bytes()))
