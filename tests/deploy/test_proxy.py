"""The proxy before Dagster's webservers, for real: Debian's nginx with the cluster's configuration, dagster-webserver, a browser."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from starlette.types import Receive, Scope, Send

from tests.door.servers import NGINX, Proxy, Wire, free_port, nginx, serving
from tests.programs import needed

NAVIGATES = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
QUERY = {"query": "{ version }"}
RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "proxy_test.py") { __typename } }'
DEFINITIONS = """
import dagster as dg

@dg.asset
def admissions() -> None: ...

defs = dg.Definitions(assets=[admissions], jobs=[dg.define_asset_job("weekly", "*")])
"""


@contextmanager
def started(command: list[str], ready: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                requests.get(ready, timeout=5)
                break
            except requests.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise RuntimeError(f"{command[0]} did not start: {process.communicate()[1][-2000:]!r}") from None
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(60)  # what is being answered is answered to its end


@pytest.fixture(scope="module")
def webservers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of a read-write and a read-only dagster-webserver on one instance."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "proxy_test.py").write_text(DEFINITIONS)
    ports = free_port(), free_port()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    with ExitStack() as stack:
        for port, options in zip(ports, ([], ["--read-only"]), strict=True):
            command = [program, "-h", "127.0.0.1", "-p", str(port), "-f", str(home / "proxy_test.py"), *options]
            stack.enter_context(
                started(
                    command,
                    f"http://127.0.0.1:{port}/server_info",
                    env={**os.environ, "DAGSTER_HOME": str(home)},
                    cwd=home,
                )
            )
        yield ports


@contextmanager
def door(webservers: tuple[int, int], login: str, oauth2_proxy: int = 4180, console: int = 9) -> Iterator[Proxy]:
    """nginx before both webservers (and a console); a person `engineer` may log in with a password."""
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", "correct horse"], check=True, capture_output=True, text=True
    ).stdout.strip()
    services = {"webserver:3000": webservers[0], "webserver-readonly:3000": webservers[1], "console:8501": console}
    with nginx(login, services, oauth2_proxy, f"engineer:{hashed}\n") as opened:
        yield opened


@pytest.fixture(scope="module")
def basic(webservers: tuple[int, int]) -> Iterator[Proxy]:
    with door(webservers, (NGINX / "login-basic.conf").read_text(encoding="utf-8")) as opened:
        yield opened


@pytest.fixture
def engineer() -> requests.Session:
    session = requests.Session()
    session.auth = ("engineer", "correct horse")
    return session


def upgrade(address: str, origin: str, login: str = "engineer:correct horse") -> int:
    """Status of a websocket handshake on /graphql."""
    host, port = address.removeprefix("http://").split(":")
    basic_login = base64.b64encode(login.encode()).decode()
    lines = [
        "GET /graphql HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: graphql-ws",
        f"Origin: {origin}",
        *([f"Authorization: Basic {basic_login}"] if login else []),
    ]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(4096).split()[1])


def test_dagsters_own_webserver_executes_a_mutation_that_comes_by_get(webservers: tuple[int, int]) -> None:
    """Why there is a proxy at all. Where this fails, Dagster has changed, and the proxy may be simpler."""
    answer = requests.get(f"http://127.0.0.1:{webservers[0]}/graphql", params={"query": RELOAD}, timeout=60)
    assert answer.json()["data"]["reloadRepositoryLocation"]["__typename"] == "WorkspaceLocationEntry"


def test_without_login_nothing_is_to_be_had(basic: Proxy) -> None:
    for address in (basic.engineers, basic.viewers):
        assert requests.get(address, timeout=20).status_code == 401
        assert requests.get(f"{address}/server_info", timeout=20).status_code == 401
        assert requests.post(f"{address}/graphql", json=QUERY, timeout=20).status_code == 401
        assert upgrade(address, address, login="") == 401
        assert upgrade(address, address, login="engineer:wrong") == 401


def test_a_query_by_post_is_answered(basic: Proxy, engineer: requests.Session) -> None:
    answer = engineer.post(f"{basic.engineers}/graphql", json=QUERY, timeout=20)
    assert answer.json()["data"]["version"]
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_only_post_reaches_graphql(basic: Proxy, engineer: requests.Session, method: str) -> None:
    answer = engineer.request(method, f"{basic.engineers}/graphql", params={"query": RELOAD}, timeout=20)
    assert answer.status_code == 404


def test_the_rest_can_only_be_read(basic: Proxy, engineer: requests.Session) -> None:
    assert engineer.get(f"{basic.engineers}/server_info", timeout=20).status_code == 200
    answer = engineer.post(f"{basic.engineers}/report_asset_materialization/admissions", json={}, timeout=20)
    assert answer.status_code == 404


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1", "http://127.0.0.1:1.evil"])
def test_a_page_of_another_origin_reaches_nothing(basic: Proxy, engineer: requests.Session, origin: str) -> None:
    answer = engineer.post(f"{basic.engineers}/graphql", json=QUERY, headers={"Origin": origin}, timeout=20)
    assert answer.status_code == 403
    assert engineer.get(basic.engineers, headers={"Origin": origin}, timeout=20).status_code == 403
    assert upgrade(basic.engineers, origin) == 403


def test_our_own_page_may_use_post_and_websocket(basic: Proxy, engineer: requests.Session) -> None:
    headers = {"Origin": basic.engineers}
    assert engineer.post(f"{basic.engineers}/graphql", json=QUERY, headers=headers, timeout=20).status_code == 200
    assert upgrade(basic.engineers, basic.engineers) == 101


def test_a_viewer_sees_and_changes_nothing(basic: Proxy, engineer: requests.Session) -> None:
    seen = engineer.post(f"{basic.viewers}/graphql", json={"query": "{ assetNodes { id } }"}, timeout=60).json()
    assert len(seen["data"]["assetNodes"]) == 1
    refused = engineer.post(f"{basic.viewers}/graphql", json={"query": RELOAD}, timeout=60).json()
    assert refused["data"]["reloadRepositoryLocation"]["__typename"] == "UnauthorizedError"
    allowed = engineer.post(f"{basic.engineers}/graphql", json={"query": RELOAD}, timeout=60).json()
    assert allowed["data"]["reloadRepositoryLocation"]["__typename"] == "WorkspaceLocationEntry"


@pytest.mark.slow
def test_the_ui_works_in_a_browser(basic: Proxy) -> None:
    from playwright.sync_api import sync_playwright

    chromium = needed("chromium", "chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(http_credentials={"username": "engineer", "password": "correct horse"})
        page = context.new_page()
        statuses: list[int] = []
        sockets: list[str] = []
        page.on("response", lambda r: statuses.append(r.status) if "/graphql" in r.url else None)
        page.on("websocket", lambda w: sockets.append(w.url))
        page.goto(f"{basic.engineers}/assets", timeout=60_000)
        page.get_by_text("admissions").first.wait_for(timeout=60_000)
        browser.close()
    assert statuses
    assert set(statuses) == {200}
    assert sockets


@pytest.fixture
def oauth2_proxy() -> Iterator[ThreadingHTTPServer]:
    """A stand-in that answers as oauth2-proxy does: to /oauth2/auth 401 without a session, 403 to who is in none of `allowed_groups`,
    202 to others; to /ping 200. The session's cookie is the name of a group."""

    class Login(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            session = re.search(r"session=(platform-\w+)", self.headers.get("Cookie", ""))
            if address.path == "/ping":
                status = 200
            elif address.path != "/oauth2/auth":
                status = 404
            elif session is None:
                status = 401
            else:
                allowed = parse_qs(address.query).get("allowed_groups", [session[1]])[0].split(",")
                status = 202 if session[1] in allowed else 403
            self.send_response(status)
            self.send_header("X-Auth-Request-Email", "person@example.org")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    stand_in = ThreadingHTTPServer(("127.0.0.1", 0), Login)
    threading.Thread(target=stand_in.serve_forever, daemon=True).start()
    yield stand_in
    stand_in.shutdown()
    stand_in.server_close()


def test_with_oidc_people_are_sent_to_log_in_and_each_group_opens_its_own_host(
    webservers: tuple[int, int], oauth2_proxy: ThreadingHTTPServer
) -> None:
    login = (NGINX / "login-oidc.conf").read_text(encoding="utf-8")
    with door(webservers, login, oauth2_proxy.server_address[1]) as oidc:
        graphql = f"{oidc.engineers}/graphql"
        page = requests.get(f"{oidc.engineers}/runs", headers=NAVIGATES, allow_redirects=False, timeout=20)
        assert (page.status_code, page.headers["Location"]) == (302, f"{oidc.engineers}/oauth2/start?rd=/runs")
        assert requests.post(graphql, json=QUERY, timeout=20).status_code == 401
        assert requests.post(graphql, json=QUERY, cookies={"session": "bad"}, timeout=20).status_code == 401
        engineer, viewer = {"session": "platform-engineers"}, {"session": "platform-viewers"}
        assert requests.post(graphql, json=QUERY, cookies=engineer, timeout=20).json()["data"]["version"]
        foreign = {"Origin": "https://elsewhere.example"}
        assert requests.post(graphql, json=QUERY, cookies=engineer, headers=foreign, timeout=20).status_code == 403
        assert requests.get(graphql, params={"query": RELOAD}, cookies=engineer, timeout=20).status_code == 404
        # who may look does not get to where things can be changed, whatever is asked for
        for query in ("", "?allowed_groups=platform-viewers"):
            refused = requests.post(f"{graphql}{query}", json=QUERY, cookies=viewer, timeout=20)
            assert refused.status_code == (404 if query else 403)
            assert requests.get(f"{oidc.engineers}/runs{query}", cookies=viewer, timeout=20).status_code == 403
        for known in (viewer, engineer):
            assert requests.post(f"{oidc.viewers}/graphql", json=QUERY, cookies=known, timeout=20).status_code == 200
        # the health check is open, tells of nginx and of the login, and leads nowhere else
        assert requests.get(f"{oidc.health}/healthz", timeout=20).text == "ok\n"
        assert requests.get(f"{oidc.health}/login", timeout=20).status_code == 200
        assert requests.get(f"{oidc.health}/runs", cookies=engineer, timeout=20).status_code == 404


class Console:
    """In the place of the console: notes what reaches it, and how much of an upload has."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, str]] = []
        self.cookies: list[str] = []
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append((scope.get("method", "WEBSOCKET"), scope["path"]))
        self.cookies.append(dict(scope["headers"]).get(b"cookie", b"").decode())
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        while scope["method"] == "PUT" and (message := await receive())["type"] == "http.request":
            self.received += len(message["body"])
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"access-control-allow-origin", b"*")]})
        await send({"type": "http.response.body", "body": b"console"})


CONSOLE_USES = [
    ("GET", "/"), ("GET", "/quarantine"), ("GET", "/_stcore/health"), ("GET", "/_stcore/host-config"), ("GET", "/static/js/index.abc.js"),
    ("GET", f"/media/{'a' * 64}.csv"), ("GET", "/oauth2callback?code=x&state=y"), ("GET", "/auth/login?provider=x"), ("GET", "/auth/logout"),
    ("DELETE", f"/_stcore/upload_file/{uuid.UUID(int=1)}/{uuid.UUID(int=2)}"),
]  # fmt: skip


@pytest.fixture
def stewards(oauth2_proxy: ThreadingHTTPServer) -> Iterator[tuple[str, Console]]:
    """The console's host at nginx with the login by OIDC, and what stands behind."""
    console, port = Console(), free_port()
    login = (NGINX / "login-oidc.conf").read_text(encoding="utf-8")
    with serving(console, port=port), nginx(login, {"console:8501": port}, oauth2_proxy.server_address[1]) as proxy:
        yield proxy.stewards, console


def test_who_is_not_logged_in_at_the_proxy_reaches_nothing_of_the_console(stewards: tuple[str, Console]) -> None:
    address, console = stewards
    wire = Wire(int(address.rpartition(":")[2]))
    upload = f"/_stcore/upload_file/{uuid.UUID(int=1)}/{uuid.UUID(int=2)}"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    for session, expected in ((None, 401), ("bad", 401), ("platform-viewers", 403), ("platform-engineers", 403)):
        cookies = {"session": session} if session else {}
        for method, path in CONSOLE_USES:
            asked = requests.request(method, f"{address}{path}", cookies=cookies, allow_redirects=False, timeout=20)
            assert asked.status_code == expected, path
        put = requests.put(f"{address}{upload}", data=b"x" * 1000, headers=form, cookies=cookies, timeout=20)
        assert put.status_code == expected
        cookie = {"Cookie": f"session={session}"} if session else {}
        assert wire.upgrade(b"/_stcore/stream", Origin=address, **cookie) == expected
    assert console.reached == []
    page = requests.get(f"{address}/upload", headers=NAVIGATES, allow_redirects=False, timeout=20)
    assert (page.status_code, page.headers["Location"]) == (302, f"{address}/oauth2/start?rd=/upload")


def test_stewards_reach_what_the_console_needs_and_no_more_of_it(stewards: tuple[str, Console]) -> None:
    address, console = stewards
    wire = Wire(int(address.rpartition(":")[2]))
    cookies = {"session": "platform-console"}
    for method, path in CONSOLE_USES:
        asked = requests.request(method, f"{address}{path}", cookies=cookies, timeout=20)
        assert asked.status_code == 200, path
        assert "Access-Control-Allow-Origin" not in asked.headers
        assert asked.headers["X-Frame-Options"] == "DENY"
    assert len(console.reached) == len(CONSOLE_USES)
    known = {"Cookie": "session=platform-console"}
    assert wire.upgrade(b"/_stcore/stream", Origin=address, **known) == 101
    assert wire.upgrade(b"/_stcore/stream", Origin="https://evil.example", **known) == 403
    assert wire.upgrade(b"/_stcore/stream", **known) == 403
    reached = len(console.reached)
    for path in (
        "/_stcore/metrics",
        "/_stcore/agent/mcp",
        "/component/x/y.js",
        "/app/static/x",
        "/graphql/x",
        "/_stcore/metrics%0a",
    ):
        for method in ("GET", "POST", "OPTIONS"):
            assert wire.send(method, path.encode(), **known) == 404
    assert len(console.reached) == reached


def test_the_cookie_of_the_login_before_the_console_is_not_passed_on(stewards: tuple[str, Console]) -> None:
    address, console = stewards
    sent = "_streamlit_user=a; session=platform-console; _oauth2_proxy_0=secret; _streamlit_xsrf=b; _oauth2_proxy_1=secret; _oauth2_proxy=secret"
    for order in (
        sent,
        "; ".join(reversed(sent.split("; "))),
        sent + "; _oauth2_proxy_2=secret; _oauth2_proxy_csrf=secret",
    ):
        assert requests.get(address, headers={"Cookie": order}, timeout=20).status_code == 200
        assert "secret" not in console.cookies[-1]
    assert requests.get(address, headers={"Cookie": sent}, timeout=20).status_code == 200
    assert {"_streamlit_user=a", "_streamlit_xsrf=b"} <= set(console.cookies[-1].replace(" ", "").split(";"))


def test_an_upload_is_passed_on_as_it_comes(stewards: tuple[str, Console]) -> None:
    address, console = stewards
    size, first = 100 * 1024 * 1024, 2 * 1024 * 1024
    host, port = address.removeprefix("http://").split(":")
    head = (
        f"PUT /_stcore/upload_file/{uuid.UUID(int=1)}/{uuid.UUID(int=2)} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {address}\r\n"
        f"Cookie: session=platform-console\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode() + b"x" * first)
        deadline = time.monotonic() + 20
        while console.received < first // 2:
            assert time.monotonic() < deadline, "nothing arrives before all was sent"
            time.sleep(0.05)
        for _ in range(size // first - 1):
            connection.sendall(b"x" * first)
        assert connection.recv(100).split()[1] == b"200"
    assert console.received == size
    too_large = head.replace(str(size), str(300 * 1024 * 1024)).encode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(too_large)
        assert connection.recv(100).split()[1] == b"413"


DASHBOARD_USES = [
    ("GET", "/"), ("GET", "/i/turnaround?view=funnel&peer=A&peer=B"), ("GET", "/part/i/turnaround?since=2026-01-01"), ("GET", "/changed"),
    ("GET", "/i/turnaround/cases?period=2026-01-01&outcome=late"), ("GET", "/i/turnaround/disputes"), ("GET", "/i/turnaround/table.csv"),
    ("GET", "/i/turnaround/figure.png?view=funnel"), ("GET", "/i/turnaround/slide.pptx"), ("GET", "/i/turnaround/plot/bars.png"), ("GET", "/about"),
    ("GET", "/static/page.js"), ("GET", "/auth/login"), ("GET", "/auth/callback?code=x&state=y"), ("GET", "/auth/logout"), ("GET", "/health"),
]  # fmt: skip
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def clinicians(oauth2_proxy: ThreadingHTTPServer) -> Iterator[tuple[str, Console]]:
    """The dashboard's host at nginx with the login by OIDC, and what stands in the dashboard's place."""
    behind, port = Console(), free_port()
    login = (NGINX / "login-oidc.conf").read_text(encoding="utf-8")
    with serving(behind, port=port), nginx(login, {"dashboard:8600": port}, oauth2_proxy.server_address[1]) as proxy:
        yield proxy.clinicians, behind


def test_only_who_has_logged_in_reaches_the_dashboard_and_no_more_than_it_has(clinicians: tuple[str, Console]) -> None:
    address, behind = clinicians
    form = f"{address}/i/turnaround/dispute"
    for session, expected in ((None, 401), ("bad", 401), ("platform-viewers", 403), ("platform-console", 403)):
        cookies = {"session": session} if session else {}
        for method, path in DASHBOARD_USES:
            asked = requests.request(method, f"{address}{path}", cookies=cookies, allow_redirects=False, timeout=20)
            assert asked.status_code == expected, path
        sent = requests.post(form, data={"record": "x"}, headers={"Origin": address}, cookies=cookies, timeout=20)
        assert sent.status_code == expected
    assert behind.reached == []
    known = {"session": "platform-dashboard", "__Host-dashboard": "own", "_oauth2_proxy": "secret"}
    for method, path in DASHBOARD_USES:
        asked = requests.request(method, f"{address}{path}", cookies=known, timeout=20)
        assert asked.status_code == 200, path
        assert asked.headers["X-Frame-Options"] == "DENY"
    assert len(behind.reached) == len(DASHBOARD_USES)
    assert all("own" in cookie and "secret" not in cookie for cookie in behind.cookies)
    sent = requests.post(form, data={"record": "x"}, headers={"Origin": address}, cookies=known, timeout=20)
    assert (sent.status_code, behind.reached[-1]) == (200, ("POST", "/i/turnaround/dispute"))
    reached = len(behind.reached)
    refused = [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": address, "Content-Type": "text/plain"}, 415),
        (
            {
                "Origin": address,
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
            403,
        ),
    ]
    for headers, expected in refused:
        sent = requests.post(form, data="record=x", headers={**FORM, **headers}, cookies=known, timeout=20)
        assert sent.status_code == expected, headers
    large = requests.post(form, data="x" * 20_000, headers={**FORM, "Origin": address}, cookies=known, timeout=20)
    assert large.status_code == 413
    for method, path in (
        ("GET", "/i/turnaround/dispute"),
        ("POST", "/i/turnaround"),
        ("GET", "/graphql"),
        ("GET", "/i/../x"),
        ("PUT", "/"),
    ):
        asked = requests.request(method, f"{address}{path}", headers={"Origin": address}, cookies=known, timeout=20)
        assert asked.status_code == 404, path
    assert len(behind.reached) == reached
