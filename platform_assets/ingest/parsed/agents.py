"""What a user agent says of a visitor's browser. The rules are those of uap-core, renewed monthly (package ua-parser-builtins); matching is by
an engine of regular expressions whose time grows with the length of the text only.

Who hides is not found: a user agent says what its sender wants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

_BOT = re.compile(
    r"(?<!cu)bot\b|(?<!cu)bot[/_;-]|crawl|spider|slurp|scrap|headless|archiver|monitor|preview|externalhit|feedfetcher|mediapartners|^curl/|^wget/|"
    r"python-|go-http-client|^java/|libwww|httpclient|okhttp|axios|node-fetch|^ruby|^php",
    re.IGNORECASE,
)
"""Programs that the rules do not call Spider. CUBOT makes telephones."""


def rules() -> str:
    """By which rules agents are told apart."""
    return f"uap {version('ua-parser-builtins')}"


@cache
def _parser() -> Any:
    import ua_parser

    return ua_parser.Parser.from_matchers(ua_parser.loaders.load_builtins())


def agent(text: str | None) -> Mapping[str, str | None]:
    """What `text` says, by the names of `contracts.parsed.OF_AGENT`; nothing but the rules for no text."""
    names = ("browser", "browser_version", "system", "system_version", "device", "is_bot")
    if text is None:
        return {**dict.fromkeys(names), "rules": rules()}
    found = _parser().parse(text)
    browser, system, device = found.user_agent, found.os, found.device
    is_bot = (device is not None and device.family == "Spider") or bool(_BOT.search(text))
    return {
        "browser": browser.family if browser else None,
        "browser_version": _version(browser),
        "system": system.family if system else None,
        "system_version": _version(system),
        "device": device.family if device else None,
        "is_bot": "true" if is_bot else "false",
        "rules": rules(),
    }


def _version(found: Any) -> str | None:
    """The first two numbers."""
    parts = [part for part in (found.major, found.minor) if part] if found else []
    return ".".join(parts) or None
