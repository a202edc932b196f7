"""Downloads from a real server on loopback that behaves as servers do: not modified, busy, cut off, gone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components.dataset import dataset_definitions
from platform_assets.contracts.model import Contract
from platform_assets.sources.collect import Collected, collect
from platform_assets.sources.http import HttpSource
from resources import requesting
from resources.environment import Platform
from resources.object_store import LocalStore, StoredObject
from tests.conftest import LAB

BODY = b"sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\n"


class Server(ThreadingHTTPServer):
    """Answers from a script: one entry per request, the last one for ever."""

    script: list[str]
    seen: list[dict[str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))
        step = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        if step == "ok" and self.headers.get("If-None-Match") == '"v1"':
            step = "304"
        if step == "ok":
            self.send_response(200)
            self.send_header("ETag", '"v1"')
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)
        elif step == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY[:20])
            self.wfile.flush()
            self.connection.close()
        else:
            self.send_response(int(step))
            if step == "429":
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    made = Server(("127.0.0.1", 0), Handler)
    made.script, made.seen = ["ok"], []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def online(platform: Platform) -> Platform:
    return replace(platform, settings=replace(platform.settings, sources=True))


def _contract(server: Server) -> Contract:
    url = f"http://127.0.0.1:{server.server_port}/files/lab.csv"
    return Contract.model_validate({**LAB, "source": {"kind": "http", "url": url}})


def fetch(contract: Contract, platform: Platform, log: Callable[[str], None] = lambda _: None) -> Collected:
    return collect(contract.source, contract.name, platform, log)


def _landed(platform: Platform) -> list[bytes]:
    return [p.read_bytes() for p in sorted((platform.settings.home / "landing" / "lab").glob("*"))]


def test_a_file_lands_once_and_is_asked_for_conditionally_afterwards(server: Server, online: Platform) -> None:
    contract = _contract(server)
    assert len(fetch(contract, online).landed) == 1
    assert _landed(online) == [BODY]
    assert fetch(contract, online) == Collected()
    assert server.seen[1]["If-None-Match"] == '"v1"'
    assert len(_landed(online)) == 1


def test_what_is_fetched_again_after_a_crash_has_the_name_that_it_had(
    server: Server, online: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was landed, and the note that it is done never came. Where rows add up, the name tells that it is the same delivery."""
    write = LocalStore.write
    landed: list[str] = []

    def cut(store: LocalStore, name: str, data: bytes | Path) -> StoredObject:
        if landed and name.startswith("state/"):
            raise KeyboardInterrupt
        landed.extend([name] if name.startswith("landing/") else [])
        return write(store, name, data)

    monkeypatch.setattr(LocalStore, "write", cut)
    with pytest.raises(KeyboardInterrupt):
        fetch(_contract(server), online)
    monkeypatch.undo()
    monkeypatch.setattr(requesting, "FIRST_PAUSE_SECONDS", 0.01)
    (online.settings.home / landed[0]).unlink()  # loaded meanwhile
    time.sleep(1.1)  # names bear the second
    assert [f"landing/lab/{name}" for name in fetch(_contract(server), online).landed] == landed
    assert fetch(_contract(server), online) == Collected()


def test_off_on_a_laptop_unless_asked_for(server: Server, platform: Platform) -> None:
    said: list[str] = []
    assert fetch(_contract(server), platform, said.append) == Collected()
    assert server.seen == []
    assert "PLATFORM_SOURCES=on" in said[0]


@pytest.mark.parametrize("script", [["503", "ok"], ["429", "ok"], ["cut", "cut", "ok"], ["500", "502", "504", "ok"]])
def test_passing_trouble_is_retried(server: Server, online: Platform, script: list[str]) -> None:
    server.script = list(script)
    assert len(fetch(_contract(server), online).landed) == 1
    assert _landed(online) == [BODY]
    assert len(server.seen) == len(script)


@pytest.mark.parametrize(("status", "requests"), [("404", 1), ("401", 1), ("503", 5)])
def test_lasting_trouble_is_told_and_nothing_lands(
    server: Server, online: Platform, status: str, requests: int
) -> None:
    server.script = [status]
    (failed,) = fetch(_contract(server), online).failed
    assert status in failed
    assert len(server.seen) == requests
    assert _landed(online) == []


def test_the_address_can_be_set_from_outside(server: Server, online: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = Contract.model_validate({**LAB, "source": {"kind": "http", "url": "http://127.0.0.1:1/nothing.csv"}})
    monkeypatch.setenv("PLATFORM_URL_LAB", f"http://127.0.0.1:{server.server_port}/other.csv")
    assert len(fetch(contract, online).landed) == 1


def test_a_note_from_before_there_were_windows_is_understood(server: Server, online: Platform) -> None:
    contract = _contract(server)
    assert isinstance(contract.source, HttpSource)
    note = json.dumps({"url": contract.source.url, "etag": '"v1"'})
    online.store.write("state/http/lab.json", note.encode())
    assert fetch(contract, online) == Collected()
    assert server.seen[0]["If-None-Match"] == '"v1"'


def test_a_source_that_fails_does_not_hold_up_files_in_landing(server: Server, online: Platform) -> None:
    server.script = ["404"]
    landing = online.settings.home / "landing" / "lab"
    landing.mkdir(parents=True)
    (landing / "dropped.csv").write_bytes(BODY)
    defs = dataset_definitions(_contract(server), domain="test")
    done = dg.materialize([*defs.assets], resources={"platform": online}, instance=dg.DagsterInstance.ephemeral())  # type: ignore[misc]
    assert done.success
    checks = {c.check_name: c for c in done.get_asset_check_evaluations()}
    assert not checks["fetched"].passed
    assert "404" in (checks["fetched"].description or "")
    assert checks["row_conservation"].passed
    with online.warehouse.connect(read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM validated.lab").fetchone() == (1,)
