"""An indicator is removed whole, and only once nothing makes or reads its table any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from platform_assets.indicators import receipts
from platform_assets.indicators.compute import compute
from platform_assets.indicators.removal import NotRemoved, remove
from platform_assets.indicators.script.header import read_indicator
from platform_assets.office import engine_of
from tests.conftest import Bench

Make = Callable[..., Bench]
SCRIPT = "#' T\n#' @input lab result <text>\n#' @output n <integer>\n#' @owner team:test\nNAME <- function(lab) data.frame(n = nrow(lab))\n"
READER = "#' T\n#' @input old from indicators/old n <integer>\n#' @output n <integer>\nreader <- function(old) old\n"


@pytest.fixture
def lab(bench: Make, tmp_path: Path) -> Bench:
    """Two indicators with tables, receipts and products: old and kept."""
    made = bench()
    made.send("a.csv", "sample_id,test_date,result,viral_load\nA,2024-01-01,POS,1\n")
    for name in ("old", "kept"):
        indicator = read_indicator(written(tmp_path, name, SCRIPT))
        compute(indicator, made.platform.warehouse, made.platform.r)
        made.platform.store.write(f"products/{name}/{name}.csv", b"of a release before there were releases")
        made.platform.store.write(f"products/made/{name}/bars.svg", b"<svg/>")
    return made


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / "r" / "indicators" / f"{name}.R"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("NAME", name), encoding="utf-8")
    return path


def left(lab: Bench) -> set[str]:
    """Tables, receipts and product folders."""
    tables = {
        f"table {r[0]}" for r in lab.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'indicators'")
    }
    noted = {f"receipt {r[0]}" for r in lab.sql(f"SELECT indicator FROM {receipts.TABLE}")}
    return tables | noted | {f"folder {p.name}" for p in (lab.platform.settings.home / "products" / "made").iterdir()}


def test_files_table_and_receipts_go_and_those_of_others_stay(lab: Bench, tmp_path: Path) -> None:
    kept = {"kept": tmp_path / "r" / "indicators" / "kept.R"}
    removed = remove("old", lab.platform, engine_of(lab.platform), kept)
    assert left(lab) == {"table kept", "receipt kept", "folder kept"}
    assert [Path(what).name for what in removed[:-2]] == ["old.csv", "bars.svg"]
    assert removed[-2:] == ["table indicators.old", "receipts of old"]
    with pytest.raises(NotRemoved, match="there is no receipt of an indicator old"):
        remove("old", lab.platform, engine_of(lab.platform), kept)


def test_what_is_still_made_or_read_stays(lab: Bench, tmp_path: Path) -> None:
    before = left(lab)
    script = tmp_path / "r" / "indicators" / "old.R"
    with pytest.raises(NotRemoved, match=r"delete .*old\.R first"):
        remove("old", lab.platform, engine_of(lab.platform), {"old": script})
    with pytest.raises(NotRemoved, match="by the platform's own code"):
        remove("old", lab.platform, engine_of(lab.platform), {"old": None})
    with pytest.raises(NotRemoved, match=r"reader\.R reads the table of old"):
        remove("old", lab.platform, engine_of(lab.platform), {"reader": written(tmp_path, "reader", READER)})
    query = tmp_path / "totals.sql"
    query.write_text("-- T\n--\n-- @owner team:test\n-- @output n <integer> how many\nSELECT n FROM indicators.old\n")
    with pytest.raises(NotRemoved, match=r"totals\.sql reads the table of old"):
        remove("old", lab.platform, engine_of(lab.platform), {"totals": query})
    assert left(lab) == before
