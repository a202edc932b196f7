"""Downloads for contracts with an `http` source: conditional, retried by class of error, landed as an immutable file."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import os
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

    from platform_assets.contracts.model import Contract
    from resources.environment import Platform

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
RETRIED = {408, 425, 429, 500, 502, 503, 504}


class DownloadFailed(RuntimeError):
    """The source could not be fetched; the message says whether waiting helps."""


def fetch(contract: Contract, platform: Platform, log: Callable[[str], None]) -> bool:
    """Download the contract's address into landing if it has changed since the last time. True where a file landed.

    Does nothing where http sources are off (PLATFORM_HTTP_SOURCES is not ``on``). Raises DownloadFailed.
    """
    address = os.environ.get(f"PLATFORM_URL_{contract.name.upper()}") or contract.source.url
    assert address is not None
    if not platform.settings.http_sources:
        log(f"{contract.name}: http source is off (PLATFORM_HTTP_SOURCES=on turns it on); files in landing are taken")
        return False
    state_name = f"state/http/{contract.name}.json"
    state: dict[str, str] = {}
    if platform.store.stat(state_name):
        with platform.store.open(state_name) as file:
            state = json.loads(file.read())
    headers = {}
    if state.get("url") == address:
        headers = {k: state[s] for k, s in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")) if s in state}
    target = platform.settings.home / "lake" / "scratch" / f"download-{os.getpid()}-{contract.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        answer = _download(address, headers, contract.source.timeout_seconds, target, log)
        if answer is None:
            log(f"{contract.name}: not changed at the source since the last download")
            return False
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        name = contract.source.file_name or urlsplit(address).path.rsplit("/", 1)[-1] or contract.name
        stem, dot, ending = name.partition(".")
        landed = platform.store.write(f"landing/{contract.name}/{stem}_{stamp}{dot}{ending}", target)
        log(f"{contract.name}: {landed.size:,} bytes downloaded as {landed.basename}")
        # written after the file: a crash in between downloads once more, and the load sees that the content is known
        kept = {k: v for k, v in (("etag", answer.get("ETag")), ("modified", answer.get("Last-Modified"))) if v}
        platform.store.write(state_name, json.dumps({"url": address, **kept}).encode())
        return True
    finally:
        target.unlink(missing_ok=True)


def _download(
    address: str, headers: dict[str, str], timeout: float, target: os.PathLike[str], log: Callable[[str], None]
) -> dict[str, str] | None:
    """Response headers once `target` holds the whole body; None where the source says that nothing changed."""
    import requests

    problem = ""
    for attempt in range(1, ATTEMPTS + 1):
        wait: float | None = None
        try:
            with requests.get(address, headers=headers, timeout=(10, timeout), stream=True) as response:
                if response.status_code == 304:
                    return None
                if response.ok:
                    _save(response, target)
                    return dict(response.headers)
                problem = f"the source answered {response.status_code} {response.reason}"
                if response.status_code not in RETRIED:
                    raise DownloadFailed(f"{problem}: waiting does not help; check the address and the rights")
                wait = _retry_after(response.headers.get("Retry-After"))
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError, _CutOff) as error:
            problem = f"{type(error).__name__.lstrip('_')} while reading"
        except requests.RequestException as error:
            raise DownloadFailed(f"{type(error).__name__}: check the address of the source") from None
        if attempt < ATTEMPTS:
            pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0) if wait is None else wait
            log(f"download: {problem}, attempt {attempt + 1} of {ATTEMPTS} in {pause:.0f} s")
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
    raise DownloadFailed(f"{problem}, {ATTEMPTS} times: the source seems to be down; the next run tries again")


class _CutOff(Exception):
    """Fewer bytes came than were announced."""


def _save(response: requests.Response, target: os.PathLike[str]) -> None:
    received = 0
    with open(target, "wb") as out:
        for chunk in response.iter_content(1 << 20):
            out.write(chunk)
            received += len(chunk)
    announced = response.headers.get("Content-Length")
    if announced and "Content-Encoding" not in response.headers and int(announced) != received:
        raise _CutOff


def _retry_after(value: str | None) -> float | None:
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
