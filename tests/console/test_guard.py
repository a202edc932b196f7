"""The console with a login, asked without a browser: who is not logged in gets the empty page only, and can make the console keep nothing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from console import guard
from console.guard import OPEN, Guard
from door.filter import LOG_IN_FIRST
from door.rules import NOT_LISTED, WRONG_BODY
from tests.console.conftest import console_at, environment_of, free_port

SECRET = "x" * 40
MEDIA = f"/media/{'0123abcd' * 7}.csv"
WINDOW = "0f8fad5b-d9cb-469f-a165-70867728950e"
UPLOAD = f"/_stcore/upload_file/{WINDOW}/{WINDOW}"
BEHIND = [
    MEDIA,
    "/_stcore/metrics",
    UPLOAD,
    "/component/x/index.html",
    "/_stcore/agent/x",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The console with a real provider on loopback."""
    import oidc_provider_mock  # type: ignore[import-untyped]

    folder = tmp_path_factory.mktemp("guarded")
    users = [
        oidc_provider_mock.User(sub="stan", claims={"email": "stan@example.org", "roles": ["steward"]}),
        oidc_provider_mock.User(sub="anna", claims={"email": "anna@example.org", "roles": ["analyst"]}),
        oidc_provider_mock.User(sub="dora", claims={"email": "dora@example.org", "roles": {"steward": False}}),
    ]
    port = free_port()
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as provider:
        secrets = folder / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir()
        secrets.write_text(
            f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{SECRET}"\n'
            'client_id = "console"\nclient_secret = "only for this test"\n'
            f'server_metadata_url = "http://localhost:{provider.server_port}/.well-known/openid-configuration"\n'
        )
        environment = environment_of(folder / "data", PLATFORM_LOGIN="oidc", AUTHLIB_INSECURE_TRANSPORT="1")
        with console_at(folder / "data", environment, folder / "console.log", folder, port) as url:
            yield url


def logged_in(url: str, who: str) -> requests.Session:
    """A browser's cookies after a login with the provider."""
    from joserfc import jwk, jwt

    session = requests.Session()
    # what the button "Log in" makes
    token = jwt.encode(
        {"alg": "HS256"}, {"provider": "default", "exp": int(time.time()) + 60}, jwk.OctKey.import_key(SECRET)
    )
    page = session.get(f"{url}/auth/login", params={"provider": token}, timeout=60)
    assert "oauth2/authorize" in page.url
    session.post(page.url, data={"sub": who}, timeout=60)
    assert USER_COOKIE_NAME in session.cookies
    return session


def with_cookie(claims: dict[str, Any]) -> dict[str, str]:
    """A cookie as the console signs it, of other claims."""
    return {
        "Cookie": f"{USER_COOKIE_NAME}={create_signed_value(SECRET, USER_COOKIE_NAME, json.dumps(claims)).decode()}"
    }


def claims(**changes: Any) -> dict[str, Any]:
    now = time.time()
    right = {
        "is_logged_in": True,
        "iss": "http://x",
        "sub": "17",
        "iat": now - 60,
        "exp": now + 600,
        "roles": ["steward"],
    }
    return {**right, **changes}


@pytest.mark.slow
@pytest.mark.parametrize("path", BEHIND)
def test_who_is_not_logged_in_gets_nothing_and_leaves_nothing(guarded: str, path: str) -> None:
    xsrf = requests.get(f"{guarded}/_stcore/health", timeout=60)
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
        answer = requests.request(method, guarded + path, data=b"x" * 1000, cookies=xsrf.cookies, timeout=60)
        # by the door's list, or for want of a login: a sentence of ours, never an answer of Streamlit's
        assert answer.text.strip() in (NOT_LISTED, LOG_IN_FIRST, WRONG_BODY), (method, answer.status_code)
    assert requests.get(guarded, timeout=60).status_code == 200


@pytest.mark.slow
def test_who_has_logged_in_passes_and_an_analyst_uploads_nothing(guarded: str) -> None:
    stan, anna = logged_in(guarded, "stan"), logged_in(guarded, "anna")
    for session in (stan, anna):
        assert session.get(f"{guarded}{MEDIA}", timeout=60).status_code == 404
    upload = f"{guarded}{UPLOAD}"
    form: dict[str, Any] = {"files": {"file": ("a.csv", b"x")}, "timeout": 60}
    assert anna.put(upload, **form).text == "You may not upload files."
    assert "xsrf" in stan.put(upload, **form).text.lower()  # Streamlit's own answer
    endless = stan.put(
        upload, data=iter([b"x"]), headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=60
    )
    assert endless.status_code in (411, 413)  # no length


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 978_307_200},
        {"exp": "never"},
        {"exp": None},
        {"iat": 978_307_200},
        {"iat": True},
        {"roles": {"steward": True}},
        {"roles": 5},
        {"sub": ""},
        {"iss": None},
        {"is_logged_in": False},
    ],
    ids=repr,
)
def test_a_cookie_that_is_signed_but_not_a_login_is_none(guarded: str, changes: dict[str, Any]) -> None:
    def asked(given: dict[str, Any]) -> int:
        return requests.get(f"{guarded}{MEDIA}", headers=with_cookie(given), timeout=60).status_code

    assert asked(claims(sub=f"right for {changes!r}")) == 404
    assert asked(claims(**changes)) == 401


