"""Releases as their readers find them: one folder each below ``products/releases``, which never changes, and ``current``, which names one.

Whatever reads a release reads `Release` once and then its files, so that no two releases are ever mixed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_assets.disclosure.policy import Policy
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "products/releases"
CURRENT = f"{FOLDER}/current.json"
MANIFEST = "release.json"
_ID = re.compile(r"[0-9a-f]{16}")


class NoRelease(LookupError):
    """There is no such release, or not all of it; the message says so."""


@dataclass(frozen=True)
class Release:
    """One release."""

    store: ObjectStore
    id: str
    manifest: Mapping[str, Any]

    @property
    def indicators(self) -> Mapping[str, Mapping[str, Any]]:
        """Indicator -> what is said of it: key, title, columns, policy, the auditor's verdict ..."""
        return dict(self.manifest["indicators"])

    @property
    def files(self) -> Mapping[str, str]:
        """File -> SHA-256 of its bytes."""
        return dict(self.manifest["files"])

    def read(self, file: str) -> bytes:
        """The bytes of one file, e.g. ``turnaround/turnaround.csv``. Raises NoRelease where they are not what was released."""
        if file not in self.files:
            raise NoRelease(f"release {self.id} has no file {file}")
        with self.store.open(f"{FOLDER}/{self.id}/{file}") as stream:
            data = stream.read()
        if hashlib.sha256(data).hexdigest() != self.files[file]:
            raise NoRelease(f"{file} of release {self.id} is not what was released: put it back from a copy")
        return data

    def files_of(self, indicator: str) -> dict[str, bytes]:
        """All files of `indicator`, by name within its folder."""
        prefix = f"{indicator}/"
        return {name.removeprefix(prefix): self.read(name) for name in self.files if name.startswith(prefix)}

    def table(self, indicator: str) -> pd.DataFrame:
        """The table of `indicator` as it is published."""
        import pandas as pd

        return pd.read_parquet(io.BytesIO(self.read(f"{indicator}/{indicator}.parquet")))

    def atoms(self, indicator: str) -> pd.DataFrame:
        """The drawn counts that everything of `indicator` is made of. Raises NoRelease where its table is public as it is."""
        import pandas as pd

        return pd.read_parquet(io.BytesIO(self.read(f"{indicator}/atoms.parquet")))

    def policy(self, indicator: str) -> Policy:
        """The policy under which `indicator` was published."""
        return Policy.model_validate(self.indicators[indicator]["policy"])


def release(store: ObjectStore, number: str) -> Release:
    """The release `number`. Raises NoRelease."""
    if not _ID.fullmatch(number):
        raise NoRelease("a release is named by 16 hex digits")
    name = f"{FOLDER}/{number}/{MANIFEST}"
    if store.stat(name) is None:
        raise NoRelease(f"there is no release {number}")
    with store.open(name) as stream:
        return Release(store, number, json.loads(stream.read()))


def current(store: ObjectStore) -> Release | None:
    """The release that is live; None before the first."""
    if store.stat(CURRENT) is None:
        return None
    with store.open(CURRENT) as stream:
        return release(store, json.loads(stream.read())["release"])


def releases(store: ObjectStore) -> list[Release]:
    """All releases, newest first."""
    found = [(o.modified, o.name.split("/")[-2]) for o in store.walk(FOLDER) if o.basename == MANIFEST]
    return [release(store, number) for _, number in sorted(found, reverse=True)]


def set_current(store: ObjectStore, number: str) -> None:
    """Make the release `number` live, in one step: a new one, or one of before. Raises NoRelease where it is not whole."""
    wanted = release(store, number)
    missing = [file for file in wanted.files if store.stat(f"{FOLDER}/{number}/{file}") is None]
    if missing:
        raise NoRelease(f"release {number} lacks {missing[0]}")
    store.write(CURRENT, json.dumps({"release": number}).encode())


def benchmark(
    atoms: pd.DataFrame, outcome: str, policy: Policy, *, without: str, among: Collection[str] | None = None
) -> float | None:
    """The share of cases with `outcome` in the country (or `among` chosen peers), without the viewer's own organisation.

    None where too few organisations stand behind it, or one of them has over half of the cases. Made of drawn counts alone.
    """
    outcomes = [c.removesuffix("_hidden") for c in atoms.columns if str(c).endswith("_hidden")]
    others = atoms[atoms["organisation"] != without]
    if among is not None:
        others = others[others["organisation"].isin(among)]
    sums = others.groupby("organisation")[outcomes].sum()
    cases = sums.sum(axis=1)
    cases = cases[cases > 0]
    if len(cases) < policy.peers or cases.max() * 2 > cases.sum():
        return None
    return float(sums[outcome].sum() / cases.sum())
