"""What a browser may ask for, as one list per server. What is not listed does not pass, however it is spelled.

A rule is held against the request line as it came: nothing is decoded or tidied first, because whoever tidies differently further in
(a router that decodes ``%0a`` and forgives it) would see another request than the one that was judged. A spelling that is not the plain
one is no request of ours. Rules name what is passed on (`Rule.passes`), so that little of what a browser wrote gets further.

Three kinds of headers are judged too: Host and Origin must be ours, and Sec-Fetch-* (which a page cannot forge) must fit what is asked.
Clients that are no browsers send none of them; they can do by POST what their user can, and nothing by GET. A form
(`Kind.FORM`) always needs an Origin of ours: browsers say it, and no other page can make them say ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_ESCAPE = "%(?:2[0268-9ABCabc]|3[ACDEacde]|40|5[BDbd]|7[BCDbcd])"
"""Blank and marks only: no letter, digit, control character, dot, slash, backslash, semicolon or percent sign hides behind it."""
_MARK = "[A-Za-z0-9_~@:,+*!$()=&-]"
_NAME = rf"(?:{_MARK}|{_ESCAPE})(?:{_MARK}|{_ESCAPE}|\.(?=[A-Za-z0-9_~-]))*"
"""A part of a path: no dot at its beginning or end, nor two in a row."""
_QUERY = r"(?:\?(?:[!\x22$&-~]|%(?:[2-689A-Fa-f][0-9A-Fa-f]|7[0-9A-Ea-e]))*)?"
_FILE = r"[A-Za-z0-9_&-]+(?:\.[A-Za-z0-9_&-]+)*"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

MEGABYTE = 1024 * 1024
LONGEST_TARGET = 8000


class Kind(Enum):
    """What a request is to the browser that makes it; each has its own Sec-Fetch-* (site, mode, dest)."""

    PAGE = "page"
    """Opened by a person, by a link from anywhere (mail, a login that sends back): shows, changes nothing; never in a frame."""
    FILE = "file"
    """What our pages load."""
    CALL = "call"
    """What our pages' scripts do."""
    FORM = "form"
    """What a person sends by a button of our pages: changes something, works without a script. Whoever sends it has to say where it comes from."""
    SOCKET = "socket"
    """A websocket of our pages."""


FETCHED = {
    Kind.PAGE: r"  |(?:none|same-origin|same-site|cross-site) navigate document",
    Kind.FILE: (
        r"  |same-origin (?:cors|no-cors|same-origin|navigate) "
        r"(?:audio|document|empty|font|image|manifest|script|serviceworker|sharedworker|style|track|video|worker)"
        r"|none (?:no-cors image|navigate document)"
    ),
    Kind.CALL: r"  |same-origin (?:cors|same-origin) empty",
    Kind.FORM: r"  |same-origin navigate document",
    Kind.SOCKET: r"  |same-origin websocket (?:empty|websocket)",
}
"""Sec-Fetch-Site, -Mode and -Dest, with a blank between; two blanks: no browser, or one that does not send them to this address."""


@dataclass(frozen=True)
class Rule:
    """One thing that may be asked for."""

    name: str
    kind: Kind
    methods: str
    """A regular expression."""
    target: str
    """A regular expression for the whole request target: path and query, as they came."""
    passes: str = ""
    """The target that is passed on instead, always this one. Empty: as it came."""
    content: str = ""
    """A regular expression for Content-Type. Empty: any."""
    largest: int = 0
    """Bytes of the body, at most."""
    personal: bool = False
    """Where people log in: not without a session."""


SAY_WHERE_FROM = frozenset({Kind.SOCKET, Kind.FORM})
"""Kinds that need an Origin."""
_READ = "GET|HEAD"
_DAGSTER_PAGES = (
    "asset-groups|assets|automation|concurrency|config|deployment|graphs|guess|health|instance|jobs|locations|overview|playground|runs|"
    "settings|snapshots|workspace"
)

