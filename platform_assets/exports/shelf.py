"""The exports as they are written below `defs/`, without Dagster: for the console, tests and commands."""

from __future__ import annotations

from pathlib import Path

from platform_assets.contracts.files import DEFS, ContractError, read_document
from platform_assets.exports.model import Export
from platform_assets.indicators.model import HeaderError, Indicator
from platform_assets.indicators.script.header import list_indicators, read_indicator
from resources.environment import INDICATORS

COMPONENT = "platform_assets.components.Export"


def read_exports(folder: Path = DEFS) -> dict[str, tuple[Export, Path]]:
    """Every export below `folder`, by name, with the folder of its YAML. Raises ContractError."""
    found: dict[str, tuple[Export, Path]] = {}
    for path in sorted(folder.rglob("defs.yaml")):
        if COMPONENT in path.read_text(encoding="utf-8"):
            export = read_document(path, COMPONENT, Export, "an export's document")
            if export.name in found:
                raise ContractError(
                    f"{path}:1: there is an export {export.name!r} already, in {found[export.name][1]}: rename one"
                )
            found[export.name] = (export, path.parent)
    return found


def indicators_named(folder: Path = INDICATORS) -> dict[str, Indicator]:
    """The R indicators, by name. One that cannot be read is none: what it makes is then not known to be public."""
    found = {}
    for path in list_indicators(folder):
        try:
            found[path.stem] = read_indicator(path)
        except HeaderError:
            continue
    return found
