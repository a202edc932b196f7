"""The main paths in a real browser against a real Dagster: a bad file is mended, a person is erased, a login decides what is seen."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value, decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from console import pages
from platform_assets.access.roles import Role, User
from platform_assets.contracts.files import read_contracts
from platform_assets.ingest.load import load_dataset
from platform_assets.office import NEIGHBOURS, Office
from platform_assets.quarantine.fixes import Fix
from platform_assets.quarantine.tables import RowKey
from resources.environment import Platform, Settings, resources_for
from tests.console.conftest import Servers, console_at, environment_of, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
HEADER = "sample_id,test_date,result,viral_load,laboratory,clinic"
SHOTS = os.environ.get("CONSOLE_SCREENSHOTS")
"""Folder for screenshots, to be looked at."""
WAIT = 45_000
COOKIE_SECRET = "x" * 40


@pytest.fixture
def page(browser: Browser, servers: Servers) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(WAIT)
    page.goto(servers.console)
    page.get_by_role("heading", name="What waits").wait_for()
    yield page
    shot(page, "last")
    page.close()


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=re.compile(f"{name}$")).click()
    page.wait_for_timeout(300)
    page.locator("[data-test-script-state='notRunning']").first.wait_for()
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")


def loaded(platform: Platform) -> None:
    """Load what waits for lab_results, as the platform does."""
    load_dataset(
        read_contracts()["lab_results"],
        platform.warehouse,
        platform.store,
        platform.keys,
        neighbours=NEIGHBOURS,
        settle_seconds=0,
    )


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=False).first.click()
    page.wait_for_timeout(800)


def follow(page: Page) -> None:
    """Wait until the run that the page follows has ended."""
    go(page, "Runs")
    page.get_by_role("heading", name=re.compile(": (done|failed)")).wait_for()
    assert page.get_by_role("heading", name=re.compile(": done")).count() == 1


def load_now(page: Page) -> None:
    go(page, "Runs")
    choose(page, "Load what waits for", "lab_results")
    page.get_by_role("button", name="Load now").click()
    page.get_by_text("was handed to Dagster").wait_for()
    follow(page)


def test_a_bad_file_is_uploaded_quarantined_mended_sent_and_accepted_then_a_sample_is_erased(
    page: Page, servers: Servers, tmp_path: Path
) -> None:
    bad = tmp_path / "week 1.csv"
    rows = [f"AA-{n:03},2024-01-02,NEG,,north,clinic" for n in range(40)]
    bad.write_text("\n".join([HEADER, *rows, "AA-900,2024-01-03,Positive,5,north,clinic"]) + "\n")
    go(page, "Upload")
    page.locator("input[type=file]").set_input_files(str(bad))
    page.get_by_text("1 of 41 rows will go to quarantine").wait_for()
    shot(page, "upload")
    page.get_by_role("button", name="Send 1 file").click()
    page.get_by_text("1 file sent").wait_for()
    load_now(page)
    shot(page, "runs")

    go(page, "Quarantine")
    choose(page, "Dataset", "lab_results")
    page.get_by_role("button", name=re.compile("^Stage 0")).wait_for()
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    shot(page, "grid")
    page.get_by_role("button", name='"Positive" becomes "POS"').click()
    page.get_by_role("button", name="Stage 1 row").click()
    page.get_by_text("All of them are right now").wait_for()
    page.locator("[data-test-script-state='notRunning']").first.wait_for()
    page.get_by_role("button", name="Send staged fixes").click()
    page.get_by_text(re.compile("1 row.* sent as")).wait_for()
    load_now(page)
    go(page, "Quarantine")
    choose(page, "Dataset", "lab_results")
    page.get_by_text("Nothing waits in quarantine").wait_for()

    go(page, "Erasure")
    choose(page, "Dataset", "lab_results")
    page.get_by_label("sample_id").fill("AA-900")
    page.get_by_label("sample_id").press("Enter")
    page.get_by_label(re.compile("^Ground")).fill("a letter of the patient")
    page.get_by_label(re.compile("^Ground")).press("Enter")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Preview").click()
    page.get_by_test_id("stDataFrame").first.wait_for()
    shot(page, "erasure_preview")
    page.get_by_role("button", name="Make the request").click()
    page.get_by_text("was made").wait_for()
    page.get_by_role("button", name="Show whom and what").click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("is approved").wait_for()
    shot(page, "erasure_approved")
    page.get_by_role("button", name="Erase now").click()
    page.get_by_text("cannot be given back").wait_for()
    page.get_by_role("button", name="Yes, erase").click()
    page.get_by_text("was handed to Dagster").wait_for()
    follow(page)
    go(page, "Erasure")
    page.get_by_text("Certificate of erasure").wait_for()
    shot(page, "certificate")
    left = [p for p in servers.home.rglob("*") if p.is_file() and b"AA-900" in p.read_bytes()]
    assert left == []


def test_a_cell_that_was_changed_in_the_grid_mends_the_row_that_was_seen_whatever_others_did_meanwhile(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_of(tmp_path / "data")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    platform = resources_for("laptop", Settings(tmp_path / "data", settle_seconds=0))
    rows = [f"AA-{n:03},2024-01-02,NEG,,north,clinic" for n in range(80)]
    rows += [f"BB-{n},2024-01-03,Positive,5,north,clinic" for n in range(4)]
    platform.store.write("landing/lab_results/week1.csv", "\n".join([HEADER, *rows, ""]).encode())
    loaded(platform)
    bert = Office.of(platform).desk("lab_results", User("bert", frozenset({Role.STEWARD})))
    found = bert.rows()
    keys = [RowKey(d, f, int(r)) for d, f, r in zip(found["_delivery"], found["_file"], found["_row"], strict=True)]
    with console_at(tmp_path / "data", environment, tmp_path / "console.log") as url:
        page = browser.new_page(viewport={"width": 1400, "height": 1400})
        page.set_default_timeout(WAIT)
        page.goto(url)
        page.get_by_role("heading", name="What waits").wait_for()
        go(page, "Quarantine")
        choose(page, "Dataset", "lab_results")
        page.get_by_role("button", name=re.compile("^Stage 0")).wait_for()
        page.wait_for_timeout(1500)
        box = page.get_by_test_id("stDataFrame").nth(1).bounding_box()
        assert box
        x, y = box["x"] + 180, box["y"] + 70 + 17  # the column result stands beside the reason; the second row
        page.mouse.move(x - 20, y - 5)
        page.mouse.move(x, y, steps=5)
        page.wait_for_timeout(300)
        page.mouse.click(x, y, delay=80)
        page.wait_for_timeout(500)
        page.keyboard.type("POS", delay=300)
        page.keyboard.press("Enter")
        page.get_by_text("1 changed row is right now").wait_for()
        page.get_by_role("button", name="Stage 1 changed row").wait_for()
        bert.stage([Fix(keys[1], {"sample_id": "BB-1", "test_date": "2024-01-03", "result": "NEG"})])
        page.get_by_role("button", name="Stage 1 changed row").click()
        page.get_by_text("bert has staged a fix of").wait_for()
        bert.unstage([keys[1]])
        bert.dismiss([keys[0]], "a test sample")  # the row above is gone
        page.get_by_role("button", name="Stage 1 changed row").click()
        page.get_by_text("1 fix staged").wait_for()
        shot(page, "grid_staged")
        page.close()
    now = bert.rows()
    assert now[now["_state"] == "staged"]["sample_id"].tolist() == ["BB-1"]


def test_a_file_is_made_when_it_is_asked_for_and_there_is_an_entry_first(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_of(tmp_path / "data")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    platform = resources_for("laptop", Settings(tmp_path / "data", settle_seconds=0))
    rows = [f"AA-{n:03},2024-01-02,NEG,,north,=1+1" for n in range(40)]
    platform.store.write("landing/lab_results/week1.csv", "\n".join([HEADER, *rows, ""]).encode())
    loaded(platform)

    def actions() -> list[str]:
        """Without the views of logs, which the page shows below."""
        return [entry.action for entry in Office.of(platform).audit.entries() if entry.action != "logs.see"]

    with console_at(tmp_path / "data", environment, tmp_path / "console.log") as url:
        page = browser.new_page(viewport={"width": 1400, "height": 1400}, accept_downloads=True)
        page.set_default_timeout(WAIT)
        frames: list[bytes] = []
        page.on(
            "websocket",
            lambda socket: socket.on(
                "framereceived", lambda data: frames.append(bytes(data) if isinstance(data, bytes) else data.encode())
            ),
        )
        page.goto(url)
        page.get_by_role("heading", name="What waits").wait_for()
        go(page, "Reports")
        page.get_by_role("button", name="Download the final export").wait_for()
        assert not any(b"/media/" in frame for frame in frames)
        assert actions() == ["login", "reports.see_rows"]
        for times in (1, 2):
            with page.expect_download() as started:
                page.get_by_role("button", name="Download the final export").click()
            content = started.value.path().read_bytes().decode()
            assert content.count("\r\n") == 41
            assert ',"\'=1+1"' in content
            assert actions() == ["login", "reports.see_rows", *["reports.final_export"] * times]
        shot(page, "download")
        (tmp_path / "data" / "audit" / "head.json").unlink()
        page.get_by_role("button", name="Download the final export").click()
        page.wait_for_timeout(3000)
        shot(page, "download_refused")
        go(page, "About")
        go(page, "Reports")
        page.wait_for_timeout(2000)
        page.close()
    assert actions() == ["login", "reports.see_rows", *["reports.final_export"] * 2]


PAGES = [page.title for page in pages.PAGES]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_serious_finding_of_accessibility(page: Page, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    go(page, name)
    page.get_by_role("heading", level=1).first.wait_for()
    shot(page, name.lower())
    # what Streamlit itself draws (its toolbar, the canvas of a grid) is not ours to change
    found = Axe().run(
        page,
        context={
            "include": [["[data-testid='stMain']"]],
            "exclude": [["[data-testid='stDataFrame']"], ["[data-testid='stElementToolbar']"]],
        },
    )
    serious = [
        (v["id"], [n["html"][:120] for n in v["nodes"]])
        for v in found.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.get_by_test_id("stException").count() == 0
    # the grid's own export would write formulas as formulas: downloads go through the console's buttons
    for grid in page.get_by_test_id("stDataFrame").all():
        grid.hover()
        assert not any(
            b.is_visible()
            for b in page.get_by_role("button", name=re.compile("Download as CSV", re.I)).all()
            if b.evaluate("e => !!e.closest('[data-testid=stElementToolbar]')")
        )


# ------------------------------------------------------------------ login


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """The console with a login by OIDC, against a provider on loopback."""
    import oidc_provider_mock  # type: ignore[import-untyped]

    users = [
        oidc_provider_mock.User(sub=sub, claims={"email": f"{sub}@example.org", "email_verified": True, **claims})
        for sub, claims in {
            "anna": {"roles": ["analyst", "root"]},
            "stan": {"roles": ["steward"]},
            "nina": {},
            "clara": {"roles": ["clinician"]},
        }.items()
    ]
    port = free_port()
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as provider:
        secrets = tmp_path / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir()
        secrets.write_text(
            f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{COOKIE_SECRET}"\n'
            'client_id = "console"\nclient_secret = "only for this test"\n'
            f'server_metadata_url = "http://localhost:{provider.server_port}/.well-known/openid-configuration"\n'
        )
        environment = environment_of(tmp_path / "data", PLATFORM_LOGIN="oidc", AUTHLIB_INSECURE_TRANSPORT="1")
        with console_at(tmp_path / "data", environment, tmp_path / "console.log", tmp_path, port) as url:
            yield url


def logged_in(browser: Browser, url: str, who: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(WAIT)
    page.goto(url)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text(who, exact=False).first.click()
    page.wait_for_url(re.compile(re.escape(url)))
    page.get_by_text(f"{who}@example.org").first.wait_for()
    return page


def test_who_logs_in_sees_the_pages_of_the_own_role(browser: Browser, guarded: str, tmp_path: Path) -> None:
    seen: Callable[[Page], list[str]] = lambda page: [  # noqa: E731
        link.inner_text().split("\n")[-1].strip()
        for link in page.get_by_test_id("stSidebarNav").get_by_role("link").all()
    ]
    anna = logged_in(browser, guarded, "anna")
    time.sleep(1)
    assert [s for s in seen(anna) if s in PAGES] == [
        "Start",
        "Deliveries",
        "Deliveries out",
        "Runs",
        "Reports",
        "Datasets",
        "About",
    ]
    anna.goto(f"{guarded}/quarantine")
    anna.get_by_role("heading", name="Not here").wait_for()
    stan = logged_in(browser, guarded, "stan")
    time.sleep(1)
    assert "Quarantine" in seen(stan)
    assert "Audit" not in seen(stan)
    nina = logged_in(browser, guarded, "nina")
    assert seen(nina) in (["About"], [])
    anna.get_by_text("roles that are not known here, and that give nothing: root").wait_for()
    clara = logged_in(browser, guarded, "clara")
    clara.get_by_text("Your login names no organisation").wait_for()
    shot(clara, "clinician_without_organisation")
    log = (tmp_path / "data" / "audit" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["who"] for line in log if '"action":"login"' in line] == [
        f"{who}@example.org" for who in ("anna", "stan", "nina", "clara")
    ]


def test_a_login_ends_while_the_page_is_open(browser: Browser, guarded: str) -> None:
    stan = logged_in(browser, guarded, "stan")
    go(stan, "Upload")
    cookie = next(c for c in stan.context.cookies() if c["name"] == USER_COOKIE_NAME)
    claims = json.loads(decode_signed_value(COOKIE_SECRET, USER_COOKIE_NAME, cookie["value"].encode()) or b"")
    stan.context.add_cookies(
        [
            {
                **cookie,
                "value": create_signed_value(
                    COOKIE_SECRET, USER_COOKIE_NAME, json.dumps({**claims, "exp": time.time() + 8})
                ).decode(),
            }
        ]
    )
    stan.goto(guarded)  # a connection with that cookie
    stan.get_by_text("stan@example.org").first.wait_for()
    time.sleep(9)
    stan.get_by_test_id("stSidebarNav").get_by_role("link", name="Quarantine").click()
    stan.get_by_text("your login has ended: log in again").wait_for()
    assert stan.get_by_role("button", name="Log in").count() == 1
    assert stan.get_by_role("heading", name="Quarantine").count() == 0
    shot(stan, "login_ended")
