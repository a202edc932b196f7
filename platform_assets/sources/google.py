"""What sources at Google have in common: signing in, numbers as they are written, errors by Google's reason, days by Google's clock."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from platform_assets.sources.base import GivenUp, Reach
from platform_assets.strict import Duration, Strict
from resources.credentials import optional
from resources.requesting import PASSING_STATUS, Passing, Permanent, seconds_of

PACIFIC = ZoneInfo("America/Los_Angeles")
"""By whose clock Google's days are."""
TIMEOUT = 10, 120
QUOTA = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
RATE = {"rateLimitExceeded", "userRateLimitExceeded"}


class Days(Strict):
    """Which days are wanted."""

    history: Duration = dt.timedelta(days=480)
    """How far back."""
    lag: Duration = dt.timedelta(days=3)
    """The last so many days are asked for again each time, as their numbers still change."""


def asked(
    reach: Reach, api: str, scope: str, path: str, group: str, *, query: Any = None, body: Any = None
) -> dict[str, Any]:
    """The answer of `api` at `path`, its numbers as texts; GET, or POST where there is a `body`. Who asks is the service account whose JSON
    is ``PLATFORM_SECRET_<DATASET>``, or the machine. ``PLATFORM_URL_<DATASET>`` takes the place of `api`.

    Raises Passing, Permanent, and GivenUp for what all of `group` would meet.
    """
    import requests
    from google.auth.exceptions import GoogleAuthError

    elsewhere = reach.environment.get(f"PLATFORM_URL_{reach.dataset.upper()}", "")
    try:
        session = reach.kept("google", lambda: _session(reach, scope, elsewhere))
        response = session.request(
            "POST" if body is not None else "GET",
            f"{elsewhere or api}/{path}",
            params=query,
            json=body,
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except GoogleAuthError:
        raise GivenUp("Google does not know who asks: check the service account of the source") from None
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise Passing(f"{type(error).__name__} while reading") from None
    if response.status_code == 200:
        return _document(response.content)
    raise _refused(response.status_code, _reason(response.content), response.headers.get("Retry-After"), group)


def _session(reach: Reach, scope: str, elsewhere: str) -> tuple[Any, Callable[[], None]]:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2 import service_account

    key = optional(reach.environment, f"PLATFORM_SECRET_{reach.dataset.upper()}")
    try:
        credentials = (
            service_account.Credentials.from_service_account_info(json.loads(key), scopes=[scope])
            if key
            else AnonymousCredentials()
            if elsewhere
            else google.auth.default(scopes=[scope])[0]
        )
    except ValueError:
        raise GivenUp("the secret of the source is no service account's JSON") from None
    session = AuthorizedSession(credentials, max_refresh_attempts=1)
    return session, session.close


def _refused(status: int, reason: str, retry_after: str | None, group: str) -> Passing | Permanent:
    """By Google's reason, not by the number alone: 403 is a missing right, a rate and a quota."""
    if reason in QUOTA:
        return GivenUp("Google's quota is used up; what came is kept, and the next visit goes on with what is missing")
    if reason in RATE or status in PASSING_STATUS:
        return Passing(f"Google answered {status}", seconds_of(retry_after))
    if status in (401, 403, 404):
        return GivenUp("it may not be read: give the service account a right to it (docs/add-a-source.md)", group)
    return Permanent(f"Google answered {status}: what is asked for is refused")


def _document(body: bytes) -> dict[str, Any]:
    try:
        # numbers stay the text that they are: a float would round them
        document = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise Passing("the answer is no JSON") from None
    return document if isinstance(document, dict) else {}


def _reason(body: bytes) -> str:
    """The word by which Google tells what is wrong; '' where there is none."""
    try:
        return str(json.loads(body)["error"]["errors"][0]["reason"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def short(name: str) -> str:
    """A name that windows are called by."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
