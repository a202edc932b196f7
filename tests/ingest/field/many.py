"""Many small files of one dataset in one load, looked at one by one: a load costs more than the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from platform_assets.ingest.ledger import Entry
from tests.conftest import LAB, Bench


@dataclass(frozen=True)
class Many:
    """What became of them."""

    bench: Bench
    entries: Mapping[str, Entry]

    def __getitem__(self, file: str) -> Entry:
        return self.entries[file]

    def rows(self, file: str, *columns: str) -> list[tuple[Any, ...]]:
        """The table's rows of one file."""
        return self._of("validated", file, columns)

    def quarantine(self, file: str, *columns: str) -> list[tuple[Any, ...]]:
        """The quarantined rows of one file, in its order."""
        return self._of("quarantine", file, columns)

    def _of(self, layer: str, file: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        order = "_row" if layer == "quarantine" else ", ".join(f"{c}::VARCHAR" for c in columns)
        asked = (
            f"SELECT {', '.join(columns)} FROM {{{layer}}} WHERE _delivery = '{self[file].delivery}' ORDER BY {order}"
        )
        return self.bench.sql(asked)


def load_many(
    bench: Callable[..., Bench], files: Mapping[str, bytes | str], name: str = "lab", **contract: Any
) -> Many:
    """Load `files` together into a fresh dataset that keeps every row, and see that none is lost."""
    there = bench({**LAB, "name": name, "load": {"mode": "append"}, **contract})
    for file, data in files.items():
        # the same content twice would be one delivery: each file has a name, and so has each load
        there.drop(file, data)
    report = there.load()
    found = {entry.file: entry for entry in report.entries}
    assert found.keys() == files.keys()
    assert there.files("landing") == []
    if any(entry.status != "rejected" for entry in report.entries):
        there.assert_nothing_lost()
    return Many(there, found)
