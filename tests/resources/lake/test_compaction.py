"""Compaction: two lakes are given the same changes, one is compacted in between. No row, no past and no table's name for its state may differ."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resources.lake import compaction
from resources.lake.compaction import LARGE, WORTH, compact, found, pays
from resources.lake.warehouse import CATALOG, LAKE, Warehouse, scalar

if TYPE_CHECKING:
    import duckdb

SPAWN = multiprocessing.get_context("spawn")
TABLE = "validated.visits"
COLUMNS = {"k": "BIGINT", "v": "BIGINT", "_partition": "VARCHAR"}
Rows = list[tuple[object, ...]]


class Twin:
    """A lake with one table, and what was seen of it after each change."""

    def __init__(self, home: Path, *, partitioned: bool = True) -> None:
        self.warehouse = Warehouse(home, threads=1, memory_limit="500MB")
        with self.writing() as connection:
            by = "_partition" if partitioned else None
            self.warehouse.ensure_table(connection, TABLE, COLUMNS, partitioned_by=by)
        self.seen: list[tuple[int, Rows]] = []
        """Commit, and the table's rows as it left them."""

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.warehouse.connect() as connection, self.warehouse.write(connection):
            yield connection

    def change(self, *statements: str) -> None:
        with self.writing() as connection:
            for statement in statements:
                connection.execute(statement)
        with self.warehouse.connect() as connection:
            at = scalar(connection, f"SELECT id FROM {LAKE}.current_snapshot()")
        self.seen.append((at, self.rows()))

    def rows(self, at: int | None = None) -> Rows:
        past = f" AT (VERSION => {at})" if at is not None else ""
        with self.warehouse.connect() as connection:
            return connection.execute(f"SELECT k, v, _partition FROM {TABLE}{past} ORDER BY ALL").fetchall()

    def state(self) -> tuple[int, int]:
        with self.warehouse.connect() as connection:
            state = self.warehouse.state(connection, TABLE)
        assert state is not None
        return state.snapshot, state.rows

    def files(self) -> tuple[int, int]:
        """Live data files, and live files of deletes."""
        with self.warehouse.connect() as connection:
            (found,) = connection.execute(
                f"SELECT count(*), count(d.data_file_id) FROM (FROM {CATALOG}.ducklake_data_file WHERE end_snapshot IS NULL) f "
                f"LEFT JOIN (FROM {CATALOG}.ducklake_delete_file WHERE end_snapshot IS NULL) d USING (data_file_id)"
            ).fetchall()
        return found

    def past_is_as_it_was(self) -> bool:
        return all(self.rows(at) == rows for at, rows in self.seen)


