"""Columns that are told by the text of another: what a user agent says of the visitor's browser, a referrer of where he comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from platform_assets.strict import Name, Strict, TextList

if TYPE_CHECKING:
    from platform_assets.contracts.model import Contract

OF_AGENT = ("browser", "browser_version", "system", "system_version", "device", "is_bot", "rules")
OF_REFERRER = ("medium", "source")


class ParsedFrom(Strict):
    """Which column tells it, and what of it."""

    column: Name
    what: Literal[
        "browser", "browser_version", "system", "system_version", "device", "is_bot", "rules", "medium", "source"
    ] = Field(alias="as")
    """Of a user agent: browser, system and device, whether it is a bot, and by which rules that was told. Of a referrer: medium (internal, search,
    social, email, other, absent) and source (the name of the search engine or network, or the host)."""
    own: TextList = ()
    """Of a referrer: hosts that are ours; those below them are, too."""

    @model_validator(mode="after")
    def _own_is_for_referrers(self) -> ParsedFrom:
        if self.own and self.what in OF_AGENT:
            raise ValueError(f"'own' is for referrers (as: {' or '.join(OF_REFERRER)})")
        return self


def refusals(contract: Contract) -> Iterator[str]:
    """What does not fit together, a sentence each."""
    for name, parsed in contract.parsed.items():
        where, column = f"columns.{name}.parsed_from", contract.columns[name]
        source = contract.columns.get(parsed.column)
        if source is None or source.constant is not None or source.parsed_from is not None:
            yield f"{where}: there is no column {parsed.column!r} that a file brings"
        elif source.role == "identifier" or column.role == "identifier":
            yield f"{where}: identifiers are never taken apart"
        elif name in contract.load.key:
            yield f"{where}: a column that is told by rules, which change, is no part of the key"
        elif column.type.value not in ("string", "categorical", *(["boolean"] if parsed.what == "is_bot" else [])):
            yield f"{where}: it is a text" + (" or a truth value" if parsed.what == "is_bot" else "")
        elif any(getattr(column, option) for option in ("header", "from_matching", "from_file_name", "derived_from")):
            yield f"{where}: the column is not in the file: 'from' and 'derived_from' do not apply"
        agents = [p for p in contract.parsed.values() if p.column == parsed.column and p.what in OF_AGENT]
        if parsed.what in OF_AGENT and all(p.what != "rules" for p in agents):
            yield (
                f"{where}: what is read out of a user agent changes with the rules: add a column that keeps their version, e.g. "
                f"agent_rules: {{type: string, parsed_from: {{column: {parsed.column}, as: rules}}}}"
            )
