"""The kinds there are, found by looking into this room."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, get_args

import platform_assets.sources as room
from platform_assets.sources.base import Source

DEFAULT = "landing"


@functools.lru_cache(maxsize=1)
def kinds() -> Mapping[str, type[Source]]:
    """Name -> the class of that kind. Raises TypeError where two modules claim one name."""
    for module in pkgutil.iter_modules(room.__path__):
        if module.name != "__main__":  # a command, which is started
            importlib.import_module(f"{room.__name__}.{module.name}")
    found: dict[str, type[Source]] = {}
    for each in Source.__subclasses__():
        (name,) = get_args(each.model_fields["kind"].annotation)
        if name in found:
            raise TypeError(f"two kinds of source are called {name!r}: {found[name].__name__} and {each.__name__}")
        found[name] = each
    return dict(sorted(found.items()))


def kind_of(value: Any) -> Any:
    """The kind that a contract's `source` names; not named: files that others put into landing."""
    return value.get("kind", DEFAULT) if isinstance(value, Mapping) else getattr(value, "kind", None)
