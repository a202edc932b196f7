"""Objects that a partner leaves in a bucket, on Google Cloud Storage or whatever speaks S3. They are whole as soon as they are there."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Literal

from platform_assets.sources.base import Fetched, Noted, Reach, Source, Window
from platform_assets.strict import Name, TextList
from resources.partner_bucket import Bucket, Stored, bucket_of
from resources.requesting import retried


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

    def _store(self, reach: Reach) -> Bucket:
        store: Bucket = reach.kept("bucket", lambda: (bucket_of(reach.environment, self.bucket), lambda: None))
        return store


def _key(name: str) -> str:
    """By what an object is remembered: its name may name somebody."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
