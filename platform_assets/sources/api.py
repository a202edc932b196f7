"""An interface that gives JSON in pages: each page is kept as it came, all of them together are one delivery."""

from __future__ import annotations

import datetime as dt
import hashlib
import http.client
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import Field, field_validator, model_validator

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from platform_assets.sources.parts.watermark import Watermark
from platform_assets.strict import Duration, Strict
from resources.credentials import setting
from resources.databases.address import LOOPBACK
from resources.deadline import within
from resources.requesting import Passing, Permanent, check_status, retried

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10
READ_SECONDS = 60.0
MOST_BYTES = 64 << 20
"""Of one page."""
SINCE = re.compile(r"\{since(?::([^{}]*))?\}")
ISO = "%Y-%m-%dT%H:%M:%SZ"
SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""Of all files in an archive: the same pages are the same file."""


class Auth(Strict):
    """How to sign in. The secret is the variable (or mounted file) ``PLATFORM_SECRET_<DATASET>``."""

    kind: Literal["bearer", "basic", "header", "client_credentials", "login"]
    """bearer: a token; basic: `user` and a password; header: a key in a header called `name`; client_credentials: OAuth 2.0 with `client_id`
    at `token_url`; login: `user` and a password are sent to `token_url` as JSON, which answers with a token."""
    user: str | None = None
    name: str | None = None
    client_id: str | None = None
    token_url: str | None = None
    scope: str | None = None
    token: str = "access_token"
    """Path in the answer of `token_url` to the token."""

    @model_validator(mode="after")
    def _complete(self) -> Auth:
        needs = {
            "bearer": (),
            "basic": ("user",),
            "header": ("name",),
            "client_credentials": ("client_id", "token_url"),
            "login": ("user", "token_url"),
        }[self.kind]
        missing = [n for n in needs if getattr(self, n) is None]
        if missing:
            raise ValueError(f"auth of kind {self.kind} needs '{missing[0]}'")
        return self


class Pages(Strict):
    """How one page leads to the next."""

    by: Literal["next_link", "link_header", "cursor", "offset", "page"]
    """next_link: an address in the answer, `at`; link_header: the header Link, rel="next"; cursor: a text in the answer, `at`, is sent as
    `parameter`; offset: `parameter` counts records; page: `parameter` counts pages."""
    at: str | None = None
    parameter: str | None = None
    first: int = 1
    """The first page's number, with `page`."""
    at_most: int = Field(default=1_000, ge=1, le=10_000)
    """More pages are taken as an error, not read for ever."""

    @model_validator(mode="after")
    def _complete(self) -> Pages:
        if self.by in ("next_link", "cursor") and self.at is None:
            raise ValueError(f"pages by {self.by} need 'at': the path in the answer, e.g. links.next")
        if self.by in ("cursor", "offset", "page") and self.parameter is None:
            raise ValueError(f"pages by {self.by} need 'parameter': what it is called in the query")
        return self


