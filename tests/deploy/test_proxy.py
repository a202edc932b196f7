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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.door.servers import NGINX, Proxy, free_port, nginx
from tests.programs import needed

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
        deadline = time.monotonic() + 60
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
        process.wait(20)


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
        page = requests.get(
            f"{oidc.engineers}/runs", headers={"Sec-Fetch-Mode": "navigate"}, allow_redirects=False, timeout=20
        )
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
