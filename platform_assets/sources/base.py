"""What every kind of source is: settings that a contract gives, what is wanted of it, and how one piece is fetched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from platform_assets.strict import Strict, TextList

Noted = Mapping[str, str]
"""What a source wrote down of a window it fetched, e.g. the version that the server told."""


@dataclass(frozen=True)
class Window:
    """One piece that is asked for at a time: a day, a page of changes, or the whole (`name` empty)."""

    name: str = ""


@dataclass(frozen=True)
class Reach:
    """What fetching may use."""

    dataset: str
    environment: Mapping[str, str]
    """Addresses and secrets."""
    log: Callable[[str], None]


@dataclass(frozen=True)
class Fetched:
    """A piece that lies in the file that was asked for, or (`changed` false) is the same as last time."""

    changed: bool
    file_name: str = ""
    """What the sender calls it; the landed file is named after it."""
    noted: Noted = field(default_factory=dict)


class Source(Strict):
    """Where deliveries come from. Whatever the kind, they land as files in ``landing/<dataset>/``.

    A kind subclasses this, with ``kind: Literal["<its name>"]`` and its own settings.
    """

    reaches_out: ClassVar[bool] = True
    """The step that fetches needs a way to other machines (in a cluster: a label of its pod)."""

    kind: str
    files: TextList = ("*",)
    marker: str | None = None
    """A file is complete only once ``<name><marker>`` stands beside it, e.g. ``.done``."""

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """The windows that are missing, given what was noted of those that are done. Pure: no clock, no network."""
        raise NotImplementedError

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """One window into the file `out`; `done` is what was noted of it last time.

        Raises `resources.requesting.Passing` or `Permanent`.
        """
        raise NotImplementedError
