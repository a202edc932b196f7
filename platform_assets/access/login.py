"""Who an OpenID Connect login says is here, and for how long. What does not have the form that it must have lets nobody in.

A person is known by issuer and subject (`iss`, `sub`), which no other person of that provider ever has; an address is only a name to show, and only
where the provider has verified it; without one a person is called ``subject ...``, so that nobody is called as somebody else, or as the
platform, by choosing a subject. The entry of a login has both. A login ends with its token (`exp`), after `Limits.hours` since it was issued (`iat`), and after
`Limits.idle_minutes` without a click. It is not renewed: log in again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_assets.access.roles import AccessDenied, Role, Scope, User

ROLES_CLAIM = "roles"
ORGANISATION_CLAIM = "organisation"
LEEWAY = 60.0
"""Seconds by which the provider's clock may be ahead."""
LAST = 1e12
"""No time is later, nor is it no number."""
LONGEST = 255
"""Characters of a name or subject (OpenID Connect Core, 2)."""


@dataclass(frozen=True)
class Limits:
    """How long a login lasts."""

    hours: float = 8.0
    """PLATFORM_SESSION_HOURS: since the token was issued, whatever `exp` says."""
    idle_minutes: float = 30.0
    """PLATFORM_SESSION_IDLE_MINUTES: without a click."""

    @classmethod
    def from_environment(cls) -> Limits:
        """Limits of this process."""
        return cls(
            float(os.environ.get("PLATFORM_SESSION_HOURS", "8")),
            float(os.environ.get("PLATFORM_SESSION_IDLE_MINUTES", "30")),
        )


class LoginEnded(AccessDenied):
    """The login was right, and is over."""


def user_from_claims(claims: Mapping[str, Any], now: float | None = None, limits: Limits | None = None) -> User:
    """The user that verified claims describe: `iss`, `sub`, `exp`, `iat`; `email` with `email_verified`; `roles`, `organisation`.

    `now` is the time, in seconds since 1970. Raises LoginEnded, or AccessDenied where a claim is missing or has a wrong form.
    """
    moment = time.time() if now is None else now
    allowed = limits or Limits.from_environment()
    issuer, subject = _text(claims, "iss"), _text(claims, "sub")
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    if issued > moment + LEEWAY:
        raise _unusable("'iat' lies in the future: the clocks of the provider and of this machine differ")
    until = min(expires, issued + allowed.hours * 3600)
    if moment >= until:
        raise LoginEnded("Your login has ended: log in again")
    verified = claims.get("email_verified")
    email = claims.get("email")
    named = isinstance(email, str) and _address(email) and (verified is True or verified == "true")
    roles, unknown = _roles(claims)
    scopes = _scopes(claims)
    notes = []
    if unknown:
        notes.append(f"Your login names roles that are not known here, and that give nothing: {', '.join(unknown)}.")
    if not roles:
        notes.append("Your login names no role that is known here: ask whoever runs the login for one.")
    if Role.CLINICIAN in roles and not scopes:
        notes.append(
            "Your login names no organisation. A clinician sees the rows of the own organisation: ask whoever runs the login "
            f"for the claim '{ORGANISATION_CLAIM}', such as laboratory=north."
        )
    return User(
        str(email) if named else f"subject {subject}",
        roles,
        scopes,
        identity=f"{issuer}#{subject}",
        issued=issued,
        until=until,
        notes=tuple(notes),
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not _fit(found):
        raise _unusable(f"it has no proper '{name}'")
    return found


def _address(text: str) -> bool:
    """Whether it looks like an address: the names that the log has for others (``system``, ``(nobody)``) do not."""
    name, at, host = text.rpartition("@")
    return bool(name and at and "." in host) and _fit(text) and not any(c.isspace() for c in text)


def _fit(text: str) -> bool:
    return 0 < len(text.strip()) <= LONGEST and text.isprintable()


def _time(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < LAST:
        raise _unusable(f"'{name}' is not a time")
    return float(found)


def _roles(claims: Mapping[str, Any]) -> tuple[frozenset[Role], list[str]]:
    """Known roles, and the words that are none."""
    given = claims.get(ROLES_CLAIM)
    words: Sequence[Any] = given.split() if isinstance(given, str) else [] if given is None else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _unusable(f"'{ROLES_CLAIM}' must be a text, or a list of texts")
    known = {role.value for role in Role}
    unknown = sorted({"".join(c for c in word if c.isprintable())[:40] for word in words if word not in known})
    return frozenset(Role(word) for word in words if word in known), unknown[:10]


def _scopes(claims: Mapping[str, Any]) -> tuple[Scope, ...]:
    """One text or a list of them, each ``column=value``."""
    given = claims.get(ORGANISATION_CLAIM)
    if given is None or given == "":
        return ()
    texts = given if isinstance(given, list) else [given]
    found = []
    for text in texts:
        column, _, value = text.partition("=") if isinstance(text, str) and _fit(text) else ("", "", "")
        if not column.isidentifier() or not value.strip():
            raise _unusable(f"'{ORGANISATION_CLAIM}' must be a text such as laboratory=north, or a list of such texts")
        found.append(Scope(column, value))
    return tuple(found)


def _unusable(why: str) -> AccessDenied:
    return AccessDenied(
        f"This login cannot be used: {why}. Whoever runs the login has to put that right; nobody gets in so"
    )


class Activity:
    """When each login was last used, in this process. One that was idle too long is over, in every window."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, float], float] = {}
        self._lock = threading.Lock()

    def used(self, user: User, now: float | None = None, limits: Limits | None = None, *, click: bool = True) -> None:
        """Raises LoginEnded where `user` was idle for too long; otherwise a `click` counts as use (what draws itself anew does not)."""
        moment = time.time() if now is None else now
        idle = (limits or Limits.from_environment()).idle_minutes * 60
        key = (user.id, user.issued)
        with self._lock:
            last = self._last.get(key, moment)
            if moment - last >= idle:
                raise LoginEnded("You were away for too long, so your login has ended: log in again")
            if click or key not in self._last:
                self._last[key] = moment
            if len(self._last) > 1000:  # what is older than any login can be is refused by its age
                oldest = moment - 7 * 86400
                self._last = {k: at for k, at in self._last.items() if at > oldest}
