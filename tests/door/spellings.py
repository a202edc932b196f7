"""Ways to write a request for GraphQL: what a router, a proxy or a browser might take for ``/graphql`` though it is not written so.

Both doors (nginx, and the one inside the server) are held against the same list. A spelling is the request line's target as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

PATH = "/graphql"
QUERY = "?query=mutation%7BreloadWorkspace%7B__typename%7D%7D"
CONTROL = [*range(0x00, 0x21), 0x7F]
LOOKALIKES = {"g": "ǵɡｇ", "r": "ｒ", "a": "аａáÀ", "p": "рｐ", "h": "һｈ", "q": "ԛｑ", "l": "ⅼｌ1I", "/": "／⁄∕"}
OVERLONG = {"/": ["%c0%af", "%e0%80%af", "%f0%80%80%af"], "g": ["%c1%a7", "%e0%81%a7"]}
TAILS = [
    "/", "//", "/.", "/..", "/./", "/x/..", "/x/../", "/;", ";", ";x", ";x=1", ";/x", ".", "..", "...", "%2e", "%2E", "%20", "%09", "%0a", "%0A", "%0d",
    "%0d%0a", "%00", "%00.png", "%0a.png", "%3f", "%3F", "%23", "%5c", "%2f", "%2F", "%252f", "%c2%a0", "%e2%80%a8", "%c2%85", "%u000a", "%", "%0",
    "%zz", "\\", "\\x", "#", "#x", "?", "??", "&", ",", ":", ":80", "@", "~", "*", "'", '"', "`", "|", ".json", ".html", "%0aHTTP/1.1", "/graphql",
    "%0a/static/x.js", "%0b", "%0c", "%1c", "%1d", "%1e", "%85", "%ff",
]  # fmt: skip
HEADS = [
    "/", "/.", "/./", "/..", "/../", "/x/..", "/x/../", "//x/../", "/%2e/", "/%2e%2e/", "/x/%2e%2e/", "/.%2e/", "\\", "/\\", "/%5c", "/%2f", "/%2F", "/;",
    "/;x/..", "/runs/..", "/runs/../", "/runs/%2e%2e", "/runs/..;", "/_next/static/..", "/_next/static/../..", "/_next/static/%2e%2e/%2e%2e",
    "/static/..", "/%09", "/%0a", "/%20", "/%00", "http://127.0.0.1", "http://evil.example", "HTTP://x", "https://x:1", "ftp://x", "//evil.example",
    "///", "/%", "/%25", "?", "*", "x", "/server_info/..", "/logs/..", "/assets/../", "/%0d%0a", "/﻿", "@", ":80", "127.0.0.1:80",
]  # fmt: skip


def spellings() -> list[bytes]:
    """All of them, each once, without the plain one."""
    found: dict[bytes, None] = {}
    for text in _texts():
        for query in ("", QUERY):
            found[text.encode("utf-8", "surrogateescape") + query.encode()] = None
    # raw bytes where a client would have encoded them
    for byte in [b for b in CONTROL if b not in (0x0A, 0x0D, 0x20)] + [0x80, 0xA0, 0xC0, 0xFF]:
        for place in range(len(PATH) + 1):
            found[PATH[:place].encode() + bytes([byte]) + PATH[place:].encode() + QUERY.encode()] = None
    return [spelling for spelling in found if spelling != PATH.encode()]


def _texts() -> Iterator[str]:
    yield PATH
    for place, letter in enumerate(PATH):
        before, after = PATH[:place], PATH[place + 1 :]
        for hexadecimal in (f"{ord(letter):02x}", f"{ord(letter):02X}"):
            for percent in ("%", "%25", "%2525", "%u00"):
                yield f"{before}{percent}{hexadecimal}{after}"
        yield f"{before}{letter.swapcase()}{after}"
        for other in LOOKALIKES.get(letter, ""):
            yield f"{before}{other}{after}"
            yield before + "".join(f"%{b:02x}" for b in other.encode()) + after
        for other in OVERLONG.get(letter, []):
            yield f"{before}{other}{after}"
        for code in CONTROL:
            yield f"{before}%{code:02x}{letter}{after}"
        for mark in ("/", "//", "/./", "\\", ";", ".", "%2f", "%5c", "%25", "‍", "­"):
            yield f"{before}{mark}{letter}{after}"
    yield "".join(f"%{ord(c):02x}" for c in PATH)
    yield "/" + "".join(f"%{ord(c):02x}" for c in PATH[1:])
    yield PATH.upper()
    yield PATH.title()
    for tail in TAILS:
        yield PATH + tail
        yield PATH + tail + PATH
    for code in CONTROL:
        yield f"{PATH}%{code:02x}"
        yield f"%{code:02x}{PATH}"
    for head in HEADS:
        yield head + PATH
        yield head + PATH[1:]
        for tail in ("%0a", "/", ".", "%00"):
            yield head + PATH + tail
    yield from (
        "/?/graphql",
        "/#/graphql",
        "/x?/../graphql",
        "/runs%3f/../graphql",
        "/runs%00/../graphql",
        "/dagit/graphql",
        "/graphql/graphql",
    )
