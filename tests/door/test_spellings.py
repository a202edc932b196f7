"""Both doors before Dagster's own routes: whatever is not listed, however it is written, does not reach GraphQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from door.filter import Door
from door.nginx import written
from door.rules import DAGSTER
from door.server import listening, names
from tests.door.servers import NGINX, NO_LOGIN, Recording, Wire, free_port, nginx, serving
from tests.door.spellings import PATH, QUERY, spellings

METHODS = [
    "GET",
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "PATCH",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "Post",
    "PoST",
    "GRAPHQL",
]
JSON = {"Content_Type": "application/json"}
EMPTY = b"/graphql?"
"""An empty query is none: the plain spelling, to a server that keeps path and query apart."""
BODY = b'{"query": "{version}"}'


@dataclass(frozen=True)
class Before:
    """A door, the connection to it, and the app that stands behind."""

    wire: Wire
    app: Recording

    def reached(self) -> list[str]:
        """What has reached the app since the last time."""
        found = list(self.app.reached)
        self.app.reached.clear()
        return found


@pytest.fixture(scope="module", params=["nginx", "inside"])
def before(request: pytest.FixtureRequest) -> Iterator[Before]:
    app, port = Recording(), free_port()
    if request.param == "inside":
        with listening(port, "this test") as sockets:
            behind = Door(app.create_asgi_app(), DAGSTER, names(port))
            with serving(behind, sockets, http="h11", ws="websockets-sansio"):
                yield Before(Wire(port), app)
    else:
        with serving(app.create_asgi_app(), port=port), nginx(NO_LOGIN, {"webserver:3000": port}) as proxy:
            yield Before(Wire(int(proxy.engineers.rpartition(":")[2])), app)


@pytest.fixture(scope="module")
def bare() -> Iterator[Before]:
    """The same app without a door."""
    app, port = Recording(), free_port()
    with serving(app.create_asgi_app(), port=port):
        yield Before(Wire(port), app)


def test_without_a_door_a_get_in_several_spellings_is_executed(bare: Before) -> None:
    """The list bites. Where this fails, Dagster or its router has changed."""
    through = set()
    for spelling in [f"{PATH}{QUERY}".encode(), *spellings()]:
        bare.wire.send("GET", spelling)
        if "graphql by GET" in bare.reached():
            through.add(spelling)
    assert f"{PATH}{QUERY}".encode() in through
    assert f"{PATH}%0a{QUERY}".encode() in through
    assert len(through) > 15


def test_no_spelling_reaches_graphql_by_get(before: Before) -> None:
    assert len(spellings()) > 1500
    for spelling in [f"{PATH}{QUERY}".encode(), *spellings()]:
        before.wire.send("GET", spelling, Accept="*/*")
        reached = before.reached()
        assert reached in ([], ["page /"]), spelling
        # what passes as a page is one, in plain letters, and is shown as the one page there is
        assert not reached or spelling.startswith((b"/?", b"/runs", b"/assets")), spelling


@pytest.mark.parametrize("method", METHODS)
def test_no_other_method_reaches_anything(before: Before, method: str) -> None:
    few = spellings()[:: 1 if method == "HEAD" else 40]
    for target in [PATH.encode(), f"{PATH}{QUERY}".encode(), b"/", b"/runs", *few]:
        before.wire.send(method, target, BODY if method not in ("GET", "HEAD") else b"", **JSON)
        reached = before.reached()
        assert reached == [] or (method in ("GET", "HEAD") and reached == ["page /"]), target


def test_a_post_reaches_graphql_in_the_plain_spelling_only(before: Before) -> None:
    for plain in (b"/graphql", EMPTY, b"/graphql?op=RunQuery"):
        assert before.wire.send("POST", plain, BODY, **JSON) == 200
        assert before.reached() == ["graphql by POST"]
    for spelling in [
        b"/graphql?op=",
        b"/graphql?op=a&query=b",
        b"/graphql?op=a%26query=b",
        b"/graphql?query=b&op=a",
        *(s for s in spellings() if s != EMPTY),
    ]:
        before.wire.send("POST", spelling, BODY, **JSON)
        assert before.reached() == [], spelling


def test_a_websocket_opens_in_the_plain_spelling_only(before: Before) -> None:
    origin = {"Origin": f"http://127.0.0.1:{before.wire.port}"}
    assert before.wire.upgrade(PATH.encode(), **origin) == 101
    assert before.reached() == ["graphql by websocket"]
    for spelling in [b"/", b"/runs", f"{PATH}{QUERY}".encode(), *(s for s in spellings()[::10] if s != EMPTY)]:
        assert before.wire.upgrade(spelling, **origin) != 101, spelling
        assert before.reached() == []
    for headers in (
        {"Upgrade": "h2c"},
        {"Upgrade": "websocket, h2c"},
        {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"},
    ):
        before.wire.upgrade(PATH.encode(), **{**origin, **headers})
        assert before.reached() == []


@pytest.mark.parametrize(
    "content",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", "text/plain; application/json",
        "text/plain;charset=application/json", "application/json, text/plain", "APPLICATION/JSON; x=1", "application/jsonp", "application/json\t;x",
    ],
)  # fmt: skip
def test_what_a_form_can_send_is_refused(before: Before, content: str) -> None:
    headers = {"Content_Type": content} if content else {}
    assert before.wire.send("POST", PATH.encode(), BODY, **headers) == 415
    assert before.reached() == []


def test_a_body_is_of_the_said_size_and_only_where_one_belongs(before: Before) -> None:
    assert before.wire.send("POST", PATH.encode(), b"", Transfer_Encoding="chunked", **JSON) == 413
    assert before.wire.send("POST", PATH.encode(), b"", Content_Length=str(9 * 1024 * 1024), **JSON) == 413
    assert before.wire.send("GET", b"/runs", b"x") == 413
    assert before.wire.send("GET", b"/runs", b"", Content_Length="1", Transfer_Encoding="chunked") in (400, 413)
    assert before.reached() == []


def foreign() -> list[dict[str, str]]:
    """What a browser says of requests that another page makes it send."""
    found = []
    for site in ("cross-site", "same-site", "none", "other", "SAME-ORIGIN", ""):
        for mode in ("no-cors", "cors", "navigate", "same-origin", "websocket", "nested-navigate", ""):
            for dest in (
                "image",
                "script",
                "iframe",
                "frame",
                "object",
                "embed",
                "empty",
                "style",
                "document",
                "worker",
                "report",
                "",
            ):
                headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
                if site or mode or dest:
                    found.append({name: value for name, value in headers.items() if value})
    return found


def test_what_another_page_makes_a_browser_ask_for_is_refused(before: Before) -> None:
    for headers in foreign():
        assert before.wire.send("POST", PATH.encode(), BODY, **JSON, **headers) == 403, headers
        assert before.wire.upgrade(PATH.encode(), Origin=f"http://127.0.0.1:{before.wire.port}", **headers) == 403, (
            headers
        )
        opened = before.wire.send("GET", b"/runs", **headers) == 200
        # a link may open a page; frames, images and scripts may not load it
        assert opened == (headers.get("Sec_Fetch_Mode") == "navigate" and headers.get("Sec_Fetch_Dest") == "document"
                          and headers.get("Sec_Fetch_Site") in ("cross-site", "same-site", "none")), headers  # fmt: skip
        assert before.reached() in ([], ["page /"])
        # what our pages load is not for theirs
        if headers.get("Sec_Fetch_Site") in ("cross-site", "same-site"):
            assert before.wire.send("GET", b"/server_info", **headers) == 403


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:{port}", "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}/",
     "http://127.0.0.1:1", "http://x@127.0.0.1:{port}", "http://127.0.0.1:{port} http://127.0.0.1:{port}", "http://2130706433:{port}", "file://"],
)  # fmt: skip
def test_another_origin_reaches_nothing(before: Before, origin: str) -> None:
    said = origin.format(port=before.wire.port)
    assert before.wire.send("POST", PATH.encode(), BODY, Origin=said, **JSON) == 403
    assert before.wire.send("GET", b"/runs", Origin=said) == 403
    assert before.wire.upgrade(PATH.encode(), Origin=said) == 403
    assert before.reached() == []


def test_a_websocket_without_an_origin_is_refused(before: Before) -> None:
    assert before.wire.upgrade(PATH.encode()) == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "127.0.0.1:{port}.", "127.0.0.1:{port}@evil",
     "2130706433:{port}", "0:{port}", "0.0.0.0:{port}", "127.1:{port}", "localhost.evil:{port}", "x127.0.0.1:{port}", ""],
)  # fmt: skip
def test_another_name_for_this_machine_reaches_nothing(before: Before, host: str) -> None:
    said = host.format(port=before.wire.port)
    origin = {"Origin": f"http://{said}"}
    for headers in ({}, origin):
        assert before.wire.send("POST", PATH.encode(), BODY, Host=said, **JSON, **headers) in (400, 421)
        assert before.wire.send("GET", b"/runs", Host=said, **headers) in (400, 421)
    assert before.wire.upgrade(PATH.encode(), Host=said, **origin) in (400, 403, 421)
    assert before.reached() == []


def test_what_the_ui_needs_is_there_and_the_rest_of_dagster_is_not(before: Before) -> None:
    for target in (
        b"/",
        b"/runs",
        b"/runs/",
        b"/locations/platform_assets.definitions/jobs/weekly~/",
        b"/assets/a/b?view=lineage&x=%7B%25%C3%A9",
    ):
        assert before.wire.send("GET", target) == 200, target
        assert before.reached() == ["page /"]
    run = b"/logs/0a1b2c3d-0000-4000-8000-0123456789ab/compute_logs/abcdefgh"
    for end in (b"/out", b"/err"):
        assert before.wire.send("GET", run + end) == 200
        assert before.reached() == [f"GET {(run + end).decode()}"]
    closed = [
        b"/logs/schedules/schedules/db", b"/logs/history/runs/index/db", b"/logs/runs/db", b"/logs/" + run[6:] + b"/db", run + b"/../../x/out", run + b"/complete",
        run + b"%2f..%2f..%2fruns/out", run + b"/x/out", run + b"/out/", run.upper() + b"/out", b"/logs", b"/logs/", b"/notebook", b"/dagit/notebook",
        b"/dagit_info", b"/download_debug/0a1b2c3d-0000-4000-8000-0123456789ab", b"/report_asset_materialization/x", b"/vendor/graphiql/graphiql.min.css",
        b"/unknown", b"/index.html", b"/404.html", b"/csp-header.txt", b"/_next/static/../../index.html", b"/_next/static//x.js", b"/_next/image?url=x",
    ]  # fmt: skip
    for target in closed:
        for method in ("GET", "POST"):
            assert before.wire.send(method, target, b"{}" if method == "POST" else b"", **JSON) == 404, target
    assert before.reached() == []


def test_nginx_has_the_rules_of_today() -> None:
    assert (NGINX / "rules.conf").read_text(encoding="utf-8") == written(), (
        "run: python -m door.nginx > deploy/nginx/rules.conf"
    )


def test_every_page_and_file_of_the_ui_is_listed() -> None:
    """Against the UI that is installed: a new version of Dagster may bring new ones."""
    import re

    import dagster_webserver

    from door.rules import Request, listed

    build = Path(dagster_webserver.__file__).parent / "webapp" / "build"
    scripts = "".join(f.read_text(encoding="utf-8") for f in build.rglob("*.js"))
    pages = set(re.findall(r'(?:path:|path:\[|,)"(/[a-z_-]+)(?:/:|/\(|"|\(/)', scripts))
    routes = {page for page in pages if re.search(rf'path:\[?"{page}["/(]', scripts)} - {"/partitions", "/_next"}
    assert {"/runs", "/assets", "/locations", "/automation"} <= routes
    assert [p for p in sorted(routes) if listed(DAGSTER, Request("GET", p)) is None] == []
    files = [f"/{f.relative_to(build)}" for f in (build / "_next").rglob("*") if f.is_file()]
    files += [f"/{f.name}" for f in build.glob("favicon*")]
    assert len(files) > 500
    assert [f for f in files if listed(DAGSTER, Request("GET", f)) is None] == []
