"""The door of the console: what Streamlit would answer beyond the console's needs is closed, and most of the rest to who is not logged in."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from door.filter import ANSWERED_WITH
from tests.console.conftest import console_at, environment_of, free_port
from tests.door.servers import NGINX, Wire
from tests.door.spellings import spellings

SECRET = "x" * 40
UPLOAD = f"/_stcore/upload_file/{uuid.uuid4()}/{uuid.uuid4()}".encode()
STREAM = b"/_stcore/stream"
CLOSED = [
    b"/_stcore/metrics", b"/_stcore/script-health-check", b"/_stcore/agent/openapi.json", b"/_stcore/agent/mcp", b"/_stcore/bidi-components/x/y.js",
    b"/component/x/index.html", b"/app/static/x", b"/_stcore/upload_file/x/y", b"/_stcore/", b"/_stcore", b"/static/../x", b"/media/../x.csv", b"/media/x",
    b"/_stcore/%6detrics", b"/_stcore/metrics/", b"/_stcore/metrics%0a", b"//_stcore/metrics", b"/quarantine/_stcore/health", b"/_STCORE/metrics",
]  # fmt: skip


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder, port = tmp_path_factory.mktemp("laptop"), free_port()
    with console_at(folder / "data", environment_of(folder / "data"), folder / "log", port=port):
        yield Wire(port)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """With a login by OIDC; the provider is not asked in these tests (tests/console/test_browser.py logs in for real)."""
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{SECRET}"\nclient_id = "console"\n'
        'client_secret = "only for this test"\nserver_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"\n'
    )
    environment = environment_of(folder / "data", PLATFORM_LOGIN="oidc")
    with console_at(folder / "data", environment, folder / "log", folder, port):
        yield Wire(port)


def test_what_the_console_does_not_need_is_closed(laptop: Wire) -> None:
    for target in CLOSED:
        for method in ("GET", "PUT", "POST", "OPTIONS"):
            assert laptop.send(method, target, b"x" if method in ("PUT", "POST") else b"") == 404, (method, target)
    for method in ("POST", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        for target in (b"/", UPLOAD, b"/_stcore/health", STREAM):
            assert laptop.send(method, target, b"x") == 404
    for target in (b"/", b"/quarantine", b"/_stcore/health", b"/_stcore/host-config", b"/favicon.png"):
        assert laptop.send("GET", target) == 200


def test_no_spelling_opens_the_stream_or_an_upload(laptop: Wire) -> None:
    origin = {"Origin": f"http://127.0.0.1:{laptop.port}"}
    assert laptop.upgrade(STREAM, **origin) == 101
    for spelling in spellings()[::7]:
        for path in (STREAM, UPLOAD):
            target = spelling.replace(b"/graphql", path).replace(b"graphql", path[1:])
            if target == spelling:
                continue
            assert laptop.upgrade(target, **origin) != 101
            assert laptop.send("PUT", target, b"x", Content_Type="multipart/form-data; boundary=x") in (400, 404)


def test_another_page_or_name_opens_nothing(laptop: Wire) -> None:
    for host in (
        f"evil.example:{laptop.port}",
        f"127.0.0.1.evil.example:{laptop.port}",
        "127.0.0.1",
        f"0.0.0.0:{laptop.port}",
    ):
        assert laptop.upgrade(STREAM, Host=host, Origin=f"http://{host}") in (403, 421)
        assert laptop.send("GET", b"/", Host=host) == 421
    for origin in (
        "http://evil.example",
        "null",
        f"http://localhost:{laptop.port}",
        f"https://127.0.0.1:{laptop.port}",
    ):
        assert laptop.upgrade(STREAM, Origin=origin) == 403
    assert laptop.upgrade(STREAM) == 403
    form = {"Content_Type": "multipart/form-data; boundary=x"}
    assert laptop.send("PUT", UPLOAD, b"x", Origin="http://evil.example", **form) == 403
    assert laptop.send("PUT", UPLOAD, b"x", Content_Type="text/plain") == 415
    assert laptop.send("PUT", UPLOAD, Content_Length=str(300 * 1024 * 1024), **form) == 413
    assert laptop.send("PUT", UPLOAD, Transfer_Encoding="chunked", **form) == 413
    assert laptop.send("PUT", UPLOAD, b"x", **form) in (400, 403)  # Streamlit itself: no such session, no token


def test_who_is_not_logged_in_is_shown_a_button_and_nothing_else(guarded: Wire) -> None:
    address = f"http://127.0.0.1:{guarded.port}"
    for path in ("/", "/quarantine"):
        page = requests.get(f"{address}{path}", timeout=20)
        assert "Log in" in page.text
        assert "script" not in page.text
        assert "_streamlit" not in str(page.cookies)
    form = {"Content_Type": "multipart/form-data; boundary=x"}
    origin = {"Origin": address}
    forged = create_signed_value("y" * 40, "_streamlit_user", "{}").decode()
    other = create_signed_value(SECRET, "_streamlit_xsrf", "{}").decode()
    for cookie in (
        "",
        "_streamlit_user=x",
        f"_streamlit_user={forged}",
        f"_streamlit_user={other}",
        f"_streamlit_user_1={forged}",
    ):
        headers = {"Cookie": cookie} if cookie else {}
        assert guarded.upgrade(STREAM, **origin, **headers) in (401, 403)
        assert guarded.send("PUT", UPLOAD, b"x" * 1000, **form, **headers) == 401
        assert guarded.send("DELETE", UPLOAD, **headers) == 401
        assert guarded.send("GET", b"/media/" + b"a" * 64 + b".csv", **headers) == 401
        assert guarded.send("GET", b"/_stcore/metrics", **headers) == 404
    # 60 MB are not taken in: the answer comes before them
    assert guarded.send("PUT", UPLOAD, b"", Content_Length=str(60 * 1024 * 1024), **form) == 401


def test_a_login_of_ours_opens_the_stream(guarded: Wire) -> None:
    now = int(time.time())
    claims = {
        "iss": "http://127.0.0.1:9",
        "sub": "stan",
        "email": "stan@example.org",
        "roles": ["steward"],
        "is_logged_in": True,
        "iat": now,
        "exp": now + 600,
    }

    def cookie(**other: object) -> dict[str, str]:
        signed = create_signed_value(SECRET, "_streamlit_user", json.dumps({**claims, **other})).decode()
        return {"Cookie": f"_streamlit_user={signed}", "Origin": f"http://127.0.0.1:{guarded.port}"}

    assert guarded.upgrade(STREAM, **cookie()) == 101
    assert guarded.upgrade(STREAM, **{**cookie(), "Origin": "http://evil.example"}) == 403
    for over in ({"is_logged_in": False}, {"exp": now - 1}, {"iat": now - 86400}, {"iss": None}, {"sub": ""}):
        assert guarded.upgrade(STREAM, **cookie(**over)) in (401, 403), over


def test_every_answer_keeps_other_pages_out(laptop: Wire) -> None:
    address = f"http://127.0.0.1:{laptop.port}"
    for path in ("/", "/_stcore/health", "/_stcore/metrics"):
        answer = requests.get(f"{address}{path}", headers={"Origin": address}, timeout=20)
        assert {name: answer.headers[name] for name in ANSWERED_WITH} == ANSWERED_WITH
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    text = (NGINX / "door.conf").read_text(encoding="utf-8")
    assert all(f"add_header {name} {value} always;" in text for name, value in ANSWERED_WITH.items())


def test_without_what_it_needs_it_says_so_and_does_not_start(tmp_path: Path) -> None:
    for settings, words in (
        ({"PLATFORM_CONSOLE_ADDRESS": "0.0.0.0"}, "Without login the console serves this machine only"),
        ({"PLATFORM_LOGIN": "oidc"}, "has no redirect_uri"),
    ):
        environment = environment_of(tmp_path / "data", **settings)
        command = [sys.executable, "-m", "console", str(free_port())]
        said = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert said.returncode == 1
        assert words in said.stderr
        assert "Traceback" not in said.stderr
