"""A figure to take along: what it shows, of how many, from where, by which release; never a case, and to nobody without the right."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image
from pptx import Presentation

from dashboard.address import BadAddress
from dashboard.figures.choice import figure
from dashboard.figures.drawing import both, svg
from dashboard.shelf import Shelf
from dashboard.takeaway import PIXELS, Taken, picture, slide, taken
from platform_assets.access.roles import Role, User
from platform_assets.releases import reading
from tests.dashboard.house import LABS, OWN, House, clinician

ME = clinician(OWN)
FILES = ("figure.png", "slide.pptx")
VIEWS = [("positives", "ranking"), ("positives", "funnel"), ("positives", "counts"), ("months", "trend")]


def texts(data: bytes) -> list[str]:
    """Everything that is written on the slides."""
    return [
        shape.text_frame.text
        for page in Presentation(io.BytesIO(data)).slides
        for shape in page.shapes
        if shape.has_text_frame
    ]


@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_a_slide_and_a_picture_say_what_they_show_and_where_it_comes_from(house: House, name: str, view: str) -> None:
    live = reading.current(house.place.platform.store)
    assert live
    with house.seen_by(ME) as client:
        asked = {"view": view, "peer": list(LABS[1:3])}
        image = client.get(f"/i/{name}/figure.png", params=asked)
        with Image.open(io.BytesIO(image.content)) as found:
            assert found.size[0] == PIXELS >= 1600
            assert found.size[1] > 600
            assert not found.text, "nothing is hidden in it"  # type: ignore[attr-defined]
            inked = sum(found.convert("L").histogram()[:200])
            assert inked > 10_000
        answer = client.get(f"/i/{name}/slide.pptx", params=asked)
        deck = Presentation(io.BytesIO(answer.content))
        (page,) = deck.slides
        written = texts(answer.content)
        article = Shelf(house.place.platform.store).live().articles[name]  # type: ignore[union-attr]
        shown = figure(article, view, OWN if article.column("unit") else "", LABS[1:3])
        assert written[0] == f"{article.title}: {shown.title}"
        body = written[1]
        assert shown.sentence in body
        assert re.search(r"\bn: about [\d,]+ cases", body)
        for part in (
            "Source: lab",
            f"Release {live.id}",
            f"http://127.0.0.1:8600/i/{name}?",
            f"release={live.id}",
            f"view={view}",
        ):
            assert part in body, part
        assert "eyes=" not in body
        (shape,) = [s for s in page.shapes if s.shape_type == 13]
        assert shape._element._nvXxPr.cNvPr.get("descr") == shown.sentence
        for made in (image, answer):
            assert made.headers["cache-control"] == "private, no-store"
            assert live.id in made.headers["content-disposition"]


def test_nothing_exact_and_no_case_is_in_them(house: House) -> None:
    """What two organisations take along of the same figure differs in what is marked only; it is a function of the release."""
    article = Shelf(house.place.platform.store).live().articles["positives"]  # type: ignore[union-attr]
    with house.seen_by(ME) as client:
        sent = [client.get(f"/i/positives/{file}", params={"by": "week"}).content for file in FILES]
    shown = figure(article, "ranking", OWN)
    link = f"http://127.0.0.1:8600/i/positives?view=ranking&release={article.release.id}"
    assert sent[0] == picture(taken(article, shown, link), shown)
    assert texts(sent[1]) == texts(slide(taken(article, shown, link), shown))
    assert not [record for record in house.records() if record[:12] in " ".join(texts(sent[1]))]


@pytest.mark.parametrize("file", FILES)
def test_who_may_not_see_the_page_gets_no_file(house: House, file: str) -> None:
    for nobody in (User("emil", frozenset({Role.ENGINEER})), clinician()):
        with house.seen_by(nobody) as client:
            assert client.get(f"/i/positives/{file}").status_code == 403
    with house.seen_by(ME) as client:
        before = len(house.audited("access.refused"))
        assert client.get(f"/i/positives/{file}", params={"org": LABS[3]}).status_code == 404
        assert len(house.audited("access.refused")) == before + 1
        assert client.get(f"/i/plain/{file}").status_code == 404, "there is no figure"
        assert client.get(f"/i/positives/{file}", params={"view": "trend"}).status_code == 404
        assert client.get(f"/i/nothing/{file}").status_code == 404


HOSTILE = [
    "<svg onload=x>",
    "a\x00b\x0bc\ufffe",
    "&amp; ]]> <![CDATA[",
    "=cmd()",
    "x" * 4000,
    "",
    "\u202eabc",
    "مستشفى",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_in_them_whatever_it_is(house: House, name: str) -> None:
    article = Shelf(house.place.platform.store).live().articles["positives"]  # type: ignore[union-attr]
    shown = figure(article, "funnel", OWN)
    found = Taken(name, name, name, name, name, name, article.release.id, "http://127.0.0.1:8600/")
    with Image.open(io.BytesIO(picture(found, shown))) as image:
        assert image.size[0] == PIXELS
    body: Any = texts(slide(found, shown))
    assert len(body) == 2


def test_a_figure_that_would_take_all_memory_is_refused_with_what_to_do(house: House) -> None:
    article = Shelf(house.place.platform.store).live().articles["positives"]  # type: ignore[union-attr]
    shown = figure(article, "funnel", OWN)
    tall = type(shown)(**{**vars(shown), "picture": both(lambda width: svg(width, 90_000, "x", []))})
    for make in (picture, slide):
        with pytest.raises(BadAddress, match="take the table"):
            make(taken(article, tall, ""), tall)
