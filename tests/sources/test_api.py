"""Pages of JSON from a real server on loopback that pages and signs in in each of the ways there are, and misbehaves as servers do."""

from __future__ import annotations

import base64
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.sources import api
from platform_assets.sources.api import ApiSource
from platform_assets.sources.base import Fetched, Reach, Window
from platform_assets.sources.collect import Collected, collect
from resources import deadline, requesting
from resources.environment import Platform
from resources.requesting import Passing, Permanent
from tests.conftest import Bench

SECRET = "canary-Sk77"
PATIENT = "PATIENT-4711"
RECORDS: list[dict[str, Any]] = [
    {"id": n, "name": PATIENT, "updated_at": f"2026-01-0{n}T10:00:00Z", "cost": 0.1} for n in range(1, 8)
]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    records: list[dict[str, Any]]
    seen: list[tuple[str, dict[str, str]]]
    answer: Callable[[Handler, dict[str, str]], bool] | None
    tokens: int


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if SECRET not in sent or ("grant_type=client_credentials" not in sent and "username" not in sent):
            return self.send(401, {"error": sent})
        self.server.tokens += 1
        return self.send(200, {"access_token": f"token-{self.server.tokens}", "data": {"jwt": "token-1"}})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.seen.append((self.path, dict(self.headers)))
        if self.server.answer and self.server.answer(self, query):
            return None
        if not self.allowed(parts.path):
            return self.send(401, {"error": f"{SECRET} is wrong for {PATIENT}"})
        start = int(query.get("offset") or query.get("after") or (int(query.get("page", 1)) - 1) * 3)
        all_of_them = [r for r in self.server.records if r["updated_at"] >= query.get("since", "")]
        page = all_of_them[start : start + 3]
        more = start + 3 < len(all_of_them)
        here = f"http://127.0.0.1:{self.server.server_port}{parts.path}?after={start + 3}"
        links = {"next": here} if more else {}
        answer = {"data": {"items": page}, "links": links, "cursor": str(start + 3) if more else None}
        return self.send(200, answer, {"Link": f'<{here}>; rel="next"'} if more else {})

    def allowed(self, path: str) -> bool:
        key = base64.b64encode(f"me:{SECRET}".encode()).decode()
        wanted = {
            "/bearer": ("Authorization", f"Bearer {SECRET}"),
            "/basic": ("Authorization", f"Basic {key}"),
            "/header": ("X-Key", SECRET),
            "/client_credentials": ("Authorization", f"Bearer token-{self.server.tokens}"),
            "/login": ("Authorization", "Bearer token-1"),
        }.get(path)
        return wanted is None or self.headers.get(wanted[0]) == wanted[1]

    def send(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status, f"No {PATIENT}" if status >= 400 else None)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(deadline, "LAST_SECONDS", 0.2)
    made = Server(("127.0.0.1", 0), Handler)
    made.records, made.seen, made.answer, made.tokens = list(RECORDS), [], None, 0
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


BY = {
    "next_link": {"by": "next_link", "at": "links.next"},
    "link_header": {"by": "link_header"},
    "cursor": {"by": "cursor", "at": "cursor", "parameter": "after"},
    "offset": {"by": "offset", "parameter": "offset"},
    "page": {"by": "page", "parameter": "page"},
}
AUTH: dict[str, dict[str, Any]] = {
    "bearer": {},
    "basic": {"user": "me"},
    "header": {"name": "X-Key"},
    "client_credentials": {"client_id": "us", "token_url": "{host}/token", "scope": "read"},
    "login": {"user": "me", "token_url": "{host}/token", "token": "data.jwt"},
}


def source(server: Server, path: str = "/cases", **said: Any) -> ApiSource:
    host = f"http://127.0.0.1:{server.server_port}"
    if "auth" in said:
        said["auth"] = {n: v.replace("{host}", host) if isinstance(v, str) else v for n, v in said["auth"].items()}
    made = {"kind": "api", "url": host + path, "records": "data.items", "pages": BY["next_link"], **said}
    return ApiSource.model_validate(made)


def fetch(made: ApiSource, out: Path, said: list[str] | None = None, done: Any = None) -> Fetched:
    log = (said if said is not None else []).append
    return made.fetch(Window(), done or {}, out, Reach("cases", {"PLATFORM_SECRET_CASES": SECRET}, log))


