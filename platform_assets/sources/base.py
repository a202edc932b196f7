"""What every kind of source is: settings that a contract gives, what is wanted of it, and how one piece is fetched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from platform_assets.strict import Strict, TextList, cron_line
from resources.requesting import Permanent

Noted = Mapping[str, str]
"""What a source wrote down of a window it fetched, e.g. the version that the server told."""


@dataclass(frozen=True)
class Window:
    """One piece that is asked for at a time: a day, a page of changes, or the whole (`name` empty)."""

    name: str = ""
    """It is noted, and part of the landed file's name."""
    what: str = ""
    """What to ask for, where a note must not say it: a partner's name of a file may name somebody."""
    group: str = ""
    """Windows that fail together, such as the days of a site that may not be read."""


@dataclass(frozen=True)
class Reach:
    """What fetching may use."""

    dataset: str
    environment: Mapping[str, str]
    """Addresses and secrets."""
    log: Callable[[str], None]
    open: dict[str, tuple[Any, Callable[[], None]]] = field(default_factory=dict)
    """Connections of this visit, and how each is closed."""

    def kept(self, name: str, make: Callable[[], tuple[Any, Callable[[], None]]]) -> Any:
        """The connection `name`, made at the first time: a visit of many pieces signs in once."""
        if name not in self.open:
            self.open[name] = make()
        return self.open[name][0]

    def give_up(self, name: str) -> None:
        """Close the connection `name`, if there is one: the next time it is made anew."""
        if name in self.open:
            self.open.pop(name)[1]()

    def close(self) -> None:
        """The end of the visit."""
        for name in list(self.open):
            self.give_up(name)


@dataclass(frozen=True)
class Fetched:
    """A piece that lies in the file that was asked for, or (`changed` false) is the same as last time."""

    changed: bool
    file_name: str = ""
    """What the sender calls it; the landed file is named after it."""
    noted: Noted = field(default_factory=dict)
    """What to note; where nothing has changed, too."""
    stamp: dt.datetime | None = None
    """Its own moment, which tells it apart from others of that name; default: when it was fetched."""


@dataclass(frozen=True)
class Described:
    """What a source would bring, told before a contract is complete."""

    columns: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Column -> what a contract says of it. Empty where only a file tells."""
    would_fetch: str = ""
    """A sentence."""
    format: Mapping[str, object] = field(default_factory=dict)
    """What a contract says of the files; empty where only a file tells."""


class GivenUp(Permanent):
    """Trouble that other windows would meet too: those of the same `group` are not asked for, or, where it is None, none is."""

    def __init__(self, problem: str, group: str | None = None) -> None:
        super().__init__(problem)
        self.group = group


class Source(Strict):
    """Where deliveries come from. Whatever the kind, they land as files in ``landing/<dataset>/``.

    A kind subclasses this, with ``kind: Literal["<its name>"]`` and its own settings.
    """

    reaches_out: ClassVar[bool] = True
    """The step that fetches needs a way to other machines (in a cluster: a label of its pod)."""

    lands: ClassVar[str] = ""
    """The kind of file that it writes itself; '' where files come as others wrote them."""

    kind: str
    files: TextList = ("*",)
    marker: str | None = None
    """A file is complete only once ``<name><marker>`` stands beside it, e.g. ``.done``."""
    every: str | None = None
    """When the source is asked, as a cron line by the clock of the dataset; default: when the dataset is loaded anyway."""

    @field_validator("every")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        return value if value is None else cron_line(value)

    @model_validator(mode="after")
    def _asked_only_where_there_is_something_to_ask(self) -> Source:
        if self.every is not None and not self.reaches_out:
            raise ValueError("'every' is for sources that fetch; files in landing are taken as they come")
        return self

    @property
    def brings_changes(self) -> bool:
        """Whether a delivery holds only what has changed, some of it again: earlier rows stay, and the same row may come twice."""
        return False

    @property
    def sweeps(self) -> float | None:
        """Where some deliveries hold everything that is there (`is_whole`): the largest share of the table that may leave because of one."""
        return None

    def is_whole(self, file: str) -> bool:
        """Whether a delivery of this name holds everything that is there, so that rows of other keys leave."""
        return False

    def refusal(self, formats: Sequence[tuple[str, str | None]]) -> str:
        """What does not fit between the source and the formats of a contract, each (kind, `records`); '' where all fits."""
        if self.lands and any(kind != self.lands for kind, _ in formats):
            return f"a source of kind {self.kind} lands {self.lands}: write format: {{kind: {self.lands}}}"
        return ""

    def wanted(self, done: Mapping[str, Noted], now: dt.datetime) -> list[Window]:
        """The windows that are missing, given what was noted of those that are done. Pure: no clock, no network."""
        raise NotImplementedError

    def discover(self, done: MutableMapping[str, Noted], now: dt.datetime, reach: Reach) -> list[Window]:
        """What is wanted, where the server must be asked for that. What will never be asked for again may be taken out of `done`.

        Raises as `fetch` does.
        """
        return self.wanted(done, now)

    def taken(self, window: Window, noted: Noted, reach: Reach) -> None:
        """What is done at the server once a piece has landed and was noted as done; asked for again (by `discover`) where it was not done.

        Raises as `fetch` does.
        """

    def fetch(self, window: Window, done: Noted, out: Path, reach: Reach) -> Fetched:
        """One window into the file `out`; `done` is what was noted of it last time.

        Raises `resources.requesting.Passing` or `Permanent`.
        """
        raise NotImplementedError

    def describe(self, reach: Reach) -> Described:
        """What a contract would say of what comes, and what would be fetched. Raises as `fetch` does."""
        wanted = self.discover({}, dt.datetime.now(dt.UTC), reach)
        return Described(would_fetch=f"{len(wanted)} piece(s), whose columns only a file tells: drop one, or fetch it")
