"""Which windows an export has, what each is called, and which of them are closed. Pure: `today` is given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from platform_assets.exports.model import Export

DAY = dt.timedelta(days=1)
CHECKED = 800
"""So many windows' names are held against each other when an export is read."""


@dataclass(frozen=True)
class Window:
    """Days from `start` until before `end`."""

    start: dt.date
    end: dt.date

    @property
    def key(self) -> str:
        """Its name, as Dagster's partition."""
        return self.start.isoformat()

    def file_name(self, export: Export) -> str:
        """What its file is called. Raises ValueError."""
        return export.file.rendered(export=export.name, start=self.start, end=self.end, last=self.end - DAY)


def windows(export: Export) -> Iterator[Window]:
    """All windows, oldest first; without end where they go on. None for exports without windows."""
    if export.dates is not None:
        yield from (Window(day, day + DAY) for day in sorted(set(export.dates.on)))
    elif export.window is not None:
        start = _begins(export.window.start, export.window.unit)
        while True:
            end = _begins(
                start + dt.timedelta(days={"day": 1, "week": 7, "month": 32}[export.window.unit]), export.window.unit
            )
            yield Window(start, end)
            start = end


def closed(export: Export, now: dt.datetime) -> list[Window]:
    """The windows that are complete; `now` is by the clock of the installation."""
    wait = export.window.closed_after if export.window else dt.timedelta(0)
    found = []
    for window in windows(export):
        if dt.datetime.combine(window.end, dt.time(), now.tzinfo) + wait > now:
            if export.dates is None:
                break
            continue
        found.append(window)
    return found


def window_of(export: Export, key: str) -> Window:
    """The window called `key`. Raises ValueError where there is none."""
    try:
        day = dt.date.fromisoformat(key)
    except ValueError:
        raise ValueError(f"{key} is no window: write the day that it begins with, e.g. 2026-01-01") from None
    for window in windows(export):
        if window.start == day:
            return window
        if window.start > day:
            break
    raise ValueError(f"no window of {export.name} begins on {key}")


def check_names(export: Export) -> None:
    """Raises ValueError where a file's name could not be made, or two windows had the same one."""
    if export.published is not None:
        export.file.rendered(export=export.name, release="0" * 16)
        if "{release}" not in export.file.name:
            raise ValueError("file.name: two releases would have one name; write {release} into it")
        return
    if export.watermark is not None:
        names = [mark_name(export, dt.datetime(2026, 1, 1, 0, 0, second)) for second in (0, 1)]
        days = mark_name(export, dt.datetime(2026, 1, 2))
        if len({*names, days}) < 3:
            raise ValueError("file.name: two files would have one name; write {end:%Y%m%dT%H%M%S} into it")
        return
    seen: dict[str, Window] = {}
    for window in islice(windows(export), CHECKED):
        name = window.file_name(export)
        if name in seen:
            raise ValueError(
                f"file.name: the windows {seen[name].key} and {window.key} would both be {name}; write more of the date"
            )
        seen[name] = window


def mark_name(export: Export, mark: dt.datetime) -> str:
    """What the file up to `mark` is called. Raises ValueError."""
    return export.file.rendered(export=export.name, end=mark)


def _begins(day: dt.date, unit: str) -> dt.date:
    if unit == "month":
        return day.replace(day=1)
    return day - dt.timedelta(days=day.weekday()) if unit == "week" else day
