"""The policy of each indicator, in one file that a data-protection officer can read: ``policy.yaml``. The default is the strictest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, model_validator

from platform_assets.strict import Strict

FILE = Path(__file__).with_name("policy.yaml")


class Exact(Strict):
    """Who sees exact figures, which, and on what agreement."""

    who: str = Field(min_length=1)
    what: str = Field(min_length=1)
    agreement: str = Field(min_length=1)


class Policy(Strict):
    """What may be shown of the counts of one indicator."""

    threshold: int = Field(default=7, ge=7)
    """Counts of 1 to this are hidden."""
    base: int = Field(default=5, ge=5)
    """Shown counts are multiples of this."""
    smallest_denominator: int = Field(default=20, ge=20)
    """Of fewer cases a count of zero is hidden too, where the outcome is sensitive: none of twelve tells of twelve people."""
    sensitive: bool = True
    change: int = Field(default=10, ge=10)
    """Records by which an atom must differ before it is drawn again."""
    restated: Literal["yearly", "quarterly", "never"] = "yearly"
    exact_for: tuple[Exact, ...] = ()
    why: str = ""
    """Why the policy is another than the default."""

    @model_validator(mode="after")
    def _has_room(self) -> Policy:
        if self.least <= self.threshold + 1:
            raise ValueError("the smallest figure that is shown must be more than one above the threshold")
        return self

    @property
    def least(self) -> int:
        """The smallest figure other than zero that is shown; hidden counts stand for zero or this in sums."""
        return -(-(self.threshold + 2) // self.base) * self.base

    @property
    def peers(self) -> int:
        """Organisations that must stand behind a value of the country or of peers, the viewer's own not counted."""
        return 10 if self.sensitive else 5

    def hides(self, count: int, cases: int) -> bool:
        """Whether `count` of `cases` is hidden."""
        return 0 < count <= self.threshold or (count == 0 and self.sensitive and cases < self.smallest_denominator)

    @property
    def hidden_variance(self) -> float:
        """Variance of what a hidden count stands for, on average over the counts that it may be."""
        return sum(c * (self.least - c) for c in range(1, self.threshold + 1)) / self.threshold

    @property
    def shown_variance(self) -> float:
        """Variance of a shown count around the true one, on average over remainders."""
        return (self.base**2 - 1) / 6

    @property
    def hash(self) -> str:
        """Changes with what the policy says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class Policies(Strict):
    """The file."""

    default: Policy
    indicators: dict[str, dict[str, object]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_is_right(self) -> Policies:
        for name, said in self.indicators.items():
            if not said.get("why"):
                raise ValueError(f"{name}: say `why` its policy is another than the default")
            self.of(name)
        return self

    def of(self, indicator: str) -> Policy:
        """The policy of `indicator`."""
        return Policy.model_validate({**self.default.model_dump(), **self.indicators.get(indicator, {})})

    def page(self, indicators: dict[str, str]) -> str:
        """The policies as Markdown; `indicators`: name -> title of all that are published with protection."""
        lines = ["# What may be shown of each indicator", "", *_told("Default", self.default)]
        for name, title in sorted(indicators.items()):
            differs = self.indicators.get(name)
            if differs:
                lines += _told(f"{title} (`{name}`)", self.of(name))
            else:
                lines += [f"## {title} (`{name}`)", "", "As the default.", ""]
        return "\n".join(lines)


def read_policies(path: Path = FILE) -> Policies:
    """The policies in `path`. Raises pydantic's ValidationError, which names what is wrong."""
    return Policies.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def _told(title: str, policy: Policy) -> list[str]:
    zero = f"; of fewer than {policy.smallest_denominator} cases also none and all" if policy.sensitive else ""
    restated = {
        "yearly": "once a year",
        "quarterly": "once a quarter",
        "never": "never",
    }[policy.restated]
    return [
        f"## {title}",
        "",
        *([f"Why: {policy.why}.", ""] if policy.why else []),
        f"- Hidden: counts of 1 to {policy.threshold}{zero}.",
        f"- Shown: multiples of {policy.base}, at least {policy.least}.",
        f"- Country and peers: where {policy.peers} organisations or more stand behind them beside the viewer's own, none of them with over half.",
        f"- A published count is drawn again {restated}, and only if at least {policy.change} of its records are others.",
        *(f"- Exact for {e.who}: {e.what} ({e.agreement})." for e in policy.exact_for),
        "",
    ]