@pytest.mark.slow
def test_a_cookie_that_is_not_signed_is_none(guarded: str) -> None:
    for value in ("", "x", json.dumps(claims()), with_cookie(claims())["Cookie"][:-4]):
        answer = requests.get(f"{guarded}{MEDIA}", headers={"Cookie": f"{USER_COOKIE_NAME}={value}"}, timeout=60)
        assert answer.status_code == 401


def test_what_is_open_holds_nothing_of_ours() -> None:
    for path in (
        *BEHIND,
        "//media/x",
        "/media/",
        "/static",
        "/_stcore/stream/x",
        "/auth/loginx",
        "/x/y",
        "/%6dedia/x",
        "/media\n/x",
    ):
        assert not OPEN.fullmatch(path) or not re.match(r"/+(media|component|_stcore/(upload|metrics|agent))", path)


# ------------------------------------------------------------------ how much one person may keep


class Waiting:
    """An upload that is on its way, through the guard, to Streamlit's store of uploads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.manager = MemoryUploadedFileManager("/_stcore/upload_file")
        monkeypatch.setattr(guard, "get_instance", lambda: type("Runtime", (), {"uploaded_file_mgr": self.manager}))
        self.guard = Guard(self._taken)
        self.released = asyncio.Event()
        self.slow = False

    async def _taken(self, scope: Any, receive: Any, send: Any) -> None:
        if self.slow:
            await self.released.wait()
        window, file = scope["path"].rsplit("/", 2)[1:]
        self.manager.add_file(
            window, UploadedFileRec(file, "x.csv", "text/csv", b"x" * int(dict(scope["headers"])[b"content-length"]))
        )
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def put(self, window: str, file: str, size: int) -> int:
        answers: list[Any] = []
        scope = {
            "type": "http",
            "method": "PUT",
            "path": f"/_stcore/upload_file/{window}/{file}",
            "headers": [(b"content-length", str(size).encode())],
        }

        async def send(message: Any) -> None:
            answers.append(message)

        await self.guard(scope, None, send)  # type: ignore[arg-type]
        return int(answers[0]["status"])


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setenv("PLATFORM_SESSION_UPLOAD_MB", "1")
    monkeypatch.delenv("PLATFORM_LOGIN", raising=False)
    return Waiting(monkeypatch)


def test_one_person_keeps_so_many_bytes_in_all_windows_together(waiting: Waiting) -> None:
    async def tried() -> list[int]:
        made = [await waiting.put(f"window{n}", "a", 400_000) for n in range(4)]
        waiting.manager.remove_session_files("window0")
        return [*made, await waiting.put("window4", "a", 400_000)]

    assert asyncio.run(tried()) == [204, 204, 413, 413, 204]


def test_one_person_keeps_so_many_files(waiting: Waiting) -> None:
    async def tried() -> list[int]:
        return [await waiting.put("window", str(n), 1) for n in range(101)]

    assert asyncio.run(tried()) == [204] * 100 + [413]


def test_uploads_that_come_at_once_are_counted_before_they_have_come(waiting: Waiting) -> None:
    async def tried() -> list[int]:
        waiting.slow = True
        coming = [asyncio.create_task(waiting.put("window", str(n), 400_000)) for n in range(5)]
        await asyncio.sleep(0)
        waiting.released.set()
        return sorted(await asyncio.gather(*coming))

    assert asyncio.run(tried()) == [204, 204, 413, 413, 413]


def test_one_person_has_so_many_windows_open_and_nobody_elses_count(monkeypatch: pytest.MonkeyPatch) -> None:
    people = {b"anna": claims(sub="anna"), b"bert": claims(sub="bert")}
    monkeypatch.setenv("PLATFORM_LOGIN", "oidc")
    monkeypatch.setattr(guard, "_claims", lambda cookie: people.get(cookie.encode(), {}))

    async def tried() -> tuple[list[int], int]:
        leave, opened = asyncio.Event(), [0]

        async def window(scope: Any, receive: Any, send: Any) -> None:
            opened[0] += 1
            await leave.wait()

        guarded = Guard(window)
        closed: list[str] = []

        async def come(who: bytes) -> None:
            async def send(message: Any) -> None:
                closed.append(message["type"])

            await guarded({"type": "websocket", "headers": [(b"cookie", who)]}, None, send)  # type: ignore[arg-type]

        found = []
        tasks = []
        for who, number in ((b"anna", 40), (b"bert", 5), (b"nobody", 3)):
            before = opened[0]
            tasks += [asyncio.create_task(come(who)) for _ in range(number)]
            await asyncio.sleep(0.01)
            found.append(opened[0] - before)
        refused = len(closed)
        leave.set()
        await asyncio.gather(*tasks)
        await come(b"anna")  # those are closed now
        found.append(opened[0] - sum(found))
        return found, refused

    assert asyncio.run(tried()) == ([30, 5, 0, 1], 13)
