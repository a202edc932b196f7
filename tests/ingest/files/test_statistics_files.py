"""Files of SAS, SPSS and Stata: typed values become the text that the contract expects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from platform_assets.contracts.model import Contract
from tests.conftest import Bench

Make = Callable[..., Bench]
WRITE: dict[str, Any] = {"spss": pyreadstat.write_sav, "stata": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}
ENDING = {"spss": "sav", "stata": "dta", "xpt": "xpt"}
CONTRACT: dict[str, Any] = {
    "name": "survey",
    "description": "A survey.",
    "owner": "team:test",
    "load": {"mode": "append"},
    "columns": {
        "person": {"type": "string"},
        "born": {"type": "date", "format": "%d.%m.%Y", "required": False},
        "weight": {"type": "decimal", "scale": 2, "required": False},
        "sex": {"type": "categorical", "in": ["1", "2"], "required": False},
    },
    "quality": {"max_quarantined": 1.0},
}


@pytest.mark.parametrize("kind", WRITE)
def test_values_are_told_as_the_columns_say(bench: Make, tmp_path: Path, kind: str) -> None:
    table = pd.DataFrame(
        {
            "person": [1001.0, 1002.0, 2.0**60, np.nan],
            "born": [dt.date(1960, 2, 29), None, dt.date(1900, 1, 1), None],
            "weight": [70.25, np.nan, 0.1, np.nan],
            "sex": [1.0, 2.0, 1.0, np.nan],
        }
    )
    path = tmp_path / f"it.{ENDING[kind]}"
    WRITE[kind](table, str(path))
    lab = bench(Contract.model_validate({**CONTRACT, "format": {"kind": kind}}))
    (entry,) = lab.send(path.name, path.read_bytes()).entries
    assert (entry.status, entry.rows_in, entry.valid, entry.quarantined) == ("published", 3, 2, 1)
    assert entry.not_taken == {"rows without any value": 1}
    assert lab.table("person", "born", "weight::VARCHAR", "sex") == [
        ("1001", dt.date(1960, 2, 29), "70.25", "1"),
        ("1002", None, None, "2"),
    ]
    assert "more than 15 digits" in lab.sql("SELECT _reasons[1] FROM {quarantine}")[0][0]
    lab.assert_nothing_lost()
    for size in (10, len(path.read_bytes()) // 2):
        (entry,) = lab.send(f"cut_{size}.{ENDING[kind]}", path.read_bytes()[:size]).entries
        assert entry.status == "rejected", (kind, size)
        assert "1001" not in entry.reason
