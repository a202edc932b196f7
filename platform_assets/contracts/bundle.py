"""A bundle: several tables that come in one archive, as it is written in YAML. They are committed together, or none is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatch
from pathlib import Path

from pydantic import Field, field_validator

from platform_assets.contracts.files import DEFS, ContractError, read_document
from platform_assets.strict import Name, Strict, TextList
from resources.text.spelling import bare

COMPONENT = "platform_assets.components.Bundle"
ARCHIVES = ("*.zip", "*.tar", "*.tgz", "*.tar.gz")


class Bundle(Strict):
    """An archive with one file for each of several datasets."""

    name: Name
    """Archives are dropped in ``landing/<name>/``."""
    description: str = ""
    files: TextList = ARCHIVES
    """Names of its archives."""
    members: dict[Name, str] = Field(min_length=2)
    """Dataset -> name of its file in the archive, e.g. ``analytics_user_group*``. Each is there once, in any folder."""
    leave_out: TextList = ()
    """Other files that an archive may hold. What is neither is refused, with all of the archive: it may be a table that nobody takes."""
    marker: str | None = None
    """As of a source: an archive is complete once a file of its name with this ending lies beside it."""

    @field_validator("files")
    @classmethod
    def _of_archives(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(not name.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz")) for name in value):
            raise ValueError(f"a bundle is an archive: end each name with one of {', '.join(e[1:] for e in ARCHIVES)}")
        return value

    def sorted_out(self, names: Iterable[str]) -> dict[str, str]:
        """Dataset -> its file, among the `names` of what an archive holds. Raises ValueError where that is in doubt, or one is missing."""
        found: dict[str, str] = {}
        for name in names:
            file = name.rsplit("/", 1)[-1]
            fit = [dataset for dataset, pattern in self.members.items() if _fits(file, pattern)]
            if not fit and any(_fits(file, pattern) for pattern in self.leave_out):
                continue
            if not fit:
                raise ValueError(
                    f"{name} in the archive is no member of bundle {self.name}: add it to `members`, or to `leave_out`"
                )
            if len(fit) > 1:
                raise ValueError(
                    f"{name} in the archive fits several members ({', '.join(fit)}): make their patterns narrower"
                )
            if fit[0] in found:
                raise ValueError(f"the archive holds two files for {fit[0]} ({found[fit[0]]}, {name}): which is meant?")
            found[fit[0]] = name
        missing = sorted(self.members.keys() - found.keys())
        if missing:
            raise ValueError(
                f"the archive holds no file for {', '.join(missing)}: the tables of a bundle come together, send all of them"
            )
        return found

    def check(self, datasets: Collection[str]) -> None:
        """Raises ValueError where a member is none of `datasets`, or the bundle is called as one of them."""
        unknown = sorted(self.members.keys() - set(datasets))
        if unknown:
            raise ValueError(f"bundle {self.name}: there is no dataset {', '.join(unknown)}: write its contract first")
        if self.name in datasets:
            raise ValueError(f"there is a dataset {self.name} already, and both would wait in landing/{self.name}/")


def _fits(file: str, pattern: str) -> bool:
    return fnmatch(bare(file).lower(), bare(pattern).lower())


def read_bundles(folder: Path = DEFS) -> dict[str, Bundle]:
    """Every bundle below `folder`, by name. Raises ContractError."""
    found: dict[str, Bundle] = {}
    for path in sorted(folder.rglob("defs.yaml")):
        if COMPONENT in path.read_text(encoding="utf-8"):
            bundle = read_document(path, COMPONENT, Bundle, "a bundle's document")
            if bundle.name in found:
                raise ContractError(f"{path}:1: there is a bundle {bundle.name!r} already: rename one")
            found[bundle.name] = bundle
    return found
