"""What the server of both doors takes of a websocket: what people type, and no more."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from door.server import LARGEST_MESSAGE
from tests.door.servers import free_port

REPOSITORY = Path(__file__).parents[2]
ECHO = """
import sys
from door.server import listening, serve
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

async def told(socket):
    await socket.accept()
    while True:
        await socket.send_text(str(len(await socket.receive_bytes())))

app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("up")), WebSocketRoute("/ws", told)])
with listening(int(sys.argv[1]), "this test", ("127.0.0.1",)) as sockets:
    serve(app, sockets)
"""


def _asked(socket: ClientConnection, message: bytes | list[bytes]) -> None:
    socket.send(message)
    socket.recv()


@pytest.mark.slow
def test_a_message_that_nobody_types_closes_its_window_and_the_server_goes_on() -> None:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", ECHO, str(port)], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).text == "up"
                break
            except requests.ConnectionError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        with connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as socket:
            socket.send(b"x" * LARGEST_MESSAGE)
            assert socket.recv() == str(LARGEST_MESSAGE)
        for large in (b"x" * (LARGEST_MESSAGE + 1), [b"x" * 1_000_000] * 60):  # whole, and in fragments
            with connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as socket, pytest.raises(ConnectionClosed):
                _asked(socket, large)
        with connect(f"ws://127.0.0.1:{port}/ws") as socket:
            socket.send(b"x")
            assert socket.recv() == "1"
        assert LARGEST_MESSAGE <= 8 * 1024 * 1024
    finally:
        process.terminate()
        process.wait(30)
