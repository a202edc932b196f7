"""The pages: who sees what, numbers that lead to as many cases, and nothing of others."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard import words
from dashboard.figures.choice import figure, one_line, views
from dashboard.shelf import Shelf
from platform_assets.access.audit.entry import AuditError
from platform_assets.access.audit.log import AuditLog
from platform_assets.access.roles import Role, User
from platform_assets.indicators.model import NOT_KNOWN
from platform_assets.releases import reading
from platform_assets.reports.own_cases import GRAINS
from tests.dashboard.house import LABS, OWN, House, clinician, crawl

ME = clinician(OWN)
ANALYST = User("anna@example.org", frozenset({Role.ANALYST}), identity="test#anna")
STEWARD = User("stan@example.org", frozenset({Role.STEWARD}), identity="test#stan")
NUMBER = re.compile(r'<a class="number" href="([^"]+)" aria-label="[^"]*">([\d,]+)</a>')


def heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.S)
    assert found
    return html.unescape(found[1])


FEW = {"only_part": "first half", "only_clinic": "other"}


def test_filters_are_of_own_cases_and_change_nothing_that_is_published(house: House) -> None:
    with house.seen_by(ME) as client:
        whole, part = client.get("/i/positives").text, client.get("/i/positives", params=FEW).text
        own = '<section aria-labelledby="own"'
        assert whole.partition(own)[2] != part.partition(own)[2]
        for page in (whole, part):
            assert "the country and other organisations have no filters" in page
        assert "Of part first half, clinic other only." in part
        for section in ("before", "stands", "compared"):
            said = [re.search(rf'<section aria-labelledby="{section}".*?</section>', p, re.S) for p in (whole, part)]
            assert said[0]
            assert said[1]
            assert said[0][0] == said[1][0], section
        links = re.findall(r'href="(/i/positives/cases[^"]*)"', part)
        assert links
        assert all("only_part=first+half" in link and "only_clinic=other" in link for link in links)
        files = re.findall(r'href="(/i/positives/(?:figure|slide|table)[^"]*)"', part)
        assert files
        assert not any("only_" in link for link in files)
        counted = [
            sum(int(n) for _, n in NUMBER.findall(client.get("/i/positives", params=asked).text))
            for asked in ({}, *({"only_part": level} for level in ("first half", "second half", NOT_KNOWN)))
        ]
        assert counted[0] == sum(counted[1:])
        for asked in ({"only_part": "x"}, {"only_sex": "F"}, {"only_part": "<b>"}):
            assert client.get("/i/positives", params=asked).status_code == 404
            assert client.get("/i/positives/cases", params=asked).status_code == 404
        assert client.get("/i/positives", params={f"only_{n}": "x" for n in "abcd"}).status_code == 400
    with house.seen_by(ANALYST) as client:
        assert "Your own cases" not in client.get("/i/positives", params=FEW).text


def test_a_change_is_marked_and_limits_start_afresh_there(house: House) -> None:
    book = Shelf(house.office.store).live()
    assert book
    article = book.articles["months"]
    shown = figure(article, "trend")
    assert shown.sentence.endswith("Marked: new <b>reader</b> (01 Mar 2024).")
    assert shown.picture.count('class="change"') == 2, "once for wide windows, once for narrow ones"
    assert "new &lt;b&gt;reader" in shown.picture
    months = [line.row["month"] for line in shown.lines]
    assert shown.picture.count('class="usual"') == 2 * 2, "a band before and a band after"
    late = figure(article, "trend", since=months[2])
    assert late.picture.count('class="change"') == 0, "nothing that is shown lies before it"
    for said in ("Fair: adjusted for nothing but chance", "months"):
        with house.seen_by(ME) as client:
            assert said in client.get("/i/positives").text


@pytest.mark.parametrize(
    "asked",
    [
        {},
        *(pytest.param({"by": by}, marks=pytest.mark.soak) for by in GRAINS[1:]),
        {"by": "week"},
        {"only_clinic": "other", "by": "quarter"},
        pytest.param({"only_part": NOT_KNOWN}, marks=pytest.mark.soak),
        pytest.param(FEW, marks=pytest.mark.soak),
    ],
    ids=str,
)
def test_every_number_leads_to_as_many_cases(house: House, asked: dict[str, str]) -> None:
    with house.seen_by(ME) as client:
        page = client.get("/i/positives", params=asked).text
        numbers = NUMBER.findall(page)
        assert len(numbers) >= 2  # of all, for three outcomes, and of each period; zeros lead nowhere
        sums = dict.fromkeys(("positive", "negative", "unread"), 0)
        for address, number in numbers:
            outcome = re.search(r"outcome=(\w+)", address)
            assert outcome
            sums[outcome[1]] += int(number.replace(",", "")) * (1 if "period=" in address else -1)
        assert set(sums.values()) == {0}, "periods add up to all"
        for address, number in numbers:
            shown = client.get(html.unescape(address)).text
            assert heading(shown).startswith(f"{number} case")
            rows = shown.count("<code>")
            steps = [html.unescape(a) for a in re.findall(r'href="([^"]*first=\d+[^"]*)"', shown)]
            rows += sum(client.get(step).text.count("<code>") for step in steps)
            assert rows == int(number.replace(",", ""))


@pytest.mark.parametrize("lab", [OWN, *(pytest.param(lab, marks=pytest.mark.soak) for lab in LABS[1:])])
def test_no_page_shows_a_record_of_another_organisation(house: House, lab: str) -> None:
    """Everything that can be reached by links is looked through, for the pseudonyms of all others' records."""
    with house.seen_by(clinician(lab)) as client:
        pages = crawl(client)
        own, others = house.records(of=lab), house.records(but=lab)
        text = "".join(pages.values())
        assert sum(record[:12] in text for record in own) == len(own), "the own ones are all there"
        assert not [record for record in others if record[:12] in text]
        assert {address.partition("?")[0] for address in pages} >= {"/", "/changed", "/about", "/i/positives/cases"}


