"""Where alerts arrive in tests: a real SMTP server and a real HTTP server for webhooks, on loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass
class MailServer:
    """An SMTP server that keeps what it is sent; `say_no` makes it refuse so many messages first."""

    messages: list[EmailMessage] = field(default_factory=list)
    say_no: int = 0
    port: int = 0

    @property
    def subjects(self) -> list[str]:
        """What a reader sees in the mailbox."""
        return [str(message["Subject"]).strip() for message in self.messages]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.say_no:
            self.say_no -= 1
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


@dataclass
class Hook:
    """A webhook's receiver; `answers` are the statuses of the next requests, 200 afterwards."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server on a free port; who logs in must be ``platform`` with ``pass-1``."""
    server = MailServer()

    def authenticate(smtp: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"platform", b"pass-1"), handled=False)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.port = free.getsockname()[1]
    controller = Controller(
        server, hostname="127.0.0.1", port=server.port, authenticator=authenticate, auth_require_tls=False
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@contextmanager
def webhook() -> Iterator[Hook]:
    """A receiver of webhooks on a free port."""
    received = Hook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = received.answers.pop(0) if received.answers else 200
            if status == 200:
                received.bodies.append(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    received.url = f"http://127.0.0.1:{server.server_address[1]}/services/T000/B000/secret"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
