"""A figure to take along: as a picture (PNG) and as one slide (PPTX), each with what it is, of how many, where it comes from and a link to the same.

Made of a release's figure, as the page is: nothing of own exact numbers, no case.
"""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

from dashboard import words
from dashboard.address import BadAddress
from dashboard.figures.drawing import WIDE, el, svg, text, together, wide_of
from dashboard.figures.lines import Figure
from dashboard.here import through
from dashboard.shelf import Article

PIXELS = 1600
"""Width of a picture: twice that of the page's."""
TALLEST = 12_000
"""Pixels: a taller one is refused, as it takes too much memory."""
MARGIN, LEADING = 20, 18
FONT = "DejaVu Sans"
"""Comes with R: Debian's fontconfig asks for it."""
PROPERTY = 255
"""Letters of a property of a file, at most."""
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Taken:
    """What goes with a figure."""

    title: str
    subtitle: str
    sentence: str
    legend: str
    number: str
    """Of how many."""
    source: str
    release: str
    link: str
    """To the page that shows the same, to whoever may see it."""

    @property
    def foot(self) -> tuple[str, ...]:
        """The lines below."""
        return (self.number, self.source, f"Release {self.release}", self.link)


def taken(article: Article, figure: Figure, link: str) -> Taken:
    """The words that go with `figure`."""
    about = article.about
    made_from = ", ".join(str(table).removeprefix("validated.") for table in about.get("made_from", ())) or "not said"
    how = "protected counts, so not exact" if article.protected else "public data"
    owner = f"; questions: {about['owner']}" if about["owner"] else ""
    direction = words.direction(article.direction)
    return Taken(
        article.title,
        f"{figure.title}. {words.unit(str(about['unit'])).capitalize()}. {direction}",
        figure.sentence,
        "; ".join(f"{words.SHAPES[tone]}: {words.MEANINGS[tone]}" for tone in figure.tones).capitalize(),
        _number(article, figure),
        f"Source: {made_from}, {through(article) or 'as of the release'} ({how}); definition {about['definition_version']}{owner}",
        article.release.id,
        link,
    )


def _number(article: Article, figure: Figure) -> str:
    """Of how many cases, and of how many organisations or periods."""
    over_time = figure.view in ("trend", "counts")
    lines = words.many(len(figure.lines), "period" if over_time else "organisation")
    if article.atoms is not None:
        outcomes = [outcome for outcome in article.about["outcomes"] if outcome in article.atoms.columns]
        return f"n: about {int(article.atoms[outcomes].sum().sum()):,} cases (all organisations and periods); {lines} drawn"
    size = article.column("size")
    sizes = [line.row.get(size) for line in figure.lines] if size else []
    known = [float(found) for found in sizes if isinstance(found, int | float)]
    if known and len(known) == len(sizes):
        return f"n: {sum(known):,.0f} ({words.heading(size)}); {lines} drawn"
    return f"n: {lines} drawn"


def picture(found: Taken, figure: Figure) -> bytes:
    """The figure with its words as PNG, PIXELS wide. Raises BadAddress where it would be too tall."""
    drawing, height = wide_of(figure.picture)
    head = [("take-title", line) for line in textwrap.wrap(found.title, 62)]
    head += [("take-sub", line) for line in textwrap.wrap(found.subtitle, 105)]
    below = [("take-sentence", line) for line in textwrap.wrap(found.sentence, 105)]
    below += [("take-foot", line) for part in (found.legend, *found.foot) for line in textwrap.wrap(part, 118)]
    top = MARGIN + (LEADING + 6) * len(head)
    parts = [
        _lines(head, MARGIN + 14, LEADING + 6),
        el("g", drawing, transform=f"translate({MARGIN} {top})"),
        _lines(below, top + height + LEADING + 6, LEADING),
    ]
    whole = top + height + LEADING * (len(below) + 2)
    return _drawn(svg(WIDE + 2 * MARGIN, whole, found.title, parts), whole * PIXELS / (WIDE + 2 * MARGIN))


def _drawn(drawing: Markup, tall: float) -> bytes:
    import resvg_py

    if tall > TALLEST:
        raise BadAddress("this figure has too many rows for a picture: take the table as CSV, or print the page")
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=_NOT_XML.sub(" ", str(drawing)),
            style_sheet=_style(),
            background="#ffffff",
            width=PIXELS,
            sans_serif_family=FONT,
            font_family=FONT,
        )
    )


def _lines(written: list[tuple[str, str]], y: float, step: float) -> Markup:
    return together(text(line, MARGIN, y + step * n, class_) for n, (class_, line) in enumerate(written))


@cache
def _style() -> str:
    """What the page's style says of pictures, with its colours written out."""
    page = (Path(__file__).with_name("static") / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", page))
    rules = [line for line in page.splitlines() if line.startswith(("svg ", ".mark")) and ":focus" not in line]
    own = [
        "svg .take-title { font-size: 20px; font-weight: 700; }",
        "svg .take-sub { font-size: 13px; }",
        "svg .take-sentence { font-size: 13px; }",
        "svg .take-foot { font-size: 11.5px; fill: var(--soft); }",
    ]
    text_of = "\n".join([*rules, *own]).replace("font-family: inherit", f"font-family: '{FONT}'")
    return re.sub(r"var\(--([a-z]+)\)", lambda m: colours[m[1]], text_of)


def slide(found: Taken, figure: Figure) -> bytes:
    """One slide with the figure. Raises BadAddress."""
    found = Taken(**{name: _NOT_XML.sub(" ", said) for name, said in vars(found).items()})
    from pptx import Presentation
    from pptx.util import Emu, Inches, Pt

    drawing, height = wide_of(figure.picture)
    image = _drawn(drawing, height * PIXELS / WIDE)
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(13.333), Inches(7.5)
    page = deck.slides.add_slide(deck.slide_layouts[5])  # a title, and nothing else
    title = page.shapes.title
    title.left, title.top, title.width, title.height = Inches(0.5), Inches(0.2), Inches(12.3), Inches(0.8)
    title.text_frame.word_wrap = True
    title.text_frame.text = f"{found.title}: {figure.title}"
    title.text_frame.paragraphs[0].font.size = Pt(24)
    shown = page.shapes.add_picture(io.BytesIO(image), Inches(0.5), Inches(1.1), height=Inches(4.4))
    if shown.width > Inches(12.3):
        shown.height, shown.width = Emu(int(shown.height * Inches(12.3) / shown.width)), Inches(12.3)
    shown.left = Emu(int((deck.slide_width - shown.width) / 2))
    shown._element._nvXxPr.cNvPr.set("descr", found.sentence)  # read out in the picture's place
    box = page.shapes.add_textbox(Inches(0.5), Inches(5.55), Inches(12.3), Inches(1.8)).text_frame
    box.word_wrap = True
    for n, (line, size) in enumerate([(found.sentence, 14), (found.legend, 10), *((line, 10) for line in found.foot)]):
        part = box.paragraphs[0] if n == 0 else box.add_paragraph()
        run = part.add_run()
        run.text, run.font.size = line, Pt(size)
        if line == found.link:
            run.hyperlink.address = line
    about = deck.core_properties
    about.title, about.subject = found.title[:PROPERTY], f"Release {found.release}"
    about.author, about.last_modified_by, about.keywords, about.comments = "", "", "", found.link[:PROPERTY]
    written = io.BytesIO()
    deck.save(written)
    return written.getvalue()
