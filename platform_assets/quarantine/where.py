"""Which open rows are meant: the filters of a page, and of what is done from there, are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resources.lake.warehouse import quoted


@dataclass(frozen=True)
class Where:
    """Open rows of a dataset; without any of these, all."""

    delivery: str | None = None
    rule: str | None = None
    """A reason of the row, or how one begins."""
    values: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    """Column -> texts of which the row has one there; None: it has none."""

    def sql(self) -> tuple[str, list[Any]]:
        """A condition on the columns of `Desk.open_sql`, and its parameters."""
        conditions, parameters = ["true"], list[Any]()
        if self.delivery:
            conditions.append("_delivery = ?")
            parameters.append(self.delivery)
        if self.rule:
            conditions.append("len(list_filter(_reasons, r -> starts_with(r, ?))) > 0")
            parameters.append(self.rule)
        for column, texts in self.values.items():
            missing = f" OR ({quoted(column)} IS NULL)" if None in texts else ""
            conditions.append(f"({quoted(column)} IN (SELECT unnest(?::VARCHAR[])){missing})")
            parameters.append([t for t in texts if t is not None])
        return " AND ".join(conditions), parameters

    def told(self) -> dict[str, Any]:
        """The same for the audit log: which rows, without values."""
        return {
            "delivery": self.delivery or "all",
            "reason": self.rule or "all",
            **({"columns": sorted(self.values)} if self.values else {}),
        }