DAGSTER = (
    Rule(
        "graphql",
        Kind.CALL,
        "POST",
        # the UI names what it asks, for people who read logs; the name goes no further
        r"/graphql(?:\?(?:op=[A-Za-z0-9_]+)?)?",
        passes="/graphql",
        content=r"application/json(?:; ?charset=[Uu][Tt][Ff]-8)?",
        largest=8 * MEGABYTE,
        personal=True,
    ),
    Rule("live", Kind.SOCKET, "GET", "/graphql", passes="/graphql", personal=True),
    Rule("about", Kind.FILE, _READ, "/server_info", passes="/server_info"),
    Rule(
        "static",
        Kind.FILE,
        _READ,
        rf"/(?:_next/static(?:/{_FILE})+|favicon(?:-run-(?:failed|pending|success))?\.(?:ico|png|svg)|manifest\.json|robots\.txt"
        rf"|Dagster_world\.mp4){_QUERY}",
    ),
    # what a step printed; Dagster would hand out any file of its folder here, its databases too
    Rule("printed", Kind.FILE, _READ, rf"/logs/{_UUID}/compute_logs/[A-Za-z0-9_-]+/(?:out|err)", personal=True),
    # every page is the same document: the rest of the address is for its script, which reads it in the browser
    Rule("page", Kind.PAGE, _READ, rf"/(?:(?:{_DAGSTER_PAGES})(?:/{_NAME})*/?)?{_QUERY}", passes="/"),
)
"""Of dagster-webserver. Not listed: GraphiQL and GET on GraphQL, reports of materializations, notebooks, debug files, the rest of /logs."""

_STREAMLIT = (
    Rule("health", Kind.FILE, _READ, "/_stcore/health", passes="/_stcore/health"),
    Rule("settings", Kind.FILE, "GET", "/_stcore/host-config", passes="/_stcore/host-config"),
    Rule("live", Kind.SOCKET, "GET", "/_stcore/stream", passes="/_stcore/stream", personal=True),
    Rule("static", Kind.FILE, _READ, rf"/(?:static(?:/{_FILE})+|favicon\.png|manifest\.json){_QUERY}"),
    Rule("media", Kind.FILE, _READ, rf"/media/[0-9a-f]{{16,128}}\.[A-Za-z0-9]+{_QUERY}", personal=True),
)
_LOGIN = (
    Rule("login", Kind.PAGE, "GET", rf"/auth/login{_QUERY}"),
    Rule("logout", Kind.PAGE, "GET", "/auth/logout", personal=True),
    Rule("callback", Kind.PAGE, "GET", rf"/oauth2callback{_QUERY}"),
)


def console(largest_upload: int) -> tuple[Rule, ...]:
    """The stewards' console (Streamlit). Not listed: metrics, the agents' interface, components, the app's own folders, OPTIONS.

    `largest_upload` in bytes.
    """
    upload = rf"/_stcore/upload_file/{_UUID}/{_UUID}"
    return (
        *_STREAMLIT,
        # the file, and what a form adds around it
        Rule(
            "upload",
            Kind.CALL,
            "PUT",
            upload,
            content=r"multipart/form-data; ?boundary=[A-Za-z0-9'()+_,./:=?-]{1,70}",
            largest=largest_upload + MEGABYTE,
            personal=True,
        ),
        Rule("forget", Kind.CALL, "DELETE", upload, personal=True),
        *_LOGIN,
        Rule("page", Kind.PAGE, _READ, rf"/(?:[a-z][a-z0-9_-]*)?{_QUERY}", passes="/"),
    )


