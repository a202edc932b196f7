"""What the tests of exports share: a platform of laboratory results, an export of them, and a folder that stands for a partner's share."""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_assets.exports import ledger
from platform_assets.exports.ledger import Entry
from platform_assets.exports.making import Maker
from platform_assets.exports.model import Export
from platform_assets.exports.sending import Delivered, Sender
from tests.places import Place

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
ROW_LEVEL = {"role": "steward", "ground": "Public Health Act, article 26", "recipient": "Agency of the tests"}
FOLDER = {"kind": "folder", "place": "partner"}


def export_of(**changes: Any) -> Export:
    """Laboratory results by month, to a folder; top-level keys are replaced, None takes one out."""
    document = {
        "name": "results_for_agency",
        "owner": "team:surveillance",
        "table": "validated.lab_results",
        "window": {"by": "test_date", "unit": "month", "start": "2026-01-01", "closed_after": "5 days"},
        "file": {"name": "results_{start:%Y%m}.csv"},
        "row_level": ROW_LEVEL,
        "deliver": FOLDER,
        **changes,
    }
    return Export.model_validate({key: value for key, value in document.items() if value is not None})


class Shop:
    """One platform with one export."""

    def __init__(self, home: Path, **changes: Any) -> None:
        self.place = Place(home / "home")
        self.share = home / "share"
        self.share.mkdir(exist_ok=True, parents=True)
        self.folder = home
        self.environment = {"PLATFORM_FOLDER_PARTNER": str(self.share)}
        self.export = export_of(**changes)

    @property
    def maker(self) -> Maker:
        contracts = {"lab_results": self.place.contract}
        return Maker(self.export, self.folder, self.place.warehouse, self.place.store, contracts, {})

    def make(self, key: str | None = "2026-01-01", now: dt.datetime = NOW) -> Entry | None:
        return self.maker.make(key, now)

    def sender(self, on_step: Callable[[str], None] = lambda _: None) -> Sender:
        place = self.place
        return Sender(self.export, place.warehouse, place.store, place.audit, self.environment, lambda _: None, on_step)

    def deliver(self) -> Delivered:
        return self.sender().deliver()

    def entries(self) -> list[Entry]:
        return ledger.read(self.place.warehouse)

    def text(self, entry: Entry) -> str:
        with self.place.store.open(entry.object) as file:
            return file.read().decode()

    def lying(self) -> dict[str, bytes]:
        """What lies in the share."""
        return {p.name: p.read_bytes() for p in sorted(self.share.iterdir()) if p.is_file()}

    def actions(self) -> list[str]:
        """What the audit log tells of exports."""
        return [e.action for e in self.place.audit.entries() if e.action.startswith("export.")]


@functools.cache
def _template(*, made: bool) -> Path:
    """Two months of results loaded (and their files `made`), once for all tests of this process: to copy it takes no time."""
    home = Path(tempfile.mkdtemp(prefix="exports-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    if made:
        shop = loaded(home)
        for key in ("2026-01-01", "2026-02-01"):
            assert shop.make(key) is not None
    else:
        Shop(home).place.deliver("w1.csv", *JANUARY, *FEBRUARY)
    return home


def loaded(home: Path, **changes: Any) -> Shop:
    """A shop with two months of results, and no file yet."""
    shutil.copytree(_template(made=False), home, symlinks=True, dirs_exist_ok=True)
    return Shop(home, **changes)


def stocked(home: Path, **changes: Any) -> Shop:
    """A shop with two files that wait; what is changed does not change the files (`deliver`)."""
    shutil.copytree(_template(made=True), home, symlinks=True, dirs_exist_ok=True)
    return Shop(home, **changes)


JANUARY = ("A-0001,PATIENT-0077,north,2026-01-05,NEG,12", "A-0002,PATIENT-0078,south,2026-01-31,POS,")
FEBRUARY = ("A-0003,PATIENT-0077,north,2026-02-01,NEG,3",)
