"""The generated tables that authors try their scripts on (`make sample`): lines that name somebody go."""

from __future__ import annotations

from collections.abc import Collection

from platform_assets.erasure.holder import FileHolder, Work
from platform_assets.erasure.search import whole


class Sample(FileHolder):
    """The folder `sample`."""

    order = 30
    name = "sample"
    what = "a file of the sample data"

    def claims(self) -> Collection[str]:
        """The folder below DATA_HOME for which it answers."""
        return ("sample",)

    def erase(self, work: Work) -> list[str]:
        """Take lines that name somebody out of the tables."""
        self.decide_files(work)
        for path in sorted((self.parts.home / "sample").glob("*.csv")) if work.texts else []:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [*lines[:1], *(line for line in lines[1:] if not _names(line, work.texts or ()))]
            if len(kept) < len(lines):
                fresh = path.with_suffix(".part")
                fresh.write_text("".join(kept), encoding="utf-8")
                fresh.replace(path)
        return []


def _names(line: str, texts: Collection[str]) -> bool:
    cells = {cell.strip().strip('"') for cell in line.split(",")}
    return bool(cells & set(texts)) or bool(whole.standing(line, texts))


HOLDER = Sample
