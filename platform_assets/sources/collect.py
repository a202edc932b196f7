"""Asks a source for what is wanted and lands it: scratch file, note of the name, landed file, then the note that it is done, in this order.

A crash in between fetches a piece once more, under the name that was noted, so that the load sees that it is the same delivery. One piece
that fails stops no other.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from platform_assets.sources.base import Fetched, GivenUp, Noted, Reach, Source, Window
from resources.requesting import Passing, Permanent

if TYPE_CHECKING:
    from resources.environment import Platform
    from resources.object_store import ObjectStore


@dataclass
class Collected:
    """What came of asking: names of landed files, and a sentence for each piece that failed."""

    landed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def collect(
    source: Source, dataset: str, platform: Platform, log: Callable[[str], None], now: dt.datetime | None = None
) -> Collected:
    """Land every window that `source` wants for `dataset` (`now`: by this clock).

    Does nothing where sources are off (PLATFORM_SOURCES is not ``on``), or where the kind fetches nothing.
    """
    result = Collected()
    if not source.reaches_out:
        return result
    if not platform.settings.sources:
        log(f"{dataset}: sources are off (PLATFORM_SOURCES=on turns them on); files in landing are taken")
        return result
    reach = Reach(dataset, os.environ, log)
    try:
        _Visit(source, platform, reach, result).make(now or dt.datetime.now(dt.UTC))
    finally:
        reach.close()
    return result


class _Visit:
    """One time that a source is asked."""

    def __init__(self, source: Source, platform: Platform, reach: Reach, result: Collected) -> None:
        self.source, self.platform, self.reach, self.result = source, platform, reach, result
        self.state = f"state/{source.kind}/{reach.dataset}.json"
        self.done, self.begun = _noted(platform.store, self.state)

    def make(self, now: dt.datetime) -> None:
        """Land every window that is wanted."""
        dataset, log = self.reach.dataset, self.reach.log
        try:
            windows = self.source.discover(self.done, now, self.reach)
        except (Passing, Permanent) as trouble:
            self.result.failed.append(f"{dataset}: {trouble}")
            log(f"{dataset}: nothing fetched ({trouble}); files in landing are taken all the same")
            return
        given_up: set[str] = set()
        for window in windows:
            if window.group in given_up:
                continue
            name = f"{dataset} {window.name}".strip()
            try:
                landed = self._land(window)
            except (Passing, Permanent) as trouble:
                self.result.failed.append(f"{name}: {trouble}")
                log(f"{name}: not fetched ({trouble}); files in landing are taken all the same")
                if isinstance(trouble, GivenUp):
                    if trouble.group is None:
                        return
                    given_up.add(trouble.group)
                continue
            if landed is None:
                log(f"{name}: not changed at the source since the last download")
                continue
            file, self.done[window.name] = landed
            self.result.landed.append(file)
            self.begun.pop(window.name, None)
            self._note()
            try:
                self.source.taken(window, landed[1], self.reach)
            except (Passing, Permanent) as trouble:
                self.result.failed.append(f"{name}: it is here, but not put away at the source: {trouble}")

    def _land(self, window: Window) -> tuple[str, Noted] | None:
        """The landed file's name and what to note; None where nothing has changed."""
        # named after the process, like all scratch: what a killed one has left is removed by the next erasure at the latest
        folder = self.platform.settings.home / "lake" / "scratch" / f"{os.getpid()}-download-{self.reach.dataset}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            fetched = self.source.fetch(window, self.done.get(window.name, {}), folder / "file", self.reach)
            if not fetched.changed:
                if fetched.noted and fetched.noted != self.done.get(window.name):
                    self.done[window.name] = fetched.noted
                    self._note()
                return None
            name = self._named(window, fetched)
            landed = self.platform.store.write(f"landing/{self.reach.dataset}/{name}", folder / "file")
            self.reach.log(f"{self.reach.dataset}: {landed.size:,} bytes downloaded as {landed.basename}")
            return landed.basename, fetched.noted
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _named(self, window: Window, fetched: Fetched) -> str:
        """The landed file's name: where it has no stamp of its own, one that is noted before it is used, or was noted before."""
        stem, dot, ending = fetched.file_name.partition(".")
        if fetched.stamp:
            return f"{stem}_{fetched.stamp:%Y%m%dT%H%M%SZ}{dot}{ending}"
        if window.name not in self.begun:
            middle = f"_{window.name}" if window.name else ""
            self.begun[window.name] = f"{stem}{middle}_{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}{dot}{ending}"
            self._note()
        return self.begun[window.name]

    def _note(self) -> None:
        self.platform.store.write(self.state, json.dumps({"windows": self.done, "begun": self.begun}).encode())


def _noted(store: ObjectStore, state: str) -> tuple[dict[str, Noted], dict[str, str]]:
    """What was noted of each window, and the names of files of those that were begun and perhaps not landed."""
    if not store.stat(state):
        return {}, {}
    with store.open(state) as file:
        kept = json.loads(file.read())
    # before there were windows, the note of an address was the whole file
    return (dict(kept["windows"]), dict(kept.get("begun", {}))) if "windows" in kept else ({"": kept}, {})