DASHBOARD = (
    Rule("health", Kind.FILE, _READ, "/health", passes="/health"),
    Rule("static", Kind.FILE, _READ, r"/static/(?:style\.css|page\.js|icon\.svg)"),
    Rule("picture", Kind.FILE, _READ, rf"/i/[a-z][a-z0-9_]*/plot/[a-z][a-z0-9_]*\.png{_QUERY}", personal=True),
    # a link that saves a file is no page to the browser
    Rule(
        "taken",
        Kind.FILE,
        _READ,
        rf"/i/[a-z][a-z0-9_]*/(?:table\.csv|figure\.png|slide\.pptx){_QUERY}",
        personal=True,
    ),
    Rule("part", Kind.CALL, "GET", rf"/part/(?:i/[a-z][a-z0-9_]*)?{_QUERY}", personal=True),
    Rule(
        "dispute",
        Kind.FORM,
        "POST",
        r"/i/[a-z][a-z0-9_]*/dispute",
        content=r"application/x-www-form-urlencoded(?:; ?charset=[Uu][Tt][Ff]-8)?",
        largest=4096,
        personal=True,
    ),
    Rule("login", Kind.PAGE, "GET", "/auth/login"),
    Rule("callback", Kind.PAGE, "GET", rf"/auth/callback{_QUERY}"),
    Rule("logout", Kind.PAGE, "GET", "/auth/logout", personal=True),
    Rule(
        "page",
        Kind.PAGE,
        _READ,
        rf"/(?:changed|about|i/[a-z][a-z0-9_]*(?:/cases|/disputes)?)?{_QUERY}",
        personal=True,
    ),
)
"""The clinicians' dashboard: pages by GET, which change nothing, and one form."""

SIGN_IN = (Rule("sign-in", Kind.PAGE, "GET", rf"/oauth2/(?:start|callback|sign_out){_QUERY}"),)
"""Of the login that stands beside the cluster's proxy (oauth2-proxy)."""

EXPLORER = (Rule("explorer", Kind.PAGE, _READ, rf"/drug_graph(?:/{_FILE})+\.html{_QUERY}"),)
"""Pages of the drug graph. They are made from data, so they have an origin of their own, where nothing else is."""


@dataclass(frozen=True)
class Request:
    """A request as it came. Headers that may stand in it once only; empty: not there."""

    method: str
    target: str
    host: str = ""
    origin: str = ""
    fetched: tuple[str, str, str] = ("", "", "")
    """Sec-Fetch-Site, -Mode, -Dest."""
    content: str = ""
    upgrade: str = ""
    size: int | None = 0
    """Bytes of the body; None: not said."""


class Refused(Exception):
    """May not pass. `status` is HTTP's, the message is for people and repeats nothing of the request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


NOT_LISTED = "There is no such page, or not in this way."
NOT_OURS = "This address serves requests of its own pages only: open it under the address that was printed when it was started."
ELSEWHERE = "A page of another site asked for this. Open it in a window of its own."
WRONG_BODY = "What was sent has another form, or is larger, than this address takes."


def judge(rules: tuple[Rule, ...], request: Request, hosts: frozenset[str], scheme: str = "http") -> Rule:
    """The rule by which `request` may pass. Raises Refused.

    `hosts` are our own, as they stand in Host, with the port.
    """
    if request.host not in hosts and not _asks_for_health(rules, request):
        raise Refused(421, NOT_OURS)
    rule = listed(rules, request)
    if rule is None:
        raise Refused(404, NOT_LISTED)
    foreign = request.origin not in ("", f"{scheme}://{request.host}")
    if foreign or (rule.kind in SAY_WHERE_FROM and not request.origin):
        raise Refused(403, ELSEWHERE)
    if not re.fullmatch(FETCHED[rule.kind], " ".join(request.fetched)):
        raise Refused(403, ELSEWHERE)
    if rule.content and not re.fullmatch(rule.content, request.content):
        raise Refused(415, WRONG_BODY)
    if request.size is None or request.size > rule.largest:
        raise Refused(413, WRONG_BODY)
    return rule


def listed(rules: tuple[Rule, ...], request: Request) -> Rule | None:
    """The first rule that names this method and target; websockets and others apart."""
    if len(request.target) > LONGEST_TARGET:
        return None
    socket = request.upgrade.lower() == "websocket"
    if request.upgrade and not socket:
        return None
    for rule in rules:
        named = re.fullmatch(rule.methods, request.method) and re.fullmatch(rule.target, request.target)
        if named and socket == (rule.kind is Kind.SOCKET):
            return rule
    return None


def _asks_for_health(rules: tuple[Rule, ...], request: Request) -> bool:
    """Health checks of the cluster come under the pod's own address; "ok" is all that they get."""
    rule = listed(rules, request)
    return rule is not None and rule.name == "health"
