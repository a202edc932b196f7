"""What stands before Streamlit's own routes: who is not logged in gets the page that asks for a login and nothing else, and cannot make the console keep
anything; who is may keep so much (`Quota`), in all windows together.

Streamlit itself takes uploads from, and hands files to, anyone who names a window.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketClose
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from console.frame import ACTIVITY
from console.login import LOGIN
from platform_assets.access.login import user_from_claims
from platform_assets.access.roles import AccessDenied, Permission, User, laptop_user
from platform_assets.quarantine.uploads import limit_mb

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

UPLOAD = "/_stcore/upload_file/"
OPEN = re.compile(
    r"/[a-z_]*|/static/.*|/_stcore/(health|host-config|script-health-check)|/(oauth2callback|auth/(login|logout))"
    r"|/(favicon\.(png|ico|svg)|manifest\.json|robots\.txt|index\.html)"
)
"""Paths that a browser needs before anybody has logged in: the empty page, its scripts and pictures, the login. Nothing of ours is in them."""


@dataclass(frozen=True)
class Quota:
    """What one person's uploads may take of the console's memory until they are sent."""

    megabytes: int
    """PLATFORM_SESSION_UPLOAD_MB; by default twice the largest upload."""
    files: int = 100
    windows: int = 30
    """Open at a time; each is a session with memory of its own."""

    @classmethod
    def from_environment(cls) -> Quota:
        """Of this process."""
        return cls(int(os.environ.get("PLATFORM_SESSION_UPLOAD_MB", "0")) or 2 * limit_mb())


@dataclass
class _Kept:
    """Of one person: windows in which something was uploaded, what is on its way, and how many are open."""

    windows: set[str] = field(default_factory=set)
    coming: dict[int, int] = field(default_factory=dict)
    """Request -> bytes."""
    open: int = 0
    """Windows that are open now."""


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: dict[str, _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what may pass; answers the rest with a sentence."""
        if scope["type"] == "websocket":
            await self._window(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        user = user_of(scope)
        method, path = scope["method"], scope["path"]
        if user is None and not (method in ("GET", "HEAD") and OPEN.fullmatch(path)):
            await _answer(send, 403, "Log in first.")
        elif user is not None and method == "PUT" and path.startswith(UPLOAD):
            await self._upload(user, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _window(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One window of somebody, as long as it is open."""
        user = user_of(scope)
        kept = self._kept.setdefault(user.id, _Kept()) if user else None
        if kept is None or kept.open >= Quota.from_environment().windows:
            await WebSocketClose()(scope, receive, send)
            return
        kept.open += 1
        try:
            await self.app(scope, receive, send)
        finally:
            kept.open -= 1

    async def _upload(self, user: User, scope: Scope, receive: Receive, send: Send) -> None:
        length = _headers(scope).get("content-length", "")
        if not (user.may(Permission.UPLOAD) or user.may(Permission.REQUEST_ERASURE)):
            await _answer(send, 403, "You may not upload files.")
            return
        if not length.isdecimal():
            await _answer(send, 411, "The length of the file is missing.")
            return
        kept, quota = self._kept.setdefault(user.id, _Kept()), Quota.from_environment()
        window = scope["path"].removeprefix(UPLOAD).partition("/")[0]
        files, size = _held(kept)
        if (
            files + len(kept.coming) >= quota.files
            or size + sum(kept.coming.values()) + int(length) > quota.megabytes * 1_000_000
        ):
            await _answer(
                send,
                413,
                f"At most {quota.files} files and {quota.megabytes} MB wait at a time: send or remove some first.",
            )
            return
        kept.windows.add(window)
        kept.coming[id(scope)] = int(length)
        try:
            await self.app(scope, receive, send)
        finally:
            del kept.coming[id(scope)]


def known(scope: Scope) -> bool:
    """Whether who asks is logged in, and may still be."""
    return user_of(scope) is not None


def user_of(scope: Scope) -> User | None:
    """Who asks, by the signed cookie of the login; None: nobody who is logged in."""
    if os.environ.get(LOGIN, "off") != "oidc":
        return laptop_user()
    try:
        claims = _claims(_headers(scope).get("cookie", ""))
        if not claims.get("is_logged_in"):
            return None
        user = user_from_claims(claims)
        ACTIVITY.used(user, click=False)
    except (AccessDenied, CookieError, ValueError):
        return None
    return user


def _held(kept: _Kept) -> tuple[int, int]:
    """Files and bytes that Streamlit holds of somebody's windows."""
    manager = get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    kept.windows &= set(manager.file_storage)  # a window that was closed holds nothing
    held = [file for window in kept.windows for file in list(manager.file_storage.get(window, {}).values())]
    return len(held), sum(len(file.data) for file in held)


def _claims(cookie: str) -> Mapping[str, Any]:
    """What the login's cookie says; nothing where it is not signed by us. Raises ValueError, CookieError."""
    cookies = {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}

    def signed(name: str) -> bytes | None:
        value = cookies.get(name)
        return None if value is None else decode_signed_value(get_cookie_secret(), name, value.encode("latin-1"))

    found = get_cookie_with_chunks(signed, USER_COOKIE_NAME)
    claims = json.loads(found) if found else {}
    return claims if isinstance(claims, dict) else {}


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
