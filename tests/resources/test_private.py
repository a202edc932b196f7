"""Whatever the umask that a process is started with: nothing that it writes below DATA_HOME can be read by another user of the machine."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources import private
from resources.environment import REPOSITORY, Settings, resources_for
from resources.object_store import LocalStore
from tests.places import KEYS
from tests.product import modules

COMMANDS: dict[str, list[str]] = {
    "door": [
        "-c",
        "import door.__main__ as door; door._run = lambda *_: door.explorer(); door.main()",
        *("--port", "0", "--files-port", "0"),
    ],
    "console": ["-c", "from platform_assets.office import Office; Office.here().audit.record('a', 'login')"],
    "dashboard": [
        "-c",
        "import dashboard.__main__ as d; from platform_assets.office import Office; Office.here().audit.record('a', 'login')",
    ],
    "platform_assets.access.audit": ["-m", "platform_assets.access.audit", "verify"],
    "platform_assets.engines": ["-m", "platform_assets.engines", "respell"],
    "platform_assets.erasure": ["-m", "platform_assets.erasure", "list"],
    "platform_assets.exports": ["-m", "platform_assets.exports", "list"],
    "platform_assets.indicators": ["-m", "platform_assets.indicators", "rederive", "turnaround"],
    "platform_assets.literature": ["-m", "platform_assets.literature", "--help"],
    "platform_assets.monitoring": ["-m", "platform_assets.monitoring", "check"],
    "platform_assets.quarantine": ["-m", "platform_assets.quarantine", "list"],
    "platform_assets.releases": ["-m", "platform_assets.releases", "list"],
    "platform_assets.sample": ["-m", "platform_assets.sample"],
    "platform_assets.sources": ["-m", "platform_assets.sources", "describe", "population"],
    "platform_assets.summary": ["-m", "platform_assets.summary"],
    "platform_assets.definitions": ["-c", "import platform_assets.definitions"],
    "dagster": ["-m", "dagster", "run", "list"],
    "resources.r_runtime": ["-m", "resources.r_runtime", "--help"],
}
"""Entry point -> how it is called here; of those that write nothing themselves, the shortest way that opens DATA_HOME."""
NOT_THE_FOLDER = ("dagster", "door", "platform_assets.literature", "platform_assets.sources", "resources.r_runtime")
"""These do not open DATA_HOME as a whole; the others begin by closing it."""


@pytest.fixture(autouse=True)
def wide_umask() -> Iterator[None]:
    """What a test does to this process ends with it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(home: Path) -> list[str]:
    """What others can read, with its mode."""
    paths = [home, *(p for p in home.rglob("*") if not p.is_symlink())]
    return [f"{p.relative_to(home)} {p.stat().st_mode & 0o777:04o}" for p in paths if p.stat().st_mode & 0o077]


def started(arguments: list[str], home: Path, umask: int) -> None:
    environment = {
        **os.environ,
        **KEYS,
        "DATA_HOME": str(home),
        "DAGSTER_HOME": str(REPOSITORY),
        "DAGSTER_STORAGE": str(home / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=REPOSITORY, umask=umask, capture_output=True, timeout=300
    )


def test_every_entry_point_is_among_those_that_are_tried() -> None:
    found = {".".join(path.relative_to(REPOSITORY).parent.parts) for path in modules() if path.name == "__main__.py"}
    assert found - set(COMMANDS) == {"platform_assets.contracts"}  # which writes a contract to its standard output


@pytest.mark.slow
@pytest.mark.parametrize("entry", COMMANDS)
def test_an_entry_point_leaves_nothing_that_others_can_read(tmp_path: Path, entry: str) -> None:
    home = tmp_path / "data"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    started(COMMANDS[entry], home, 0o000)
    if entry in NOT_THE_FOLDER:
        home.chmod(0o700)
    assert open_to_others(home) == []


def test_a_whole_load_under_a_wide_umask_leaves_nothing_that_others_can_read(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from resources.environment import Settings, resources_for\n"
        "from tests.places import Place\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "resources_for('laptop', Settings(home))\n"
        "place = Place(home)\n"
        "place.deliver('week1.csv', 'B-1,P-1,north,2024-01-02,Positive,', 'B-2,P-2,north,2024-01-02,POS,')\n"
        "place.drop('broken.csv', b'\\xff\\xfe\\x00')\n"
        "place.load()\n"
        "place.desk().replace_value('result', 'Positive', 'POS')\n"
        "place.desk().resubmit()\n"
    )
    home = tmp_path / "data"
    started(["-c", code, str(home)], home, 0o000)
    assert (home / "lake" / "catalog.sqlite").exists()
    assert open_to_others(home) == []


def test_an_old_data_home_is_set_right_once_and_that_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = tmp_path / "data"
    (home / "archive" / "lab").mkdir(parents=True)
    (home / "archive" / "lab" / "week1.csv").write_text("P-1")
    (home / "archive" / "lab" / "week1.csv").chmod(0o664)
    outside = tmp_path / "elsewhere.txt"
    outside.write_text("x")
    outside.chmod(0o644)
    (home / "link").symlink_to(outside)
    with caplog.at_level(logging.WARNING, logger="platform"):
        resources_for("laptop", Settings(home))
    assert open_to_others(home) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    assert "was open to others (0755): it is 0700 now" in caplog.text
    assert "3 files and folders in it were open to others" in caplog.text
    caplog.clear()
    resources_for("laptop", Settings(home))
    assert not caplog.records


def test_the_files_are_walked_through_once_and_the_folder_is_looked_at_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private.keep(tmp_path)
    tmp_path.chmod(0o777)
    monkeypatch.setattr(os, "walk", lambda *_: pytest.fail("walked again"))
    private.keep(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_file_that_somebody_dropped_is_closed_when_it_is_taken(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("landing/lab/week1.csv", b"P-1")
    (tmp_path / "landing/lab/week1.csv").chmod(0o666)
    store.move("landing/lab/week1.csv", "archive/lab/week1.csv")
    assert stat.S_IMODE((tmp_path / "archive/lab/week1.csv").stat().st_mode) == 0o600
