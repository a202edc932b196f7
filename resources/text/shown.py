"""Shows of a text that may quote a value only what is on a list: all else is hidden, whatever it is.

What is written together (``1-2/3``, ``a.b@c``) is shown whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

HIDDEN = "<value>"
TOGETHER = re.compile(r"\w+(?:[-.,/:@#+'’\\^]+\w+)*")
PARTS = re.compile(r"\w+")

ENGINE = frozenset(
    """
    a access add aggregate alias all already ambiguous an and any appear are argument arguments array as at attempt attempted be because been before
    being between binder bindings both but by call can candidate candidates cannot case cast casts catalog clause clauses column columns comparison constant
    constraint contain contains conversion convert could create current data database date dates decimal declared default depth did directly disabled
    distinct division do does double during duplicate either element empty enable end enough entry enum error escape exceeded exist exists expected
    explicit expression expressions failed failure feature field file files filter find first float following for format found from full function functions
    given group grouped grouping has hash have header if implemented implicit in index inner input insert instead int integer internal interval into
    invalid io is it item join key keyword known lambda lateral left length like limit line list literal loaded lock logical many map match matches maximum may mean
    memory message might minimum mismatch missing more most must name named near need needs negative nested no not null number numeric object of offset on only
    operation operator or order other out outer over overflow parameter parameters parser partition permission pivot planner position precision prefix
    prepared projection provided qualify query quoted range read recursive reference referenced referencing reached requires resource result return returned
    right row rows scalar scale schema select set side simple single size some source specified start statement storage string struct subqueries
    subquery suffix supported supplied syntax table tables temporary that the there these this time timestamp to too transaction try type types unable
    unexpected union unique unknown unnest unpivot unsupported unterminated update use used using valid value values variable view was when where which
    while window with within without would write you your zero
    bigint blob boolean char hugeint int128 int32 int64 smallint text tinyint uint32 uint64 utinyint varchar varint
    """.split()  # noqa: SIM905 - a list of words
)
"""Words of DuckDB's messages."""


def of_engine(message: object, public: str = "") -> str:
    """What an engine says, with its own words, those of `public` (the query, names of columns) and their numbers; in one line."""
    words = {word.casefold() for word in PARTS.findall(public)}
    together = {run.casefold() for run in TOGETHER.findall(public)}
    text = " ".join(str(message).split())

    def known(run: str) -> bool:
        if run.casefold() in together:
            return True
        parts = [part.casefold() for part in PARTS.findall(run)]
        if any(c.isdigit() for c in run) and len(parts) > 1:
            return False
        return all(part in words or part in ENGINE for part in parts)

    return hide(text, [m.span() for m in TOGETHER.finditer(text) if not known(m[0])])


def names_in(names: Iterable[str], public: Collection[str]) -> str:
    """Names of columns for a message: those that are in `public`, and how many there are besides."""
    found = list(names)
    shown = [name for name in found if name in public]
    others = len(found) - len(shown)
    return ", ".join([*shown, *([f"and {others:,} that the query does not name"] if others else [])])


def hide(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """`text` with HIDDEN in the place of `spans`; one for what only white space parts."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and (start <= joined[-1][1] or text[joined[-1][1] : start].isspace()):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    result, position = [], 0
    for start, end in joined:
        result += [text[position:start], HIDDEN]
        position = end
    return "".join(result) + text[position:]
