"""What attacks by scripts share."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from resources.r_runtime import RRuntime
from tests.r_runtime.conftest import Ran

PYTHON = sys.executable
HEAD = """#' Attack
#' @input visits  patient <text>, visit_date <date>, age <integer>, score <number>
#' @output what <text>, done <flag>
"""
PLOTS = "#' @plot first  First\n#' @plot second  Second\n"
SECRET = "SECRET-of-another-folder"
OPEN = RRuntime(timeout_seconds=60, sandbox="off")
"""Without locks: what the platform's own processes hold against a script that can make whatever it likes."""
LOCKED = RRuntime(timeout_seconds=60)
DONE = 'data.frame(what = "x", done = TRUE)'

Attack = Callable[..., Ran]


def everything_in(folder: Path) -> str:
    return "".join(
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )


def mentions(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
