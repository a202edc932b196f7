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
        for spilled in (scratch / "spill").rglob("*"):
            if spilled.is_file() and not _in_use(spilled):
                spilled.unlink(missing_ok=True)
        return 0

    def keeps(self) -> list[str]:
        """Other machines' folders for temporary files."""
        if self.parts.ground.one:
            return []
        return [
            "Of folders for temporary files only that of the machine that carried this out was searched; others are emptied when "
            "their work ends."
        ]


def _in_use(path: Path) -> bool:
    """Whether a process has the file open (as far as /proc shows)."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.resolve() == path.resolve():
                return True
        except OSError:
            continue
    return False


HOLDER = Caches
