"""The file formats that there are: one per module in `formats`, found by looking there."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from platform_assets.ingest.readers import formats, packing
from platform_assets.ingest.readers.interface import Format


class NoFormat(TypeError):
    """A module of a format lacks something; the message says what."""


def modules() -> list[str]:
    """Names of the modules of formats."""
    return [f"{formats.__name__}.{module.name}" for module in pkgutil.iter_modules(formats.__path__)]


@functools.cache
def all_formats() -> Mapping[str, Format]:
    """Kind -> format. Raises NoFormat for a module in `formats` that is none, or not a whole one."""
    found: dict[str, Format] = {}
    for name in modules():
        defined = [
            value
            for value in vars(importlib.import_module(name)).values()
            if isinstance(value, type) and issubclass(value, Format) and value.__module__ == name
        ]
        if len(defined) != 1:
            raise NoFormat(f"{name} defines {len(defined)} classes of Format: it is to define one")
        missing = sorted({"kind", "words", "example", "ending"} - set(dir(defined[0]))) or sorted(
            getattr(defined[0], "__abstractmethods__", ())
        )
        if missing:
            raise NoFormat(f"{name}: {defined[0].__name__} lacks {', '.join(missing)}")
        form = defined[0]()
        if form.magic and type(form).unpacked is Format.unpacked:
            raise NoFormat(f"{name}: {form.kind} is packed (it has `magic`) but cannot be unpacked for the search")
        if form.kind in found:
            raise NoFormat(f"{name}: there is a format {form.kind!r} already")
        found[form.kind] = form
    return found


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is neither an archive nor of a packed format."""
    return not head.startswith((*packing.MAGIC, *(form.magic for form in all_formats().values() if form.magic)))


def format_named(kind: str) -> Format:
    """The format of this kind. Raises NoFormat where there is none: a contract allows it that nobody can read."""
    try:
        return all_formats()[kind]
    except KeyError:
        raise NoFormat(f"no module in {formats.__name__} reads {kind!r}: write one (see interface.Format)") from None
