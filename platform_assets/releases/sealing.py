"""Draws what is due: periods that are over and settled, each once and for all organisations; again only at a restatement, and only atoms of
which enough records are others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.disclosure.auditor import Seen
from platform_assets.disclosure.drawing import Keyed, draw, draw_amount
from platform_assets.disclosure.policy import Policies, Policy
from platform_assets.indicators import receipts
from platform_assets.indicators.model import Indicator
from platform_assets.releases import ledger
from platform_assets.releases.counting import (
    CasesRefused,
    Cell,
    cases_of,
    check,
    check_organisations,
    count,
    empty_cell,
    ended,
)
from platform_assets.releases.ledger import Seal
from resources.identity import RELEASE, IdentityKeys
from resources.lake.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


@dataclass(frozen=True)
class Done:
    """What sealing has done for one indicator."""

    periods: tuple[dt.date, ...]
    """Drawn for the first time."""
    restated: int
    """Atoms that were drawn again."""


def seal_all(
    indicators: Mapping[str, Indicator],
    organisations: Mapping[str, Sequence[tuple[str, str]]],
    warehouse: Warehouse,
    keys: IdentityKeys,
    policies: Policies,
    today: dt.date,
) -> tuple[dict[str, Done], dict[str, str]]:
    """Draw what is due of all `indicators` that give cases: what was done for each, and why it was not for others. Raises MissingIdentityKey.

    `organisations`: indicator -> table and column of what may stand as organisation (`sensitivity.organisation_columns`).
    """
    done, refused = {}, {}
    for name, indicator in sorted(indicators.items()):
        if indicator.cases is not None:
            try:
                done[name] = seal(indicator, organisations[name], warehouse, keys, policies.of(name), today)
            except CasesRefused as error:
                refused[name] = str(error)
    return done, refused


def seal(
    indicator: Indicator,
    organisations: Sequence[tuple[str, str]],
    warehouse: Warehouse,
    keys: IdentityKeys,
    policy: Policy,
    today: dt.date,
) -> Done:
    """Draw what is due on `today`; a second call changes nothing. Raises CasesRefused, MissingIdentityKey."""
    secret = keys.ring(RELEASE, make=True)[0]
    with warehouse.lock(f"seal-{indicator.name}"), warehouse.connect() as connection:
        with warehouse.write(connection):
            ledger.ensure(warehouse, connection)
        if not warehouse.columns(connection, f"indicators.{indicator.name}"):
            return Done((), 0)
        _check_made_as_it_is(connection, warehouse, indicator)
        check(connection, warehouse, indicator)
        check_organisations(connection, warehouse, indicator, organisations)
        known = set(ledger.sealed_periods(connection, indicator))
        due = [period for period in ended(connection, indicator, today) if period not in known]
        looks = bool(known) and _restatement_is_due(connection, indicator.name, policy, today)
        if not due and not looks:
            return Done((), 0)
        with warehouse.write(connection):
            drawn = _first(indicator, count(connection, indicator, due), policy, secret)
            again = _restated(connection, indicator, policy, secret, today) if looks else []
            ledger.write(connection, indicator, [*drawn, *again], secret, today, policy.hash)
            if looks:
                connection.execute(f"INSERT INTO {ledger.ROUNDS} VALUES (?, ?, ?)", [indicator.name, today, len(again)])
    return Done(tuple(due), len(again))


def _check_made_as_it_is(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, indicator: Indicator) -> None:
    """Raises CasesRefused where the table is of another version of the script, or of parameters that somebody chose: counts of a part of the cases, once
    drawn, would stay, and who chooses the part asks a question of their own."""
    if not warehouse.columns(connection, receipts.TABLE):
        return
    receipt = receipts.last(connection, indicator.name)
    if receipt is None:
        return
    if receipt.params:
        raise CasesRefused(
            f"{indicator.name}: its table was made with parameters ({', '.join(sorted(receipt.params))}), and counts are drawn of all cases: "
            "compute it without"
        )
    if receipt.code_version != indicator.code_version:
        raise CasesRefused(
            f"{indicator.name}: its table was made by another version of the script: compute it, and see why that fails"
        )


def _first(indicator: Indicator, cells: Sequence[Cell], policy: Policy, secret: bytes) -> list[Seal]:
    by_period: dict[dt.date, list[Cell]] = {}
    for cell in cells:
        by_period.setdefault(cell.period, []).append(cell)
    parts = [*cases_of(indicator).outcomes, *cases_of(indicator).amounts]
    return [
        made
        for period, here in by_period.items()
        for part in parts
        for made in _drawn(indicator, part, here, policy, secret, f"{period.isoformat()} settled", {})
    ]


def _drawn(
    indicator: Indicator,
    part: str,
    cells: Sequence[Cell],
    policy: Policy,
    secret: bytes,
    why: str,
    versions: Mapping[str, int],
) -> list[Seal]:
    """One draw: the same part of several organisations in one period."""
    cases = cases_of(indicator)
    label = f"{part} {why}"
    keyed = Keyed(secret, f"{indicator.name}\0{label}")

    def sealed(cell: Cell, value: float | None, hidden: bool, controlled: bool) -> Seal:
        version = versions.get(cell.organisation, 0) + 1
        return Seal(part, cell.organisation, cell.period, version, value, hidden, controlled, label)

    if part in cases.amounts:
        step = cases.amounts[part].step
        made = []
        for cell in cells:
            value, known = cell.amounts[part]
            shown = value is not None and known >= policy.least
            made.append(
                sealed(
                    cell,
                    draw_amount(value, step, keyed, cell.organisation) if shown and value is not None else None,
                    not shown,
                    False,
                )
            )
        return made
    counts = {cell.organisation: cell.outcomes[part] for cell in cells}
    totals = {cell.organisation: cell.cases for cell in cells}
    drawn = draw(counts, totals, policy, keyed, cases.by_organisation)
    return [
        sealed(cell, float(one.count), one.hidden, one.controlled)
        for cell in cells
        for one in (drawn[cell.organisation],)
    ]


def _restatement_is_due(connection: duckdb.DuckDBPyConnection, indicator: str, policy: Policy, today: dt.date) -> bool:
    if policy.restated == "never":
        return False
    last = connection.execute(
        f"SELECT coalesce((SELECT max(looked_on) FROM {ledger.ROUNDS} WHERE indicator = $1), "
        f"(SELECT min(drawn_on) FROM {ledger.SEALS} WHERE indicator = $1))",
        [indicator],
    ).fetchall()[0][0]

    def round_of(day: dt.date) -> tuple[int, int]:
        return (day.year, (day.month - 1) // 3 if policy.restated == "quarterly" else 0)

    return last is not None and round_of(today) > round_of(last)


def _restated(
    connection: duckdb.DuckDBPyConnection, indicator: Indicator, policy: Policy, secret: bytes, today: dt.date
) -> list[Seal]:
    """Atoms of sealed periods of which enough records have changed, drawn anew; all others stand."""
    differ = {
        atom: version
        for atom, (records, version) in ledger.changed(connection, indicator, secret).items()
        if records >= policy.change
    }
    cells = {
        (cell.organisation, cell.period): cell
        for cell in count(connection, indicator, sorted({period for _, _, period in differ}))
    }
    made = []
    for part, period in sorted({(part, period) for part, _, period in differ}):
        versions = {o: version for (p, o, d), version in differ.items() if (p, d) == (part, period)}
        here = [cells.get((o, period)) or empty_cell(indicator, o, period) for o in sorted(versions)]
        why = f"{period.isoformat()} restated {today.isoformat()}"
        made += _drawn(indicator, part, here, policy, secret, why, versions)
    return made


def atoms_table(indicator: Indicator, seals: Sequence[Seal], policy: Policy) -> pd.DataFrame:
    """The sealed atoms as figures are made of them: a row per organisation and period, in order; see `Cases.atoms` for the columns."""
    import pandas as pd

    cases = cases_of(indicator)
    rows: dict[tuple[dt.date, str], dict[str, Seal]] = {}
    for one in seals:
        rows.setdefault((one.period, one.organisation), {})[one.part] = one
    columns: dict[str, list[object]] = {name: [] for name in cases.atoms}
    for (period, organisation), parts in sorted(rows.items()):
        if cases.by_organisation:
            columns["organisation"].append(organisation)
        columns["period"].append(period)
        for outcome in cases.outcomes:
            found = parts.get(outcome)  # a cell that came later may lack what was too few to be drawn
            hidden = found is None or found.hidden
            value = int(found.value or 0) if found else 0
            variance = policy.hidden_variance if hidden else policy.shown_variance if value else 0.0
            columns[outcome].append(value)
            columns[f"{outcome}_hidden"].append(hidden)
            columns[f"{outcome}_variance"].append(variance)
        for amount in cases.amounts:
            columns[amount].append(parts[amount].value if amount in parts else None)
    kinds = {"text": "string", "integer": "int64", "flag": "bool", "number": "float64"}
    frame = pd.DataFrame(columns)
    return frame.astype({c.name: kinds[c.type] for c in cases.atoms.values() if c.type in kinds})


def batches(seals: Sequence[Seal], amounts: Sequence[str]) -> dict[str, dict[str, Seen]]:
    """Draw -> its counts as they are published, for the auditor."""
    found: dict[str, dict[str, Seen]] = {}
    for one in seals:
        if one.part not in amounts:
            found.setdefault(one.draw, {})[one.organisation] = Seen(int(one.value or 0), one.hidden, one.controlled)
    return found
