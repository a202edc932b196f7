"""A platform with results of several laboratories, and a script that gives cases of them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from platform_assets.contracts.model import Contract
from platform_assets.disclosure.policy import Policies, read_policies
from platform_assets.indicators.compute import compute
from platform_assets.indicators.model import Indicator
from platform_assets.indicators.script.header import read_indicator
from platform_assets.indicators.sensitivity import organisation_columns
from platform_assets.releases.making import Made, make
from platform_assets.releases.sealing import seal_all
from resources.environment import Platform
from resources.identity import IdentityKeys
from tests.conftest import LAB, Bench

SCRIPT = """#' Positive tests by laboratory
#'
#' @input lab  sample_id <text>, laboratory <text>, test_date <date>, result <text>, viral_load <integer>
#' @output organisation <text>, positive <integer>, tests <integer>, share <number>, weight <number>
#' @cases positive, negative
#' @amount weight sum of weight 0..1 in steps of 0.5
#' @grain month by organisation
#' @settles 1 weeks
#' @plot bars Share by laboratory
#' @owner team:test
#' @minimum_n 10 of tests
positives <- function(lab) {
  data.frame(record = lab$sample_id, organisation = lab$laboratory, date = lab$test_date,
             outcome = ifelse(lab$result == "POS", "positive", "negative"), weight = (lab$viral_load %% 100) / 100)
}

positives_figures <- function(atoms) {
  sums <- rowsum(as.matrix(atoms[c("positive", "negative", "weight")]), atoms$organisation, na.rm = TRUE)
  data <- data.frame(organisation = rownames(sums), positive = as.integer(sums[, 1]),
                     tests = as.integer(sums[, 1] + sums[, 2]), weight = sums[, 3])
  data$share <- ifelse(data$tests > 0, data$positive / data$tests, NA)
  list(data = data, bars = function(table) function() graphics::barplot(table$share, names.arg = table$organisation))
}
"""
CONTRACT = {
    **LAB,
    "columns": {
        **LAB["columns"],
        "laboratory": {"type": "string", "role": "organisation", "max_length": 20},
    },
}
HEADER = "sample_id,test_date,result,viral_load,laboratory"
TODAY = dt.date(2024, 4, 20)
"""January to March are over and settled."""


@dataclass
class Place:
    """The platform at work."""

    bench: Bench
    indicators: dict[str, Indicator] = field(default_factory=dict)
    policies: Policies = field(default_factory=read_policies)
    keys: IdentityKeys | None = None
    """By which counts are drawn; None: the platform's."""

    @property
    def platform(self) -> Platform:
        """Where it stands."""
        return self.bench.platform

    def script(self, folder: Path, text: str = SCRIPT, name: str = "positives") -> Indicator:
        """Write a script, take it up, and return it."""
        path = folder / "r_scripts" / "indicators" / f"{name}.R"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.indicators[name] = read_indicator(path)
        return self.indicators[name]

    def deliver(self, file: str, rows: Iterable[str]) -> None:
        """Load rows."""
        self.bench.send(file, "\n".join([HEADER, *rows, ""]))

    def publish(self, today: dt.date = TODAY) -> Made:
        """Compute what has changed, draw what is settled, and make a release. Its problems are those of both."""
        for indicator in self.indicators.values():
            compute(indicator, self.platform.warehouse, self.platform.r)
        platform, contracts = self.platform, {"lab": self.bench.contract}
        organisations = {n: organisation_columns(i, contracts, self.indicators) for n, i in self.indicators.items()}
        _, refused = seal_all(
            self.indicators, organisations, platform.warehouse, self.keys or platform.keys, self.policies, today
        )
        made = make(self.indicators, platform, self.policies)
        return replace(made, problems={**made.problems, **refused})

    def tree(self) -> Mapping[str, bytes]:
        """Every published file."""
        root = self.platform.settings.home / "products" / "releases"
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def rows(
    laboratories: int = 6, months: int = 3, seed: int = 1, per_month: tuple[int, int] = (5, 60), share: float = 0.15
) -> list[str]:
    """Lines of results, some cells of which are small."""
    draw = random.Random(seed)
    lines: list[str] = []
    for month in range(1, months + 1):
        for lab in range(laboratories):
            for _ in range(draw.randint(*per_month)):
                day = draw.randint(1, 28)
                result = "POS" if draw.random() < share else "NEG"
                lines.append(f"S{len(lines):05d},2024-{month:02d}-{day:02d},{result},{draw.randrange(100)},L{lab}")
    return lines


def place_of(platform: Platform, folder: Path) -> Place:
    """A place with one script, and nothing delivered yet."""
    made = Place(Bench(platform, Contract.model_validate(CONTRACT)))
    made.script(folder)
    return made