@pytest.mark.parametrize("path", ["/", "/i/positives", "/i/positives/cases", "/changed"])
def test_another_organisation_is_not_found_and_written_down(house: House, path: str) -> None:
    with house.seen_by(ME) as client:
        before = len(house.audited("access.refused"))
        foreign = client.get(path, params={"org": LABS[2]})
        nowhere = client.get(path, params={"org": "No such laboratory"})
        assert (foreign.status_code, nowhere.status_code) == (404, 404)
        assert foreign.text == nowhere.text, "who asks does not learn whether it exists"
        assert len(house.audited("access.refused")) == before + 1  # the same within minutes is one entry
        entry = house.audited("access.refused")[-1]
        assert entry.who == ME.name
        assert LABS[2] not in entry.line.decode()


CARD = re.compile(r'<li class="card">\s*<h3><a href="/i/([a-z]+)[^"]*">([^<]*)</a></h3>(.*?)</li>', re.S)


@pytest.mark.parametrize("user", [ME, ANALYST, STEWARD])
def test_every_overview_is_sorted_by_concern_of_all_organisations_too(house: House, user: User) -> None:
    book = Shelf(house.place.platform.store).live()
    assert book
    with house.seen_by(user) as client:
        page = client.get("/").text
    parts = [CARD.findall(part) for part in page.split("<h2>")]
    assert sum(map(len, parts)) == len(book.articles)
    for cards in parts:
        worst = []
        for name, title, _ in cards:
            article = book.articles[name]
            line = one_line(article, OWN if user is ME and article.column("unit") else "")
            every = figure(article, "ranking").tones if "ranking" in views(article) else ()
            tone = line.tone if line else every[0] if every and user is not ME else None
            worst.append((words.order(tone) if tone else 99, title))
        assert worst == sorted(worst), cards
    if user is not ME:
        assert CARD.findall(page)[-1][0] == "plain", "the first by alphabet has no label"


