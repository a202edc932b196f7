"""What the checks say where nothing was taken, and where a contract asks little."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from platform_assets.ingest import ledger
from platform_assets.ingest.quality import NOT_APPLICABLE, REFUSED
from tests.conftest import Bench
from tests.ingest.test_quality import outcomes

Make = Callable[..., Bench]


@pytest.mark.parametrize(
    ("file", "content"), [("a.csv", b"who,knows\n1,2\n"), ("a.csv", b""), ("a.xlsx", b"x"), ("a.zip", b"PK")]
)
def test_the_first_file_of_a_dataset_fails_a_check_that_says_why_it_was_refused(
    bench: Make, file: str, content: bytes
) -> None:
    lab = bench(format=[{"kind": "csv"}, {"kind": "xlsx"}])
    (entry,) = lab.send(file, content).entries
    with lab.platform.warehouse.connect() as lake, lab.platform.warehouse.write(lake):
        from platform_assets.ingest.tables import Tables

        Tables(lab.contract).ensure(lab.platform.warehouse, lake)
    found = outcomes(lab)
    failed = found.pop("quarantine_rate")
    assert (failed.passed, failed.blocking) == (False, True)
    assert f"{file} ({entry.reason})" in failed.description
    assert found.pop("row_conservation").passed  # nothing came in, and nothing is missing
    assert {o.description for o in found.values()} == {REFUSED}
    assert NOT_APPLICABLE not in {o.description for o in found.values()}


@pytest.mark.parametrize(
    "columns",
    [
        {"comment": {"type": "string", "required": False}},
        {"comment": {"type": "string", "optional": True}, "more": {"type": "string", "required": False}},
        {"comment": {"type": "string", "required": False}, "from_us": {"type": "string", "constant": "x"}},
        {"comment": {"type": "string", "derived_from": ["key"]}, "key": {"type": "string", "constant": "x"}},
    ],
)
def test_a_dataset_of_optional_text_is_loaded(bench: Make, columns: dict[str, object]) -> None:
    lab = bench(columns=columns, load={"mode": "append"})
    lab.send("a.csv", "comment,more\nfine,\nwell,1\n")
    assert [row[0] for row in lab.table("comment")] == ["fine", "well"]
    lab.assert_nothing_lost()


def test_a_ledger_of_before_is_read_without_the_column_that_it_lacks(bench: Make) -> None:
    lab = bench()
    lab.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\n")
    with lab.platform.warehouse.connect() as lake:
        lake.execute("ALTER TABLE platform.ledger DROP COLUMN not_taken")
        (entry,) = ledger.read(lake, "lab")
    assert (entry.file, entry.not_taken) == ("a.csv", {})
    lab.send("b.csv", "sample_id,test_date,result,viral_load\nB,2024-01-01,POS,1\n")
    assert len(lab.sql("SELECT not_taken FROM platform.ledger")) == 2
