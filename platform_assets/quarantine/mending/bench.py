"""Many rows mended at once: values by count, what is offered for them, what it would change, and the way back.

What is offered is judged by the contract before anybody sees it: values that one of `rewriting`'s ways or a cluster of like values makes right
in their column. What is chosen is staged by the desk like any fix, so that nothing passes a rule, and all that is done here can be undone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from platform_assets.access.roles import Permission
from platform_assets.contracts.model import Contract
from platform_assets.quarantine.desk import Desk
from platform_assets.quarantine.fixes import Fix, QuarantineError
from platform_assets.quarantine.mending import likeness, rewriting
from platform_assets.quarantine.mending.rewriting import Row
from platform_assets.quarantine.tables import RowKey, staged_at
from platform_assets.quarantine.where import Where
from resources.lake.warehouse import quoted

MOST_VALUES = 5_000
"""Values of a column that are looked at, those of most rows first."""
PERSONAL = ("identifier", "quasi_identifier")
"""Of these, two like values are two people as soon as one: no value is guessed from another."""
NAMED = 4
"""Values that an offer names."""
TRIED = 2_000
"""Rows on which a move of cells is tried before it is offered."""


@dataclass(frozen=True)
class Values:
    """What stands in a column of open rows."""

    counts: Mapping[str | None, int]
    """Text -> rows, most rows first; None: no value."""
    wrong: Mapping[str | None, int]
    """Those of rows whose value there is wrong."""


@dataclass(frozen=True)
class Offer:
    """A change that would mend something."""

    words: str
    column: str
    rows: int
    values: Mapping[str | None, str | None] = field(default_factory=dict)
    """Of one column: text -> what it becomes."""
    move: Callable[[Row], Row | None] | None = None
    """Of whole rows: cells go to other columns."""

    @property
    def empties(self) -> list[str]:
        """Texts that would be no value any more."""
        return [old for old, new in self.values.items() if new in (None, "") and old is not None]


@dataclass(frozen=True)
class Preview:
    """What an offer would do."""

    rows: int
    right: int
    """Rows without any fault afterwards."""
    before_and_after: Sequence[tuple[Row, Row]]
    """Some of them: the columns that change."""


@dataclass(frozen=True)
class Mended:
    """What was staged in one go, for the way back."""

    words: str
    keys: tuple[RowKey, ...]
    at: dt.datetime | None
    """When: a row that was staged anew since is not touched."""
    before: Mapping[RowKey, Mapping[str, str | None]]
    """The text of rows that had a staged fix before."""
    wrong: Mapping[RowKey, Sequence[str]]
    """Rows that are still wrong, and why."""


def becoming(olds: Sequence[str], new: str | None) -> str:
    """Values and what they become, for people: ``"pos", "POS." become "POS"``."""
    written = ", ".join(f'"{old}"' for old in olds[:NAMED]) + (", ..." if len(olds) > NAMED else "")
    return f"{written} {'becomes' if len(olds) == 1 else 'become'} " + (f'"{new}"' if new else "no value")


def offers_for(
    contract: Contract,
    column: str,
    values: Values,
    check: Callable[[Sequence[Row]], list[list[str]]],
) -> list[Offer]:
    """Changes of single values that make values of `column` right, as `check` (the contract) finds; those that mend most first."""
    spec = contract.columns[column]
    wrong = {v: n for v, n in values.wrong.items() if v is not None}
    made: list[tuple[str, Mapping[str, str | None]]] = []
    listed = [str(a) for a in spec.allowed]
    if spec.role not in PERSONAL:
        rest = wrong if listed else {v: n for v, n in values.counts.items() if v is not None}
        for cluster in likeness.clusters(rest, listed):
            made.append((becoming(list(cluster.values), cluster.target), dict.fromkeys(cluster.values, cluster.target)))
    made += [(r.words, r.of(wrong)) for r in rewriting.rewritings(spec, contract.zone)]
    tried = list({new for _, mapping in made for new in mapping.values()})
    verdicts = check([{column: text} for text in tried])
    right = {t for t, why in zip(tried, verdicts, strict=True) if not any(r.startswith(f"{column}:") for r in why)}
    offers: list[Offer] = []
    for words, mapping in made:
        mends: dict[str | None, str | None] = {old: new for old, new in mapping.items() if new in right}
        if mends and not any(o.values.items() >= mends.items() for o in offers):
            offers.append(Offer(words, column, sum(values.counts[old] for old in mends), mends))
    return sorted(offers, key=lambda o: -o.rows)


class Bench:
    """Mending many rows of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.contract = desk.contract

    # ------------------------------------------------------------------------------------------------ seeing

    def values(self, column: str, where: Where) -> Values:
        """The texts in `column` of the rows that `where` says."""
        self._know(column)
        condition, parameters = where.sql()
        with self.desk.reading() as connection:
            found = connection.execute(
                f"SELECT {quoted(column)}, count(*), count(*) FILTER (_state = 'open' AND "
                "len(list_filter(_reasons, r -> starts_with(r, ?))) > 0) "
                f"FROM ({self.desk.open_sql()}) WHERE {condition} AND _text IS NULL "
                f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}",
                [f"{column}:", *parameters],
            ).fetchall()
        self.desk.seen("quarantine.see_values", sum(r[1] for r in found), column=column, **where.told())
        return Values({r[0]: r[1] for r in found}, {r[0]: r[2] for r in found if r[2]})

    def offers(self, column: str, where: Where, values: Values | None = None) -> list[Offer]:
        """Changes that make values of `column` right, those that mend most first."""
        values = values or self.values(column, where)
        offers = offers_for(self.contract, column, values, self.desk.check) + self._moves(column, where)
        return sorted(offers, key=lambda o: -o.rows)

    def preview(self, offer: Offer, where: Where, shown: int = 20) -> Preview:
        """What it would do to the rows that `where` says."""
        found = self._changed(offer, where, TRIED)
        self.desk.seen("quarantine.see", min(shown, len(found)), **where.told())
        verdicts = self.desk.check([after for _, _, _, after in found])
        told = {}
        for _, _, before, after in found:
            names = [c for c in self.desk.texts if before[c] != after[c]]
            told[tuple((c, before[c], after[c]) for c in names)] = (
                {c: before[c] for c in names},
                {c: after[c] for c in names},
            )
        return Preview(
            len(found) if len(found) < TRIED else offer.rows,
            sum(not why for why in verdicts),
            list(told.values())[:shown],
        )

    # ------------------------------------------------------------------------------------------------ doing

    def stage(self, offer: Offer, where: Where, *, empty_too: bool = False) -> Mended:
        """Stage it for the rows that `where` says, and no others. Raises QuarantineError where it would take values away and `empty_too` does not say
        that this is meant."""
        if offer.empties and not empty_too:
            raise QuarantineError(
                "Nothing is given for these values to become: say once more that they shall be missing, or give a value"
            )
        found = self._changed(offer, where)
        if not found:
            raise QuarantineError(
                f"No open row of {self.contract.name} that is shown has that value any more: look at the rows again"
            )
        fixes = [Fix(key, after, at) for key, at, _, after in found]
        before = {key: old for key, at, old, _ in found if at is not None}
        wrong = self.desk.stage(fixes)
        keys = tuple(fix.key for fix in fixes)
        return Mended(offer.words, keys, self._staged_at(keys[:1]).get(keys[0]), before, wrong)

    def undo(self, mended: Mended) -> int:
        """Give the rows back as they were before; returns how many. Rows that somebody has staged, sent or dismissed since stay as they are."""
        now = self._staged_at(mended.keys)
        mine = [key for key in mended.keys if now.get(key) == mended.at]
        if not mine:
            raise QuarantineError("Nothing can be undone: these rows were sent, dismissed or changed since")
        bare = [key for key in mine if key not in mended.before]
        if bare:
            self.desk.unstage(bare)
        again = [Fix(key, mended.before[key], mended.at) for key in mine if key in mended.before]
        if again:
            self.desk.stage(again)
        return len(mine)

    # ------------------------------------------------------------------------------------------------ inside

    def _know(self, column: str) -> None:
        self.desk.user.require(Permission.SEE_QUARANTINE)
        if column not in self.desk.texts:
            raise QuarantineError(f"{self.contract.name} has no column {column!r} in its files")

    def _moves(self, column: str, where: Where) -> list[Offer]:
        concerned = Where(where.delivery, where.rule or f"{column}:", where.values)
        rows: list[Row] | None = None
        found = []
        for move in rewriting.moves(column, self.desk.texts):
            if rows is None:
                rows = [row for _, _, row in self._rows(concerned, TRIED)]
            moved = [m for m in map(move.move, rows) if m is not None]
            right = sum(not why for why in self.desk.check(moved)) if moved else 0
            if right:
                found.append(Offer(move.words, column, right, move=move.move))
        return found

    def _changed(
        self, offer: Offer, where: Where, limit: int | None = None
    ) -> list[tuple[RowKey, dt.datetime | None, Row, Row]]:
        """The rows that the offer changes: key, when their fix was staged, text before and after."""
        self._know(offer.column)
        if offer.move is None:
            narrowed = {**where.values, offer.column: list(self._among(offer, where))}
            rows = self._rows(Where(where.delivery, where.rule, narrowed), limit)
            return [(key, at, row, {**row, offer.column: offer.values[row[offer.column]]}) for key, at, row in rows]
        found = [(key, at, row, offer.move(row)) for key, at, row in self._rows(where, limit)]
        moved = [(key, at, row, after) for key, at, row, after in found if after is not None]
        verdicts = self.desk.check([after for _, _, _, after in moved])
        return [
            change for change, why in zip(moved, verdicts, strict=True) if not why
        ]  # it is right, or it did not slide

    def _among(self, offer: Offer, where: Where) -> list[str | None]:
        chosen = where.values.get(offer.column)
        return [v for v in offer.values if chosen is None or v in chosen]

    def _rows(self, where: Where, limit: int | None = None) -> list[tuple[RowKey, dt.datetime | None, Row]]:
        condition, parameters = where.sql()
        names = ", ".join(["_delivery", "_file", "_row", "_staged_at", *map(quoted, self.desk.texts)])
        with self.desk.reading() as connection:
            found = connection.execute(
                f"SELECT {names} FROM ({self.desk.open_sql()}) WHERE {condition} AND _text IS NULL "
                "ORDER BY _delivery, _file, _row" + ("" if limit is None else f" LIMIT {limit}"),
                parameters,
            ).fetchall()
        return [(RowKey(*r[:3]), r[3], dict(zip(self.desk.texts, r[4:], strict=True))) for r in found]

    def _staged_at(self, keys: Sequence[RowKey]) -> dict[RowKey, dt.datetime]:
        """When the fixes of these rows that wait were staged, where they are this user's."""
        with self.desk.reading() as connection:
            return staged_at(connection, self.contract.name, self.desk.user.name, keys)
