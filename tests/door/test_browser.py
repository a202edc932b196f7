"""A page of somebody else in the same browser: it starts nothing, reads nothing, and gets nothing under another name of this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from door.filter import Door
from door.rules import DAGSTER
from door.server import listening, names
from tests.console.conftest import environment_of, process
from tests.door.servers import Recording, free_port, serving
from tests.programs import needed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MUTATION = "mutation%7BreloadWorkspace%7B__typename%7D%7D"
EVIL = "evil.example"
ATTACK = """<!doctype html><title>attack</title><body><script>
const at = "%s", said = [];
const spellings = ["/graphql", "/graphql%%0a", "/graphql%%0d", "/%%67raphql", "//graphql", "/graphql/", "/GRAPHQL", "/runs/../graphql", "/graphql%%00",
  "/_stcore/upload_file/x/y", "/_stcore/metrics", "/_stcore/health", "/logs/runs/db", "/report_asset_materialization/x", "/server_info", "/runs", "/"];
const body = JSON.stringify({query: "mutation{reloadWorkspace{__typename}}"});
async function all() {
  for (const path of spellings) {
    const url = at + path + "?query=%s";
    for (const [tag, name] of [["img", "src"], ["script", "src"], ["iframe", "src"], ["embed", "src"], ["object", "data"], ["video", "src"], ["link", "href"]]) {
      const element = document.createElement(tag);
      if (tag === "link") element.rel = "stylesheet";
      element[name] = url; document.body.append(element);
      element.onload = () => { if (tag === "script" || tag === "img") said.push("loaded " + tag + path); };
    }
    for (const method of ["GET", "POST", "PUT", "DELETE"]) for (const mode of ["no-cors", "cors"]) for (const type of ["text/plain", "application/json"]) {
      const options = {method, mode, credentials: "include", headers: {"Content-Type": type}};
      if (method !== "GET") options.body = body;
      try { const r = await fetch(at + path, options); if (r.type !== "opaque") said.push("read " + method + path); } catch (e) { }
    }
    navigator.sendBeacon(at + path, new Blob([body], {type: "text/plain"}));
    for (const method of ["get", "post"]) {
      const frame = document.createElement("iframe"), form = document.createElement("form"), input = document.createElement("input");
      frame.name = "f" + Math.random(); form.target = frame.name; form.method = method; form.action = at + path; form.enctype = "text/plain";
      input.name = '{"query": "mutation{reloadWorkspace{__typename}}", "x": "'; input.value = '"}'; form.append(input);
      document.body.append(frame, form); form.submit();
    }
  }
  for (const path of ["/graphql", "/_stcore/stream"]) await new Promise(done => {
    const socket = new WebSocket(at.replace("http", "ws") + path, ["graphql-ws", "streamlit"]);
    socket.onopen = () => { said.push("socket " + path); done(); }; socket.onerror = done;
  });
  await new Promise(done => setTimeout(done, 1500));
  document.title = "done"; document.body.dataset.said = JSON.stringify(said);
}
all();
</script>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, to which `evil.example` is this machine: as after an attacker's DNS has changed its mind."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=needed("chromium", "chromium"),
            args=["--no-sandbox", f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"],
        )
        yield found
        found.close()


@pytest.fixture
def attacker() -> Iterator[int]:
    """The port of a server whose page does everything that a page can do to the address in its query."""

    async def page(request: Request) -> Response:
        return HTMLResponse(ATTACK % (request.query_params["at"], MUTATION))

    port = free_port()
    with serving(Starlette(routes=[Route("/", page)]), port=port):
        yield port


def attacked(browser: Browser, attacker: int, at: str, host: str = EVIL) -> str:
    """Open the attacker's page; what it managed to read, load or open."""
    page = browser.new_page()
    page.goto(f"http://{host}:{attacker}/?at={at}")
    page.wait_for_function("document.title === 'done'", timeout=120_000)
    said = page.evaluate("document.body.dataset.said")
    page.close()
    return str(said)


@pytest.mark.slow
def test_without_a_door_the_page_executes(browser: Browser, attacker: int) -> None:
    """The attack is one. Where this fails, browsers or Dagster have changed."""
    app, port = Recording(), free_port()
    with serving(app.create_asgi_app(), port=port):
        attacked(browser, attacker, f"http://127.0.0.1:{port}")
    assert {"graphql by GET", "graphql by POST", "graphql by websocket"} <= set(app.reached)


@pytest.mark.slow
@pytest.mark.parametrize("host", [EVIL, "127.0.0.1", "localhost"])
def test_a_foreign_page_does_nothing_to_dagster(browser: Browser, attacker: int, host: str) -> None:
    app, port = Recording(), free_port()
    with (
        listening(port, "this test") as sockets,
        serving(Door(app.create_asgi_app(), DAGSTER, names(port)), sockets, http="h11", ws="websockets-sansio"),
    ):
        assert attacked(browser, attacker, f"http://127.0.0.1:{port}", host) == "[]"
        assert app.reached == []
        # under a name of its own that has come to mean this machine
        assert attacked(browser, attacker, f"http://{EVIL}:{port}", EVIL) == "[]"
        assert app.reached == []
        page = browser.new_page()
        answer = page.goto(f"http://{EVIL}:{port}/runs")
        assert answer is not None
        assert answer.status == 421
        # a link opens the page itself, in a window that the other page has no hold of
        page.goto(f"http://{host}:{attacker}/?at=about:blank")
        with page.context.expect_page() as opened:
            page.evaluate(f"void (window.victim = open('http://127.0.0.1:{port}/graphql?query={MUTATION}'))")
        opened.value.wait_for_load_state()
        assert app.reached == []
        with page.context.expect_page() as opened:
            page.evaluate(f"void (window.victim = open('http://127.0.0.1:{port}/runs'))")
        opened.value.wait_for_load_state()
        assert app.reached == ["page /"]
        page.wait_for_function("victim === null || victim.closed")
        page.context.close()


@pytest.mark.slow
def test_a_foreign_page_does_nothing_to_the_console(browser: Browser, attacker: int, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "console", str(port)]
    with process(command, environment_of(tmp_path / "data"), f"{url}/_stcore/health", tmp_path / "log"):
        for host in (EVIL, "127.0.0.1", "localhost"):
            assert attacked(browser, attacker, url, host) == "[]"
        assert attacked(browser, attacker, f"http://{EVIL}:{port}", EVIL) == "[]"
        page = browser.new_page()
        answer = page.goto(f"http://{EVIL}:{port}/quarantine")
        assert answer is not None
        assert answer.status == 421
        # the door of the same page under another name of this machine: its sockets count as foreign
        page.goto(f"{url}/")
        page.get_by_text("No login").first.wait_for(timeout=60_000)
        assert opens(page, f"ws://127.0.0.1:{port}/_stcore/stream")
        assert not opens(page, f"ws://localhost:{port}/_stcore/stream")
        page.context.close()


def opens(page: Page, address: str) -> bool:
    """Whether `page` gets a websocket there."""
    script = "a => new Promise(d => { const s = new WebSocket(a, ['streamlit']); s.onopen = () => d(true); s.onerror = () => d(false) })"
    return bool(page.evaluate(script, address))
