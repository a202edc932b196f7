"""Files of windows: what is in them, which are made, and what may not leave."""

from __future__ import annotations

import datetime as dt
import json
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from platform_assets.exports import ledger
from platform_assets.exports.making import NotMade
from platform_assets.indicators.model import HeaderError
from tests.exports.exporting import FEBRUARY, JANUARY, NOW, ROW_LEVEL, Shop, export_of, loaded


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return loaded(tmp_path)


def test_a_window_holds_its_rows_once_and_nothing_of_the_platforms_own(shop: Shop) -> None:
    made = shop.make()
    assert made is not None
    assert (made.rows, made.state, made.recipient) == (2, "pending", "Agency of the tests")
    lines = shop.text(made).splitlines()
    assert lines[0] == "sample_id,patient_id,lab,test_date,result,viral_load"
    assert sorted(line.split(",")[0] for line in lines[1:]) == ["A-0001", "A-0002"]
    assert "PATIENT-0077" not in shop.text(made)
    assert shop.place.pseudonym("PATIENT-0077") in shop.text(made)
    assert shop.make() is None  # nothing new
    assert len(shop.entries()) == 1


@pytest.mark.parametrize(
    ("key", "now", "said"),
    [
        ("2026-01-01", dt.datetime(2026, 2, 5, 23, tzinfo=dt.UTC), "not closed yet"),
        ("2026-01-02", NOW, "no window .* begins on"),
        ("2025-12-01", NOW, "no window .* begins on"),
        ("now", NOW, "is no window"),
        (None, NOW, "say which one"),
    ],
)
def test_only_closed_windows_are_made(shop: Shop, key: str | None, now: dt.datetime, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        shop.make(key, now)
    assert shop.entries() == []


def test_what_is_due_are_closed_windows_without_a_row(shop: Shop) -> None:
    assert shop.maker.due(dt.datetime(2026, 3, 6, tzinfo=dt.UTC)) == ["2026-01-01", "2026-02-01"]
    shop.make()
    assert shop.maker.due(dt.datetime(2026, 3, 6, tzinfo=dt.UTC)) == ["2026-02-01"]


def test_an_empty_window_is_done_and_sends_nothing(shop: Shop) -> None:
    made = shop.make("2026-03-01")
    assert made is not None
    assert (made.state, made.object) == ("empty", "")
    assert shop.deliver().sent == []
    assert shop.lying() == {}


def test_a_query_gets_its_window_and_only_its_tables(tmp_path: Path) -> None:
    shop = loaded(tmp_path, table=None, query="by_lab.sql", window={"unit": "month", "start": "2026-01-01"})
    query = "SELECT lab, count(*) AS n FROM validated.lab_results WHERE test_date >= $start AND test_date < $end GROUP BY lab ORDER BY lab"
    (tmp_path / "by_lab.sql").write_text(query)
    made = shop.make()
    assert made is not None
    assert shop.text(made) == "lab,n\nnorth,1\nsouth,1\n"
    for bad, said in {
        query.replace("$end", "'2027-01-01'"): r"\$start and \$end",
        query.replace("lab_results WHERE", "lab_results, read_csv('/etc/passwd') WHERE"): "(?i)read_csv",
        query.replace("count(*)", "getenv('HOME')"): "getenv",
        "DROP TABLE validated.lab_results": "SELECT",
    }.items():
        (tmp_path / "by_lab.sql").write_text(bad)
        with pytest.raises((ValueError, HeaderError, NotMade), match=said):
            shop.make("2026-02-01")


@pytest.mark.parametrize("file", [{}, {"quote": "never"}, {"kind": "tsv"}, {"kind": "json"}, {"kind": "xlsx"}], ids=str)
def test_a_query_keeps_its_order_and_sums_keep_every_digit(tmp_path: Path, file: dict[str, Any]) -> None:
    """Written straight from the lake or staged first: the same. 400,000 rows are more than one thread reads."""
    rows = 4_000 if file.get("kind") == "xlsx" else 400_000
    shop = loaded(
        tmp_path,
        table=None,
        query="q.sql",
        window={"unit": "month", "start": "2026-01-01"},
        file={"name": "sums_{start:%Y%m}", **file},
    )
    (tmp_path / "q.sql").write_text(
        f"""SELECT n, sum(CASE WHEN sample_id = 'A-0001' THEN 9007199254740993 ELSE 0 END) AS total
            FROM validated.lab_results, range({rows}) t(n) WHERE test_date >= $start AND test_date < $end
            GROUP BY n ORDER BY md5(n::VARCHAR)"""
    )
    made = shop.make()
    assert made is not None
    assert made.rows == rows
    wanted = [[str(n), "9007199254740993"] for n in sorted(range(rows), key=lambda n: md5(str(n).encode()).hexdigest())]
    with shop.place.store.open(made.object) as stream:
        data = stream.read()
    found: list[list[str]]
    if file.get("kind") == "xlsx":
        cells: list[list[Any]] = CalamineWorkbook.from_filelike(BytesIO(data)).get_sheet_by_index(0).to_python()[1:]
        found = [[str(int(n)), total] for n, total in cells]  # more than 15 digits are a text
    elif file.get("kind") == "json":
        found = [[str(v) for v in json.loads(line).values()] for line in data.splitlines()]
    else:
        found = [line.split("\t" if file.get("kind") == "tsv" else ",") for line in data.decode().splitlines()[1:]]
    assert found == wanted


def test_an_error_of_a_query_quotes_no_value(tmp_path: Path) -> None:
    shop = Shop(tmp_path, table=None, query="q.sql", window={"unit": "month", "start": "2026-01-01"})
    shop.place.deliver("w1.csv", *JANUARY)
    where = "WHERE test_date >= $start AND test_date < $end"
    (tmp_path / "q.sql").write_text(f"SELECT CAST(sample_id AS INTEGER) AS n FROM validated.lab_results {where}")
    with pytest.raises(NotMade) as caught:
        shop.make()
    assert "A-000" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_watermark_takes_what_came_since(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path, window=None, watermark={"by": "_as_of"}, file={"name": "news_{end:%Y%m%dT%H%M%S}.csv", "kind": "csv"}
    )
    shop.place.deliver("w1.csv", *JANUARY)
    with shop.place.warehouse.connect() as connection, shop.place.warehouse.write(connection):
        connection.execute("UPDATE validated.lab_results SET _as_of = TIMESTAMP '2026-01-01 10:00:00'")
    first = shop.make(None)
    assert first is not None
    assert (first.rows, first.file) == (2, "news_20260101T100000.csv")
    assert shop.make(None) is None
    shop.place.deliver("w2.csv", *FEBRUARY)
    second = shop.make(None)
    assert second is not None
    assert (second.rows, "A-0003" in shop.text(second)) == (1, True)
    assert shop.maker.due(NOW) == []


def test_rows_of_people_need_role_ground_and_recipient(tmp_path: Path) -> None:
    shop = Shop(tmp_path, row_level=None)
    shop.place.deliver("w1.csv", *JANUARY)
    with pytest.raises(ValueError, match="row_level"):
        shop.make()
    assert shop.entries() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"row_level": {**ROW_LEVEL, "role": "clinician"}}, "may not hand out"),
        ({"row_level": {**ROW_LEVEL, "role": "analyst"}}, "may not hand out"),
        ({"row_level": {**ROW_LEVEL, "ground": ""}}, "ground"),
        ({"row_level": {"role": "steward", "ground": "Public Health Act"}}, "recipient"),
        ({"query": "x.sql"}, "one of `table`"),
        ({"table": None}, "one of `table`"),
        ({"table": "raw.lab_results"}, "table"),
        ({"watermark": {"by": "_as_of"}}, "one of `window`"),
        ({"window": None}, "one of `window`"),
        ({"window": {"unit": "month", "start": "2026-01-01"}}, "`by` is missing"),
        ({"published": "turnaround", "table": None}, "release by release"),
        ({"deliver": {"kind": "sftp", "server": "x", "folder": "../in"}}, "folder below"),
        ({"deliver": {"kind": "sftp", "server": "x", "folder": "/in"}}, "folder"),
        ({"deliver": {"kind": "folder", "place": "x", "acknowledge": {"file": "all.ack"}}}, "name"),
        ({"deliver": {"kind": "folder", "place": "x", "acknowledge": {"file": "../{name}"}}}, "name"),
        ({"deliver": {"kind": "ftp"}}, "no such kind"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_read(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        export_of(**changes)


def test_files_that_no_ledger_knows_are_swept(shop: Shop) -> None:
    """A process that is killed between file and ledger leaves a file, which the next one removes or replaces."""
    shop.place.store.write("exports/results_for_agency/results_199901.csv", b"left")
    made = shop.make()
    assert made is not None
    assert [o.name for o in shop.place.store.walk("exports")] == [made.object]


def test_two_windows_never_share_a_file(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        window=None,
        watermark={"by": "test_date"},
        file={"name": "news_{end:%Y%m%dT%H%M%S}.csv", "kind": "csv"},
    )
    shop.place.deliver("w1.csv", *JANUARY)
    made = shop.make(None)
    assert made is not None
    made.window_key = "2026-01-30"
    with shop.place.warehouse.connect() as connection, shop.place.warehouse.write(connection):
        connection.execute(f"UPDATE {ledger.TABLE} SET window_key = '2026-01-30'")
    with pytest.raises(NotMade, match="would both be called"):
        shop.make(None)
