"""Both engines make the same of the same files: tables, reasons, and every figure of the ledger."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import LAB
from tests.engines.bigquery.place import FIGURES, Both
from tests.ingest.field.written import KINDS, WRITERS, Row

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
HEAD = "sample_id,test_date,result,viral_load\n"
BY_NAME = {"file_name": r"(\d{4}-\d{2}-\d{2})"}


def figures(tables: dict[str, list[tuple[Any, ...]]], *names: str) -> dict[str, tuple[Any, ...]]:
    """File -> the named figures of the ledger."""
    places = [FIGURES.index(n) for n in names]
    return {row[0]: tuple(row[p] for p in places) for row in tables["ledger"]}


def test_right_and_wrong_rows(pair: Pair) -> None:
    lab = pair(partition={"by": "test_date", "unit": "iso_week"})
    wrong = "b 1,2024-02-30, Positive,x\n,2024-01-01,POS,\n"
    lab.send({"a.csv": HEAD + "A,2024-12-30,POS,10\nB,2021-01-03,NEG,\n" + wrong + "A,2024-12-31,NEG,0\n"})
    tables = lab.assert_equal()
    assert figures(tables, "rows_in", "valid", "quarantined", "superseded", "partitions") == {"a.csv": (5, 2, 2, 1, 2)}
    assert [row[-1] for row in tables["validated"]] == ["2025-W01", "2020-W53"]


def test_new_updated_and_unchanged_rows(pair: Pair) -> None:
    lab = pair()
    lab.send({"1.csv": HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\nC,2024-01-01,POS,1\n"})
    lab.send({"2.csv": HEAD + "A,2024-01-01,NEG,\nB,2024-01-01,POS,1\nD,2024-01-01,POS,1\n"})
    assert figures(lab.assert_equal(), "inserted", "updated", "unchanged")["2.csv"] == (1, 1, 1)


def test_several_deliveries_at_once(pair: Pair) -> None:
    lab = pair()
    lab.send(
        {
            "0.csv": HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n",
            "1.csv": HEAD + "A,2024-01-01,NEG,1\nB,2024-01-01,POS,1\n",
            "2.csv": HEAD + "A,2024-01-01,NEG,1\nC,2024-01-01,POS,1\nC,2024-01-01,NEG,1\n",
        }
    )
    assert figures(lab.assert_equal(), "inserted", "updated", "unchanged", "superseded") == {
        "0.csv": (2, 0, 0, 0),
        "1.csv": (0, 1, 1, 0),
        "2.csv": (1, 0, 1, 1),
    }


def test_rows_that_come_out_of_order(pair: Pair) -> None:
    lab = pair(load={"mode": "upsert", "key": ["sample_id"], "order_by": {"column": "test_date"}})
    lab.send({"new.csv": HEAD + "A,2024-05-01,POS,1\n"})
    lab.send({"old.csv": HEAD + "A,2024-04-01,NEG,1\nB,2024-04-01,NEG,1\nB,2024-04-03,POS,1\nB,2024-04-02,NEG,1\n"})
    assert figures(lab.assert_equal(), "inserted", "superseded")["old.csv"] == (1, 3)


def test_files_whose_names_tell_their_place_in_time(pair: Pair) -> None:
    lab = pair(load={"mode": "upsert", "key": ["sample_id"], "order_by": BY_NAME})
    lab.send({"x_2024-01-01.csv": HEAD + "A,2024-01-01,POS,1\n", "no date.csv": HEAD + "Z,2024-01-01,POS,1\n"})
    lab.send({"x_2024-01-03.csv": HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n"})
    lab.send({"x_2024-01-02.csv": HEAD + "A,2024-01-01,NEG,1\n"})
    tables = lab.assert_equal()
    assert figures(tables, "superseded")["x_2024-01-02.csv"] == (1,)
    assert figures(tables, "status")["no date.csv"] == ("rejected",)


def test_a_key_with_missing_parts(pair: Pair) -> None:
    columns = {**LAB["columns"], "clinic": {"type": "string", "required": False}}
    lab = pair(columns=columns, load={"mode": "upsert", "key": ["sample_id", "clinic"]})
    head = "sample_id,test_date,result,viral_load,clinic\n"
    lab.send({"1.csv": head + "A,2024-01-01,POS,1,\nA,2024-01-01,POS,1,null\n"})
    lab.send({"2.csv": head + "A,2024-01-01,NEG,1,\n"})
    assert figures(lab.assert_equal(), "inserted", "updated")["2.csv"] == (0, 1)


def test_appended_rows(pair: Pair) -> None:
    lab = pair(load={"mode": "append"}, partition={"by": "test_date", "unit": "month"})
    lab.send({"1.csv": HEAD + "A,2024-01-01,POS,1\nA,2024-01-01,POS,1\nA,2024-02-01,what,1\n"})
    lab.send({"2.csv": HEAD + "A,2024-01-01,POS,1\n", "3.csv": HEAD + "A,2024-01-01,POS,1\nB,2024-03-01,POS,1\n"})
    lab.send({"2 again.csv": HEAD + "A,2024-01-01,POS,1\n"})
    tables = lab.assert_equal()
    assert len(tables["validated"]) == 6  # another name is another delivery
    assert figures(tables, "partitions") == {"1.csv": (1,), "2.csv": (1,), "3.csv": (2,), "2 again.csv": (1,)}


@pytest.mark.parametrize("key", [[], ["sample_id"]])
def test_snapshots_newer_older_and_together(pair: Pair, key: list[str]) -> None:
    lab = pair(load={"mode": "snapshot", "key": key, "order_by": BY_NAME})
    lab.send({"x_2024-01-02.csv": HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n"})
    lab.send({"x_2024-01-03.csv": HEAD + "B,2024-01-01,POS,1\nC,2024-01-01,POS,1\nC,2024-01-01,wrong,1\n"})
    lab.send({"x_2024-01-01.csv": HEAD + "Z,2024-01-01,POS,1\n"})
    tables = lab.assert_equal()
    assert figures(tables, "status", "superseded", "removed") == {
        "x_2024-01-01.csv": ("superseded", 1, 0),
        "x_2024-01-02.csv": ("published", 0, 0),
        "x_2024-01-03.csv": ("published", 0, 1 if key else 2),
    }
    lab.send({"x_2024-01-05.csv": HEAD + "D,2024-01-01,POS,1\n", "x_2024-01-04.csv": HEAD + "E,2024-01-01,POS,1\n"})
    assert [row[0] for row in lab.assert_equal()["validated"]] == ["D"]


def test_snapshots_by_the_dates_of_their_rows(pair: Pair) -> None:
    lab = pair(load={"mode": "snapshot", "key": ["sample_id"], "order_by": {"column": "test_date"}})
    lab.send({"1.csv": HEAD + "A,2024-01-10,POS,1\nB,2906-01-09,POS,1\n"})
    lab.send({"2.csv": HEAD, "3.csv": HEAD + "A,2024-01-05,NEG,1\nC,2024-01-11,POS,1\n"})
    tables = lab.assert_equal()
    assert figures(tables, "reason")["2.csv"][0].startswith("a snapshot without a date")
    assert [row[0] for row in tables["validated"]] == ["A", "C"]


def test_duplicates_that_are_quarantined(pair: Pair) -> None:
    lab = pair(load={"mode": "upsert", "key": ["sample_id"], "duplicates": "quarantine"})
    lab.send({"1.csv": HEAD + "A,2024-01-01,POS,1\nA,2024-01-01,NEG,x\nB,2024-01-01,POS,1\n", "2.csv": HEAD + "A,2024-01-01,POS,3\n"})  # fmt: skip
    assert figures(lab.assert_equal(), "quarantined") == {"1.csv": (2,), "2.csv": (0,)}


def test_a_held_delivery_that_is_judged_again_under_a_milder_contract(pair: Pair) -> None:
    strict = pair(quality={"max_quarantined": "10%"})
    strict.send(
        {"bad.csv": HEAD + "B,2024-01-01,POS,1\nC,2024-01-01,what,1\n", "good.csv": HEAD + "A,2024-01-01,POS,1\n"}
    )
    tables = strict.assert_equal()
    assert figures(tables, "status") == {"bad.csv": ("held",), "good.csv": ("published",)}
    assert len(tables["quarantine"]) == 2
    strict.send({"newer.csv": HEAD + "B,2024-01-01,NEG,5\n"})
    mild = strict.under(strict.lake.contract.model_copy(update={"quality": pair().lake.contract.quality}))
    mild.send({})
    tables = mild.assert_equal()
    assert figures(tables, "status", "superseded", "quarantined")["bad.csv"] == ("published", 1, 1)
    assert [row[0] for row in tables["quarantine"]] == ["C"]


def test_broken_lines_and_files_that_are_refused(pair: Pair) -> None:
    lab = pair()
    lab.send(
        {
            "a.csv": HEAD + 'A,2024-01-01,POS,1\ntoo,many,fields,in,this\n"B",2024-01-01,NEG\nC,2024-01-01,POS,2\n',
            "b.csv": b"\xff\xfe\x00\x01",
            "c.pdf": b"%PDF",
        }
    )
    tables = lab.assert_equal()
    assert figures(tables, "status", "malformed") == {
        "a.csv": ("published", 2),
        "b.csv": ("rejected", 0),
        "c.pdf": ("rejected", 0),
    }


def test_an_archive_of_several_files(pair: Pair) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("one.csv", HEAD + "A,2024-01-01,POS,1\n")
        archive.writestr("two.csv", HEAD + "B,2024-01-01,POS,1\nB,2024-01-01,NEG,1\nA,2024-01-01,NEG,1\n")
    lab = pair()
    lab.send({"good.zip": buffer.getvalue()})
    assert figures(lab.assert_equal(), "valid", "superseded") == {"good.zip": (2, 2)}


def test_nothing_but_a_header(pair: Pair) -> None:
    lab = pair()
    lab.send({"a.csv": HEAD})
    assert figures(lab.assert_equal(), "rows_in", "status") == {"a.csv": (0, "published")}


def test_every_type_of_column(pair: Pair) -> None:
    columns = {
        "id": {"type": "integer"},
        "money": {"type": "decimal", "precision": 10, "scale": 2, "required": False},
        "share": {"type": "float", "required": False},
        "sure": {"type": "boolean", "required": False},
        "seen_at": {"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"},
        "kind": {"type": "categorical", "in": ["x", "y"]},
        "source": {"type": "string", "constant": "clinic's \\ feed"},
    }
    lab = pair(columns=columns, load={"mode": "upsert", "key": ["id"], "order_by": {"column": "seen_at"}})
    head = "id,money,share,sure,seen_at,kind\n"
    rows = "1,10.50,0.1,true,2024-01-01 10:00:00,x\n2,,,,2024-01-01 10:00:00,y\n3,1e3,abc,maybe,soon,z\n"
    lab.send({"1.csv": head + rows})
    lab.send({"2.csv": head + "1,10.5,0.10,TRUE,2024-01-02 10:00:00,x\n2,0,,,2024-01-01 09:00:00,y\n4,0.01,-0,false,2024-01-01 10:00:00,x\n"})  # fmt: skip
    tables = lab.assert_equal()
    assert figures(tables, "inserted", "updated", "superseded")["2.csv"] == (1, 1, 1)


def test_values_that_look_like_sql_or_json(pair: Pair) -> None:
    columns = {"id": {"type": "string"}, "note": {"type": "string", "required": False, "trim": False}}
    lab = pair(columns=columns, load={"mode": "upsert", "key": ["id"]})
    notes = ["'; DROP TABLE x; --", "`", "\\", "\\n", '""', "null", "é ü 漢", "@dataset", "?", "{}", " "]
    lab.send({"1.csv": "id,note\n" + "".join(f"{n},{note}\n" for n, note in enumerate(notes))})
    lab.send({"2.csv": "id,note\n" + "".join(f"{n},{note}\n" for n, note in enumerate([*notes[:-1], ""]))})
    assert figures(lab.assert_equal(), "updated", "unchanged")["2.csv"] == (1, len(notes) - 1)


def test_a_contract_that_gains_a_column(pair: Pair) -> None:
    lab = pair()
    lab.send({"1.csv": HEAD + "A,2024-01-01,POS,1\n"})
    wider = {**LAB["columns"], "clinic": {"type": "string", "optional": True}}
    wide = lab.under(pair(columns=wider).lake.contract.model_copy(update={"name": lab.lake.contract.name}))
    wide.send({"2.csv": "sample_id,test_date,result,viral_load,clinic\nB,2024-01-01,POS,1,K\nA,2024-01-01,POS,1,\n"})
    assert figures(wide.assert_equal(), "inserted", "unchanged")["2.csv"] == (1, 1)


PAPERS: dict[str, Any] = {
    **LAB,
    "load": {"mode": "upsert", "key": ["id"]},
    "columns": {
        "id": {"type": "string", "derived_from": ["title", "date"], "matches": "^[0-9a-f]+$"},
        "title": {"type": "string"},
        "date": {"type": "date", "format": ["%Y-%m-%d", "%d/%m/%Y"]},
        "pages": {"type": "integer", "required": False},
    },
}
PAPER_FILES = {
    "1.csv": "id,title,date,pages\n,On sleep,2020-02-01,1\n,On waking,2020-02-01,1\n",
    "2.csv": "id,title,date,pages\n7,On sleep,2020-02-01,1\nno id,On sleep,2020-02-01,1\n",
    "3.csv": "id,title,date,pages\n,On sleep,01/02/2020,2\n8,On waking,2020-02-01,1\n",
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
def test_ids_that_are_derived_and_come_later(pair: Pair, together: bool, mode: str) -> None:
    papers = pair(PAPERS, load={"mode": mode, "key": ["id"]})
    for files in [PAPER_FILES] if together else [{name: data} for name, data in PAPER_FILES.items()]:
        papers.send(files)
    tables = papers.assert_equal()
    if mode == "upsert":
        assert [(row[0], row[3]) for row in tables["validated"]] == [("7", 2), ("8", 1)]
        assert figures(tables, "merged", "removed") == {"1.csv": (0, 0), "2.csv": (1, 1), "3.csv": (2, 1)}


def test_an_id_that_is_derived_of_a_decimal_is_the_same(pair: Pair) -> None:
    columns = {
        "id": {"type": "string", "derived_from": ["name", "price"]},
        "name": {"type": "string"},
        "price": {"type": "decimal", "precision": 8, "scale": 2},
    }
    shop = pair({**LAB, "load": {"mode": "upsert", "key": ["id"]}}, columns=columns)
    shop.send({"1.csv": "id,name,price\n,tea,12.5\n,milk,-0.1\n,flour,3\n"})
    assert len({row[0] for row in shop.assert_equal()["validated"]}) == 3


def test_a_file_that_was_put_away_by_hand_is_known_by_its_content(pair: Pair) -> None:
    lab = pair()
    data = HEAD + "A,2024-12-30,POS,10\n"
    lab.send({"a.csv": data})
    before = lab.assert_equal()
    lab.send({"again.csv": data})
    after = lab.assert_equal()
    assert figures(after, "status", "rows_in", "superseded")["again.csv"] == ("repeated", 1, 1)
    assert (after["validated"], after["raw"]) == (before["validated"], before["raw"])


@pytest.mark.parametrize("again", ["apply", "hold", "ignore"])
@pytest.mark.parametrize("mode", ["upsert", "snapshot"])
def test_content_that_came_before_and_other_content_since(pair: Pair, mode: str, again: str) -> None:
    lab = pair(load={"mode": mode, "key": ["sample_id"], "again": again})
    first, second = HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\n", HEAD + "A,2024-01-01,NEG,1\nB,2024-01-01,POS,1\n"
    lab.send({"1.csv": first, "2.csv": second, "3.csv": first})
    status = {"apply": "published", "hold": "held", "ignore": "repeated"}[again]
    tables = lab.assert_equal()
    assert figures(tables, "status")["3.csv"] == (status,)
    assert [row[2] for row in tables["validated"]] == ["POS" if again == "apply" else "NEG", "POS"]


def test_two_equal_days(pair: Pair) -> None:
    lab = pair(load={"mode": "append"})
    data = HEAD + "A,2024-12-30,POS,10\n"
    lab.send({"mon.csv": data, "tue.csv": data})
    lab.send({"mon.csv": data})
    assert len(lab.assert_equal()["validated"]) == 2


def test_a_snapshot_in_several_files(pair: Pair) -> None:
    lab = pair(load={"mode": "snapshot", "key": ["sample_id"], "order_by": BY_NAME, "parts": True})
    lab.send({"n_2024-01-01.csv": HEAD + "A,2024-01-01,POS,1\n", "s_2024-01-01.csv": HEAD + "B,2024-01-01,POS,1\n"})
    lab.send({"n_2024-01-01.csv": HEAD + "C,2024-01-01,POS,1\n"})
    tables = lab.assert_equal()
    assert [row[0] for row in tables["validated"]] == ["B", "C"]


def test_a_column_that_a_file_does_not_bring(pair: Pair) -> None:
    columns = {**LAB["columns"], "viral_load": {"type": "integer", "required": False, "optional": True}}
    lab = pair(columns=columns)
    lab.send({"1.csv": HEAD + "A,2024-01-01,POS,7\nB,2024-01-01,POS,8\n"})
    short = "sample_id,test_date,result\n"
    lab.send({"2.csv": short + "A,2024-01-01,NEG\nC,2024-01-01,POS\n", "3.csv": short + "A,2024-01-01,POS\n"})
    tables = lab.assert_equal()
    assert [(row[0], row[2], row[3]) for row in tables["validated"]] == [
        ("A", "POS", 7),
        ("B", "POS", 8),
        ("C", "POS", None),
    ]
    assert figures(tables, "drift")["2.csv"] == ('{"missing": ["viral_load"]}',)


def test_rows_that_delete_and_deliveries_that_are_the_whole_of_their_days(pair: Pair) -> None:
    load = {"mode": "upsert", "key": ["sample_id"], "deletes": {"result": ["N/A"]}, "replaces": ["test_date"]}
    lab = pair(load=load)
    first = HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,POS,1\nC,2024-01-02,POS,1\n"
    lab.send({"1.csv": first, "2.csv": HEAD + "B,2024-01-01,NEG,1\nC,2024-01-03,N/A,\n", "3.csv": first})
    tables = lab.assert_equal()
    assert [(row[0], row[2]) for row in tables["validated"]] == [("B", "NEG")]
    assert figures(tables, "status", "removed") == {
        "1.csv": ("published", 0),
        "2.csv": ("published", 2),
        "3.csv": ("held", 0),
    }


def test_uploads_do_what_files_of_the_bucket_do(pair: Pair) -> None:
    lab = pair()
    lab.big.bucket = ""
    lab.send({"a.csv": HEAD + "A,2024-12-30,POS,10\nB,2024-12-30,what,10\n"})
    assert figures(lab.assert_equal(), "valid", "quarantined") == {"a.csv": (1, 1)}


def random_file(draw: random.Random) -> str:
    """Few keys, few dates, many repetitions; some rows wrong, some without an id."""
    lines = []
    for _ in range(draw.randint(0, 12)):
        day = draw.choice(["2024-01-01", "2024-01-02", "2024-01-08", "2024-02-30"])
        row = [draw.choice("ABCDEF"), day, draw.choice(["POS", "NEG", "POS", "x"]), draw.choice(["", "1", "2"])]
        lines.append(",".join(row) + draw.choice([""] * 9 + [",too many"]))
    return HEAD + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    "load",
    [
        {"mode": "upsert", "key": ["sample_id"]},
        {"mode": "upsert", "key": ["sample_id", "viral_load"], "order_by": BY_NAME},
        {"mode": "upsert", "key": ["sample_id"], "order_by": {"column": "test_date"}, "duplicates": "quarantine"},
        {"mode": "snapshot", "key": ["sample_id"], "order_by": {"column": "test_date"}},
        {"mode": "append"},
    ],
    ids=lambda load: f"{load['mode']} by {load.get('order_by', 'arrival')}",
)
def test_deliveries_drawn_at_random(pair: Pair, load: dict[str, Any]) -> None:
    """Two batches of up to four files each, in any order of time."""
    draw = random.Random(str(load))
    lab = pair(load=load, partition={"by": "test_date", "unit": "iso_week"}, quality={"max_quarantined": "70%"})
    number = 0
    for _ in range(2):
        files = {}
        for _ in range(draw.randint(1, 4)):
            number += 1
            files[f"x_2024-01-{draw.randint(1, 28):02d} {number}.csv"] = random_file(draw)
        lab.send(files)
        lab.assert_equal()


def test_one_table_in_files_of_every_kind(pair: Pair) -> None:
    columns = {"id": {"type": "string"}, "n": {"type": "integer", "required": False}}
    rows: list[Row] = [("007", 12), ("a;b", Decimal("0.5")), ("x", None), (None, 3), (None, None)]
    lab = pair(columns=columns, load={"mode": "append"}, format=KINDS)
    wanted = ("comma clean.csv", "comma blanks ragged.csv", "inline.xlsx", "lines.jsonl", "typed.parquet")
    lab.send({name: WRITERS[name](list(columns), rows) for name in wanted})
    told = figures(lab.assert_equal(), "rows_in", "valid", "quarantined", "malformed")
    assert told == {name: (4, 2, 2, 0) if "ragged" not in name else (5, 2, 3, 1) for name in wanted}
