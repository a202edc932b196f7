"""Objects that a partner leaves in a bucket, on Google Cloud Storage or whatever speaks S3. They are whole as soon as they are there."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from platform_assets.strict import Name, TextList
from resources.credentials import optional, setting
from resources.databases.address import LOOPBACK
from resources.requesting import Passing, Permanent, retried

CONNECT_SECONDS, READ_SECONDS = 10, 60
REFUSED = "the bucket does not let us in: check the key, and that it may list and read objects"
NOT_THERE = "there is no such bucket or object (any more): check the address"


class BucketSource(Source):
    """A folder of a partner's bucket. Only its name is said here: the address is the variable (or mounted file) ``PLATFORM_OBJECTS_<NAME>``
    (``gs://bucket/folder``, ``s3://bucket/folder?region=eu-west-1``, with ``&endpoint=https://...`` for another server than Amazon's). Its key
    is ``..._KEY``: a service account's JSON (left out: the machine's own identity), or ``<access key id>:<secret>``."""

    kind: Literal["bucket"]
    bucket: Name
    """Which address is meant."""
    remote_files: TextList = ("*",)
    """Patterns of the names that are fetched, directly in the folder."""
    remote_marker: str | None = None
    """An object is fetched only once ``<name><marker>`` is there too; default: at once."""

    def discover(self, done: MutableMapping[str, Noted], now: dt.datetime, reach: Reach) -> list[Window]:
        """Objects that are not here, or not in this version. What is gone from the bucket is forgotten. Objects stay where they are."""
        found = {o.name: o for o in retried(lambda: self._store(reach).listed(), reach.log, "look")}
        named = [n for n in sorted(found) if any(fnmatch.fnmatchcase(n, p) for p in self.remote_files)]
        if self.remote_marker is not None:
            named = [n for n in named if n + self.remote_marker in found and not n.endswith(self.remote_marker)]
        for key in done.keys() - {_key(name) for name in found}:
            del done[key]
        return [Window(_key(n), n) for n in named if done.get(_key(n), {}).get("version") != found[n].version]

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """One object, at the version that it has when it is read. Noted: that version."""

        def get() -> Stored:
            with out.open("wb") as file:
                return self._store(reach).get(window.what, file)

        found = retried(get, reach.log)
        return Fetched(changed=True, file_name=found.name, noted={"version": found.version}, stamp=found.modified)

    def _store(self, reach: Reach) -> _Store:
        name = f"PLATFORM_OBJECTS_{self.bucket.upper()}"
        text = setting(reach.environment, name, f"the address of the bucket {self.bucket}")
        parts, options = urlsplit(text), dict(parse_qsl(urlsplit(text).query))
        endpoint = options.get("endpoint", "")
        clear = urlsplit(endpoint).scheme == "http" and urlsplit(endpoint).hostname not in LOOPBACK
        if (
            parts.scheme not in ("gs", "s3")
            or not parts.hostname
            or parts.username
            or set(options) - {"endpoint", "region"}
            or clear
        ):
            raise Permanent(
                f"{name} is no address: write gs://bucket/folder or s3://bucket/folder?region=..., without a key, and an endpoint by https"
            )
        made: type[_Gcs | _S3] = _Gcs if parts.scheme == "gs" else _S3
        key = optional(reach.environment, f"{name}_KEY")
        store: _Store = reach.kept(
            "bucket",
            lambda: (made(parts.netloc, parts.path.strip("/"), endpoint, options.get("region", ""), key), lambda: None),
        )
        return store


@dataclass(frozen=True)
class Stored:
    """An object: its name in the folder, its version, and when it was put there."""

    name: str
    version: str
    modified: dt.datetime


class _Store(Protocol):
    def listed(self) -> list[Stored]:
        """Objects directly in the folder. Raises Passing, Permanent, as `get` does."""
        ...

    def get(self, name: str, file: IO[bytes]) -> Stored:
        """Write the object's bytes into `file`."""
        ...


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name and name.isprintable()