@pytest.mark.parametrize("day", ["2024-02-30", "2024-13-01", "0000-01-01", "2024-1-1", "x", "20240101"])
@pytest.mark.parametrize(
    ("path", "name"), [("/i/positives", "since"), ("/i/positives/cases", "period"), ("/", "since")]
)
def test_a_day_that_is_none_is_refused(house: House, path: str, name: str, day: str) -> None:
    with house.seen_by(ME) as client:
        answer = client.get(path, params={name: day})
        assert answer.status_code == 400
        assert "is a day" in answer.text


def test_who_may_not_see_cases_sees_published_figures_and_nothing_exact(house: House) -> None:
    with house.seen_by(ANALYST) as client:
        pages = crawl(client)
        text = "".join(pages.values())
        assert "/i/positives" in pages
        assert "Your own cases, exact" not in text
        assert not any("/cases" in address for address in pages)
        assert client.get("/i/positives/cases").status_code == 404
        assert client.get("/i/positives/cases", params={"org": OWN}).status_code == 404
        assert not [record for record in house.records() if record[:12] in text]
    with house.seen_by(clinician(OWN, column="clinic")) as client:  # a clinic called as a laboratory
        assert "Your own cases, exact" not in client.get("/i/positives").text
        assert client.get("/i/positives/cases", params={"org": OWN}).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/i/positives", "/i/positives/table.csv", "/i/positives/plot/bars.png", "/about", "/changed"]
)
def test_who_may_see_no_reports_sees_none(house: House, path: str) -> None:
    for user in (User("emil", frozenset({Role.ENGINEER})), User("nina", frozenset()), clinician()):
        with house.seen_by(user) as client:
            answer = client.get(path)
            assert answer.status_code == 403
            assert "Positive tests" not in answer.text


def test_stewards_may_look_at_each_organisation(house: House) -> None:
    with house.seen_by(STEWARD) as client:
        for lab in LABS[:3]:
            page = client.get("/i/positives", params={"org": lab}).text
            exact = sum(int(n.replace(",", "")) for a, n in NUMBER.findall(page) if "period=" not in a)
            assert exact == len(house.records(of=lab))
        assert "Your own cases, exact" not in client.get("/i/positives").text