class ApiSource(Source):
    """An address that answers with JSON, in one page or many. Secrets are never part of the address."""

    lands: ClassVar[str] = "json"
    kind: Literal["api"]
    url: str
    """The address of the first page, without the query."""
    query: dict[str, str | int] = Field(default_factory=dict)
    """Parameters; ``{since}`` stands for where reading begins (with `watermark`), ``{since:%Y-%m-%d}`` for its day. Left out where
    there is no such time yet."""
    auth: Auth | None = None
    """How to sign in; default: not at all."""
    pages: Pages | None = None
    """How one page leads to the next; default: there is one."""
    records: str | None = None
    """Dotted path to the list of records, the same as in `format`; default: the answer itself."""
    watermark: Watermark | None = None
    """Ask only for what has changed; needs ``{since}`` in the query."""
    timeout: Duration = dt.timedelta(minutes=30)
    """After this long it is given up."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise ValueError(
                "'url' is http(s)://host/path: no user, no password, and what follows '?' stands in 'query'"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> ApiSource:
        addresses = [self.url, *([self.auth.token_url] if self.auth and self.auth.token_url else [])]
        if self.auth and any(urlsplit(a).scheme != "https" and urlsplit(a).hostname not in LOOPBACK for a in addresses):
            raise ValueError("who signs in does so by https, or the secret would be sent in clear")
        uses = any("{since" in str(v) for v in self.query.values())
        if uses != (self.watermark is not None):
            raise ValueError("'watermark' and {since} in 'query' go together")
        if any(set("{}") & set(SINCE.sub("", str(v))) for v in self.query.values()):
            raise ValueError("'query' knows {since} and {since:<format of a date>}, nothing else in braces")
        return self

    def refusal(self, formats: Sequence[tuple[str, str | None]]) -> str:
        """See `Source`."""
        if any(records != self.records for kind, records in formats if kind == "json"):
            return "'records' is the same in source and format: format: {kind: json, records: ...}"
        return super().refusal(formats)

    @property
    def brings_changes(self) -> bool:
        """With a watermark."""
        return self.watermark is not None

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """The whole, or what has changed."""
        return [Window()]

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """All pages into a zip file. Noted: up to where was read, and a hash of what came."""
        visit = _Visit(self, reach)
        seconds = self.timeout.total_seconds()
        noted = within(seconds, lambda: self._written(visit, done, out), visit.stop, "raise `timeout`, or ask for less")
        if self.watermark and (noted["records"] == "0" or noted["content"] == done.get("content")):
            return Fetched(changed=False, noted=done)
        return Fetched(changed=True, file_name=f"{reach.dataset}.zip", noted=noted)

    def _written(self, visit: _Visit, done: Noted, out: Path) -> dict[str, str]:
        now, content = dt.datetime.now(dt.UTC), hashlib.sha256()
        read_to = _moment(done.get("read_to"))
        records = 0
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, (body, found) in enumerate(visit.all(self._parameters(self._since(read_to))), start=1):
                archive.writestr(zipfile.ZipInfo(f"page_{number:05}.json", SAME_TIME), body, zipfile.ZIP_DEFLATED)
                content.update(body)
                records += len(found)
                if self.watermark:
                    times = (_moment(_at(record, self.watermark.column)) for record in found)
                    read_to = max([t for t in (read_to, *times) if t and t <= now], default=None)
        return {
            "records": str(records),
            "read_to": read_to.isoformat() if read_to else "",
            "content": content.hexdigest(),
        }

    def _since(self, read_to: dt.datetime | None) -> dt.datetime | None:
        if self.watermark is None:
            return None
        if read_to:
            return read_to - self.watermark.lag
        first = self.watermark.first
        return dt.datetime(first.year, first.month, first.day, tzinfo=dt.UTC) if first else None

    def _parameters(self, since: dt.datetime | None) -> dict[str, str]:
        said = {name: str(value) for name, value in self.query.items()}
        plain = {name: value for name, value in said.items() if "{" not in value}
        if since is None:
            return plain
        return {name: SINCE.sub(lambda found: since.strftime(found[1] or ISO), value) for name, value in said.items()}


class _Visit:
    """The pages of one fetch."""

    def __init__(self, source: ApiSource, reach: Reach) -> None:
        import requests

        self.source, self.reach = source, reach
        self.session = requests.Session()
        self.session.auth = self._signed  # also keeps the library from looking for passwords in files of its own
        self.token = ""
        self.stopped = False

    def stop(self) -> None:
        """Ask nothing more."""
        self.stopped = True
        self.session.close()

    def all(self, parameters: Mapping[str, str]) -> Iterator[tuple[bytes, list[Any]]]:
        """Each page as it came, and the records in it. Raises Permanent for pages that would never end."""
        url: str | None = self.source.url
        query: dict[str, str] = dict(parameters)
        pages, seen, last = self.source.pages, set(), b""
        count, number = 0, pages.first if pages else 1
        for turn in range(1, (pages.at_most if pages else 1) + 2):
            if pages and turn > pages.at_most:
                raise Permanent(f"there are more than {pages.at_most:,} pages: ask for less, or raise pages.at_most")
            if pages and pages.by in ("offset", "page") and pages.parameter:
                query[pages.parameter] = str(count if pages.by == "offset" else number)
            assert url is not None
            body, header = self._page(url, query)
            document = _read(body)
            records = self._records(document)
            if records and body == last:
                raise Permanent(
                    "a page is the same as the one before it: the paging of the source does not do what `pages` says"
                )
            yield body, records
            last, count, number = body, count + len(records), number + 1
            if pages is None or (pages.by in ("offset", "page") and not records):
                return
            if pages.by in ("next_link", "link_header", "cursor"):
                found = header if pages.by == "link_header" else _at(document, pages.at or "")
                if found in (None, "", False):
                    return
                if str(found) in seen:
                    raise Permanent(
                        "the next page is one that was read before: the paging of the source goes round in a circle"
                    )
                seen.add(str(found))
                if pages.by == "cursor":
                    query[pages.parameter or ""] = str(found)
                else:
                    url, query = self._next(url, str(found)), {}

    def _next(self, url: str, found: str) -> str:
        there = urljoin(url, found)
        if urlsplit(there)[:2] != urlsplit(self.source.url)[:2]:
            raise Permanent("the next page is said to be at another host, to which nothing is sent: check the source")
        return there

    def _records(self, document: Any) -> list[Any]:
        found = _at(document, self.source.records) if self.source.records else document
        if not isinstance(found, list):
            raise Permanent("a page has no list of records where `records` says: check the path, or ask for it by hand")
        return found

    def _page(self, url: str, query: Mapping[str, str]) -> tuple[bytes, str | None]:
        """One page, and the address of the next that its header names. Whose token has run out, signs in once more."""
        renewed = False

        def ask() -> tuple[bytes, str | None]:
            nonlocal renewed
            if self.stopped:
                raise Permanent("it took too long")
            if self.source.auth and self.source.auth.token_url and not self.token:
                self._sign_in()
            status, body, response = self._asked("GET", url, params=query)
            if status == 401 and self.token and not renewed:
                renewed, self.token = True, ""
                raise Passing("signing in has run out", 0.0)
            check_status(status, http.client.responses.get(status, ""), response.headers.get("Retry-After"))
            if status >= 300:
                raise Permanent(
                    f"the source answered {status}: it sends us elsewhere, to where nothing is sent: check `url`"
                )
            return body, response.links.get("next", {}).get("url")

        return retried(ask, self.reach.log, "page")

    def _asked(self, method: str, url: str, **options: Any) -> tuple[int, bytes, requests.Response]:
        import requests

        timeout = (CONNECT_SECONDS, READ_SECONDS)
        try:
            with self.session.request(
                method, url, timeout=timeout, stream=True, allow_redirects=False, **options
            ) as response:
                body = bytearray()
                for piece in response.iter_content(1 << 16):
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise Permanent(f"a page is longer than {MOST_BYTES >> 20} MB: ask for fewer records a page")
                announced = response.headers.get("Content-Length")
                if announced and "Content-Encoding" not in response.headers and int(announced) != len(body):
                    raise Passing("fewer bytes came than were announced")
                return response.status_code, bytes(body), response
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise Passing(f"{type(error).__name__} while reading") from None
        except requests.RequestException as error:
            raise Permanent(f"{type(error).__name__}: check the address of the source") from None

    def _secret(self) -> str:
        return setting(
            self.reach.environment, f"PLATFORM_SECRET_{self.reach.dataset.upper()}", "the secret of the source"
        )

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        import requests.auth

        auth = self.source.auth
        if auth is None or request.url is None or (auth.token_url and not self.token):
            return request
        if auth.kind == "basic":
            return requests.auth.HTTPBasicAuth((auth.user or "").encode(), self._secret().encode())(request)
        if auth.kind == "header":
            request.headers[auth.name or ""] = self._secret()
        else:
            request.headers["Authorization"] = f"Bearer {self.token or self._secret()}"
        return request

    def _sign_in(self) -> None:
        auth = self.source.auth
        assert auth is not None
        assert auth.token_url is not None
        if auth.kind == "client_credentials":
            form = {"grant_type": "client_credentials", "client_id": auth.client_id, "client_secret": self._secret()}
            options: dict[str, Any] = {"data": form | ({"scope": auth.scope} if auth.scope else {})}
        else:
            options = {"json": {"username": auth.user, "password": self._secret()}}
        status, body, response = self._asked("POST", auth.token_url, **options)
        if status in (400, 401, 403):
            raise Permanent(f"signing in was refused ({status}): check user or client_id, and the secret")
        check_status(status, http.client.responses.get(status, ""), response.headers.get("Retry-After"))
        token = _at(_read(body), auth.token)
        if not isinstance(token, str) or not token:
            raise Permanent("signing in brought no token where `token` says: check the path")
        self.token = token


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Permanent(
            "the source answered with something that is no JSON: check the address and the rights"
        ) from None


def _at(document: Any, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    for part in path.split(".") if path else ():
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _moment(value: Any) -> dt.datetime | None:
    """A moment written by ISO 8601, in UTC where it names no zone; None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