def week(number: int, *, corrected: int = 5, rows: int = 20) -> list[str]:
    """New rows of a week, and every so-manieth row of before written anew."""
    return [
        f"CREATE OR REPLACE TEMP TABLE late AS SELECT k, v + 1000 AS v, _partition FROM {TABLE} WHERE (k + {number}) % {corrected} = 0",
        f"DELETE FROM {TABLE} WHERE k IN (SELECT k FROM late)",
        f"INSERT INTO {TABLE} (k, v, _partition) SELECT * FROM late",
        f"INSERT INTO {TABLE} (k, v, _partition) SELECT {number} * 1000 + i, {number}, 'w' || ({number} // 2) FROM range({rows}) t(i)",
    ]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that can be put together is."""
    monkeypatch.setattr(compaction, "FEW", 1)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 30))])
def test_a_lake_that_is_compacted_has_the_rows_the_past_and_the_states_of_one_that_is_not(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    plain, tidy = (Twin(tmp_path / name, partitioned=bool(seed % 2)) for name in ("plain", "tidy"))
    states: dict[int, int] = {}
    compacted = 0
    for number in range(10):
        statements = chance.choice(
            (
                week(number, corrected=chance.randrange(2, 9), rows=chance.randrange(1, 30)),
                [f"DELETE FROM {TABLE} WHERE (k + {chance.randrange(90)}) % {chance.randrange(2, 9)} = 0"],
                [f"DELETE FROM {TABLE} WHERE _partition = 'w{number // 2}'"],
                [f"UPDATE {TABLE} SET v = v + 1 WHERE k % {chance.randrange(2, 9)} = 1"],
                [*week(number), f"ALTER TABLE {TABLE} ADD COLUMN extra{number} BIGINT"],
            )
        )
        for twin in (plain, tidy):
            twin.change(*statements)
        if chance.random() < 0.7:
            before = tidy.state()
            compacted += bool(compact(tidy.warehouse))
            assert tidy.state() == before
            with tidy.warehouse.connect() as connection:
                connection.execute(f"CALL ducklake_cleanup_old_files('{LAKE}', cleanup_all => true)")
        assert tidy.rows() == plain.rows()
        # the same number as long as the content is the same, and another one when it is not
        one, other = plain.state(), tidy.state()
        assert states.setdefault(one[0], other[0]) == other[0]
        assert tidy.rows(other[0]) == tidy.rows()
    assert len(set(states.values())) == len(states) > 1
    assert [rows for _, rows in plain.seen] == [rows for _, rows in tidy.seen]
    assert compacted > 1
    assert tidy.past_is_as_it_was()


def test_what_pays_is_few_bytes_for_many_files() -> None:
    assert not pays(compaction.FEW - 1, 0)
    assert pays(compaction.FEW, compaction.FEW * WORTH)
    assert not pays(compaction.FEW, compaction.FEW * WORTH + 1)


def test_files_stay_few_however_many_commits_there_were(tmp_path: Path) -> None:
    twin = Twin(tmp_path)
    most = 0
    for number in range(30):
        twin.change(*week(number // 3, rows=2, corrected=7))
        compact(twin.warehouse)
        most = max(most, *twin.files())
    assert most <= 2 * compaction.FEW + 10  # 5 partitions, and what came since
    assert most < 2 * 30


def test_nothing_is_written_where_it_does_not_pay(tmp_path: Path) -> None:
    twin = Twin(tmp_path)
    twin.change(*week(0))
    twin.change(*week(1))
    before = twin.files()
    assert compact(twin.warehouse) == []
    assert twin.files() == before


@pytest.mark.usefixtures("eager")
def test_a_large_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = Twin(tmp_path, partitioned=False)
    for number in range(3):
        twin.change(f"INSERT INTO {TABLE} SELECT i + {number} * 100000, i, 'w' FROM range(20000) t(i)")
    monkeypatch.setattr(compaction, "LARGE", 1000)
    with twin.warehouse.connect() as connection:
        assert not any(load.merge for load in found(connection))
    compact(twin.warehouse)
    assert twin.files()[0] == 3
    assert LARGE > 1000


@pytest.mark.usefixtures("eager")
def test_a_reader_that_began_before_reads_on(tmp_path: Path) -> None:
    twin = Twin(tmp_path)
    for number in range(5):
        twin.change(*week(number))
    rows = twin.rows()
    with twin.warehouse.connect(read_only=True) as reader:
        reader.execute("BEGIN TRANSACTION")
        asked = f"SELECT k, v, _partition FROM {TABLE} ORDER BY ALL"
        assert reader.execute(asked).fetchall() == rows
        assert compact(twin.warehouse)
        twin.change(f"DELETE FROM {TABLE}")
        assert reader.execute(asked).fetchall() == rows
        reader.execute("ROLLBACK")
        assert reader.execute(asked).fetchall() == []


@pytest.mark.usefixtures("eager")
def test_replaced_files_go_once_nobody_can_be_reading_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = Twin(tmp_path)
    for number in range(5):
        twin.change(*week(number))
    there = set(tmp_path.rglob("*.parquet"))
    assert compact(twin.warehouse)
    assert there <= set(tmp_path.rglob("*.parquet"))
    monkeypatch.setattr(compaction, "READERS", "0 seconds")
    twin.change(*week(5))
    assert compact(twin.warehouse)
    assert not there <= set(tmp_path.rglob("*.parquet"))
    assert twin.past_is_as_it_was()


def test_a_process_that_is_killed_at_any_moment_changes_nothing(tmp_path: Path) -> None:
    twin = Twin(tmp_path)
    for number in range(5):
        twin.change(*week(number))
    state, chance = twin.state(), random.Random(3)
    ended = 0
    for _ in range(4):
        worker = SPAWN.Process(target=_compact_again_and_again, args=(tmp_path,))
        worker.start()
        begun = tmp_path / "begun"
        while not begun.exists() and worker.is_alive():
            time.sleep(0.01)
        time.sleep(chance.random() * 0.25)
        if worker.is_alive() and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)
            ended += 1
        worker.join()
        begun.unlink()
        assert twin.state() == state
        assert twin.past_is_as_it_was()
        twin.change(*week(20 + ended))
        state = twin.state()
    assert ended == 4


def _compact_again_and_again(home: Path) -> None:
    compaction.FEW = 1
    warehouse = Warehouse(home, threads=1, memory_limit="500MB")
    with warehouse.connect():
        (home / "begun").touch()
    while True:
        compact(warehouse)


@pytest.mark.usefixtures("eager")
def test_after_an_erasure_no_byte_is_left_of_files_that_were_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Twin(tmp_path)
    mark = 7_230_945_118_442_671  # stands in the files as eight bytes
    raw = mark.to_bytes(8, "little")
    for number in range(4):
        twin.change(*week(number))
    twin.change(f"INSERT INTO {TABLE} VALUES ({mark}, 1, 'w1')")
    assert compact(twin.warehouse)
    twin.change(f"DELETE FROM {TABLE} WHERE k = {mark}")
    assert compact(twin.warehouse)
    rows = twin.rows()
    with twin.warehouse.connect() as connection:  # what `erasure.holders.tables` does
        connection.execute(f"CALL ducklake_rewrite_data_files('{LAKE}', delete_threshold => 0)")
        connection.execute(f"CALL ducklake_expire_snapshots('{LAKE}', older_than => now())")
        connection.execute(f"CALL ducklake_cleanup_old_files('{LAKE}', cleanup_all => true)")
    files = list(tmp_path.rglob("*.parquet"))
    assert files
    assert not [f for f in files if raw in f.read_bytes()]
    assert twin.rows() == rows
    before = twin.state()
    compact(twin.warehouse)
    assert twin.state() == before


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 8))])
def test_the_past_is_forgotten_where_that_is_declared_and_nothing_of_the_present(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MANY", 1)
    monkeypatch.setattr(compaction, "READERS", "0 seconds")
    chance = random.Random(seed)
    twin = Twin(tmp_path, partitioned=bool(seed % 2))
    with twin.writing() as connection:
        connection.execute("CREATE TABLE platform.quiet AS SELECT 1 AS a")
    for number in range(6):
        twin.change(*week(number, corrected=chance.randrange(2, 6)))
        if chance.random() < 0.5:
            compact(twin.warehouse)
    compact(twin.warehouse)
    assert twin.past_is_as_it_was()

    def states() -> list[object]:
        with twin.warehouse.connect() as connection:
            return [twin.warehouse.state(connection, table) for table in (TABLE, "platform.quiet")]

    before, rows, disk = states(), twin.rows(), len(list(tmp_path.rglob("*.parquet")))
    twin.warehouse.past_days = 1
    compact(twin.warehouse)
    assert twin.past_is_as_it_was()  # nothing is older than a day
    with twin.warehouse.connect() as connection:  # as if they were made long ago
        connection.execute(f"UPDATE {CATALOG}.ducklake_snapshot SET snapshot_time = '2020-01-01 00:00:00+00'")
    compact(twin.warehouse)
    assert states() == before
    assert twin.rows() == rows
    for state in before:  # what is computed now can be made again
        assert state is not None
        with twin.warehouse.connect() as connection:
            found = scalar(connection, f"SELECT count(*) FROM {state.table} AT (VERSION => {state.snapshot})")  # type: ignore[attr-defined]
        assert found == state.rows  # type: ignore[attr-defined]
    assert len(list(tmp_path.rglob("*.parquet"))) < disk
    with twin.warehouse.connect() as connection, pytest.raises(Exception, match="No snapshot found"):
        connection.execute(f"SELECT count(*) FROM {TABLE} AT (VERSION => {twin.seen[0][0]})")
    twin.change(*week(7))
    compact(twin.warehouse)
    assert twin.state()[0] > before[0].snapshot  # type: ignore[attr-defined]
