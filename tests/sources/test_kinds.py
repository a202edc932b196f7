"""Every kind of source has what a kind needs, and is found without a list."""

from __future__ import annotations

import datetime as dt
import pkgutil

import pytest

import platform_assets.sources as room
from platform_assets.sources.base import Source
from platform_assets.sources.kinds import kinds

NO_KINDS = {"__main__", "base", "collect", "kinds", "parts"}


def test_every_module_of_the_room_is_a_kind_of_its_name() -> None:
    assert set(kinds()) == {m.name for m in pkgutil.iter_modules(room.__path__)} - NO_KINDS


@pytest.mark.parametrize("kind", kinds().values(), ids=kinds())
def test_a_kind_is_complete(kind: type[Source]) -> None:
    assert kind.__doc__
    assert kind.wanted is not Source.wanted or kind.discover is not Source.discover, "says what is wanted"
    assert kind.fetch is not Source.fetch or not kind.reaches_out, "fetches what is wanted"
    undocumented = [
        n for n in kind.model_fields if n not in {"kind", "files", "marker", "every"} and not _told(kind, n)
    ]
    assert undocumented == []


def _told(kind: type[Source], field: str) -> bool:
    """The field has a docstring in the source, or a name that says its unit."""
    import inspect

    lines = inspect.getsource(kind).splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{field}:"))
    return lines[at + 1].strip().startswith('"""') or field.endswith("_seconds")


def test_what_is_put_into_landing_is_never_fetched() -> None:
    assert kinds()["landing"].model_validate({}).wanted({}, dt.datetime.now(dt.UTC)) == []
