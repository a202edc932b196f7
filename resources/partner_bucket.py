"""A folder of a partner's bucket, on Google Cloud Storage or whatever speaks S3. An object is there as a whole, or not at all.

Only the bucket's name is said in documents: its address is the variable (or mounted file) ``PLATFORM_OBJECTS_<NAME>``
(``gs://bucket/folder``, ``s3://bucket/folder?region=eu-west-1``, with ``&endpoint=https://...`` for another server than Amazon's). Its key
is ``..._KEY``: a service account's JSON (left out: the machine's own identity), or ``<access key id>:<secret>``.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Protocol
from urllib.parse import parse_qsl, urlsplit

from resources.credentials import optional, setting
from resources.databases.address import LOOPBACK
from resources.requesting import Passing, Permanent

CONNECT_SECONDS, READ_SECONDS = 10, 60
CHUNK = 1 << 20
REFUSED = "the bucket does not let us in: check the key, and that it may list and read objects"
NOT_WRITTEN = "the bucket does not take it: check that the key may create objects, and read them"
NOT_THERE = "there is no such bucket or object (any more): check the address"
MEANWHILE = "another object of that name came into the bucket meanwhile"
_MOST_AT_ONCE = 5 * 10**9
_PIECE = 8 << 20
"""An upload is in pieces of so many bytes, each with a time limit of its own; the object is there with the last."""
_TIMES = (CONNECT_SECONDS, READ_SECONDS)


def bucket_of(environment: Mapping[str, str], called: str) -> Bucket:
    """The bucket that is called so. Nothing is asked yet. Raises Permanent where its address or key cannot be used."""
    name = f"PLATFORM_OBJECTS_{called.upper()}"
    text = setting(environment, name, f"the address of the bucket {called}")
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
    key = optional(environment, f"{name}_KEY")
    return made(parts.netloc, parts.path.strip("/"), endpoint, options.get("region", ""), key)


@dataclass(frozen=True)
class Stored:
    """An object: its name in the folder, its version, when it was put there, and how long it is."""

    name: str
    version: str
    modified: dt.datetime
    size: int = 0


class Bucket(Protocol):
    """What is asked of a bucket. All raise Passing or Permanent, in words that quote nothing of the other side's."""

    def listed(self) -> list[Stored]:
        """Objects directly in the folder."""
        ...

    def get(self, name: str, file: IO[bytes]) -> Stored:
        """Write the object's bytes into `file`."""
        ...

    def find(self, name: str) -> Stored | None:
        """The object `name`, which may be in a folder below; None where there is none."""
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """The object's bytes."""
        ...

    def put(self, name: str, source: BinaryIO, size: int, sha256: str, over: str) -> None:
        """Create the object of what `source` has, with its hash, by which the bucket refuses other bytes than these. Only where there is none of
        that name, or (`over`) the one of that version; else Passing."""
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
                self._bucket, prefix=self._folder, delimiter="/", timeout=_TIMES, retry=None
            )
            found = [(b.name.removeprefix(self._folder), b) for b in blobs]
        return [Stored(name, str(b.generation), b.updated) for name, b in found if _is_name(name)]

    def get(self, name: str, file: IO[bytes]) -> Stored:
        with _explained():
            blob = self._client.bucket(self._bucket).get_blob(self._folder + name, timeout=_TIMES, retry=None)
            if blob is None:
                raise Permanent(NOT_THERE)
            found = Stored(name, str(blob.generation), blob.updated)
            blob.download_to_file(file, if_generation_match=blob.generation, timeout=_TIMES, retry=None)
            return found

    def find(self, name: str) -> Stored | None:
        with _explained():
            blob = self._client.bucket(self._bucket).get_blob(self._folder + name, timeout=_TIMES, retry=None)
        return None if blob is None else Stored(name, str(blob.generation), blob.updated, blob.size)

    def read(self, name: str) -> Iterator[bytes]:
        with _explained():
            blob = self._client.bucket(self._bucket).blob(self._folder + name)
            with blob.open("rb", chunk_size=CHUNK, timeout=_TIMES, retry=None) as stream:
                while data := stream.read(CHUNK):
                    yield data

    def put(self, name: str, source: BinaryIO, size: int, sha256: str, over: str) -> None:
        blob = self._client.bucket(self._bucket).blob(self._folder + name, chunk_size=_PIECE)
        blob.md5_hash = base64.b64encode(_checked(source, size, sha256, "md5")).decode()
        with _explained(NOT_WRITTEN):
            blob.upload_from_file(source, size=size, if_generation_match=int(over or 0), timeout=_TIMES, retry=None)


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
            for piece in answer["Body"].iter_chunks(CHUNK):
                file.write(piece)
                received += len(piece)
        if received != answer["ContentLength"]:
            raise Passing("fewer bytes came than were announced")
        moment = answer["LastModified"]
        version = f"{answer['ETag'].strip(chr(34))}-{received}-{moment:%Y%m%dT%H%M%S}"
        return Stored(name, version, moment)

    def find(self, name: str) -> Stored | None:
        from botocore.exceptions import ClientError

        with _explained():
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=self._folder + name)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise
        return Stored(name, found["ETag"], found["LastModified"], found["ContentLength"])

    def read(self, name: str) -> Iterator[bytes]:
        with _explained():
            yield from self._client.get_object(Bucket=self._bucket, Key=self._folder + name)["Body"].iter_chunks(CHUNK)

    def put(self, name: str, source: BinaryIO, size: int, sha256: str, over: str) -> None:
        if size > _MOST_AT_ONCE:
            raise Permanent("an object of 5 GB at most can be sent to such a bucket: write shorter windows")
        digest = base64.b64encode(_checked(source, size, sha256, "sha256")).decode()
        condition = {"IfMatch": over} if over else {"IfNoneMatch": "*"}
        with _explained(NOT_WRITTEN):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._folder + name,
                Body=source,
                ContentLength=size,
                ChecksumSHA256=digest,
                **condition,
            )


