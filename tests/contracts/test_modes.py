"""Every load mode says all that belongs to it; what a mode decides about deliveries is tried without any engine."""

from __future__ import annotations

import datetime as dt
import pkgutil
from pathlib import Path

import duckdb
import pytest
import sqlglot
from pydantic import ValidationError

from platform_assets.contracts import modes
from platform_assets.contracts.mode import Chosen, Mode, Present, Terms
from platform_assets.contracts.model import Contract, Load
from platform_assets.contracts.modes import MODES
from platform_assets.ingest.deliveries import Delivery, Mending
from platform_assets.ingest.ledger import Entry
from resources.object_store import StoredObject
from tests.conftest import LAB

ROOT = Path(__file__).resolve().parents[2]
LOADS = {"append": {}, "upsert": {"key": ["sample_id"]}, "snapshot": {}}
"""A load of each mode that fits: a new mode has a line."""
DAY = dt.datetime(2024, 1, 1)


def test_every_file_is_a_mode_and_bears_its_name() -> None:
    assert {m.name for m in pkgutil.iter_modules(modes.__path__)} == set(MODES) == set(LOADS)
    assert all(MODES[name].name == name and isinstance(MODES[name], Mode) for name in MODES)


@pytest.mark.parametrize("name", MODES)
def test_a_mode_says_all_that_belongs_to_it(name: str) -> None:
    mode, key = MODES[name], LOADS[name].get("key", [])
    assert mode.refusal(key, ordered=False) == ""
    assert mode.in_words("sample_id").endswith(".")
    assert (mode.in_words("a") != mode.in_words("b")) == (
        mode.refusal([], ordered=False) != ""
    )  # a key that is needed is named
    load = Load.model_validate({"mode": name, **LOADS[name]})
    assert load.changes is mode
    # what order means between rows is SQL over three places in time, for every engine, and never unknown
    row = "SELECT {} AS _as_of, {} AS _earlier, {} AS _old_as_of"
    times = ["NULL::TIMESTAMP", "'2024-01-01'::TIMESTAMP", "'2024-01-02'::TIMESTAMP"]
    rows = " UNION ALL ".join(row.format(a, b, c) for a in times for b in times for c in times)
    said = duckdb.execute(f"SELECT count(*), count({mode.counts}) FROM ({rows})").fetchone()
    assert said == (27, 27)
    assert sqlglot.transpile(mode.counts, read="duckdb", write="bigquery", unsupported_level=sqlglot.ErrorLevel.RAISE)
    # what is told people who write contracts, and every column of the file is there
    assert f"`{name}`" in (ROOT / "docs" / "add-a-dataset.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [n for n in MODES if MODES[n].whole])
def test_a_mode_of_whole_deliveries_chooses_one_and_gives_account_of_the_others(name: str) -> None:
    new, old = delivery("new"), delivery("old")
    entries = {"new": entry("new", 2), "old": entry("old", 1)}
    assert MODES[name].choose([old, new], entries, {}, Present(), Terms()).base == "new"
    for e in entries.values():  # the law of the ledger: what is not published is superseded or rejected
        assert e.status == "published" or e.rows_in == e.superseded + e.quarantined
    now = present("new", DAY)
    assert MODES[name].too_late("other", None, now, released=False) != ""
    assert MODES[name].too_late("new", None, now, released=False) == ""


def test_an_older_snapshot_comes_too_late_and_fixes_join_the_one_that_stands() -> None:
    snapshot = MODES["snapshot"]
    entries = {"old": entry("old", 1), "fix": entry("fix", 2), "late fix": entry("late fix", 1)}
    deliveries = [delivery("old"), delivery("fix", "now"), delivery("late fix", "before")]
    chosen = snapshot.choose(deliveries, entries, {}, present("now", DAY + dt.timedelta(days=2)), Terms())
    assert chosen == Chosen()
    assert {n: e.status for n, e in entries.items()} == {
        "old": "superseded",
        "fix": "published",
        "late fix": "superseded",
    }
    assert entries["late fix"].reason.startswith("a fix of a snapshot of 2024-01-02")


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"mode": "upsrt", "key": ["sample_id"]}, "'upsrt' is no load mode: say append, snapshot, upsert"),
        ({"mode": "upsert"}, "upsert needs a key"),
        ({"mode": "append", "key": ["sample_id"]}, "append keeps every row"),
        ({"mode": "append", "order_by": "delivered"}, "append keeps every row"),
    ],
)
def test_a_contract_that_does_not_fit_its_mode_is_refused(load: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Contract.model_validate({**LAB, "load": load})


def test_the_schema_lists_the_modes() -> None:
    assert Load.model_json_schema()["properties"]["mode"]["enum"] == sorted(MODES)


def present(delivery: str, as_of: dt.datetime) -> Present:
    return Present({f"{delivery}.csv": frozenset({delivery})}, as_of)


def delivery(name: str, mends: str = "") -> Delivery:
    mending = Mending(name, mends, DAY + dt.timedelta(days=1), released=False, sha256="") if mends else None
    now = dt.datetime.now(dt.UTC)
    return Delivery(StoredObject(f"landing/lab/{name}", 1, "1", now, now), name, mending=mending)


def entry(name: str, days: int) -> Entry:
    return Entry(
        "lab", name, f"{name}.csv", 1, name, DAY, DAY, as_of=DAY + dt.timedelta(days=days), rows_in=3, quarantined=1
    )
