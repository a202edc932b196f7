"""Who is asking. With PLATFORM_LOGIN=oidc: whoever an OpenID Connect provider says, by the same claims and limits as for the console; the claims
lie in a signed cookie, and are judged again at every request. Without: this machine's user, who may look through somebody's eyes.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from platform_assets.access.login import Limits, LoginEnded, user_from_claims
from platform_assets.access.roles import AccessDenied, Role, Scope, User, laptop_user

LOGIN = "PLATFORM_LOGIN"
FILE = "PLATFORM_DASHBOARD_LOGIN"
"""Where the login is described: a TOML file with a table ``[auth]``, as the console's."""
DEFAULT_FILE = ".streamlit/dashboard.toml"
KEPT = ("iss", "sub", "iat", "exp", "email", "email_verified", "roles", "organisation")
"""Claims that are kept; no others are looked at."""
NOTED_EVERY = 60.0
"""Seconds after which a click is noted anew."""


class NotConfigured(RuntimeError):
    """There is to be a login, but nothing says which."""


@dataclass(frozen=True)
class Provider:
    """Where people log in."""

    redirect_uri: str
    client_id: str
    client_secret: str = field(repr=False)
    cookie_secret: str = field(repr=False)
    server_metadata_url: str
    scope: str = "openid email profile"

    @classmethod
    def from_environment(cls) -> Provider | None:
        """None where there is no login. Raises NotConfigured."""
        if os.environ.get(LOGIN, "off") != "oidc":
            return None
        path = Path(os.environ.get(FILE, DEFAULT_FILE))
        try:
            auth = tomllib.loads(path.read_text(encoding="utf-8"))["auth"]
            given = {name: str(auth[name]) for name in _NEEDED}
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise NotConfigured(
                f"{LOGIN} is oidc, but {FILE} names no file with [auth] and {', '.join(_NEEDED)} (docs/dashboard.md, Login)"
            ) from error
        if len(given["cookie_secret"]) < 32:
            raise NotConfigured("cookie_secret must have 32 characters or more: make one with openssl rand -hex 32")
        kwargs = auth.get("client_kwargs", {})
        return cls(**given, scope=str(kwargs.get("scope", cls.scope)))

    @property
    def https(self) -> bool:
        """Whether the dashboard is reached by https."""
        return urlsplit(self.redirect_uri).scheme == "https"


_NEEDED = ("redirect_uri", "client_id", "client_secret", "cookie_secret", "server_metadata_url")


class People:
    """Tells who asks."""

    def __init__(self, provider: Provider | None, columns: frozenset[str]) -> None:
        """`columns` that say which organisation a row belongs to, in any contract."""
        self.provider = provider
        self._columns = columns
        self._login: Any = None
        if provider is not None:
            from authlib.integrations.starlette_client import OAuth

            self._login = OAuth().register(
                "login",
                client_id=provider.client_id,
                client_secret=provider.client_secret,
                server_metadata_url=provider.server_metadata_url,
                client_kwargs={"scope": provider.scope, "code_challenge_method": "S256"},
            )

    def asking(self, session: dict[str, Any], eyes: str) -> User | None:
        """The user of a request; None: nobody is logged in. Raises AccessDenied, LoginEnded (the session is over then)."""
        if self.provider is None:
            return self.through(eyes)
        claims = session.get("claims")
        if not isinstance(claims, dict):
            return None
        now, limits = time.time(), Limits.from_environment()
        try:
            user = user_from_claims(claims, now, limits)
            used = float(session.get("used", 0.0))
            if now - used >= limits.idle_minutes * 60:
                raise LoginEnded("You were away for too long, so your login has ended: log in again")
        except (AccessDenied, TypeError, ValueError):
            session.clear()
            raise
        if now - used >= NOTED_EVERY:
            session["used"] = now
        return user

    def through(self, eyes: str) -> User:
        """The laptop's user, or a clinician of the organisation `eyes` (``laboratory=north``). Raises AccessDenied."""
        if not eyes:
            return laptop_user()
        column, _, value = eyes.partition("=")
        if column not in self._columns or not value.strip():
            raise AccessDenied("There are no such eyes: choose an organisation of the list")
        scope = Scope(column, value)
        return User(
            f"{laptop_user().name}, as a clinician of {scope}", frozenset({Role.CLINICIAN}), (scope,), laptop=True
        )

    async def begin(self, request: Request) -> Any:
        """Send somebody to the provider."""
        assert self.provider is not None
        return await self._login.authorize_redirect(request, self.provider.redirect_uri)

    async def come_back(self, request: Request) -> User:
        """Whoever the provider says came back; from now on the session is theirs. Raises AccessDenied."""
        from authlib.integrations.base_client.errors import OAuthError

        try:
            token = await self._login.authorize_access_token(request)
        except OAuthError as error:
            raise AccessDenied("The login was not completed: log in again") from error
        found: Mapping[str, Any] = token.get("userinfo") or {}
        claims = {name: found[name] for name in KEPT if name in found}
        user = user_from_claims(claims)
        request.session.clear()
        request.session.update(claims=claims, used=time.time())
        return user
