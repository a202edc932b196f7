"""An attack through the front door, and a secret outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_assets.indicators import read_indicator
from resources.r_runtime import IndicatorFailed, InputTable, RRuntime
from tests.r_runtime.attacks.attacking import HEAD, LOCKED, SECRET, Attack
from tests.r_runtime.conftest import Ran


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside of the run, as the platform has many."""
    path = tmp_path / "elsewhere" / "secret.txt"
    path.parent.mkdir()
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture
def attack(tmp_path: Path, visits: InputTable) -> Attack:
    """Run a function body as an indicator."""

    def run(body: str, runtime: RRuntime = LOCKED, head: str = HEAD) -> Ran:
        path = tmp_path / "r" / "indicators" / "attack.R"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}attack <- function(visits) {{\n{body}\n}}\n", encoding="utf-8")
        ran = Ran()
        try:
            ran.result = runtime.run(read_indicator(path), {"visits": visits}, {}, tmp_path / "runs", ran.events.append)
        except IndicatorFailed as failed:
            ran.card = failed.card
        return ran

    return run
