"""Serving on this machine only: sockets on loopback, connections of this user only, an end that is clean."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from door.neighbours import own

log = logging.getLogger("door")

LOOPBACK = ("127.0.0.1", "::1")
SECONDS_TO_END = 5
"""For what is being answered when the server is told to stop."""
LARGEST_MESSAGE = 8 * 1024 * 1024
"""That a browser sends by a websocket: what was typed or clicked (files come by PUT, and are counted). It is kept, or at least parsed."""


class PortTaken(RuntimeError):
    """Another process listens there; the message says what to do."""


def names(port: int) -> frozenset[str]:
    """How browsers may call a server on this machine (the header Host)."""
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


@contextmanager
def listening(port: int, what: str, addresses: tuple[str, ...] = LOOPBACK) -> Iterator[list[socket.socket]]:
    """Sockets on `port` of this machine; on ::1 too, where it has IPv6. Raises PortTaken."""
    with ExitStack() as stack:
        sockets = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                found = stack.enter_context(socket.socket(family))
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                found.bind((address, port))
                found.listen(512)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortTaken(
                        f"Port {port} of this machine is taken: does {what} run already? "
                        "Stop what listens there (ss -ltnp), then start again"
                    ) from error
                if family == socket.AF_INET6 and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue
                raise
            sockets.append(found)
        yield sockets


class OwnOnly(H11Protocol):
    """HTTP for processes of this user (and root) only: others on this machine are cut off before a byte is read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Asks whose the connection is, once."""
        client, server = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        super().connection_made(transport)
        if not own((client[0], client[1]), (server[0], server[1])):
            log.warning("refused a connection of another user of this machine")
            transport.abort()


def by_port(apps: Mapping[int, ASGIApp]) -> ASGIApp:
    """One app for each port; the first of them is started and stopped with the server."""
    first = next(iter(apps.values()))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = first if scope["type"] == "lifespan" else apps[scope["server"][1]]
        await found(scope, receive, send)

    return app


def serve(
    app: ASGIApp, sockets: list[socket.socket], own_only: bool = True, until: Callable[[], None] | None = None
) -> None:
    """Serve until a signal says stop, or `until` (called in a thread) returns. Raises KeyboardInterrupt for Ctrl-C, as others do.

    HTTP is read by h11, which leaves the request target as it came and refuses what is no HTTP.
    """
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", OwnOnly if own_only else H11Protocol),
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=30,
        ws_ping_timeout=30,
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    server = uvicorn.Server(config)
    if until is not None:

        def watch() -> None:
            until()
            server.should_exit = True

        threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=sockets)
