"""Releases, read once and kept: rows as plain Python, and which column is what.

A page asks for one `Book` and reads nothing else, so that no page mixes two releases.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from platform_assets.releases import reading
from platform_assets.releases.reading import NoRelease, Release

if TYPE_CHECKING:
    import pandas as pd

    from resources.object_store import ObjectStore

Row = Mapping[str, Any]
"""Column -> text, number, date, or None."""
KEPT = 4
"""Releases that stay in memory."""
LOOK = 2.0
"""Seconds after which it is looked again which release is live."""


@dataclass(frozen=True)
class Article:
    """What a release says of one indicator."""

    name: str
    about: Mapping[str, Any]
    rows: tuple[Row, ...]
    release: Release = field(repr=False)
    drawn: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Figures that were drawn of it, by what was chosen."""

    @property
    def title(self) -> str:
        """The indicator's title."""
        return str(self.about["title"])

    @property
    def direction(self) -> str:
        """Which way is better."""
        return str(self.about["direction"])

    def column(self, part: str) -> str:
        """The column that is `part` of the figure (value, unit, time, size ...); empty where none is."""
        figure = self.about.get("figure") or {}
        return str(figure.get(part) or "")

    def has(self, *columns: str) -> bool:
        """Whether the table has all of `columns`."""
        return all(column in self.about["columns"] for column in columns)

    def kind(self, column: str) -> str:
        """The type of a column: text, integer, number, date ..."""
        return str(self.about["columns"][column]["type"])

    def meaning(self, column: str) -> str:
        """What a column means, in the script's words."""
        return str(self.about["columns"][column]["meaning"])

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The organisations (laboratories, provinces ...) of the table, in order."""
        unit = self.column("unit")
        return (
            tuple(sorted({str(row[unit]) for row in self.rows if row[unit] is not None}, key=_natural)) if unit else ()
        )

    @cached_property
    def place(self) -> Mapping[int, int]:
        """Row (its identity) -> its place in the table."""
        return {id(row): n for n, row in enumerate(self.rows)}

    @cached_property
    def reference(self) -> float | None:
        """What values are held against: the same for all."""
        said = self.column("reference")
        if not said:
            return None
        if said in self.about["columns"]:
            return next((float(row[said]) for row in self.rows if row[said] is not None), None)
        return float(said)

    @property
    def target(self) -> float | None:
        """The value that is to be reached."""
        found = self.about.get("target")
        return float(found["value"]) if found else None

    @property
    def protected(self) -> bool:
        """Whether everything here is made of drawn counts."""
        return bool(self.about["protected"])

    @cached_property
    def atoms(self) -> pd.DataFrame | None:
        """The drawn counts; None where the table is public."""
        return self.release.atoms(self.name) if self.protected else None

    def of_unit(self, unit: str) -> list[Row]:
        """The rows of one organisation, in the order of time."""
        column, time_column = self.column("unit"), self.column("time")
        found = [row for row in self.rows if not column or row[column] == unit]
        return sorted(found, key=lambda row: row[time_column] or dt.date.min) if time_column else found

    @cached_property
    def latest(self) -> tuple[Row, ...]:
        """One row for each organisation: that of the last period, where there are periods."""
        column = self.column("time")
        if not column:
            return self.rows
        last = max((row[column] for row in self.rows if row[column] is not None), default=None)
        return tuple(row for row in self.rows if row[column] == last)


@dataclass(frozen=True)
class Book:
    """One release."""

    release: Release
    articles: Mapping[str, Article]

    @property
    def id(self) -> str:
        """The release's number."""
        return self.release.id


class Shelf:
    """The releases that were asked for lately."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._books: dict[str, Book] = {}
        self._live = ("", -LOOK)
        self._lock = threading.Lock()

    def live(self) -> Book | None:
        """The release that is live; None before the first."""
        number, looked = self._live
        if time.monotonic() - looked < LOOK:
            return self.book(number) if number else None
        found = reading.current(self._store)
        self._live = (found.id if found else "", time.monotonic())
        return self._kept(found) if found else None

    def book(self, number: str) -> Book:
        """The release `number`. Raises NoRelease."""
        with self._lock:
            found = self._books.get(number)
        return found or self._kept(reading.release(self._store, number))

    def before(self, number: str) -> Book | None:
        """The release that was made before `number`; None where there is none."""
        numbers = [release.id for release in reading.releases(self._store)]
        if number not in numbers:
            return None
        older = numbers[numbers.index(number) + 1 :]
        return self.book(older[0]) if older else None

    def _kept(self, release: Release) -> Book:
        with self._lock:
            if release.id in self._books:
                return self._books[release.id]
        book = Book(release, {name: _article(release, name) for name in release.indicators})
        with self._lock:
            self._books[release.id] = book
            while len(self._books) > KEPT:
                del self._books[next(iter(self._books))]
        return book


def _article(release: Release, name: str) -> Article:
    about = release.indicators[name]
    table = release.table(name)
    columns = [c for c in about["columns"] if c in table.columns]
    if missing := [c for c in about["columns"] if c not in table.columns]:
        raise NoRelease(f"the table of {name} in release {release.id} lacks the column {missing[0]}")
    rows = tuple(
        {column: _plain(value) for column, value in zip(columns, values, strict=True)}
        for values in table[columns].astype(object).itertuples(index=False, name=None)
    )
    return Article(name, about, rows, release)


def _plain(value: Any) -> Any:
    """A value of pandas' as Python's own; None where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)) or str(value) in ("NaT", "<NA>"):
        return None
    if isinstance(value, dt.datetime):
        return value.date()
    return value.item() if hasattr(value, "item") else value


def _natural(text: str) -> tuple[Sequence[Any], str]:
    """Hospital 2 before Hospital 10."""
    parts = re.split(r"(\d+)", text.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], text
