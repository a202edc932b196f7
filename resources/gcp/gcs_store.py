"""The object store on Google Cloud Storage: a bucket (or a folder of one) behind the same interface as a local folder.

A version is an object's generation. Whatever changes an object names the generation that it saw, so a request that is repeated
because its answer was lost changes nothing twice, and of two writers neither tramples the other unseen. Reads are of one generation,
block by block: an object that is replaced meanwhile is an error, never a mixture.

Over 400 lines: one class, the whole of one interface.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from resources.gcp.identity import identified
from resources.object_store import ObjectStoreError, StoredObject

if TYPE_CHECKING:
    import requests
    from google.api_core.retry import Retry
    from google.cloud import storage

BLOCK = 8 << 20
"""Bytes per request, up and down; a multiple of 256 KiB, as resumable uploads require."""
CONNECT_SECONDS = 10.0
MEETINGS = 10
"""How often a write starts again because another writer came in between."""
_WRITE_ID = "write-id"


class ObjectGone(ObjectStoreError, FileNotFoundError):
    """An object that is not there (any more), or was replaced while it was read."""


class ObjectContested(ObjectStoreError):
    """Others write the same name all the time."""


class GCSStore:
    """The bucket `bucket`, in it the folder `prefix`. Nothing is contacted before the first call.

    `client` may be given (dagster-gcp's ``GCSResource.get_client()``); otherwise one is made with the machine's own identity.
    `timeout` is how long a connection may be silent, `patience` how long a request is repeated, both in seconds;
    `first_delay` is the pause before the first repetition, doubled each time.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        client: storage.Client | None = None,
        timeout: float = 60.0,
        patience: float = 300.0,
        first_delay: float = 1.0,
        block: int = BLOCK,
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self._given = client
        self._timeout = (CONNECT_SECONDS, timeout)
        self._patience = patience
        self._first_delay = first_delay
        self._block = block
        self._cached: storage.Bucket | None = None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects directly in the folder `prefix`, by name."""
        yield from self._found(prefix, delimiter="/")

    def no_files(self, prefix: str) -> Iterator[str]:
        """Folders in the folder `prefix`: a bucket has nothing else."""
        folder = self._full(prefix)
        blobs = self._bucket.client.list_blobs(
            self.bucket, prefix=f"{folder}/", delimiter="/", timeout=self._timeout, retry=self._retry
        )
        for _ in blobs:  # only what was read knows them
            pass
        yield from sorted(name.removeprefix(f"{folder}/").rstrip("/") for name in blobs.prefixes)

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        """Objects in the folder `prefix` at any depth, by name; all of the store where it is ''."""
        yield from self._found(prefix, delimiter=None)

    def earlier(self, prefix: str) -> Iterator[StoredObject]:
        """Generations that are not current: a bucket with versioning keeps what was replaced."""
        yield from self._found(prefix, delimiter=None, versions=True)

    def open_earlier(self, found: StoredObject) -> BinaryIO:
        """A stream of the bytes of one generation."""
        blob = self._bucket.blob(self._full(found.name), generation=int(found.version))
        return io.BufferedReader(_Reader(self, blob, found.size), self._block)

    def forget(self, found: StoredObject) -> None:
        """Remove one generation: a deletion that names it keeps no version of it."""
        from google.api_core.exceptions import NotFound

        blob = self._bucket.blob(self._full(found.name), generation=int(found.version))
        with contextlib.suppress(NotFound):
            blob.delete(timeout=self._timeout, retry=self._retry)  # by number: repeating it does no harm

    def keeps(self) -> str:
        """Soft-deleted objects, for as long as the bucket's policy says."""
        from google.api_core.exceptions import Forbidden

        try:
            self._bucket.reload(timeout=self._timeout, retry=self._retry)
        except Forbidden:
            return (
                f"Whether the bucket {self.bucket} keeps removed objects for a while (soft delete) could not be asked: this "
                "account may not read its settings."
            )
        seconds = self._bucket.soft_delete_policy.retention_duration_seconds or 0
        if not seconds:
            return ""
        return (
            f"The bucket {self.bucket} keeps removed objects for {seconds / 86_400:.0f} day(s) more (soft delete), "
            "from where an administrator can bring them back."
        )

    def stat(self, name: str) -> StoredObject | None:
        """The object at its present generation, or None where there is none."""
        blob = self._blob(name)
        return self._object(blob) if blob else None

    def open(self, name: str) -> BinaryIO:
        """A stream of the object's bytes at its present generation. Reading on raises ObjectGone once it was replaced."""
        blob = self._present(name)
        return io.BufferedReader(_Reader(self, blob), self._block)

    def write(self, name: str, data: bytes | Path) -> StoredObject:
        """Put `data` under `name` by a resumable upload; readers see the old object until the last byte has arrived."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        checksum, size = _checksum(data)
        write_id = uuid.uuid4().hex
        for _ in range(MEETINGS):
            before = self._blob(name)
            blob = self._bucket.blob(self._full(name))
            blob.crc32c = checksum  # the service refuses bytes that do not have it
            blob.metadata = {_WRITE_ID: write_id}
            try:
                url = blob.create_resumable_upload_session(
                    content_type="application/octet-stream",
                    size=size,
                    if_generation_match=_generation(before),
                    timeout=self._timeout,
                    retry=self._retry,
                    checksum=None,
                )
                self._send(str(url), data, size)
            except (PreconditionFailed, NotFound):
                pass  # another writer was faster, the session is over, or our own bytes arrived and the answer was lost
            written = self._blob(name)
            if written and (written.metadata or {}).get(_WRITE_ID) == write_id:
                return self._object(written)
        raise ObjectContested(f"{name} could not be written: others keep writing it. Try again, or use another name")

    def take(self, name: str, path: Path) -> StoredObject:
        """Put the file at `path` under `name`; it stays."""
        return self.write(name, path)

    def move(self, source: str, target: str) -> None:
        """Copy, then delete the source. Safe to repeat; a source that was replaced meanwhile stays, as it is another object."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        if self._full(source) == self._full(target):
            return
        for _ in range(MEETINGS):
            old, new = self._blob(source), self._blob(target)
            if old is None:
                if new is None:
                    raise ObjectGone(f"cannot move {source}: it is not in the store (any more)")
                return
            try:
                if not _same_content(old, new):
                    self._copy(old, self._full(target), _generation(new))
            except (PreconditionFailed, NotFound):
                continue  # one of them changed: look again
            self._remove(old)
            return
        raise ObjectContested(f"{source} could not be moved to {target}: others keep writing them. Try again")

    def delete(self, name: str) -> None:
        """Remove the object that is there now; one that is written meanwhile stays."""
        blob = self._blob(name)
        if blob:
            self._remove(blob)

    def local_copy(self, name: str, folder: Path) -> Path:
        """A copy under `folder`, checked against the stored checksum. A copy of the same generation is used again."""
        blob = self._present(name)
        place = folder / hashlib.sha256(f"{blob.name}#{blob.generation}".encode()).hexdigest()[:16]
        target = place / blob.name.rsplit("/", 1)[-1]
        if target.exists():
            return target
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = place / f".{os.getpid()}.part"
        expected = (blob.crc32c, blob.size)
        with _Reader(self, blob) as reader, partial.open("wb") as out:
            while chunk := reader.read(self._block):
                out.write(chunk)
        if _checksum(partial) != expected:
            partial.unlink()
            raise ObjectStoreError(f"{name} did not arrive as it is stored (checksum differs): try again")
        partial.replace(target)
        return target

    def url(self, name: str) -> str:
        """The object's gs:// address."""
        return f"gs://{self.bucket}/{self._full(name)}"

    # ------------------------------------------------------------------------------------------------ requests

    @property
    def _bucket(self) -> storage.Bucket:
        if self._cached is None:
            from google.cloud import storage

            with identified():
                self._cached = (self._given or storage.Client()).bucket(self.bucket)
        return self._cached

    @property
    def _retry(self) -> Retry:
        """Repeats what may be repeated: 408, 429, 5xx, cut and silent connections. Pauses grow to a minute."""
        from google.cloud.storage.retry import DEFAULT_RETRY

        return DEFAULT_RETRY.with_delay(initial=self._first_delay, maximum=60.0).with_timeout(self._patience)

    def _full(self, name: str) -> str:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\n" in name or "\r" in name:
            raise ObjectStoreError(f"{name!r} is not a name inside the store")
        return "/".join([self.prefix, path.as_posix()] if self.prefix else [path.as_posix()])

    def _blob(self, name: str) -> storage.Blob | None:
        return self._bucket.get_blob(self._full(name), timeout=self._timeout, retry=self._retry)

    def _present(self, name: str) -> storage.Blob:
        blob = self._blob(name)
        if blob is None:
            raise ObjectGone(f"{name} is not in the store (any more)")
        return blob

    def _found(self, prefix: str, delimiter: str | None, *, versions: bool = False) -> Iterator[StoredObject]:
        """Current objects, or those that are not current."""
        folder = self._full(prefix) if prefix else self.prefix
        blobs = self._bucket.client.list_blobs(
            self.bucket,
            prefix=f"{folder}/" if folder else None,
            delimiter=delimiter,
            versions=versions or None,
            timeout=self._timeout,
            retry=self._retry,
        )
        for blob in blobs:
            # names that end in a slash are made by the web console, to show a folder
            if not blob.name.endswith("/") and (not versions or blob.time_deleted):
                yield self._object(blob)

    def _object(self, blob: storage.Blob) -> StoredObject:
        name = blob.name.removeprefix(f"{self.prefix}/") if self.prefix else blob.name
        return StoredObject(name, int(blob.size), str(blob.generation), blob.updated, blob.time_created)

    def _range(self, blob: storage.Blob, generation: int, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive) of one generation."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        # a fresh handle each time: a download overwrites the generation of its own
        part = self._bucket.blob(blob.name, generation=generation)
        try:
            data: bytes = self._retry(part.download_as_bytes)(
                start=start, end=end - 1, raw_download=True, checksum=None, timeout=self._timeout, retry=None
            )
        except (NotFound, PreconditionFailed):
            raise ObjectGone(f"{blob.name} was replaced or removed while it was read") from None
        if len(data) != end - start:
            raise ObjectStoreError(f"{blob.name}: {len(data)} bytes came for {end - start}: try again")
        return data

    def _copy(self, source: storage.Blob, target: str, if_generation: int) -> None:
        copy, token, generation = self._bucket.blob(target), None, source.generation
        while True:
            token, _, _ = copy.rewrite(
                source,
                token=token,
                if_generation_match=if_generation,
                if_source_generation_match=generation,
                timeout=self._timeout,
                retry=self._retry,
            )
            if token is None:
                return

    def _remove(self, blob: storage.Blob) -> None:
        from google.api_core.exceptions import NotFound, PreconditionFailed

        # not there: gone already; another generation: a newer object, which is not ours to remove
        with contextlib.suppress(NotFound, PreconditionFailed):
            blob.delete(if_generation_match=blob.generation, timeout=self._timeout, retry=self._retry)

    def _send(self, url: str, data: bytes | Path, size: int) -> None:
        """Upload block by block. After a failure the service is asked how far it got, and sending goes on from there."""
        from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
        from requests import RequestException

        with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as source:
            upload = _Upload(url, source, size, self._block, self._timeout)
            try:
                while not upload.finished:
                    self._retry(upload.step)()
            except (NotFound, PreconditionFailed):
                raise
            except (GoogleAPIError, RequestException) as error:
                # their messages quote the session's address, which is the right to write
                raise ObjectStoreError(
                    f"an upload to bucket {self.bucket} failed ({type(error).__name__}) and was repeated in vain for "
                    f"{self._patience:.0f} s: nothing was written. Look at the network and at the bucket's permissions"
                ) from None


class _Reader(io.RawIOBase):
    """One generation of an object as a seekable stream."""

    def __init__(self, store: GCSStore, blob: storage.Blob, size: int | None = None) -> None:
        self._store = store
        self._blob = blob
        self._generation = int(blob.generation)
        self._size = int(blob.size) if size is None else size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._store._range(self._blob, self._generation, self._at, end)
        buffer[: len(data)] = data
        self._at = end
        return len(data)


class _Upload:
    """A resumable upload session: the bytes that the service has, and whether that is known."""

    def __init__(self, url: str, source: BinaryIO, size: int, block: int, timeout: tuple[float, float]) -> None:
        self._url = url
        self._source = source
        self._size = size
        self._block = block
        self._timeout = timeout
        self._at = 0
        self._certain = True
        self.finished = False

    def step(self) -> None:
        """Send the next block, or ask where to go on. Raises what `Retry` knows how to judge."""
        from google.api_core.exceptions import from_http_response

        if self._certain:
            self._source.seek(self._at)
            block = self._source.read(min(self._block, self._size - self._at))
            span = f"{self._at}-{self._at + len(block) - 1}" if block else "*"
        else:
            block, span = b"", "*"
        self._certain = False
        answer = self._put(block, f"bytes {span}/{self._size}")
        if answer.status_code == 308:
            # no Range: the service has nothing yet
            last = answer.headers.get("Range", "bytes=0--1").partition("=")[2].partition("-")[2]
            self._at = int(last) + 1
        elif answer.ok:
            self.finished = True
        else:
            raise from_http_response(answer)
        self._certain = True

    def _put(self, block: bytes, span: str) -> requests.Response:
        import requests

        # the session's address is the right to write to it: no other credentials
        return requests.put(
            self._url, data=block, headers={"Content-Range": span}, timeout=self._timeout, allow_redirects=False
        )


def _generation(blob: storage.Blob | None) -> int:
    """What `if_generation_match` has to say: 0 means that nothing is there."""
    return int(blob.generation) if blob else 0


def _same_content(one: storage.Blob, other: storage.Blob | None) -> bool:
    return other is not None and (one.crc32c, one.size, one.md5_hash) == (other.crc32c, other.size, other.md5_hash)


def _checksum(data: bytes | Path) -> tuple[str, int]:
    """CRC32C as Cloud Storage writes it (base64, big endian), and the size in bytes."""
    import base64

    import google_crc32c

    checksum, size = google_crc32c.Checksum(), 0
    with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as source:
        while chunk := source.read(1 << 20):
            checksum.update(chunk)
            size += len(chunk)
    return base64.b64encode(checksum.digest()).decode("ascii"), size
