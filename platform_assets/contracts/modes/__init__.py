"""How a delivery changes the table: a file for each load mode, with all that belongs to it. What a mode must answer: `contracts.mode`.

A file has a class made of `contracts.mode.Mode`, and its one object, `MODE`.
"""

from __future__ import annotations

import importlib
import pkgutil

from platform_assets.contracts.mode import Mode


def _found() -> dict[str, Mode]:
    modules = (importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    modes: list[Mode] = [module.MODE for module in modules]
    return {mode.name: mode for mode in modes}


MODES: dict[str, Mode] = _found()
"""Load mode -> what it means."""
