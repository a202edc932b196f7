"""A lake from before there was one spelling is moved over: the same person is one again, wherever tables know people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from platform_assets.contracts.compiling import compiled as compiling
from platform_assets.contracts.compiling import expression
from platform_assets.ingest.quality import evaluate
from platform_assets.ingest.respelling import Moved, respell
from tests.conftest import Bench
from tests.ingest.test_spelling import as_csv, called, people

Make = Callable[..., Bench]
FORMER = ["Z\u00a01", "Zoe\u0308-2", "\ufeffZ3"]
"""Spellings of people who are in other files in another spelling."""


@pytest.fixture
def before() -> Iterator[Callable[[], None]]:
    """The platform as it was: texts are taken as they come. The result ends it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expression, "one_spelling", lambda text, *_, **__: text)
        patch.setattr(expression.spelling, "UNSAYABLE", "never[^a-z]so")
        patch.setattr(compiling, "_fingerprint", lambda contract, *_: f"before-{contract.hash}")
        yield patch.undo


def run(lab: Bench) -> Moved:
    p = lab.platform
    return respell(lab.contract, p.warehouse, p.store, p.keys)


def checks(lab: Bench) -> dict[str, bool]:
    import datetime as dt

    with lab.platform.warehouse.connect() as lake:
        compiled = compiling.compiled(lab.contract, dt.date.today(), lab.platform.warehouse.home / "expressions")
        found = evaluate(lake, lab.contract, compiled, dt.datetime.now(dt.UTC))
        return {o.check: o.passed for o in found if o.check in ("row_conservation", "unique_key")}


def test_people_who_were_two_are_one(bench: Make, before: Callable[[], None]) -> None:
    lab = bench(people())
    lab.send("a.csv", as_csv([(FORMER[0], "Oss"), (FORMER[1], "Oss"), (FORMER[2], "Oss"), ("Z4", "Oss")]))
    lab.send("b.csv", as_csv([("Z 1", "Ede"), ("Zoë-2", "Ede"), ("Z5", "Ede")]))
    assert len(lab.table("patient_id")) == 7
    before()
    moved = run(lab)
    assert (moved.pseudonyms, moved.merged, moved.unread) == (3, 2, 0)
    plain = [("Z 1", "Ede"), ("Zoë-2", "Ede"), ("Z3", "Oss"), ("Z4", "Oss"), ("Z5", "Ede")]
    assert lab.table("patient_id", "city") == sorted((called(p), c) for p, c in plain)
    raw = lab.sql("SELECT DISTINCT patient_id FROM {raw} ORDER BY 1")
    assert raw == sorted((called(p),) for p, _ in plain)
    assert checks(lab) == {"row_conservation": True, "unique_key": True}
    again = run(lab)
    assert (again.merged, again.emptied) == (0, 0)
    assert lab.table("patient_id", "city") == sorted((called(p), c) for p, c in plain)


def test_what_comes_later_joins_what_was_there(bench: Make, before: Callable[[], None]) -> None:
    lab = bench(people())
    lab.send("a.csv", as_csv([(FORMER[1], "Oss")]))
    before()
    run(lab)
    (entry,) = lab.send("b.csv", as_csv([("Zoë-2", "Ede")])).entries
    assert (entry.inserted, entry.updated) == (0, 1)
    assert lab.table("patient_id", "city") == [(called("Zoë-2"), "Ede")]


def test_rows_without_a_key_keep_their_number(bench: Make, before: Callable[[], None]) -> None:
    lab = bench(people(load={"mode": "append"}))
    lab.send("a.csv", as_csv([(FORMER[1], "Oss"), ("Zoë-2", "Ede")]))
    before()
    assert run(lab).merged == 0
    assert lab.table("patient_id", "city") == [(called("Zoë-2"), "Ede"), (called("Zoë-2"), "Oss")]


def test_plain_identifiers_are_left_alone(bench: Make) -> None:
    lab = bench(people())
    lab.send("a.csv", as_csv([("Z1", "Oss"), ("Z2", "Köln")]))
    was = lab.table("patient_id", "city", "_row", "_delivery")
    assert run(lab) == Moved()
    assert lab.table("patient_id", "city", "_row", "_delivery") == was


def test_a_dataset_without_identifiers_or_tables_needs_nothing(bench: Make) -> None:
    assert run(bench(people())) == Moved()
    assert run(bench()) == Moved()


SHIFTED: dict[str, Any] = {
    "columns": {
        "patient_id": {"type": "string", "role": "identifier"},
        "born": {"type": "date", "format": "%Y-%m-%d"},
        "note": {"type": "string", "required": False},
    },
    "load": {"mode": "append"},
}


def test_an_identifier_in_a_wrong_column_is_in_quarantine_alone(bench: Make) -> None:
    lab = bench(people(**SHIFTED))
    lab.send("a.csv", "patient_id,born,note\n000-11-0001,1980-01-01,a\nx,000-11-0002,\n1980-01-02,b,000-11-0003\n")
    assert lab.sql("SELECT patient_id, born, note FROM {raw} ORDER BY _row") == [
        (called("000-11-0001"), "1980-01-01", "a"),
        (called("x"), None, None),
        (called("1980-01-02"), None, None),
    ]
    assert lab.sql("SELECT born, note FROM {quarantine} ORDER BY _row") == [("000-11-0002", None), ("b", "000-11-0003")]
    lab.assert_nothing_lost()
    with lab.platform.warehouse.connect(read_only=True) as lake:
        told = lake.execute(
            "SELECT c.min_value, c.max_value FROM __ducklake_metadata_lake.ducklake_table_column_stats c "
            "JOIN __ducklake_metadata_lake.ducklake_table t USING (table_id) JOIN __ducklake_metadata_lake.ducklake_schema s USING (schema_id) "
            "WHERE s.schema_name = 'raw'"
        ).fetchall()
    assert told
    assert "000-11" not in str(told)


def test_a_wrong_rows_key_is_kept_where_it_is_right(bench: Make) -> None:
    columns = {**SHIFTED["columns"], "sample": {"type": "string", "matches": "^S[0-9]+$"}}
    lab = bench(people(columns=columns, load={"mode": "upsert", "key": ["sample"]}))
    lab.send("a.csv", "patient_id,born,note,sample\nA,wrong,n,S1\nB,wrong,n,000-11-0002\n")
    assert lab.sql("SELECT born, note, sample FROM {raw} ORDER BY _row") == [(None, None, "S1"), (None, None, None)]


def test_without_identifiers_raw_keeps_wrong_rows_as_they_came(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", "sample_id,test_date,result,viral_load\nA,wrong,POS,1\n")
    assert lab.sql("SELECT test_date FROM {raw}") == [("wrong",)]


def test_what_raw_held_before_is_emptied(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from platform_assets.ingest.loading import publish

    lab = bench(people(**SHIFTED))
    with monkeypatch.context() as patch:
        patch.setattr(publish, "kept_texts", publish.pseudonymised)
        lab.send("a.csv", "patient_id,born,note\nA,1980-01-01,a\nx,000-11-0002,b\n")
    assert ("000-11-0002",) in lab.sql("SELECT born FROM {raw}")
    assert run(lab).emptied == 1
    assert lab.sql("SELECT born, note FROM {raw} ORDER BY _row") == [("1980-01-01", "a"), (None, None)]
