"""A delivery is an event, its bytes are content: what comes again, in which mode, and what only a person can say."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.load import Load
from platform_assets.ingest.quality import evaluate
from resources.environment import Platform
from resources.object_store import LocalStore
from tests.conftest import Bench

Make = Callable[..., Bench]
BY_NAME = {"file_name": r"_(\d{4}-\d{2}-\d{2})"}
BEDS: dict[str, Any] = {
    "name": "beds",
    "description": "Beds of wards.",
    "owner": "team:test",
    "format": {"kind": "csv"},
    "load": {"mode": "upsert", "key": ["ward"]},
    "columns": {
        "ward": {"type": "string"},
        "beds": {"type": "integer"},
        "day": {"type": "date", "format": "%Y-%m-%d", "optional": True, "required": False},
    },
    "quality": {"max_quarantined": 1.0, "min_rows": 0},
}
A, B = "ward,beds\nNorth,10\nSouth,4\n", "ward,beds\nNorth,99\nSouth,4\n"
RIGHT, WRONG = [("North", 10), ("South", 4)], [("North", 99), ("South", 4)]


def beds(bench: Make, **load: Any) -> Bench:
    return bench(Contract.model_validate({**BEDS, "load": {"key": ["ward"], **load}}))


def statuses(lab: Bench) -> list[str]:
    return [s for (s,) in lab.sql("SELECT status FROM platform.ledger ORDER BY loaded_at, as_of")]


def send_all(lab: Bench, *files: tuple[str, str]) -> list[str]:
    """Each loaded before the next comes; what became of each."""
    return [entry.status for name, data in files for entry in lab.send(name, data).entries]


@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
def test_a_former_list_is_applied_where_its_name_says_that_it_is_the_newest(bench: Make, mode: str) -> None:
    lab = beds(bench, mode=mode, order_by=BY_NAME)
    days = [("l_2026-03-02.csv", A), ("l_2026-03-03.csv", B), ("l_2026-03-04.csv", A)]
    assert send_all(lab, *days) == ["published"] * 3
    assert lab.table("ward", "beds") == RIGHT
    assert len({d for (d,) in lab.sql("SELECT delivery FROM platform.ledger")}) == 3
    lab.assert_nothing_lost()
    # the same list of the same day, whatever its name
    assert send_all(lab, ("again_2026-03-04.csv", A), ("l_2026-03-04.csv", A)) == ["repeated"] * 2
    # a folder that drops its old files again changes nothing: their dates tell
    send_all(lab, days[1], days[0])
    assert lab.table("ward", "beds") == RIGHT
    lab.assert_nothing_lost()


@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
@pytest.mark.parametrize(
    ("again", "becomes", "table"),
    [(None, "held", WRONG), ("hold", "held", WRONG), ("apply", "published", RIGHT), ("ignore", "repeated", WRONG)],
)
def test_what_a_former_list_means_where_only_its_arrival_tells_is_the_contracts_to_say(
    bench: Make, mode: str, again: str | None, becomes: str, table: list[tuple[str, int]]
) -> None:
    lab = beds(bench, mode=mode, **({"again": again} if again else {}))
    assert send_all(lab, ("1.csv", A), ("2.csv", B), ("3.csv", A)) == ["published", "published", becomes]
    assert lab.table("ward", "beds") == table
    lab.assert_nothing_lost()
    (entry,) = lab.sql("SELECT reason, same_as FROM platform.ledger WHERE file = '3.csv'")
    assert entry[1] == lab.sql("SELECT delivery FROM platform.ledger WHERE file = '1.csv'")[0][0]
    assert "csv" not in entry[0]  # names of files may name somebody
    # the same once more is not another question
    assert send_all(lab, ("4.csv", A)) == ["repeated"]
    # what the table says already changes nothing, although other content came since
    assert send_all(lab, ("5.csv", B))[0] in ({"published", "repeated"} if becomes != "published" else {"published"})
    lab.assert_nothing_lost()


def test_a_former_file_that_would_change_nothing_asks_nobody(bench: Make) -> None:
    """Two senders, each with a list of its own that does not change."""
    lab = beds(bench, mode="upsert")
    x, y = "ward,beds\nNorth,1\n", "ward,beds\nSouth,2\n"
    assert send_all(lab, ("x.csv", x), ("y.csv", y), ("x.csv", x), ("y.csv", y)) == ["published"] * 4
    assert lab.sql("SELECT unchanged FROM platform.ledger ORDER BY loaded_at") == [(0,), (0,), (1,), (1,)]
    lab.assert_nothing_lost()


@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
def test_of_two_files_of_one_date_only_arrival_tells_which_is_newer(bench: Make, mode: str) -> None:
    lab = beds(bench, mode=mode, order_by=BY_NAME)
    name = "l_2026-03-02.csv"
    assert send_all(lab, (name, A), (name, B)) == ["published"] * 2
    assert lab.table("ward", "beds") == WRONG
    assert send_all(lab, (name, A)) == ["held"]
    assert lab.table("ward", "beds") == WRONG
    assert send_all(lab, ("l_2026-03-03.csv", A)) == ["published"]
    assert lab.table("ward", "beds") == RIGHT
    lab.assert_nothing_lost()


def test_rows_with_dates_tell_themselves_which_are_newer(bench: Make) -> None:
    columns = {**BEDS["columns"], "day": {"type": "date", "format": "%Y-%m-%d"}}
    dated = {**BEDS, "columns": columns, "load": {"mode": "upsert", "key": ["ward"], "order_by": {"column": "day"}}}
    head = "ward,beds,day\n"
    old, new, same = (f"{head}North,{n},2026-03-0{d}\n" for n, d in ((10, 1), (99, 2), (50, 1)))
    lab = bench(Contract.model_validate(dated))
    assert send_all(lab, ("1.csv", old), ("2.csv", new), ("1.csv", old)) == ["published"] * 3
    assert lab.table("ward", "beds") == [("North", 99)]  # an older row never replaces a newer one
    tie = bench(Contract.model_validate({**dated, "name": "tie"}))
    assert send_all(tie, ("1.csv", old), ("2.csv", same), ("1.csv", old)) == ["published", "published", "held"]
    assert tie.table("ward", "beds") == [("North", 50)]


def test_files_that_came_together_are_remembered_in_the_order_in_which_they_were_taken(bench: Make) -> None:
    lab = bench(Contract.model_validate({**BEDS, "load": {"mode": "append"}}))
    names = [f"{n}.csv" for n in range(9)]
    for name in names:
        lab.drop(name, A)
    lab.load()
    with lab.platform.warehouse.connect(read_only=True) as connection:
        entries = ledger.read(connection, "beds")
    assert [e.file for e in entries] == names
    (again,) = lab.send("0.csv", A).entries
    assert again.same_as == entries[-1].delivery  # the latest of this content


def test_two_equal_days_are_two_where_rows_are_added(bench: Make) -> None:
    lab = bench(Contract.model_validate({**BEDS, "load": {"mode": "append"}}))
    lab.drop("mon.csv", A)
    lab.drop("tue.csv", A)
    assert [e.status for e in lab.load().entries] == ["published"] * 2
    assert send_all(lab, ("wed.csv", A), ("mon.csv", A)) == ["published", "repeated"]
    assert lab.sql("SELECT count(*) FROM {validated}") == [(6,)]
    lab.assert_nothing_lost()
    asked = bench(Contract.model_validate({**BEDS, "name": "asked", "load": {"mode": "append", "again": "hold"}}))
    assert send_all(asked, ("mon.csv", A), ("tue.csv", A), ("mon.csv", A)) == ["published", "published", "held"]


def test_all_that_waits_together_means_what_it_would_mean_one_after_the_other(bench: Make) -> None:
    lab = beds(bench, mode="upsert", again="apply")
    for name, data in (("1.csv", A), ("2.csv", B), ("3.csv", A), ("4.csv", A)):
        lab.drop(name, data)
    assert [(e.file, e.status) for e in lab.load().entries] == [
        ("1.csv", "published"),
        ("2.csv", "published"),
        ("3.csv", "published"),
        ("4.csv", "repeated"),
    ]
    assert lab.table("ward", "beds") == RIGHT
    lab.assert_nothing_lost()


def test_a_file_that_was_refused_and_comes_again_is_judged_again(bench: Make) -> None:
    lab = bench(Contract.model_validate({**BEDS, "source": {"files": ["*.csv"]}}))
    assert send_all(lab, ("a.txt", A), ("a.txt", A), ("a.csv", A)) == ["rejected", "rejected", "published"]
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(3,)]


def test_what_a_steward_mended_stays_when_the_file_comes_again(bench: Make) -> None:
    """The latest content again says nothing new: its wrong rows do not wait a second time."""
    lab = beds(bench, mode="upsert")
    wrong = "ward,beds\nNorth,ten\nSouth,4\n"
    assert send_all(lab, ("1.csv", wrong), ("2.csv", wrong)) == ["published", "repeated"]
    assert lab.sql("SELECT count(*) FROM {quarantine}") == [(1,)]


def test_a_contract_that_comes_to_apply_former_lists_applies_those_that_wait(bench: Make) -> None:
    lab = beds(bench, mode="snapshot")
    assert send_all(lab, ("1.csv", A), ("2.csv", B), ("3.csv", A)) == ["published", "published", "held"]
    (entry,) = beds(bench, mode="snapshot", again="apply").load().entries
    assert (entry.file, entry.status) == ("3.csv", "published")
    assert lab.table("ward", "beds") == RIGHT
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(3,)]
    lab.assert_nothing_lost()


# ---------------------------------------------------------------------------------------------------- several files of one date


def parts(bench: Make, **load: Any) -> Bench:
    return beds(bench, mode="snapshot", order_by=BY_NAME, **load)


NORTH, SOUTH = "ward,beds\nN1,1\nN2,2\n", "ward,beds\nS1,5\n"


@pytest.mark.parametrize("key", [["ward"], []])
@pytest.mark.parametrize("together", [True, False])
def test_files_of_one_date_are_one_snapshot_where_the_contract_says_so(
    bench: Make, key: list[str], together: bool
) -> None:
    lab = parts(bench, key=key, parts=True)
    send_all(lab, ("old_2026-03-01.csv", "ward,beds\nX,1\n"))
    for name, data in (("n_2026-03-02.csv", NORTH), ("s_2026-03-02.csv", SOUTH)):
        lab.drop(name, data)
        if not together:
            lab.load()
    lab.load()
    assert lab.table("ward") == [("N1",), ("N2",), ("S1",)]
    # a part that comes again takes the place of itself, and of nothing else
    assert send_all(lab, ("n_2026-03-02.csv", "ward,beds\nN2,7\n")) == ["published"]
    assert lab.table("ward", "beds") == [("N2", 7), ("S1", 5)]
    # two parts that happen to be equal are two
    if not key:
        assert send_all(lab, ("e_2026-03-02.csv", SOUTH)) == ["published"]
        assert lab.table("ward") == [("N2",), ("S1",), ("S1",)]
    # the next date begins anew, and what is older changes nothing
    assert send_all(lab, ("n_2026-03-03.csv", NORTH), ("s_2026-03-02.csv", "ward,beds\nS9,9\n"))[0] == "published"
    assert lab.table("ward") == [("N1",), ("N2",)]
    lab.assert_nothing_lost()


def test_another_file_of_the_same_date_is_held_where_the_contract_does_not_say_what_it_is(bench: Make) -> None:
    lab = parts(bench)
    lab.drop("n_2026-03-02.csv", NORTH)
    lab.drop("s_2026-03-02.csv", SOUTH)
    assert [e.status for e in lab.load().entries] == ["published", "held"]
    assert send_all(lab, ("t_2026-03-02.csv", SOUTH + "S2,1\n")) == ["held"]
    assert lab.table("ward") == [("N1",), ("N2",)]
    lab.assert_nothing_lost()
    (entry,) = parts(bench, parts=True).load().entries[:1]
    assert entry.status == "published"


def test_parts_are_of_dated_snapshots_only() -> None:
    for load in ({"mode": "upsert", "key": ["ward"], "order_by": BY_NAME}, {"mode": "snapshot"}):
        with pytest.raises(ValueError, match="'parts' is for a snapshot whose files have their date in their names"):
            Contract.model_validate({**BEDS, "load": {**load, "parts": True}})


# ---------------------------------------------------------------------------------------------------- arrival


def freshness(lab: Bench, now: dt.datetime) -> bool:
    with lab.platform.warehouse.connect() as lake:
        from platform_assets.ingest.judging import expression_of

        found = {
            o.check: o for o in evaluate(lake, lab.contract, expression_of(lab.platform.warehouse, lab.contract), now)
        }
    assert found["row_conservation"].passed
    return found["freshness"].passed


def test_a_list_that_does_not_change_is_fresh_because_it_came(bench: Make) -> None:
    quality = {**BEDS["quality"], "freshness": {"cron": "0 9 * * 1"}}
    lab = bench(Contract.model_validate({**BEDS, "quality": quality}))
    lab.send("1.csv", A)
    weeks = dt.datetime.now(dt.UTC) + dt.timedelta(days=21)
    assert freshness(lab, dt.datetime.now(dt.UTC))
    assert not freshness(lab, weeks)
    entry = lab.send("2.csv", A).entries[0]
    assert abs(entry.delivered_at - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(minutes=5)
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(2,)]
    assert freshness(lab, dt.datetime.now(dt.UTC))


def test_a_file_that_kept_its_old_time_came_when_it_came(bench: Make) -> None:
    """cp -p, rsync -t, unzip."""
    lab = bench(Contract.model_validate({**BEDS, "quality": {**BEDS["quality"], "freshness": {"cron": "0 9 * * 1"}}}))
    lab.drop("1.csv", A)
    old = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()
    os.utime(lab.platform.settings.home / "landing" / "beds" / "1.csv", (old, old))
    (entry,) = lab.load().entries
    assert entry.delivered_at.year > 2020
    assert freshness(lab, dt.datetime.now(dt.UTC))
    # and sent again with the same time it is another arrival, of which nothing changes
    lab.drop("1.csv", A)
    os.utime(lab.platform.settings.home / "landing" / "beds" / "1.csv", (old, old))
    assert [e.status for e in lab.load().entries] == ["repeated"]


# ---------------------------------------------------------------------------------------------------- crashes, older lakes


class Cut(BaseException):
    """The process ends here."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "mode", ["upsert", pytest.param("snapshot", marks=pytest.mark.soak), pytest.param("append", marks=pytest.mark.soak)]
)
def test_a_load_that_is_cut_off_anywhere_and_repeated_changes_nothing_twice(
    bench: Make, platform: Platform, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A, B, A, A and a file that is refused, cut off before and after each change of a file or of the lake."""
    files = (("1.csv", A), ("2.csv", B), ("3.csv", A), ("4.csv", A), ("5.txt", "x"))

    def place(name: str) -> Bench:
        load = {"mode": mode, "again": "apply"} | ({} if mode == "append" else {"key": ["ward"]})
        return bench(Contract.model_validate({**BEDS, "name": name, "load": load}))

    def told(lab: Bench) -> list[tuple[Any, ...]]:
        counts = "file, status, rows_in, valid, superseded, inserted, updated, unchanged, removed"
        return lab.sql(f"SELECT {counts} FROM platform.ledger WHERE dataset = '{lab.contract.name}' ORDER BY ALL")

    def drop(lab: Bench) -> None:
        for name, data in files:
            lab.drop(name, data)

    whole = place("whole")
    drop(whole)
    whole.load()
    wanted = told(whole), whole.table("ward", "beds"), whole.sql("SELECT count(*) FROM {raw}")
    steps, left = [0], [10**9]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def cut(*args: Any, **given: Any) -> Any:
            steps[0] += 1
            if steps[0] == left[0]:
                raise Cut
            done = real(*args, **given)
            steps[0] += 1
            if steps[0] == left[0]:
                raise Cut
            return done

        return cut

    for name in ("move", "delete", "write"):
        monkeypatch.setattr(LocalStore, name, counted(getattr(LocalStore, name)))
    monkeypatch.setattr(Load, "write", counted(Load.write))
    at = 0
    while True:
        at += 1
        lab = place(f"cut{at}")
        drop(lab)
        steps[0], left[0] = 0, at
        try:
            lab.load()
        except Cut:
            left[0] = 10**9
            lab.load()
        else:
            break
        assert (told(lab), lab.table("ward", "beds"), lab.sql("SELECT count(*) FROM {raw}")) == wanted, at
        assert lab.files("landing") == []
        assert lab.files("rejected") == ["5.txt", "5.txt.reason.txt"]
        lab.assert_nothing_lost()
    assert at > 10


def old_ledger(lab: Bench) -> None:
    """As a platform wrote it that did not keep versions."""
    with lab.platform.warehouse.connect() as lake, lab.platform.warehouse.write(lake):
        for column in ("version", "same_as"):
            lake.execute(f"ALTER TABLE platform.ledger DROP COLUMN {column}")


def test_a_ledger_of_an_older_platform_goes_on_without_judging_anything_again(bench: Make) -> None:
    lab = beds(bench, mode="snapshot")
    send_all(lab, ("1.csv", A), ("2.csv", B))
    before = lab.sql("SELECT delivery, loaded_at FROM platform.ledger ORDER BY ALL")
    old_ledger(lab)
    assert lab.load().entries == []
    assert send_all(lab, ("2.csv", B), ("1.csv", A)) == ["repeated", "held"]
    assert set(before) < set(lab.sql("SELECT delivery, loaded_at FROM platform.ledger"))
    lab.assert_nothing_lost()


def test_a_file_that_an_older_platform_committed_and_did_not_put_away_is_put_away(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = beds(bench, mode="upsert")
    monkeypatch.setattr(Load, "put_away", lambda *_: None)
    lab.send("1.csv", A)
    monkeypatch.undo()
    old_ledger(lab)
    assert lab.load().entries == []
    assert (lab.files("landing"), lab.files("archive")) == ([], ["1.csv"])
    assert lab.sql("SELECT count(*) FROM platform.ledger") == [(1,)]