def ids(out: Path) -> list[int]:
    with zipfile.ZipFile(out) as archive:
        pages = [json.loads(archive.read(name)) for name in archive.namelist()]
    return [record["id"] for page in pages for record in page["data"]["items"]]


@pytest.mark.parametrize("by", BY)
def test_every_way_of_paging_brings_every_record_once(server: Server, tmp_path: Path, by: str) -> None:
    assert fetch(source(server, pages=BY[by]), tmp_path / "x").file_name == "cases.zip"
    assert ids(tmp_path / "x") == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", AUTH)
def test_every_way_of_signing_in(server: Server, tmp_path: Path, kind: str) -> None:
    fetch(source(server, f"/{kind}", auth={"kind": kind, **AUTH[kind]}), tmp_path / "x")
    assert ids(tmp_path / "x") == [1, 2, 3, 4, 5, 6, 7]
    assert all(SECRET not in path for path, _ in server.seen)


@pytest.mark.parametrize("kind", ["basic", "header", "client_credentials"])
def test_who_is_refused_is_told_without_secret_or_value(server: Server, tmp_path: Path, kind: str) -> None:
    made = source(server, f"/{kind}", auth={"kind": kind, **AUTH[kind]})
    said: list[str] = []
    with pytest.raises(Permanent, match="401") as caught:
        made.fetch(Window(), {}, tmp_path / "x", Reach("cases", {"PLATFORM_SECRET_CASES": "wrong-Zz1"}, said.append))
    assert not {c for c in (SECRET, PATIENT, "wrong-Zz1") if c in f"{caught.value} {said}"}


def test_a_token_that_runs_out_is_renewed(server: Server, tmp_path: Path) -> None:
    def expire(handler: Handler, query: dict[str, str]) -> bool:
        if "after=3" in handler.path and server.tokens == 1:
            handler.send(401, {})
            return True
        return False

    server.answer = expire
    fetch(
        source(server, "/client_credentials", auth={"kind": "client_credentials", **AUTH["client_credentials"]}),
        tmp_path / "x",
    )
    assert ids(tmp_path / "x") == [1, 2, 3, 4, 5, 6, 7]
    assert server.tokens == 2


def _answers(status: int, document: Any, headers: dict[str, str] | None = None, times: int = 99) -> Any:
    left = [times]

    def answer(handler: Handler, query: dict[str, str]) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        handler.send(status, document, headers)
        return True

    return answer


ITEM = {"data": {"items": [{"id": 1}]}}


@pytest.mark.parametrize(
    ("answer", "pages", "words"),
    [
        (_answers(200, {**ITEM, "links": {"next": "/cases?after=1"}}), "next_link", "same as the one before"),
        (_answers(200, {**ITEM, "links": {"next": "http://192.0.2.1/cases"}}), "next_link", "another host"),
        (_answers(200, {**ITEM, "links": {"next": "//192.0.2.1/cases"}}), "next_link", "another host"),
        (_answers(200, ITEM, {"Link": '<https://127.0.0.1/x>; rel="next"'}), "link_header", "another host"),
        (_answers(200, {**ITEM, "cursor": "c"}), "cursor", "same as the one before"),
        (_answers(200, ITEM), "page", "same as the one before"),
        (_answers(200, {"data": {"items": []}, "cursor": "c"}), "cursor", "in a circle"),
        (_answers(200, {"data": {"items": PATIENT}}), "page", "no list of records"),
        (_answers(200, PATIENT.encode()), "page", "no JSON"),
        (_answers(200, b"[" * 100_000), "page", "no JSON"),
        (_answers(302, {}, {"Location": "http://192.0.2.1/"}), "page", "sends us elsewhere"),
        (_answers(404, {"error": PATIENT}), "page", "404"),
        (_answers(503, {"error": PATIENT}), "page", "seems to be down"),
    ],
)
def test_answers_that_lead_nowhere_are_told(
    server: Server, tmp_path: Path, answer: Any, pages: str, words: str
) -> None:
    server.answer = answer
    said: list[str] = []
    with pytest.raises((Passing, Permanent), match=words) as caught:
        fetch(source(server, pages=BY[pages]), tmp_path / "x", said)
    assert PATIENT not in f"{caught.value} {said}"
    assert len(server.seen) <= 5