class _Gcs:
    def __init__(self, bucket: str, folder: str, endpoint: str, region: str, key: str) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage
        from google.oauth2 import service_account

        options: dict[str, Any] = {"api_endpoint": endpoint} if endpoint else {}
        try:
            credentials = service_account.Credentials.from_service_account_info(json.loads(key)) if key else None
        except ValueError:
            raise Permanent("the key of the bucket is no service account's JSON") from None
        if endpoint and not key:
            credentials = AnonymousCredentials()
        with _explained():
            self._client = storage.Client(project="none", credentials=credentials, client_options=options)
        self._bucket, self._folder = bucket, f"{folder}/" if folder else ""

    def listed(self) -> list[Stored]:
        with _explained():
            blobs = self._client.list_blobs(
                self._bucket, prefix=self._folder, delimiter="/", timeout=(CONNECT_SECONDS, READ_SECONDS), retry=None
            )
            found = [(b.name.removeprefix(self._folder), b) for b in blobs]
        return [Stored(name, str(b.generation), b.updated) for name, b in found if _is_name(name)]

    def get(self, name: str, file: IO[bytes]) -> Stored:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        with _explained():
            blob = self._client.bucket(self._bucket).get_blob(self._folder + name, timeout=timeout, retry=None)
            if blob is None:
                raise Permanent(NOT_THERE)
            found = Stored(name, str(blob.generation), blob.updated)
            blob.download_to_file(file, if_generation_match=blob.generation, timeout=timeout, retry=None)
            return found


class _S3:
    def __init__(self, bucket: str, folder: str, endpoint: str, region: str, key: str) -> None:
        import boto3
        from botocore.config import Config

        if ":" not in key:
            raise Permanent("the key of the bucket is missing, or is not <access key id>:<secret>")
        identity, secret = key.split(":", 1)
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=region or "us-east-1",
            aws_access_key_id=identity,
            aws_secret_access_key=secret,
            config=Config(
                connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
            ),
        )
        self._bucket, self._folder = bucket, f"{folder}/" if folder else ""

    def listed(self) -> list[Stored]:
        with _explained():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._folder, Delimiter="/"
            )
            found = [(o["Key"].removeprefix(self._folder), o) for page in pages for o in page.get("Contents", [])]
        return [
            Stored(name, f"{o['ETag'].strip(chr(34))}-{o['Size']}-{o['LastModified']:%Y%m%dT%H%M%S}", o["LastModified"])
            for name, o in found
            if _is_name(name)
        ]

    def get(self, name: str, file: IO[bytes]) -> Stored:
        with _explained():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._folder + name)
            received = 0
            for piece in answer["Body"].iter_chunks(1 << 20):
                file.write(piece)
                received += len(piece)
        if received != answer["ContentLength"]:
            raise Passing("fewer bytes came than were announced")
        moment = answer["LastModified"]
        version = f"{answer['ETag'].strip(chr(34))}-{received}-{moment:%Y%m%dT%H%M%S}"
        return Stored(name, version, moment)


class _explained:
    """What the libraries raise, in words of ours: theirs quote addresses and requests."""

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Passing | Permanent) or not isinstance(error, Exception):
            return
        explained = _in_words(error)
        if explained is not None:
            raise explained from None


def _in_words(error: Exception) -> Passing | Permanent | None:
    import requests
    from google.api_core import exceptions as google
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, google.Forbidden | google.Unauthorized | GoogleAuthError):
        return Permanent(REFUSED)
    if isinstance(error, google.NotFound):
        return Permanent(NOT_THERE)
    if isinstance(error, google.PreconditionFailed):
        return Passing("the object was replaced while it was read")
    if isinstance(error, google.GoogleAPICallError | google.RetryError | requests.RequestException):
        return Passing(f"the bucket did not answer as it should ({type(error).__name__})")
    return _of_s3(error)


def _of_s3(error: Exception) -> Passing | Permanent | None:
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        if status in (401, 403):
            return Permanent(REFUSED)
        if status == 404:
            return Permanent(NOT_THERE)
        if status in (301, 307, 400):
            return Permanent("the bucket is asked in a way that it refuses: check region and endpoint")
        return Passing(f"the bucket did not answer as it should ({status})")
    if isinstance(error, BotoCoreError):
        return Passing(f"the bucket did not answer as it should ({type(error).__name__})")
    return None


def _key(name: str) -> str:
    """By what an object is remembered: its name may name somebody."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
