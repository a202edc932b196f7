"""From tables to an indicator's table and back again: receipts, re-derivation, failures that leave the last good table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from platform_assets.indicators import receipts
from platform_assets.indicators.compute import InputMissing, compute, rederive
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.script.header import read_indicator
from platform_assets.indicators.texts import NotKept
from resources.r_runtime import IndicatorFailed
from tests.conftest import Bench

Make = Callable[..., Bench]
HEAD = "sample_id,test_date,result,viral_load\n"
SCRIPT = """#' Positives by day
#' @input lab  test_date <date>, result <text>
#' @param wanted <text> result that is counted, default POS
#' @output test_date <date>, n <integer>
#' @owner team:test
positives <- function(lab, params) {
  days <- sort(unique(lab$test_date))
  data.frame(test_date = days, n = vapply(days, function(d) sum(lab$result[lab$test_date == d] == params$wanted), 1L))
}
"""


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Indicator]:
    """Write a version of the script and read it."""

    def write(text: str = SCRIPT) -> Indicator:
        path = tmp_path / "r" / "indicators" / "positives.R"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return read_indicator(path)

    return write


def _table(lab: Bench) -> list[tuple[object, ...]]:
    return lab.sql("SELECT test_date::VARCHAR, n FROM indicators.positives ORDER BY 1")


def test_unchanged_work_is_not_done_again_and_changed_work_is(bench: Make, script: Callable[..., Indicator]) -> None:
    lab = bench()
    warehouse, r = lab.platform.warehouse, lab.platform.r
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\nB,2024-01-01,NEG,\n")
    assert compute(script(), warehouse, r).result is not None
    assert _table(lab) == [("2024-01-01", 1)]
    assert compute(script(), warehouse, r).result is None
    assert compute(script(), warehouse, r, params={"wanted": "NEG"}).result is not None
    assert compute(script(SCRIPT + "# a comment\n"), warehouse, r).result is not None
    lab.send("b.csv", HEAD + "C,2024-01-02,POS,1\n")
    assert compute(script(SCRIPT + "# a comment\n"), warehouse, r).result is not None
    assert _table(lab) == [("2024-01-01", 1), ("2024-01-02", 1)]


def test_a_table_is_made_again_byte_for_byte_from_its_receipt(bench: Make, script: Callable[..., Indicator]) -> None:
    lab = bench()
    warehouse, r = lab.platform.warehouse, lab.platform.r
    lab.send(
        "a.csv", HEAD + "".join(f"S{n},2024-01-{n % 28 + 1:02d},{'POS' if n % 3 else 'NEG'},1\n" for n in range(200))
    )
    made = compute(script(), warehouse, r)
    lab.send("b.csv", HEAD + "S1,2024-01-02,NEG,1\nS999,2024-02-01,POS,1\n")  # the input has moved on since
    script(SCRIPT.replace("sort(", "rev("))  # and so has the script
    receipt, again = rederive("positives", warehouse, r)
    assert receipt.inputs["lab"].rows == 200
    assert again == made.receipt.sha256
    with (
        warehouse.connect() as connection,
        warehouse.write(connection),
    ):  # as an erasure that finds somebody in a comment
        connection.execute(
            "UPDATE platform.texts SET text = replace(text, 'Positives', '[erased]') WHERE text LIKE '%Positives by day%'"
        )
    with pytest.raises(NotKept, match=r"the text of indicators/positives\.R as it was then is not kept"):
        rederive("positives", warehouse, r)


def test_a_snapshot_that_was_expired_is_named(bench: Make, script: Callable[..., Indicator]) -> None:
    lab = bench()
    warehouse, r = lab.platform.warehouse, lab.platform.r
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    compute(script(), warehouse, r)
    with warehouse.connect() as connection:
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
    assert rederive("positives", warehouse, r)[1]  # the table has not changed: what stands there is what was read
    lab.send("b.csv", HEAD + "A,2024-01-01,NEG,1\n")
    with warehouse.connect() as connection:
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
    with pytest.raises(InputMissing, match="was expired"):
        rederive("positives", warehouse, r)


def test_a_failure_leaves_the_last_good_table_and_its_receipt(bench: Make, script: Callable[..., Indicator]) -> None:
    lab = bench()
    warehouse, r = lab.platform.warehouse, lab.platform.r
    lab.send("a.csv", HEAD + "CANARY-77,2024-01-01,POS,1\n")
    good = compute(script(), warehouse, r).receipt
    broken = script(SCRIPT.replace("  days <-", "  stop('no good: ', lab$result[1])\n  days <-"))
    with pytest.raises(IndicatorFailed) as failed:
        compute(broken, warehouse, r)
    card = failed.value.card.text()
    assert "positives.R" in card
    assert "stop(" in card
    assert "validated.lab" in card
    assert "CANARY" not in card
    assert _table(lab) == [("2024-01-01", 1)]
    with warehouse.connect(read_only=True) as connection:
        assert receipts.last(connection, "positives") == good


def test_a_missing_table_or_column_is_named_before_r_starts(bench: Make, script: Callable[..., Indicator]) -> None:
    lab = bench()
    with pytest.raises(InputMissing, match=r"validated\.lab, which is not there"):
        compute(script(), lab.platform.warehouse, lab.platform.r)
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1\n")
    misspelt = SCRIPT.replace("@input lab ", "@input lap ").replace("function(lab", "function(lap")
    with pytest.raises(
        InputMissing, match=r"validated\.lap, which is not there: load lap first, or .*: there are lab$"
    ):
        compute(script(misspelt), lab.platform.warehouse, lab.platform.r)
    with pytest.raises(InputMissing, match="has no column outcome"):
        compute(script(SCRIPT.replace("result <text>", "outcome <text>")), lab.platform.warehouse, lab.platform.r)
