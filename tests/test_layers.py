"""`make lint` stops where an import goes up or round: planted ones are found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("platform_assets", "resources", "console", "dashboard")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_imports_as_they_are_go_one_way(copy: Path) -> None:
    done = _lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("resources/planted.py", "from platform_assets.contracts.model import Contract"),
        ("platform_assets/ingest/planted.py", "def late():\n    import platform_assets.erasure.tombstones"),
        ("platform_assets/contracts/planted.py", "from platform_assets.ingest import ledger"),
        ("platform_assets/engines/planted.py", "from platform_assets import office"),
        ("platform_assets/quarantine/planted.py", "import platform_assets.components.dataset"),
    ],
)
def test_an_import_that_goes_up_is_found(copy: Path, room: str, line: str) -> None:
    (copy / room).write_text(f'"""Planted."""\n\n{line}\n', encoding="utf-8")
    done = _lint(copy)
    assert done.returncode == 1
    assert room.removesuffix(".py").replace("/", ".") in done.stdout


def test_a_circle_inside_a_room_is_found(copy: Path) -> None:
    for one, other in (("first", "second"), ("second", "first")):
        text = f"def late():\n    import platform_assets.reports.{other}\n"
        (copy / "platform_assets" / "reports" / f"{one}.py").write_text(text, encoding="utf-8")
    done = _lint(copy)
    assert done.returncode == 1
    assert "platform_assets.reports" in done.stdout