def test_nothing_is_shown_that_could_not_be_written_down(house: House) -> None:
    with (
        house.seen_by(clinician(OWN, name="new@example.org")) as client,
        patch.object(AuditLog, "record", side_effect=AuditError("full")),
    ):
        for path in ("/", "/i/positives", "/i/positives/cases"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "<td>" not in answer.text


def test_pages_are_kept_by_nobody_and_load_nothing_from_elsewhere(house: House) -> None:
    with house.seen_by(ME) as client:
        pages = [*crawl(client), "/i/positives/plot/bars.png", "/no-such", "/i/nothing"]
        for address in pages:
            answer = client.get(address)
            if answer.headers["content-type"].startswith("text/plain"):
                continue  # the door's own
            assert answer.headers["cache-control"] == "private, no-store", address
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            page = answer.text if "html" in answer.headers["content-type"] else ""
            assert not re.findall(
                r'(?:src|href)="(?:https?:)?//|\sstyle=|\son\w+=|<script(?! src="/static/page.js")', page
            ), address


def test_names_are_text_and_never_markup(house: House) -> None:
    with house.seen_by(clinician(LABS[1])) as client:
        for address, page in crawl(client).items():
            if address.partition("?")[0].endswith(".csv"):
                continue
            assert "<script>alert" not in page
            assert "North <b>" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get("/i/positives").text


@pytest.mark.parametrize("view", ["ranking", "funnel", "counts"])
def test_picture_table_and_sentence_are_made_of_the_same_rows(house: House, view: str) -> None:
    book = Shelf(house.place.platform.store).live()
    assert book
    article = book.articles["positives"]
    assert view in views(article)
    found = figure(article, view, OWN)
    wide, narrow = str(found.picture).split("</svg>")[:2]
    for drawn in (wide, narrow):
        said = [
            html.unescape(label)
            for label in re.findall(r'class="point"|aria-label="([^"]*)" class="point"', drawn)
            if label
        ]
        if view == "counts":
            said = [html.unescape(t) for t in re.findall(r"<title>([^<]*)</title>", drawn)]
            assert said == [one.said for one in found.lines]
            continue
        assert sorted(said) == sorted(one.said for one in found.lines if one.value is not None)
    if view != "counts":
        mine = next(one for one in found.lines if one.own)
        assert found.sentence.startswith(mine.said)
        assert mine.cells[1] in mine.said
        table = book.release.table("positives").set_index("laboratory")
        assert {one.name: one.value for one in found.lines} == table["share"].to_dict()


def test_hidden_counts_are_neither_in_the_picture_nor_in_the_table(house: House) -> None:
    book = Shelf(house.place.platform.store).live()
    assert book
    article = book.articles["positives"]
    atoms = article.atoms
    assert atoms is not None
    hidden = 0
    for lab in LABS:
        found = figure(article, "counts", lab)
        for one, (_, atom) in zip(
            found.lines, atoms[atoms["organisation"] == lab].sort_values("period").iterrows(), strict=True
        ):
            for n, outcome in enumerate(article.about["outcomes"], 1):
                assert (one.cells[n].startswith("not shown")) == bool(atom[f"{outcome}_hidden"])
                hidden += bool(atom[f"{outcome}_hidden"])
    assert hidden > 10, "the test needs hidden counts"


def test_peers_need_to_be_enough_and_the_share_is_the_sum_of_published_counts(house: House) -> None:
    with house.seen_by(ME) as client:
        few = client.get("/i/positives", params={"peer": LABS[1:4]}).text
        assert "Choose 7 more" in few
        page = client.get("/i/positives", params={"peer": LABS[1:12]}).text
        book = Shelf(house.place.platform.store).live()
        assert book
        atoms = book.release.atoms("positives")
        others = atoms[atoms["organisation"] != OWN]
        share = others["positive"].sum() / (others["positive"].sum() + others["negative"].sum())
        assert f"<td>{100 * share:.1f} %</td>" in page
        assert "11 peers" in page
        assert "all others" in page


def test_a_page_is_of_one_release_and_earlier_ones_can_be_seen(house: House) -> None:
    live, before = reading.releases(house.place.platform.store)[:2]
    with house.seen_by(ME) as client:
        now, then = client.get("/i/positives").text, client.get("/i/positives", params={"release": before.id}).text
        assert (f'data-release="{live.id}"' in now, f'data-release="{before.id}"' in then) == (True, True)
        assert live.id not in then
        assert "You see release" in then
        changed = client.get("/changed").text
        assert "It goes up to Apr 2024 now, and went up to Mar 2024." in changed
        for number in ("0" * 16, "../../landing", "x"):
            assert client.get("/", params={"release": number}).status_code == 404


def test_the_picture_of_own_cases_has_the_numbers_of_its_table_and_weeks_are_mondays(house: House) -> None:
    with house.seen_by(ME) as client:
        for by in GRAINS:
            page = client.get("/i/positives", params={"by": by}).text
            section = page[page.index('id="own"') : page.index('id="definition"')]
            titles = re.findall(r"<title>([^<]*)</title>", section)
            table = [
                [n.replace(",", "") for n in re.findall(r">([\d,]+)(?:</a>)?</td>", row)]
                for row in re.findall(r'<tr><th scope="row">(?!all)(.*?)</tr>', section, re.S)
            ]
            drawn = [re.findall(r" (\d[\d,]*)(?:,|$)", said.split(": ", 1)[1]) for said in titles]
            shown = len(drawn) // 2  # wide and narrow
            assert drawn[:shown] == drawn[shown:] == table[:shown][::-1]
            assert shown == min(len(table), 26) > 0
            days = {dt.date.fromisoformat(d) for d in re.findall(r"period=([\d-]+)", section)}
            assert days
            assert all(words.after(day, by) > day for day in days)
            if by == "week":
                assert {day.weekday() for day in days} == {0}
        assert client.get("/i/positives", params={"by": "day"}).status_code == 400


def test_a_table_as_csv_is_the_published_one_and_runs_nowhere(house: House) -> None:
    live = reading.current(house.place.platform.store)
    assert live
    with house.seen_by(ME) as client:
        answer = client.get("/i/positives/table.csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
        table = live.table("positives")
        assert [float(row["share"]) for row in rows] == table["share"].tolist()
        assert {row["release"] for row in rows} == {live.id}
        assert {row["indicator"] for row in rows} == {"Positive tests by laboratory"}
        assert {row["link"] for row in rows} == {f"http://127.0.0.1:8600/i/positives?release={live.id}"}
        assert "attachment" in answer.headers["content-disposition"]
        assert not [row for row in rows if row["laboratory"].startswith("=")]
        assert not [record for record in house.records() if record[:12] in answer.text]


def test_scripts_that_say_nothing_of_a_figure_have_a_page(house: House) -> None:
    with house.seen_by(ME) as client:
        page = client.get("/i/plain").text
        assert "/i/plain/plot/bars.png" in page
        assert client.get("/i/plain/plot/bars.png").content.startswith(b"\x89PNG")
        assert client.get("/i/plain/plot/other.png").status_code == 404
        assert client.get("/i/plain", params={"view": "funnel"}).status_code == 404


def test_completeness_and_age_come_before_the_label(house: House) -> None:
    with house.seen_by(ME) as client:
        page = client.get("/i/positives").text
        places = [
            page.index(text) for text in ("Complete: ", "Age: ", "Delivered: lab: last delivery", 'class="stands"')
        ]
        assert places == sorted(places)


def test_a_choice_stays_in_every_link(house: House) -> None:
    before = reading.releases(house.place.platform.store)[1].id
    with house.seen_by(None) as client:
        eyes = f"laboratory={OWN}"
        page = client.get("/", params={"eyes": eyes, "release": before}).text
        for link in re.findall(r'href="(/i/[^"]*)"', page):
            assert urlencode({"eyes": eyes}) in html.unescape(link)
            assert before in link


def test_a_laptop_looks_through_the_eyes_of_a_clinician_and_no_further(house: House) -> None:
    with house.seen_by(None) as client:
        assert "No login" in client.get("/").text
        page = client.get("/i/positives", params={"eyes": f"laboratory={OWN}"})
        assert "as a clinician of laboratory North" in page.text
        assert client.get("/i/positives", params={"eyes": f"laboratory={OWN}", "org": LABS[2]}).status_code == 404
        assert client.get("/", params={"eyes": "result=POS"}).status_code == 403
        assert client.get("/", params={"eyes": "steward"}).status_code == 403


NAMES = st.sampled_from(["org", "view", "peer", "release", "period", "outcome", "first", "since", "eyes", "x"])
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [OWN, "ranking", "trend", "counts", "2024-02-01", "2024-02-30", "positive", "-1", "9999999", "%00", "١٢"]
    ),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        ["/", "/i/positives", "/i/months", "/i/plain", "/i/positives/cases", "/changed", "/about", "/part/i/positives"]
    ),
    query=st.lists(st.tuples(NAMES, VALUES), max_size=4),
)
def test_no_address_breaks_a_page(house: House, path: str, query: list[tuple[str, str]]) -> None:
    with house.seen_by(ME) as client:
        try:
            asked = urlencode(query)
        except UnicodeEncodeError:
            return
        answer = client.get(f"{path}?{asked}")
        assert answer.status_code in (200, 400, 403, 404)
        assert not [record for record in house.records(but=OWN) if record[:12] in answer.text]


def test_months_without_limits_and_open_ends(house: House) -> None:
    with house.seen_by(ME) as client:
        page = client.get("/i/months").text
        assert "Over time: All together" in page
        later = client.get("/i/months", params={"since": dt.date(2024, 3, 1).isoformat()}).text
        assert later.count('class="point"') == 2 * 2  # March and April, drawn wide and narrow
