"""Where a visitor comes from, by the host of the referrer. The list is ours and short: what is not in it is `other`, by its host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

KNOWN = {
    "search": {
        "Google": "google",
        "Bing": "bing.com",
        "DuckDuckGo": "duckduckgo.com",
        "Yahoo": "search.yahoo.com search.yahoo.co.jp",
        "Ecosia": "ecosia.org",
        "Qwant": "qwant.com",
        "Startpage": "startpage.com",
        "Brave": "search.brave.com",
        "Yandex": "yandex.com yandex.ru ya.ru",
        "Baidu": "baidu.com",
        "Naver": "search.naver.com",
        "Seznam": "seznam.cz",
        "Perplexity": "perplexity.ai",
        "ChatGPT": "chatgpt.com chat.openai.com",
    },
    "social": {
        "Facebook": "facebook.com fb.com fb.me",
        "Instagram": "instagram.com",
        "X": "x.com twitter.com t.co",
        "LinkedIn": "linkedin.com lnkd.in",
        "Reddit": "reddit.com",
        "YouTube": "youtube.com youtu.be",
        "Pinterest": "pinterest.com",
        "TikTok": "tiktok.com",
        "WhatsApp": "whatsapp.com wa.me",
        "Telegram": "telegram.org t.me",
        "Bluesky": "bsky.app",
        "Mastodon": "mastodon.social",
        "Threads": "threads.net threads.com",
    },
    "email": {
        "Gmail": "mail.google.com",
        "Outlook": "outlook.live.com outlook.office.com outlook.office365.com",
        "Yahoo Mail": "mail.yahoo.com",
        "GMX": "gmx.net gmx.com",
        "Proton Mail": "mail.proton.me",
    },
}
"""Medium -> name -> hosts; those below them are meant too."""
_HOSTS = {
    host: (medium, name) for medium, names in KNOWN.items() for name, hosts in names.items() for host in hosts.split()
}


def referrer(text: str | None, own: Sequence[str] = ()) -> Mapping[str, str | None]:
    """`medium` and `source` of the address `text`; `own` are hosts of ours."""
    if text is None:
        return {"medium": "absent", "source": None}
    host = _host(text)
    if not host:
        return {"medium": "other", "source": None}
    above = [".".join(host.split(".")[place:]) for place in range(host.count(".") + 1)]
    if {h.lower() for h in own} & set(above):
        return {"medium": "internal", "source": host}
    for name in above:  # the longest first: mail.google.com is no search
        if name in _HOSTS:
            medium, source = _HOSTS[name]
            return {"medium": medium, "source": source}
    labels = host.split(".")
    if "google" in labels[-3:-1] and labels[0] in ("google", "www", "images", "news"):  # google.nl, www.google.co.uk
        return {"medium": "search", "source": "Google"}
    return {"medium": "other", "source": host}


def _host(text: str) -> str:
    try:
        split = urlsplit(text if "://" in text else f"//{text}")
        return (split.hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