def _checked(source: BinaryIO, size: int, sha256: str, wanted: str) -> bytes:
    """The digest of what `source` has, by which the bucket compares. Raises Permanent where it is not what was meant."""
    ours, theirs, length = hashlib.sha256(), hashlib.new(wanted, usedforsecurity=False), 0
    while data := source.read(CHUNK):
        ours.update(data)
        theirs.update(data)
        length += len(data)
    source.seek(0)
    if (ours.hexdigest(), length) != (sha256, size):
        raise Permanent("our copy of the file is not what was made any more: have it sent again, which makes it anew")
    return theirs.digest()


class _explained:
    """What the libraries raise, in words of ours: theirs quote addresses and requests."""

    def __init__(self, refused: str = REFUSED) -> None:
        self._refused = refused

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Passing | Permanent) or not isinstance(error, Exception):
            return
        explained = _in_words(error, self._refused)
        if explained is not None:
            raise explained from None


def _in_words(error: Exception, refused: str) -> Passing | Permanent | None:
    import requests
    from google.api_core import exceptions as google
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, google.Forbidden | google.Unauthorized | GoogleAuthError):
        return Permanent(refused)
    if isinstance(error, google.NotFound):
        return Permanent(NOT_THERE)
    if isinstance(error, google.PreconditionFailed):
        return Passing(MEANWHILE)
    if isinstance(error, google.GoogleAPICallError | google.RetryError | requests.RequestException):
        return Passing(f"the bucket did not answer as it should ({type(error).__name__})")
    return _of_s3(error, refused)


def _of_s3(error: Exception, refused: str) -> Passing | Permanent | None:
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        if status in (401, 403):
            return Permanent(refused)
        if status == 404:
            return Permanent(NOT_THERE)
        if status in (409, 412):
            return Passing(MEANWHILE)
        if status in (301, 307, 400):
            return Permanent("the bucket is asked in a way that it refuses: check region and endpoint")
        return Passing(f"the bucket did not answer as it should ({status})")
    if isinstance(error, BotoCoreError):
        return Passing(f"the bucket did not answer as it should ({type(error).__name__})")
    return None
