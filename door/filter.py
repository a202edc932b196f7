"""The rules inside the server's own process, before its router: there is no second way in, and nothing reads the request twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from door.rules import NOT_LISTED, Refused, Request, Rule, judge

log = logging.getLogger("door")

ANSWERED_WITH = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""No frame around our pages, no guessing at types, no word to others, no window or image of ours in theirs. deploy/nginx says the same."""
LOG_IN_FIRST = "Log in first: open this address in a browser."


class Door:
    """ASGI middleware: passes to `app` what `rules` list, and answers the rest itself, with a sentence.

    `hosts`: our own, as browsers write them in Host, e.g. ``127.0.0.1:3000``; `scheme`: how browsers reach them.
    `known`: whether a request comes from someone who is logged in; without it everybody is. `entrance` answers in the place of pages to
    who is not. `answered_with`: headers of every answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: tuple[Rule, ...],
        hosts: frozenset[str],
        scheme: str = "http",
        known: Callable[[Scope], bool] | None = None,
        entrance: ASGIApp | None = None,
        answered_with: Mapping[str, str] | None = None,
    ) -> None:
        self.app = app
        self.rules = rules
        self.hosts = hosts
        self.scheme = scheme
        self.known = known
        self.entrance = entrance
        self.answered_with = {**ANSWERED_WITH, **(answered_with or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or websocket."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            rule = judge(self.rules, request_of(scope), self.hosts, self.scheme)
            app = self._who_answers(rule, scope)
        except Refused as error:
            log.warning("refused with %d: %s", error.status, error)
            await _refuse(error, scope, receive, send)
            return
        if rule.passes:
            scope = {**scope, "path": rule.passes, "raw_path": rule.passes.encode("ascii"), "query_string": b""}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [n for n in headers if n.lower().startswith("access-control-")]:
                    del headers[name]  # nobody else's page has business here, whatever the app thinks
                headers.update(self.answered_with)
            await send(message)

        await app(scope, receive, answer)

    def _who_answers(self, rule: Rule, scope: Scope) -> ASGIApp:
        if self.known is None or self.known(scope):
            return self.app
        if rule.name == "page" and self.entrance is not None:
            return self.entrance
        if rule.personal:
            raise Refused(401, LOG_IN_FIRST)
        return self.app


def request_of(scope: Scope) -> Request:
    """The request as it came. Raises Refused where it cannot be one of ours."""
    headers = Headers(scope=scope)

    def once(name: str) -> str:
        values = headers.getlist(name)
        if len(values) > 1:
            raise Refused(400, NOT_LISTED)
        return values[0] if values else ""

    length, chunked = once("content-length"), once("transfer-encoding")
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    return Request(
        method=scope.get("method", "GET"),
        target=target.decode("latin-1"),
        host=once("host").lower(),
        origin=once("origin"),
        fetched=(once("sec-fetch-site"), once("sec-fetch-mode"), once("sec-fetch-dest")),
        content=once("content-type"),
        upgrade="websocket" if scope["type"] == "websocket" else once("upgrade"),
        size=None if chunked else int(length) if length.isdecimal() else 0 if not length else None,
    )


async def _refuse(error: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    headers = {**ANSWERED_WITH, "Cache-Control": "no-store", "Connection": "close"}
    await PlainTextResponse(f"{error}\n", error.status, headers)(scope, receive, send)
