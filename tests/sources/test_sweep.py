"""Rows that were deleted at the source leave the table: by a sweep, with a limit, and none that came since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_assets.contracts.model import Contract
from platform_assets.engines import refusal
from platform_assets.sources.base import Reach, Window
from platform_assets.sources.parts.watermark import Sweep
from platform_assets.sources.sql import WHOLE, SqlSource
from tests.conftest import Bench
from tests.servers import postgres_server
from tests.servers.postgres_server import postgres

Make = Callable[..., Bench]
SOURCE: dict[str, Any] = {
    "kind": "sql",
    "database": "ehr",
    "table": "stays",
    "watermark": {"column": "changed"},
    "sweep": {"every": "0 3 * * 0", "at_most": "40%"},
}
STAYS: dict[str, Any] = {
    "name": "stays",
    "description": "Stays.",
    "owner": "team:test",
    "source": SOURCE,
    "format": {"kind": "parquet"},
    "load": {"mode": "upsert", "key": ["person"], "order_by": {"column": "changed"}},
    "columns": {
        "person": {"type": "string", "role": "identifier"},
        "ward": {"type": "categorical", "in": ["A", "B"]},
        "changed": {"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}
Rows = dict[str, tuple[str, str]]


def parquet(tmp_path: Path, rows: Rows) -> bytes:
    columns = [list(rows), [w for w, _ in rows.values()], [f"2026-01-{day} 00:00:00" for _, day in rows.values()]]
    pq.write_table(pa.table(dict(zip(STAYS["columns"], map(pa.array, columns), strict=True))), tmp_path / "it")
    return (tmp_path / "it").read_bytes()


@pytest.fixture
def lab(bench: Make) -> Bench:
    return bench(Contract.model_validate(STAYS))


BEFORE: Rows = {"p1": ("A", "01"), "p2": ("A", "02"), "p3": ("A", "03"), "p4": ("A", "04"), "p5": ("A", "05")}


def whole(n: int) -> str:
    return f"stays_{WHOLE}_202601{n:02d}T000000Z.parquet"


def wards(lab: Bench) -> list[str]:
    return sorted(day for (day,) in lab.sql("SELECT strftime(changed, '%d') FROM {validated}"))


def test_what_is_gone_leaves_and_is_counted_and_what_is_wrong_now_stays(lab: Bench, tmp_path: Path) -> None:
    lab.send("stays_1.parquet", parquet(tmp_path, BEFORE))
    now = {**BEFORE, "p2": ("unknown ward", "09")}
    del now["p5"]  # the newest of all
    (entry,) = lab.send(whole(7), parquet(tmp_path, now)).entries
    assert (entry.status, entry.removed, entry.quarantined, entry.unchanged) == ("published", 1, 1, 3)
    assert wards(lab) == ["01", "02", "03", "04"]
    lab.assert_nothing_lost()
    # the same once more, after a row that came and went: it is applied, not held
    lab.send("stays_2.parquet", parquet(tmp_path, {"p9": ("B", "20")}))
    assert "20" in wards(lab)
    (again,) = lab.send(whole(14), parquet(tmp_path, now)).entries
    assert (again.status, again.removed) == ("published", 1)
    assert wards(lab) == ["01", "02", "03", "04"]
    lab.assert_nothing_lost()


def test_a_sweep_of_the_very_rows_of_the_last_changes_removes_the_others(bench: Make, tmp_path: Path) -> None:
    lab = bench(
        Contract.model_validate({**STAYS, "source": {**SOURCE, "sweep": {"every": "0 3 * * 0", "at_most": "90%"}}})
    )
    lab.send("stays_1.parquet", parquet(tmp_path, BEFORE))
    last = parquet(tmp_path, {"p1": ("B", "09")})
    lab.send("stays_2.parquet", last)
    (entry,) = lab.send(whole(7), last).entries
    assert (entry.status, entry.removed, entry.unchanged) == ("published", 4, 1)
    assert wards(lab) == ["09"]
    assert lab.send(whole(14), last).entries[0].status == "repeated"
    lab.assert_nothing_lost()


def test_too_much_that_is_gone_holds_the_delivery(lab: Bench, tmp_path: Path) -> None:
    lab.send("stays_1.parquet", parquet(tmp_path, BEFORE))
    few = {name: BEFORE[name] for name in ("p1", "p2")}
    (entry,) = lab.send(whole(7), parquet(tmp_path, few)).entries
    assert entry.status == "held"
    assert "3 of 5 rows of the table (60.0%) are no longer at the source" in entry.reason
    assert wards(lab) == ["01", "02", "03", "04", "05"]
    lab.assert_nothing_lost()


def test_a_file_of_changes_removes_nothing_and_an_empty_sweep_is_held(lab: Bench, tmp_path: Path) -> None:
    lab.send("stays_1.parquet", parquet(tmp_path, BEFORE))
    lab.send("stays_2.parquet", parquet(tmp_path, {"p1": ("B", "09")}))
    assert len(wards(lab)) == 5
    assert lab.send(whole(7), parquet(tmp_path, {"new": ("A", "09")})).entries[0].status == "held"
    assert len(wards(lab)) == 5


def test_rows_of_deliveries_that_came_later_stay_when_a_held_sweep_is_judged_again(lab: Bench, tmp_path: Path) -> None:
    lab.send("stays_1.parquet", parquet(tmp_path, BEFORE))
    few = {name: BEFORE[name] for name in ("p1", "p2")}
    assert lab.send(whole(7), parquet(tmp_path, few)).entries[0].status == "held"
    lab.send("stays_2.parquet", parquet(tmp_path, {"late": ("B", "20")}))
    lab.contract = Contract.model_validate(
        {**STAYS, "source": {**SOURCE, "sweep": {"every": "0 3 * * 0", "at_most": "90%"}}}
    )
    lab.load()
    assert wards(lab) == ["01", "02", "20"]
    lab.assert_nothing_lost()


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with postgres() as found:
        yield found


def test_a_real_database_is_read_whole_when_it_is_due(server: Any, tmp_path: Path) -> None:
    made = SqlSource.model_validate({**SOURCE, "table": "public.swept"})
    with psycopg2.connect(
        f"postgresql://platform@127.0.0.1:{server.port}/postgres", password=postgres_server.PASSWORD
    ) as c:
        c.cursor().execute(
            "CREATE TABLE swept AS SELECT n AS id, now() - n * interval '1 day' AS changed FROM generate_series(1, 9) n"
        )
    environment = {
        "PLATFORM_DATABASE_EHR": f"postgresql://platform@127.0.0.1:{server.port}/postgres",
        "PLATFORM_DATABASE_EHR_PASSWORD": postgres_server.PASSWORD,
    }
    reach = Reach("stays", environment, lambda _: None)
    now = dt.datetime.now(dt.UTC)
    assert [w.name for w in made.wanted({}, now)] == ["", WHOLE]
    some = made.fetch(
        Window(), {"read_to": str(now.replace(tzinfo=None) - dt.timedelta(days=3))}, tmp_path / "some", reach
    )
    everything = made.fetch(Window(WHOLE), {}, tmp_path / "all", reach)
    assert some.changed
    assert pq.read_table(tmp_path / "some").num_rows < pq.read_table(tmp_path / "all").num_rows == 9
    assert [w.name for w in made.wanted({WHOLE: everything.noted}, now)] == [""]
    assert [w.name for w in made.wanted({WHOLE: everything.noted}, now + dt.timedelta(days=8))] == ["", WHOLE]


def test_a_name_tells_what_is_whole() -> None:
    made = SqlSource.model_validate(SOURCE)
    assert made.is_whole(whole(7))
    assert not any(map(made.is_whole, ["stays_20260107T000000Z.parquet", "stays_whole.parquet", f"{whole(7)}.csv"]))
    assert not SqlSource.model_validate({**SOURCE, "sweep": None}).is_whole(whole(7))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": {**SOURCE, "watermark": None}}, "'sweep' is for sources with a watermark"),
        ({"source": {**SOURCE, "sweep": {"every": "sundays"}}}, "is not a cron line"),
        ({"source": {**SOURCE, "sweep": {"every": "0 3 * * 0", "at_most": 40}}}, "would be 4000 %"),
        ({"load": {"mode": "upsert", "key": ["person"], "replaces": ["ward"]}}, "drop one of them"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({**STAYS, **change})


def test_an_engine_that_has_it_not_refuses_it() -> None:
    assert refusal("lake", Contract.model_validate(STAYS)) == ""
    assert "works on DuckDB only" in refusal("bigquery", Contract.model_validate(STAYS))
    assert Sweep(every="0 3 * * 0").at_most == 0.05
