"""What is left after an erasure has removed all rows that are the person's: a spot. A steward decides what becomes of each.

The number of an erased person may stand in another person's free text, in a reason that somebody typed, in the name of a file; or the
same digits may mean something else. Nobody but a person can tell, so a spot is shown in words and waits for a decision. Every spot has
at least one way that ends it: an erasure always comes to its certificate, which says what was decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

MEND, DROP, ELSE, STAYS = "mend", "drop", "else", "stays"
WAYS = {
    MEND: "mend: replace the number by [erased] there",
    DROP: "drop: remove the row, entry or file that holds it",
    ELSE: "means someone or something else: leave it, with a reason",
    STAYS: "stays: it cannot be taken out of there, with a reason",
}
"""What can be decided, as people choose it."""
DONE = {
    MEND: "the number was replaced by [erased]",
    DROP: "the row, entry or file was removed",
    ELSE: "left, because it means someone or something else",
    STAYS: "stays",
}
"""The same as the certificate tells it."""
WITH_REASON = (ELSE, STAYS)


@dataclass(frozen=True)
class Spot:
    """One place where the text still stands."""

    key: str
    """The same place has the same key in every run; holds no value."""
    words: str
    """Where it is, for a steward; holds no value."""
    ways: tuple[str, ...]
    """What may be decided."""
    texts: frozenset[str]
    """Which texts stand there."""
    shown: tuple[str, ...] = ()
    """How they stand there, in clear: kept in the request only, for those who may see it."""


@dataclass(frozen=True)
class Decision:
    """What a steward has decided of a spot."""

    way: str
    reason: str
    by: str
    at: str
    words: str = ""
    """Where it was, as the spot said."""


def merged(spots: Iterable[Spot]) -> list[Spot]:
    """One spot per key: the same cell stands in a table and in the file that brought it."""
    found: dict[str, Spot] = {}
    for spot in spots:
        there = found.get(spot.key)
        if there is None:
            found[spot.key] = spot
        else:
            ways = tuple(w for w in there.ways if w in spot.ways) or (ELSE,)
            shown = tuple(dict.fromkeys((*there.shown, *spot.shown)))[:5]
            words = there.words if len(there.words) >= len(spot.words) else spot.words
            found[spot.key] = Spot(spot.key, words, ways, there.texts | spot.texts, shown)
    return [found[key] for key in sorted(found)]


def as_dict(spot: Spot) -> dict[str, Any]:
    """For the request."""
    return {**asdict(spot), "ways": list(spot.ways), "texts": sorted(spot.texts), "shown": list(spot.shown)}


def from_dict(found: Mapping[str, Any]) -> Spot:
    """As `as_dict` wrote it."""
    lists = {"ways": tuple(found["ways"]), "texts": frozenset(found["texts"]), "shown": tuple(found["shown"])}
    return Spot(**{**found, **lists})


def for_certificate(key: str, decision: Decision) -> dict[str, str]:
    """What the certificate keeps of a decision."""
    return {"spot": key, **asdict(decision)}
