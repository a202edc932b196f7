"""What tests keep under build/ from one to the next: tools whose pins clash with ours, each in an environment of its own; compiled contracts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.programs import missing

BUILD = Path(__file__).resolve().parents[1] / "build"
EXPRESSIONS = BUILD / "expressions"


def compiled_before(lake: Path) -> None:
    """Give the folder of a lake the contracts that tests have compiled before: their names tell all that they were compiled from."""
    EXPRESSIONS.mkdir(parents=True, exist_ok=True)
    lake.mkdir(parents=True, exist_ok=True)
    if not (lake / "expressions").exists():
        (lake / "expressions").symlink_to(EXPRESSIONS)


def environment(name: str, *requirements: str, then: str = "") -> Path:
    """The folder of programs (``bin``) of an environment with exactly these `requirements`, whose home is the folder `home` beside it.

    The Python text `then` runs in it once. Processes of tests that want the same one at the same time wait for the first.
    """
    mark = hashlib.sha256("\n".join([*requirements, then]).encode()).hexdigest()[:12]
    home = BUILD / f"{name}-{mark}"
    done = home / "done"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}-{mark}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            uv, python = str(Path(sys.executable).with_name("uv")), str(home / "bin" / "python")
            commands = [
                [uv, "venv", "-q", "--python", sys.executable, str(home)],
                [uv, "pip", "install", "-q", "--python", python, *requirements],
            ]
            for command in commands:
                made = subprocess.run(command, capture_output=True, text=True)
                if made.returncode:
                    missing(f"{name} could not be installed: {made.stderr.strip()[-300:]}")
            (home / "home").mkdir()
            subprocess.run([python, "-c", then], env={**os.environ, "HOME": str(home / "home")}, check=True)
            done.touch()
    return home / "bin"
