"""What may leave as an export: public data; figures of a release; rows of people only with a role, a ground and a recipient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from platform_assets.contracts.model import Contract
from platform_assets.exports.model import Export
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.sensitivity import personal_tables


def demand_allowed(
    export: Export, tables: Iterable[str], contracts: Mapping[str, Contract], indicators: Mapping[str, Indicator]
) -> None:
    """Raises ValueError where personal data would leave without being either of these."""
    if export.published is not None:
        if export.published not in indicators:
            raise ValueError(f"{export.name}: there is no indicator {export.published}")
        return
    personal = personal_tables(tables, contracts, indicators)
    if personal and export.row_level is None:
        raise ValueError(
            f"{export.name}: {', '.join(personal)} holds personal data, or is made of such. Send the protected figures of a release "
            "(`published: <indicator>`), or say by whose right, on what ground and to whom rows go: row_level: {role, ground, recipient}"
        )
