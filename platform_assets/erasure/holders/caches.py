"""Caches, and folders for temporary files: what work that has ended has left there goes."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from platform_assets.erasure.decisions import DROP, ELSE
from platform_assets.erasure.holder import FileHolder, Work
from resources.private import MARKER
from resources.processes import alive


class Caches(FileHolder):
    """Scratch and spilled pages of the lake, compiled contracts, locks, and what sensors and sources remember."""

    order = 70
    name = "caches"
    what = "a file that something remembers or is working on"
    ways = (DROP, ELSE)

    def claims(self) -> Collection[str]:
        """Folders of the lake that are no data, the folders `cache` and `state`, and the mark that DATA_HOME is its owner's alone."""
        return ("lake/scratch", "lake/expressions", "lake/locks", "lake/ready", "cache", "state", MARKER)

    def clean(self, work: Work) -> int:
        """Remove the scratch of processes that are dead; what others are working on stays, and is searched."""
        # compiled contracts hold no values (they are searched like everything else); scratch may
        scratch = self.parts.warehouse.scratch
        for folder in scratch.iterdir() if scratch.exists() else []:
            owner = folder.name.split("-")[0]
            if owner.isdigit() and not alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)
        spilled = [path for path in (scratch / "spill").rglob("*") if path.is_file()]
        held = _open_files() if spilled else set()
        for path in spilled:
            if _identity(path) not in held:
                path.unlink(missing_ok=True)
        return 0

    def keeps(self) -> list[str]:
        """Other machines' folders for temporary files."""
        if self.parts.ground.one:
            return []
        return [
            "Of folders for temporary files only that of the machine that carried this out was searched; others are emptied when "
            "their work ends."
        ]


def _open_files() -> set[tuple[int, int] | None]:
    """The files that processes have open now (as far as /proc shows): one look for all, as there may be thousands of them."""
    return {_identity(link) for link in Path("/proc").glob("[0-9]*/fd/*")} - {None}


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


HOLDER = Caches
