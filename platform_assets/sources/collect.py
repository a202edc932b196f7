"""Asks a source for what is wanted and lands it: scratch file, note of the name, landed file, then the note that it is done, in this order.

A crash in between fetches a piece once more, under the name that was noted, so that the load sees that it is the same delivery. One piece
that fails stops no other.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from platform_assets.sources.base import Noted, Reach, Source, Window
from resources.requesting import Passing, Permanent

if TYPE_CHECKING:
    from resources.environment import Platform
    from resources.object_store import ObjectStore


@dataclass
class Collected:
    """What came of asking: names of landed files, and a sentence for each piece that failed."""

    landed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def collect(source: Source, dataset: str, platform: Platform, log: Callable[[str], None]) -> Collected:
    """Land every window that `source` wants for `dataset`.

    Does nothing where sources are off (PLATFORM_SOURCES is not ``on``), or where the kind fetches nothing.
    """
    result = Collected()
    if not source.reaches_out:
        return result
    if not platform.settings.sources:
        log(f"{dataset}: sources are off (PLATFORM_SOURCES=on turns them on); files in landing are taken")
        return result
    state = f"state/{source.kind}/{dataset}.json"
    done, begun = _noted(platform.store, state)
    reach = Reach(dataset, os.environ, log)
    now = dt.datetime.now(dt.UTC)

    def note() -> None:
        platform.store.write(state, json.dumps({"windows": done, "begun": begun}).encode())

    def named(window: Window, file: str) -> str:
        if window.name not in begun:
            begun[window.name] = file
            note()
        return begun[window.name]

    for window in source.wanted(done, now):
        name = f"{dataset} {window.name}".strip()
        try:
            landed = _land(source, window, done.get(window.name, {}), platform, reach, named)
        except (Passing, Permanent) as trouble:
            result.failed.append(f"{name}: {trouble}")
            log(f"{name}: not fetched ({trouble}); files in landing are taken all the same")
            continue
        if landed is None:
            log(f"{name}: not changed at the source since the last download")
            continue
        file, done[window.name] = landed
        result.landed.append(file)
        del begun[window.name]
        note()
    return result


def _land(
    source: Source,
    window: Window,
    done: Noted,
    platform: Platform,
    reach: Reach,
    named: Callable[[Window, str], str],
) -> tuple[str, Noted] | None:
    """The landed file's name and what to note; None where nothing has changed. `named` notes a name before it is used, and gives the one
    that was noted before."""
    scratch = platform.settings.home / "lake" / "scratch" / f"download-{os.getpid()}-{reach.dataset}"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetched = source.fetch(window, done, scratch, reach)
        if not fetched.changed:
            return None
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        stem, dot, ending = fetched.file_name.partition(".")
        middle = f"_{window.name}" if window.name else ""
        name = named(window, f"{stem}{middle}_{stamp}{dot}{ending}")
        landed = platform.store.write(f"landing/{reach.dataset}/{name}", scratch)
        reach.log(f"{reach.dataset}: {landed.size:,} bytes downloaded as {landed.basename}")
        return landed.basename, fetched.noted
    finally:
        scratch.unlink(missing_ok=True)


def _noted(store: ObjectStore, state: str) -> tuple[dict[str, Noted], dict[str, str]]:
    """What was noted of each window, and the names of files of those that were begun and perhaps not landed."""
    if not store.stat(state):
        return {}, {}
    with store.open(state) as file:
        kept = json.loads(file.read())
    # before there were windows, the note of an address was the whole file
    return (dict(kept["windows"]), dict(kept.get("begun", {}))) if "windows" in kept else ({"": kept}, {})
