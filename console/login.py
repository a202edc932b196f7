"""Before anything of the console is shown to who is not logged in: a page with one button, and no other way.

Streamlit itself opens a session, with memory of its own, for everybody who asks, and asks later who that is. The door asks first.
"""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send
from streamlit.auth_util import encode_provider_token, get_secrets_auth_section

from console.language import preferred, spoken

LOGIN = "PLATFORM_LOGIN"
"""off (default): a laptop, one user, bound to 127.0.0.1. oidc: log in; see docs/stewardship.md."""
PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{font: 18px system-ui, sans-serif; margin: 15vh auto; max-width: 30rem; padding: 0 1rem; color: #1a1a1a}}
button {{font: inherit; padding: .5rem 1.5rem; border: 0; border-radius: .5rem; background: #a01c1c; color: #fff; cursor: pointer}}</style>
</head><body><main><h1>{title}</h1>
<form action="/auth/login"><input type="hidden" name="provider" value="{token}"><button>{button}</button></form>
</main></body></html>"""


class NotConfigured(RuntimeError):
    """There is to be a login, but nothing says which."""


def redirect_uri() -> str:
    """Where the identity provider sends people back to, which tells under which address the console is reached. Raises NotConfigured."""
    section = get_secrets_auth_section()
    found = str(section.get("redirect_uri", "")) if section else ""
    if not found:
        raise NotConfigured(
            f"{LOGIN} is oidc, but .streamlit/secrets.toml has no redirect_uri in [auth] (docs/stewardship.md, Login)"
        )
    return found


async def entrance(scope: Scope, receive: Receive, send: Send) -> None:
    """The page with the button. Its token is Streamlit's own: for two minutes, so the page asks for itself again before that."""
    accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
    language = preferred(accepted)
    said = {
        part: escape(spoken(text, language))
        for part, text in {"title": "Health data platform", "button": "Log in"}.items()
    }
    page = PAGE.format(token=escape(encode_provider_token("default"), quote=True), language=language, **said)
    headers = {
        "Cache-Control": "no-store",
        "Refresh": "90",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    }
    await HTMLResponse(page, headers=headers)(scope, receive, send)
