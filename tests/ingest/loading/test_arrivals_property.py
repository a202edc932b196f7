"""Arrivals in any order, against a small model in plain Python that knows no tables: what becomes of each, and what the table says."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.contracts.model import Contract
from tests.conftest import Bench
from tests.ingest.loading.test_arrivals import BEDS, BY_NAME

pytestmark = pytest.mark.slow
Make = Callable[..., Bench]
NAMES = itertools.count()
CONTENTS = [{"N": 1, "S": 1}, {"N": 2, "S": 1}, {"N": 1}, {"E": 1}]
Content = dict[str, int]


@dataclass
class Arrival:
    """One file."""

    stem: str
    day: int
    content: int

    @property
    def file(self) -> str:
        return f"{self.stem}_2026-03-{self.day:02d}.csv"

    @property
    def text(self) -> str:
        return "ward,beds\n" + "".join(f"{ward},{beds}\n" for ward, beds in CONTENTS[self.content].items())


@dataclass
class Model:
    """What the contract says, of one arrival after the other."""

    mode: str
    named: bool
    again: str
    parts: bool = False
    past: list[tuple[Arrival, str]] = field(default_factory=list)
    rows: list[tuple[str, int]] = field(default_factory=list)
    """append"""
    keyed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """upsert: ward -> beds, day"""
    table: dict[str, Arrival] = field(default_factory=dict)
    """snapshot: file -> what it is of"""

    def arrive(self, new: Arrival) -> str:
        status = getattr(self, f"_{self.mode}")(new)
        self.past.append((new, status))
        return str(status)

    def _append(self, new: Arrival) -> str:
        came = any((a.file, a.content) == (new.file, new.content) for a, _ in self.past)
        if came and self.again != "apply":
            return {"ignore": "repeated", "hold": "held"}[self.again]
        self.rows += CONTENTS[new.content].items()
        return "published"

    def _upsert(self, new: Arrival) -> str:
        before, said = self._before(new), self._said_last(new)
        if said or (before and self.again == "ignore" and not self.named):
            return "repeated"
        day = new.day if self.named else len(self.past)
        changes = {
            ward: (beds, day)
            for ward, beds in CONTENTS[new.content].items()
            if ward not in self.keyed or self.keyed[ward][1] <= day
        }
        only_arrival = [
            ward
            for ward, (beds, _) in changes.items()
            if (not self.named or (ward in self.keyed and self.keyed[ward][1] == day))
            and self.keyed.get(ward, (None, 0))[0] != beds
        ]
        if before and only_arrival and self.again != "apply":
            return {"ignore": "superseded", "hold": "held"}[self.again]
        for ward, (beds, of) in changes.items():
            if self.named or self.keyed.get(ward, (None, 0))[0] != beds:
                self.keyed[ward] = (beds, of)
        return "published"

    def _snapshot(self, new: Arrival) -> str:
        before, said = self._before(new), self._said_last(new)
        if said or (not self.named and any(a.content == new.content for a in self.table.values())):
            return "repeated"
        if before and self.again == "ignore" and not self.named:
            return "repeated"
        now = max((a.day for a in self.table.values()), default=0) if self.named else 0
        if self.named and new.day < now:
            return "superseded"
        same_day = bool(self.table) and self.named and new.day == now
        if before and self.again != "apply" and (same_day or not self.named):
            return {"ignore": "superseded", "hold": "held"}[self.again]
        if self.parts and same_day:
            self.table[new.stem] = new
            return "published"
        if same_day and new.stem not in self.table:
            return "held"
        self.table = {new.stem: new}
        return "published"

    def _before(self, new: Arrival) -> list[int]:
        """Places of arrivals of the same content."""
        return [n for n, (a, _) in enumerate(self.past) if a.content == new.content and not self._other_part(a, new)]

    def _other_part(self, a: Arrival, new: Arrival) -> bool:
        return self.parts and a.file != new.file

    def _said_last(self, new: Arrival) -> bool:
        """Whether no other content came since, of the same day where files have days."""
        line = [
            (n, a) for n, (a, _) in enumerate(self.past)
            if (not self.named or a.day == new.day) and not self._other_part(a, new)
        ]  # fmt: skip
        return bool(line) and line[-1][1].content == new.content

    def said(self) -> list[tuple[str, int]]:
        if self.mode == "append":
            return sorted(self.rows)
        if self.mode == "upsert":
            return sorted((ward, beds) for ward, (beds, _) in self.keyed.items())
        return sorted(row for a in self.table.values() for row in CONTENTS[a.content].items())


arrivals = st.lists(
    st.builds(Arrival, st.sampled_from(["n", "s"]), st.integers(1, 3), st.integers(0, len(CONTENTS) - 1)),
    min_size=3,
    max_size=7,
)


@pytest.mark.parametrize(
    ("mode", "named", "parts"),
    [
        ("upsert", False, False),
        ("upsert", True, False),
        ("snapshot", False, False),
        ("snapshot", True, False),
        ("snapshot", True, True),
        ("append", False, False),
    ],
)
@settings(
    max_examples=int(os.environ.get("PLATFORM_ARRIVALS", "3")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(arriving=arrivals, again=st.sampled_from(["hold", "apply", "ignore"]))
def test_arrivals_drawn_at_random(
    bench: Make, mode: str, named: bool, parts: bool, arriving: list[Arrival], again: str
) -> None:
    load = {
        "mode": mode,
        "again": again,
        **({"order_by": BY_NAME} if named else {}),
        **({"parts": True} if parts else {}),
    }
    load |= {"key": ["ward"]} if mode == "upsert" else {}
    lab = bench(Contract.model_validate({**BEDS, "name": f"beds{next(NAMES)}", "load": load}))
    model = Model(mode, named, again, parts)
    for number, new in enumerate(arriving, start=1):
        (entry,) = lab.send(new.file, new.text).entries
        told = f"{[a.file + str(a.content) for a in arriving[:number]]}"
        assert entry.status == model.arrive(new), told
        assert lab.table("ward", "beds") == model.said(), told
        lab.assert_nothing_lost()
    assert lab.sql(f"SELECT count(*) FROM platform.ledger WHERE dataset = '{lab.contract.name}'") == [(len(arriving),)]
