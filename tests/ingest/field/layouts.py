"""A dataset of three columns, and contracts that say how its files are laid out."""

from __future__ import annotations

from typing import Any

from platform_assets.contracts.model import Contract

COLUMNS: dict[str, Any] = {
    "id": {"type": "string"},
    "day": {"type": "date", "format": "%Y-%m-%d"},
    "n": {"type": "integer", "required": False},
}


def laid_out(layout: dict[str, Any], columns: dict[str, Any] | None = None, **changes: Any) -> Contract:
    return Contract.model_validate(
        {
            "name": "lab",
            "description": "Cases.",
            "owner": "team:test",
            "format": {"kind": "csv", "delimiter": ";", **layout},
            "load": {"mode": "append"},
            "columns": columns or COLUMNS,
            "quality": {"max_quarantined": 0, "min_rows": 1},
            **changes,
        }
    )


WIDE = {
    "site": {"type": "string"},
    "day": {"type": "date", "format": "%Y-%m-%d"},
    "cases": {"type": "integer", "required": False},
}
