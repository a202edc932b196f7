"""The database that the queries run in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from platform_assets.literature import tables
from platform_assets.literature.tables import database


def test_large_queries_spill_outside_the_working_folder_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tables, "MEMORY_LIMIT", "40MB")
    numbers = pa.table({"n": pa.array(range(1000), pa.int64())})
    with database(numbers=numbers) as db:
        (spill,) = db.sql("select current_setting('temp_directory')").fetchall()[0]
        rows = db.sql("select a.n, b.n as m, hash(a.n, b.n) as h from numbers a, numbers b, range(3) order by h")
        assert rows.to_arrow_table().num_rows == 3_000_000
        assert Path(spill).is_dir()
    assert not Path(spill).exists()
    assert list(tmp_path.iterdir()) == []
