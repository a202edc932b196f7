"""One address, downloaded when it has changed: conditional requests, retried by class of error."""

from __future__ import annotations

import datetime as dt
import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from resources.requesting import Passing, Permanent, check_status, retried

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10


class HttpSource(Source):
    """A file behind an address. It lands only when the server says that it is another one than last time."""

    kind: Literal["http"]
    url: str | None = None
    """The address; the environment variable ``PLATFORM_URL_<DATASET>`` overrides it."""
    file_name: str | None = None
    """The landed file's name, default the last part of the address."""
    timeout_seconds: float = Field(default=30, gt=0)

    @model_validator(mode="after")
    def _has_an_address(self) -> HttpSource:
        if self.url is None:
            raise ValueError("'url' goes with kind http, and http needs it")
        return self

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """The whole, each time: whether it has changed, the server knows."""
        return [Window()]

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """Download into `out` unless it is what was noted as `done`: url, etag, modified."""
        import requests

        address = reach.environment.get(f"PLATFORM_URL_{reach.dataset.upper()}") or self.url
        assert address is not None
        headers = {}
        if done.get("url") == address:
            known = (("If-None-Match", "etag"), ("If-Modified-Since", "modified"))
            headers = {header: done[name] for header, name in known if name in done}

        def ask() -> requests.structures.CaseInsensitiveDict[str] | None:
            try:
                with requests.get(
                    address, headers=headers, timeout=(CONNECT_SECONDS, self.timeout_seconds), stream=True
                ) as response:
                    if response.status_code == 304:
                        return None
                    reason = http.client.responses.get(response.status_code, "")  # not what the server makes of it
                    check_status(response.status_code, reason, response.headers.get("Retry-After"))
                    _save(response, out)
                    return response.headers
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                raise Passing(f"{type(error).__name__} while reading") from None
            except requests.RequestException as error:
                raise Permanent(f"{type(error).__name__}: check the address of the source") from None

        answer = retried(ask, reach.log)
        if answer is None:
            return Fetched(changed=False, noted=done)
        kept = {
            name: answer[header]
            for name, header in (("etag", "ETag"), ("modified", "Last-Modified"))
            if header in answer
        }
        name = self.file_name or urlsplit(address).path.rsplit("/", 1)[-1] or reach.dataset
        return Fetched(changed=True, file_name=name, noted={"url": address, **kept})


def _save(response: requests.Response, target: Path) -> None:
    received = 0
    with target.open("wb") as out:
        for chunk in response.iter_content(1 << 20):
            out.write(chunk)
            received += len(chunk)
    announced = response.headers.get("Content-Length")
    if announced and "Content-Encoding" not in response.headers and int(announced) != received:
        raise Passing("fewer bytes came than were announced")
