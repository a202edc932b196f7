"""Real servers for the doors' tests: nginx with the cluster's files, and an app with Dagster's own routes that notes what reaches it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import uvicorn
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from tests.programs import needed

NGINX = Path(__file__).resolve().parents[2] / "deploy" / "nginx"
SITE = NGINX.parent / "kustomize" / "overlays" / "production" / "site.conf"
NO_LOGIN = ""
HOSTS = ("dagster", "dagster-view", "console", "dashboard")


@dataclass(frozen=True)
class Proxy:
    """The cluster's nginx: `engineers` leads to the read-write webserver, `viewers` to the read-only one; `health` to none."""

    engineers: str
    viewers: str
    stewards: str
    clinicians: str
    health: str


class Recording(DagsterWebserver[Any, Any]):
    """Dagster's webserver with its own routes; each endpoint notes that it was reached, and does nothing."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        super().__init__(None)

    async def graphql_http_endpoint(self, request: Request) -> Response:
        self.reached.append(f"graphql by {request.method}")
        return PlainTextResponse("reached")

    async def graphql_ws_endpoint(self, websocket: WebSocket) -> None:
        self.reached.append("graphql by websocket")
        await websocket.accept()
        await websocket.close()

    def index_html_endpoint(self, request: Request) -> Response:
        self.reached.append(f"page {request.url.path}")
        return PlainTextResponse("page")

    async def _other(self, request: Request) -> Response:
        self.reached.append(f"{request.method} {request.url.path}")
        return PlainTextResponse("reached")

    download_debug_file_endpoint = download_notebook = download_captured_logs_endpoint = _other
    report_asset_materialization_endpoint = report_asset_check_endpoint = report_asset_observation_endpoint = _other  # type: ignore[assignment]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(app: ASGIApp, sockets: list[socket.socket] | None = None, port: int = 0, **options: Any) -> Iterator[None]:
    """`app` in a thread of this process, as uvicorn serves it (by default as dagster-webserver runs uvicorn)."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off", **options)
    )
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def nginx(login: str, upstreams: dict[str, int], oauth2_proxy: int = 4180, users: str = "") -> Iterator[Proxy]:
    """nginx with the files of deploy/nginx and production's site.conf; only the place of things is the test's.

    `upstreams`: service as site.conf names it (``webserver:3000``) -> port on this machine.
    """
    program = needed("nginx", "nginx-light", "/usr/sbin")
    home = Path(tempfile.mkdtemp(prefix="nginx-"))
    home.chmod(0o755)  # nginx's workers are nobody
    for file in NGINX.glob("*.conf"):
        text = file.read_text(encoding="utf-8").replace("/tmp/nginx", f"{home}/nginx")
        (home / file.name).write_text(text.replace("/dev/stdout", f"{home}/access.log"))
    (home / "login.conf").write_text(login.replace("127.0.0.1:4180", f"127.0.0.1:{oauth2_proxy}"))
    (home / "users").write_text(users)
    ports = [free_port() for _ in range(5)]
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    site = SITE.read_text(encoding="utf-8")
    places = {
        **{f"https://{host}.health.example.org": address for host, address in zip(HOSTS, addresses, strict=False)},
        "127.0.0.1:4180": f"127.0.0.1:{oauth2_proxy}",
        **{
            f"listen {there};": f"listen 127.0.0.1:{p};"
            for there, p in zip((8080, 8081, 8082, 8083, 8089), ports, strict=True)
        },
    }
    for name in ("webserver:3000", "webserver-readonly:3000", "console:8501", "dashboard:8600"):
        places[f"server {name};"] = f"server 127.0.0.1:{upstreams.get(name, 9)};"  # nothing listens on 9
    for there, here in places.items():
        assert there in site
        site = site.replace(there, here)
    (home / "site.conf").write_text(site)
    for file in home.iterdir():
        file.chmod(0o644)  # whatever the umask
    with (home / "errors").open("wb") as errors:
        process = subprocess.Popen([program, "-c", str(home / "nginx.conf"), "-g", "daemon off;"], stderr=errors)
    try:
        _wait(process, f"{addresses[-1]}/healthz", home / "errors")
        yield Proxy(*addresses)
    finally:
        process.terminate()
        process.wait(20)
        said = (home / "errors").read_bytes()
        shutil.rmtree(home)
    assert b"[warn]" not in said, said[:1000]


def _wait(process: subprocess.Popen[bytes], address: str, errors: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(address, timeout=5)
            return
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"nginx did not start: {errors.read_text()[-2000:]}") from None
            time.sleep(0.1)


@dataclass
class Wire:
    """Requests written by hand to one address: clients tidy them up before they send them."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, target: bytes, body: bytes = b"", /, **headers: str) -> int:
        """The status of the answer; 0 where the connection was closed without one. ``Content_Type`` is Content-Type."""
        named = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **self.headers}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            named.setdefault("Content-Length", str(len(body)))
        lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in named.items())
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(method.encode() + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n" + body)
            try:
                answer = connection.recv(4096)
            except ConnectionResetError:
                return 0
        return int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else 0

    def upgrade(self, target: bytes, /, **headers: str) -> int:
        """The status of a websocket's handshake."""
        return self.send(
            "GET",
            target,
            **{
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec_WebSocket_Version": "13",
                "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
                "Sec_WebSocket_Protocol": "graphql-ws",
                **headers,
            },
        )