def test_what_passes_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.answer = _answers(429, {}, {"Retry-After": "0"}, times=2)
    fetch(source(server), tmp_path / "x")
    assert ids(tmp_path / "x") == [1, 2, 3, 4, 5, 6, 7]


def test_more_pages_than_are_allowed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="more than 2 pages"):
        fetch(source(server, pages={**BY["page"], "at_most": 2}), tmp_path / "x")


def test_a_page_that_never_ends_or_is_too_long(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def drip(handler: Handler, query: dict[str, str]) -> bool:
        handler.send_response(200)
        handler.end_headers()
        while not stop.wait(0.05):
            handler.wfile.write(b" ")
        return True

    server.answer = drip
    try:
        with pytest.raises(Permanent, match="longer than 1 seconds"):
            fetch(source(server, timeout="1 seconds"), tmp_path / "x")
    finally:
        stop.set()
    server.answer = None
    monkeypatch.setattr(api, "MOST_BYTES", 100)
    with pytest.raises(Permanent, match="fewer records a page"):
        fetch(source(server), tmp_path / "x")


@pytest.fixture
def cases(server: Server, platform: Platform) -> Bench:
    contract = {
        "name": "cases",
        "description": "Cases.",
        "owner": "team:test",
        "source": source(
            server, query={"since": "{since}"}, watermark={"column": "updated_at", "lag": "1 hours"}
        ).model_dump(exclude_unset=True),
        "format": {"kind": "json", "records": "data.items"},
        "load": {"mode": "upsert", "key": ["id"]},
        "columns": {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "updated_at": {"type": "timestamp", "format": "%Y-%m-%dT%H:%M:%S%z"},
            "cost": {"type": "decimal", "precision": 30, "scale": 18},
        },
        "timezone": "UTC",
        "quality": {"min_rows": 0},
    }
    settings = replace(platform.settings, sources=True)
    return Bench(replace(platform, settings=settings), Contract.model_validate(contract))


def ask(bench: Bench) -> Collected:
    return collect(bench.contract.source, "cases", bench.platform, lambda _: None)


def test_what_has_changed_comes_with_what_came_late(server: Server, cases: Bench) -> None:
    server.records = [{**RECORDS[0], "cost": 0}, *RECORDS[1:]]
    exact = b'{"data": {"items": [{"id": 9, "name": "x", "updated_at": "2026-01-05T10:00:00Z", "cost": 0.123456789012345678}]}}'
    server.answer = _answers(200, exact, times=1)
    ask(cases)
    cases.load()
    assert cases.sql("SELECT id, cost::VARCHAR FROM {validated}") == [(9, "0.123456789012345678")]
    server.records = [{**RECORDS[0], "id": 10, "updated_at": "2026-01-05T09:30:00Z"}]
    assert len(ask(cases).landed) == 1
    assert "since=2026-01-05T09%3A00%3A00Z" in server.seen[-1][0]
    assert ask(cases) == Collected()
    cases.load()
    cases.assert_nothing_lost()
    assert [id for (id,) in cases.table("id")] == [9, 10]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://user:x@127.0.0.1/"}, "no user, no password"),
        ({"url": "https://example.org/?key=1"}, "stands in 'query'"),
        ({"url": "http://example.org/", "auth": {"kind": "bearer"}}, "in clear"),
        ({"auth": {"kind": "basic"}}, "needs 'user'"),
        ({"pages": {"by": "cursor", "at": "x"}}, "needs? 'parameter'"),
        ({"query": {"since": "{since}"}}, "go together"),
        ({"query": {"x": "{other}"}, "watermark": {"column": "x"}}, "go together"),
        (
            {"query": {"s": "{since.__class__}", "t": "{since}"}, "watermark": {"column": "x"}},
            "nothing else in braces",
        ),
    ],
)
def test_sources_that_make_no_sense_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ApiSource.model_validate({"kind": "api", "url": "https://example.org/x", **change})


def test_format_and_source_name_the_same_records(cases: Bench) -> None:
    said = cases.contract.model_dump(exclude_unset=True, by_alias=True)
    with pytest.raises(ValueError, match="the same in source and format"):
        Contract.model_validate({**said, "format": {"kind": "json"}})
