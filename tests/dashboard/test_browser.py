"""The dashboard in a real browser: without a script and with it, by keyboard, on a phone, read out, printed; and behind a real login."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
import uvicorn

from dashboard.app import app
from dashboard.people import People, Provider
from door.filter import Door
from door.rules import DASHBOARD
from tests.console.conftest import browser as browser
from tests.console.conftest import free_port
from tests.dashboard.house import LABS, OWN, House

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow
EYES = "eyes=laboratory%3DNorth+%3Cb%3E"
PAGES = {
    "overview": f"/?{EYES}",
    "order": f"/i/positives?{EYES}",
    "funnel": f"/i/positives?view=funnel&{EYES}",
    "counts": f"/i/positives?view=counts&{EYES}",
    "months": f"/i/months?{EYES}",
    "plain": f"/i/plain?{EYES}",
    "cases": f"/i/positives/cases?outcome=positive&{EYES}",
    "disputes": f"/i/positives/disputes?{EYES}",
    "weeks": f"/i/positives?by=week&{EYES}",
    "filtered": f"/i/positives?only_part=first+half&only_clinic=other&by=week&{EYES}",
    "filtered cases": f"/i/positives/cases?outcome=negative&only_part=first+half&{EYES}",
    "changed": f"/changed?{EYES}",
    "about": f"/about?{EYES}",
    "missing": f"/i/positives?org=Lab+3&{EYES}",
    "peers": f"/i/positives?peer=Lab+1&peer=Lab+2&{EYES}",
}


@contextmanager
def served(house: House, provider: Provider | None = None, port: int | None = None) -> Iterator[str]:
    """The dashboard on a port of this machine, behind its door."""
    port = port or free_port()
    guarded = Door(app(house.office, house.scripts, provider), DASHBOARD, frozenset({f"127.0.0.1:{port}"}))
    server = uvicorn.Server(uvicorn.Config(guarded, port=port, log_level="warning", http="h11", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        with socket.socket() as probe:
            if server.started and probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def laptop(house: House) -> Iterator[str]:
    with served(house) as url:
        yield url


@contextmanager
def opened(browser: Browser, width: int = 1366, **more: Any) -> Iterator[Page]:
    """A window; what its console complains of fails the test."""
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": 768}, **more)
    page = context.new_page()
    page.set_default_timeout(20_000)
    trouble: list[str] = []
    page.on(
        "console", lambda m: trouble.append(m.text) if m.type == "error" and "Failed to load" not in m.text else None
    )
    page.on("pageerror", lambda e: trouble.append(str(e)))
    try:
        yield page
    finally:
        context.close()
    assert not trouble


@pytest.mark.parametrize("width", [1366, 360])
def test_every_page_can_be_read_by_everybody(browser: Browser, laptop: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    with opened(browser, width) as page:
        for name, address in PAGES.items():
            page.goto(laptop + address)
            found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
            wide = page.evaluate(
                "document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]"
                ".filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest('.scroll')).map(e => e.outerHTML.slice(0, 80))"
            )
            assert wide == [], f"{name} is wider than the window"
            small = page.evaluate(
                "[...document.querySelectorAll('button, select, summary, header a, .tabs a, .button')]"
                ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.textContent.slice(0, 40))"
            )
            assert small == [], f"{name}: too small to be touched"


def test_without_a_script_a_choice_is_sent_by_its_button(browser: Browser, laptop: str) -> None:
    with opened(browser, java_script_enabled=False) as page:
        page.goto(laptop + PAGES["counts"])
        page.get_by_label("From").select_option(label="Mar 2024")
        page.locator(".figure").get_by_role("button", name="Show").click()
        page.wait_for_url(re.compile("since=2024-03-01"))
        rows = page.locator(".numbers tbody tr").all_inner_texts()
        assert [row.split()[0] for row in rows] == ["Mar", "Apr"]


@pytest.mark.parametrize("script", [False, True])
def test_a_record_is_disputed_by_a_form_with_a_script_and_without(browser: Browser, laptop: str, script: bool) -> None:
    with opened(browser, 360, java_script_enabled=script) as page:
        page.goto(laptop + PAGES["cases"])
        choice = page.locator("input[name=record]").nth(int(script))
        record = str(choice.get_attribute("value"))[:12]
        choice.check()
        page.get_by_label("What is wrong").select_option(label="a value of the record is wrong")
        page.get_by_label("Which value").select_option(label="result")
        page.get_by_role("button", name="Dispute this record").click()
        page.wait_for_url(re.compile("/i/positives/disputes"))
        (row,) = page.locator("tbody tr").filter(has_text=record).all_inner_texts()
        assert "result" in row
        assert "It waits for a steward." in row
        assert record not in page.url


def test_what_is_taken_along_arrives_as_a_file(browser: Browser, laptop: str) -> None:
    with opened(browser) as page:
        page.goto(laptop + PAGES["funnel"])
        release = page.locator("html").get_attribute("data-release")
        for link, ending, begins in (
            ("Table as CSV", "csv", b'"indicator"'),
            ("Figure as picture", "png", b"\x89PNG"),
            ("Figure as slide", "pptx", b"PK"),
        ):
            with page.expect_download() as got:
                page.get_by_role("link", name=link).click()
            assert got.value.suggested_filename == f"positives_{release}.{ending}"
            assert got.value.path().read_bytes().startswith(begins)


@pytest.mark.parametrize("width", [1366, 360])
def test_words_of_a_picture_do_not_cover_each_other_and_are_not_cut_off(
    browser: Browser, laptop: str, width: int
) -> None:
    with opened(browser, width) as page:
        for name in ("order", "funnel", "counts", "months", "weeks"):
            page.goto(laptop + PAGES[name])
            found = page.evaluate(
                "[...document.querySelectorAll('.picture svg')].filter(s => s.checkVisibility()).flatMap(s => {"
                " const edge = s.getBoundingClientRect(); const texts = [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);"
                " const cut = texts.filter(([, b]) => b.left < edge.left - 1 || b.right > edge.right + 1).map(([t]) => 'cut off: ' + t);"
                " const over = texts.flatMap(([t, a], n) => texts.slice(n + 1).filter(([, b]) =>"
                "  Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)"
                "  .map(([u]) => t + ' / ' + u));"
                " return [...cut, ...over]; })"
            )
            assert found == [], name


def test_with_a_script_a_choice_is_drawn_at_once_and_going_back_undoes_it(browser: Browser, laptop: str) -> None:
    with opened(browser) as page:
        page.goto(laptop + PAGES["counts"])
        release = page.locator("html").get_attribute("data-release")
        assert page.locator("main").get_by_role("button", name="Show").count() == 0
        page.get_by_label("From").focus()
        page.get_by_label("From").select_option(label="Mar 2024")
        page.locator("main[data-state=ready]").wait_for()
        assert "since=2024-03-01" in page.url
        assert EYES in page.url
        assert page.locator(".numbers tbody tr").count() == 2
        assert page.evaluate("document.activeElement.name") == "since"
        assert page.locator("html").get_attribute("data-release") == release
        page.go_back()
        page.locator(".numbers tbody tr").nth(3).wait_for()
        page.reload()
        assert page.locator(".numbers tbody tr").count() == 4


@pytest.mark.parametrize("script", [False, True])
def test_own_cases_are_filtered_the_address_says_so_and_going_back_undoes_it(
    browser: Browser, laptop: str, script: bool
) -> None:
    from playwright.sync_api import expect

    with opened(browser, java_script_enabled=script) as page:
        page.goto(laptop + PAGES["order"])
        own, published = page.locator("section.private"), page.locator(".figure .numbers").inner_text
        stands, whole = published(), own.locator("tr").last.inner_text()
        for field, level, asked in (
            ("Part", "first half", "only_part=first"),
            ("Clinic", "other", "only_clinic=other"),
        ):
            own.get_by_label(field).select_option(label=level)
            if not script:
                own.get_by_role("button", name="Show").click()
            page.wait_for_url(re.compile(re.escape(asked)))
            own.get_by_text(re.compile(rf"Of .*{level} only")).wait_for()
        assert EYES in page.url
        part = own.locator("tr").last.inner_text()
        assert part != whole
        assert published() == stands, "what is published has no filters"
        number = own.locator("a.number").last
        shown = number.inner_text()
        number.click()
        page.get_by_role("heading", level=1).filter(
            has_text=re.compile(rf"^{shown} case.*first half.*other")
        ).wait_for()
        page.go_back()
        own.get_by_text(re.compile("Of part first half, clinic other only")).wait_for()
        page.go_back()
        own.get_by_text(re.compile("Of part first half only")).wait_for()
        page.go_back()
        page.wait_for_url(lambda url: "only_" not in url)
        expect(own.locator("tr").last).to_have_text(whole, use_inner_text=True, timeout=20_000)


def test_every_point_is_reached_by_keyboard_says_its_values_and_leads_to_its_row(browser: Browser, laptop: str) -> None:
    with opened(browser) as page:
        page.goto(laptop + PAGES["funnel"])
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        said: list[str] = []
        for _ in range(120):
            page.keyboard.press("Tab")
            found = page.evaluate(
                "document.activeElement.closest('svg') ? document.activeElement.getAttribute('aria-label') : null"
            )
            if found:
                said.append(found)
                assert (
                    page.evaluate("getComputedStyle(document.activeElement.querySelector('.around')).strokeWidth")
                    == "3px"
                )
            elif said:
                break
        rows = page.locator(".numbers tbody tr").all_inner_texts()
        assert len(said) == len(set(said)) == len(rows)
        for words in said:
            name, value = re.match(r"(.*): ([\d.]+ %)", words).groups()  # type: ignore[union-attr]
            assert any(row.startswith(name) and value in row for row in rows)
        page.locator("svg.wide a.point").last.focus()
        page.keyboard.press("Enter")
        assert page.locator("tr:target").count() == 1


def test_tones_differ_in_form_and_not_only_in_colour(browser: Browser, laptop: str) -> None:
    with opened(browser) as page:
        page.goto(laptop + f"/about?{EYES}")
        shapes = page.evaluate(
            "[...document.querySelectorAll('.plain svg')].map(s => { const m = s.firstElementChild; const c = getComputedStyle(m);"
            " const light = x => { const n = x.match(/\\d+/g).map(Number); return Math.round(n[0]*.3 + n[1]*.59 + n[2]*.11) };"
            " return [m.tagName + (m.getAttribute('d') || ''), Math.round(light(c.fill) / 90)].join('|') })"
        )
        assert len(shapes) == 7
        assert len(set(shapes)) == 7


def test_a_printed_page_has_figures_and_no_cases(browser: Browser, laptop: str) -> None:
    with opened(browser) as page:
        page.emulate_media(media="print")
        page.goto(laptop + PAGES["order"])
        assert page.locator("svg.wide").first.is_visible()
        assert page.locator(".numbers table").is_visible()
        assert not page.get_by_role("heading", name="Your own cases").is_visible()
        assert not page.locator("nav").first.is_visible()
        page.goto(laptop + PAGES["cases"])
        assert not page.locator("table").is_visible()
        assert page.get_by_text("Cases are not printed").is_visible()


def test_a_page_is_small_and_there_soon(browser: Browser, laptop: str) -> None:
    with opened(browser) as page:
        page.goto(laptop + PAGES["order"])
        sizes = page.evaluate(
            "[performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource')].map(e => e.transferSize)"
        )
        assert sum(sizes) < 150_000
        assert (
            page.evaluate(
                "new Promise(done => new PerformanceObserver(l => done(l.getEntries().filter(e => !e.hadRecentInput).reduce((a, e) => a + e.value, 0)))"
                ".observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 500))"
            )
            < 0.05
        )


# ------------------------------------------------------------------ login


@pytest.fixture(scope="module")
def guarded(house: House) -> Iterator[str]:
    """The dashboard with a login by OIDC, against a provider on loopback."""
    import oidc_provider_mock  # type: ignore[import-untyped]

    people: dict[str, dict[str, Any]] = {
        "clara": {"roles": ["clinician"], "organisation": f"laboratory={OWN}"},
        "karel": {"roles": ["clinician"], "organisation": [f"laboratory={LABS[4]}", f"clinic={OWN}"]},
        "nora": {"roles": ["clinician"]},
        "emil": {"roles": ["engineer"]},
    }
    users = [
        oidc_provider_mock.User(sub=sub, claims={"email": f"{sub}@example.org", "email_verified": True, **claims})
        for sub, claims in people.items()
    ]
    port = free_port()
    with (
        pytest.MonkeyPatch.context() as patched,
        oidc_provider_mock.run_server_in_thread(user_claims=users) as provider,
    ):
        patched.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        found = Provider(
            f"http://127.0.0.1:{port}/auth/callback",
            "dashboard",
            "only for this test",
            "c" * 40,
            f"http://localhost:{provider.server_port}/.well-known/openid-configuration",
        )
        with served(house, found, port) as url:
            yield url


def log_in(page: Page, url: str, who: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="Log in").click()
    page.get_by_text(who, exact=False).first.click()
    page.wait_for_url(re.compile(re.escape(url)))


def test_nobody_sees_anything_before_the_login(guarded: str) -> None:
    for path in (
        "/",
        "/i/positives",
        "/i/positives/cases",
        "/i/positives/table.csv",
        "/i/positives/plot/bars.png",
        "/changed",
        "/about",
        "/part/",
    ):
        answer = requests.get(guarded + path, params={"eyes": f"laboratory={OWN}"}, timeout=20)
        assert answer.status_code == 401, path
        assert "laboratory" not in answer.text.replace("eyes", "")
    forged = requests.get(guarded, cookies={"dashboard": "eyJjbGFpbXMiOiB7fX0=.aaaa.bbbb"}, timeout=20)
    assert forged.status_code == 401


def test_who_logs_in_sees_the_own_organisation_until_the_login_ends(
    browser: Browser, guarded: str, house: House
) -> None:
    with opened(browser) as page:
        log_in(page, guarded, "clara")
        page.get_by_role("heading", name=OWN).wait_for()
        assert page.get_by_text("clara@example.org").is_visible()
        assert house.audited("login")[-1].who == "clara@example.org"
        cookie = next(c for c in page.context.cookies() if c["name"] == "dashboard")
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        page.goto(f"{guarded}/i/positives?eyes=laboratory%3DLab+1")  # no other eyes behind a login
        assert page.get_by_role("heading", name="Your own cases, exact").is_visible()
        assert page.get_by_text(f"for {OWN} only").is_visible()
        answer = page.goto(f"{guarded}/i/positives?org=Lab+1")
        assert answer is not None
        assert answer.status == 404
        assert house.audited("access.refused")[-1].who == "clara@example.org"
        page.goto(guarded)
        page.get_by_role("link", name="Log out").click()
        page.get_by_text("You are logged out here").wait_for()
        again = page.goto(f"{guarded}/i/positives")
        assert again is not None
        assert again.status == 401


def test_claims_say_who_sees_what(browser: Browser, guarded: str) -> None:
    with opened(browser) as page:
        log_in(page, guarded, "karel")
        page.get_by_role("heading", name=LABS[4]).wait_for()
        assert not page.get_by_role("heading", name=OWN).is_visible(), "a clinic called as a laboratory is another"
    for who, said in (("nora", "Not for you"), ("emil", "Not for you")):
        with opened(browser) as page:
            page.goto(guarded)
            page.get_by_role("link", name="Log in").click()
            page.get_by_text(who, exact=False).first.click()
            page.get_by_role("heading", name=said).wait_for()
            assert "Positive tests" not in page.content()


def test_a_login_that_ended_or_was_idle_is_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from platform_assets.access.login import LoginEnded

    provider = Provider("https://dashboard.example.org/auth/callback", "d", "s", "c" * 40, "https://login.example.org")
    people, now = People(provider, frozenset({"laboratory"})), time.time()
    claims = {
        "iss": "i",
        "sub": "s",
        "iat": now - 60,
        "exp": now + 600,
        "roles": ["clinician"],
        "organisation": "laboratory=L",
    }

    def asked(used: float, **changes: float) -> dict[str, Any]:
        session: dict[str, Any] = {"claims": {**claims, **changes}, "used": used}
        people.asking(session, "")
        return session

    assert asked(now - 90)["used"] >= now, "a click is noted"
    for used, changes in ((now - 1801, {}), (now, {"exp": now - 1}), (now, {"iat": now - 9 * 3600})):
        with pytest.raises(LoginEnded):
            asked(used, **changes)
    assert people.asking({"claims": "x"}, "laboratory=L") is None
    assert people.asking({}, "laboratory=L") is None
