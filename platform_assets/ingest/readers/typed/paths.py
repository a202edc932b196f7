"""Values deep in a record: ``resource.name.0.family`` is the family of the first name of the resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NOTHING = object()


def at(record: Mapping[str, Any], name: str) -> Any:
    """What stands in `record` under `name`: as it is, else along its dots; a number is a place in a list. NOTHING where nothing stands."""
    if name in record:
        return record[name]
    if "." not in name:
        return NOTHING
    place: Any = record
    for part in name.split("."):
        if isinstance(place, Mapping) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        else:
            return NOTHING
    return place


def reached(names: Iterable[str], records: Iterable[Any]) -> list[str]:
    """Those of `names` that are paths along which something stands in one of `records`."""
    left = {name: None for name in names if "." in name}
    found: list[str] = []
    for record in records:
        if not left:
            break
        if isinstance(record, Mapping):
            for name in [n for n in left if n not in record and at(record, n) is not NOTHING]:
                found.append(name)
                del left[name]
    return found


def put(record: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A copy of `record` in which `value` stands where `at` finds `name`; as it is where nothing stands there."""
    if name in record:
        return {**record, name: value}
    first, _, rest = name.partition(".")
    return {**record, first: _put(record[first], rest, value)} if rest and first in record else dict(record)


def _put(place: Any, path: str, value: Any) -> Any:
    if not path:
        return value
    part, _, rest = path.partition(".")
    if isinstance(place, Mapping) and part in place:
        return {**place, part: _put(place[part], rest, value)}
    if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
        return [_put(each, rest, value) if n == int(part) else each for n, each in enumerate(place)]
    return place
