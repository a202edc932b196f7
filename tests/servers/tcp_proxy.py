"""Stands between a client and a real server: passes on so many bytes of what one of them says, then cuts, or is silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Proxy:
    """Passes everything until `after` bytes came from the server, or from the client (`of`)."""

    target: int
    after: int | None = None
    then: Literal["cut", "silent"] = "cut"
    of: Literal["server", "client"] = "server"
    port: int = 0
    connections: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.target))
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(client, server, self.of == "client"), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, self.of == "server"), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                passed += len(data)
                if counted and self.after is not None and passed > self.after:
                    if self.then == "silent":
                        return
                    break
                target.sendall(data)
            for end in (source, target):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(
    target: int,
    after: int | None = None,
    then: Literal["cut", "silent"] = "cut",
    of: Literal["server", "client"] = "server",
) -> Iterator[Proxy]:
    """A proxy before the server that listens on the port `target` of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Proxy(target, after, then, of, listener.getsockname()[1])
    threading.Thread(target=made._serve, args=(listener,), daemon=True).start()
    try:
        yield made
    finally:
        listener.close()
        for each in made._open:
            each.close()
