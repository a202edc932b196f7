"""Programs that tests run for real. Without them a test is skipped with a loud reason; with PLATFORM_TEST_ALL set (CI) it fails."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
from typing import NoReturn

import pytest


def needed(program: str, package: str, *places: str) -> str:
    """The path of `program`, from PATH or one of the globs `places`; `package` is the Debian package that has it."""
    found = shutil.which(program) or next((p for g in places for p in sorted(glob.glob(f"{g}/{program}"))), None)
    if found:
        return found
    return missing(f"{program} is missing. Install it: apt-get install {package}")


def needed_module(module: str, requirement: str) -> None:
    """Skip (or, in CI, fail) where the Python `module` is not installed."""
    if importlib.util.find_spec(module) is None:
        missing(f"the Python package {requirement} is missing")


def missing(words: str) -> NoReturn:
    """Skip with `words`, or fail where PLATFORM_TEST_ALL is set."""
    words = f"NOT TESTED: {words}"
    if os.environ.get("PLATFORM_TEST_ALL"):
        pytest.fail(words)
    pytest.skip(words)
