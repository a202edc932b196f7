"""An indicator is as sensitive as the most sensitive table that it is made of, and names organisations that its tables name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from platform_assets.contracts.model import Contract
from platform_assets.indicators.model import HeaderError, Indicator


def tables_of(indicator: Indicator) -> list[str]:
    """The tables that it reads, as ``layer.table``."""
    return [".".join(declared.asset_key) for declared in indicator.inputs.values()]


def behind(tables: Iterable[str], indicators: Mapping[str, Indicator]) -> list[str]:
    """`tables` and what they are made of, down to tables that no script makes, each once; an indicator's own table is not among them."""
    found, seen, waiting = [], set[str](), list(tables)
    while waiting:
        table = waiting.pop(0)
        if table in seen:
            continue
        seen.add(table)
        layer, _, name = table.partition(".")
        if layer == "indicators" and name in indicators:
            waiting += tables_of(indicators[name])
        else:
            found.append(table)
    return found


def personal_tables(
    tables: Iterable[str],
    contracts: Mapping[str, Contract],
    indicators: Mapping[str, Indicator],
) -> list[str]:
    """Which of `tables` hold personal data, or are made of such, or are not known to be public (tables that SQL makes are not)."""

    def public(table: str) -> bool:
        layer, _, name = table.partition(".")
        return layer in ("validated", "history") and _is_public(name, contracts)

    return [table for table in behind(tables, indicators) if not public(table)]


def _is_public(table: str, contracts: Mapping[str, Contract]) -> bool:
    """Whether a dataset's table, or one that is worked out of it (``<dataset>__<list>``), is public."""
    contract = contracts.get(table.partition("__")[0])
    return contract is not None and contract.is_public


def organisation_columns(
    indicator: Indicator,
    contracts: Mapping[str, Contract],
    indicators: Mapping[str, Indicator],
) -> list[tuple[str, str]]:
    """Table and column of all that says, in the datasets behind `indicator`, which organisation a row belongs to.

    Raises HeaderError where cases are given by organisation and nothing says so.
    """
    tables = behind(tables_of(indicator), indicators)
    found = []
    for table in tables:
        layer, _, name = table.partition(".")
        if layer in ("validated", "history") and name in contracts:
            columns = contracts[name].columns.items()
            found += [(table, column) for column, said in columns if said.role == "organisation"]
    if not found and indicator.cases is not None and indicator.cases.by_organisation:
        raise HeaderError(
            indicator.path,
            None,
            f"@grain ... by organisation, but no column of {', '.join(sorted(tables))} has `role: organisation` in its contract",
        )
    return found


def check_public(
    indicator: Indicator,
    contracts: Mapping[str, Contract],
    indicators: Mapping[str, Indicator],
) -> None:
    """Raises HeaderError where a script says that its table is public and reads what is not."""
    if not indicator.public:
        return
    personal = personal_tables(tables_of(indicator), contracts, indicators)
    if personal:
        raise HeaderError(
            indicator.path,
            None,
            f"@publish public, but {', '.join(personal)} holds personal data: give cases (@cases), or leave out @publish",
        )
