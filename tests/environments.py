"""Tools of tests whose pins clash with ours: each in an environment of its own under build/, made on first use."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[1] / "build"


def environment(name: str, *requirements: str) -> Path:
    """The folder of programs (``bin``) of an environment with exactly these `requirements`."""
    mark = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]
    home = BUILD / f"{name}-{mark}"
    done = home / "done"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        uv = str(Path(sys.executable).with_name("uv"))
        for command in (
            [uv, "venv", "-q", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "-q", "--python", str(home / "bin" / "python"), *requirements],
        ):
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                words = f"NOT TESTED: {name} could not be installed: {made.stderr.strip()[-300:]}"
                if os.environ.get("PLATFORM_TEST_ALL"):
                    pytest.fail(words)
                pytest.skip(words)
        done.touch()
    return home / "bin"
