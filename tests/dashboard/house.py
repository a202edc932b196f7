"""A platform with a release of twelve laboratories, some of which have names that a page must not take for markup, and who may look at it."""

from __future__ import annotations

import datetime as dt
import html
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from starlette.testclient import TestClient

from dashboard.app import app
from dashboard.people import People
from dashboard.scripts import Scripts
from door.filter import Door
from door.rules import DASHBOARD
from door.server import names
from platform_assets import engines
from platform_assets.access.roles import Role, Scope, User
from platform_assets.contracts.model import Contract
from platform_assets.office import NEIGHBOURS, Office
from resources.environment import Platform
from tests.conftest import LAB, Bench
from tests.releases.place import Place

LABS = (
    "North <b>",
    '"><script>alert(1)</script>',
    "=cmd|' /C calc'!A0",
    "Zuid & Zn",
    *(f"Lab {n}" for n in range(1, 9)),
)
OWN = LABS[0]
PORT = 8600
TODAY = dt.date(2024, 4, 20)
CONTRACT = {
    **LAB,
    "columns": {
        **LAB["columns"],
        "sample_id": {"type": "string", "role": "identifier", "matches": "^[A-Z0-9-]+$"},
        "result": {"type": "string", "in": ["POS", "NEG", "N/A"], "role": "sensitive"},
        "laboratory": {"type": "string", "role": "organisation", "max_length": 60},
        "clinic": {"type": "string", "role": "organisation", "max_length": 60},
    },
}
INPUT = "#' @input lab  sample_id <text>, laboratory <text>, clinic <text>, test_date <date>, result <text>"
POSITIVES = f"""#' Positive tests by laboratory
#'
#' The share of tests that are positive.
#'
{INPUT}
#' @output laboratory <text> whose, share <number> positive of tests, label <text> in words, lower_95 <number>, upper_95 <number>,
#'   tests <integer> positive and negative, funnel_lower_95 <number>, funnel_upper_95 <number>, funnel_lower_998 <number>,
#'   funnel_upper_998 <number>
#' @cases positive found, negative not found, unread no valid result
#' @slices part first half | second half, clinic own | other
#' @case_mix nothing but chance
#' @grain month by organisation
#' @settles 1 weeks
#' @plot bars Share by laboratory
#' @figure value share, unit laboratory, size tests, reference 0.2, missing unread
#' @target 0.1 the board
#' @unit proportion of tests (0 to 1)
#' @direction higher is worse
#' @owner team:test
#' @minimum_n 10 of tests
positives <- function(lab) {{
  data.frame(record = lab$sample_id, organisation = lab$laboratory, date = lab$test_date,
             outcome = c(POS = "positive", NEG = "negative", "N/A" = "unread")[lab$result],
             part = replace(ifelse(as.POSIXlt(lab$test_date)$mday < 15, "first half", "second half"), lab$result == "N/A", NA),
             clinic = ifelse(lab$clinic == lab$laboratory, "own", "other"))
}}

positives_figures <- function(atoms) {{
  sums <- rowsum(as.matrix(atoms[c("positive", "negative")]), atoms$organisation)
  n <- as.integer(sums[, 1] + sums[, 2])
  p <- ifelse(n > 0, sums[, 1] / n, NA)
  half <- 0.5 / sqrt(n)
  data <- data.frame(laboratory = rownames(sums), share = p, label = ifelse(p > 0.3, "higher (99.8 %)", "not different"),
                     lower_95 = pmax(p - half, 0), upper_95 = p + half, tests = n, funnel_lower_95 = pmax(0.2 - half, 0),
                     funnel_upper_95 = 0.2 + half, funnel_lower_998 = pmax(0.2 - 2 * half, 0), funnel_upper_998 = 0.2 + 2 * half)
  list(data = data, bars = function(table) function() graphics::barplot(table$share))
}}
"""
WEEKLY = f"""#' Tests by month
#'
{INPUT}
#' @output month <date>, tests <integer>, value <number>, centre <number>, lower_limit <number>, upper_limit <number>, label <text>
#' @cases read with a result, unread without one
#' @grain month
#' @settles 1 weeks
#' @figure value value, time month, size tests, missing unread
#' @since 2024-03-01 new <b>reader</b>
#' @unit hours
#' @owner team:test
months <- function(lab) {{
  data.frame(record = lab$sample_id, date = lab$test_date, outcome = ifelse(lab$result == "N/A", "unread", "read"))
}}

months_figures <- function(atoms) {{
  data <- data.frame(month = atoms$period, tests = atoms$read, value = atoms$read / 10, centre = 40, lower_limit = 30, upper_limit = 50)
  data$label <- ifelse(data$value > 50, "high", "usual variation")
  list(data = data)
}}
"""
MIXING = POSITIVES.replace("positives", "mixing").replace(
    "organisation = lab$laboratory", f"organisation = {OWN!r}".replace("'", '"')
)
"""A script that says that every case is of one laboratory."""
PLAIN = f"""#' All tests of everybody
#'
{INPUT}
#' @output tests <integer> how many
#' @cases test
#' @grain month
#' @settles 1 weeks
#' @plot bars Tests
#' @owner team:test
plain <- function(lab) data.frame(record = lab$sample_id, date = lab$test_date, outcome = "test")

plain_figures <- function(atoms) list(data = data.frame(tests = as.integer(sum(atoms$test))), bars = function() graphics::barplot(atoms$test))
"""
"""A script that says nothing of how its table is drawn."""


@dataclass(frozen=True)
class House:
    """The platform, and its dashboard without a server."""

    place: Place
    office: Office
    scripts: Scripts

    @contextmanager
    def seen_by(self, user: User | None) -> Iterator[TestClient]:
        """The dashboard, behind its door, as `user` sees it; None: whoever is at a laptop."""
        guarded = Door(app(self.office, self.scripts, None), DASHBOARD, names(PORT))
        with TestClient(guarded, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=True) as client:
            if user is None:
                yield client
                return
            with patch.object(People, "through", lambda _self, _eyes: user):
                yield client

    def audited(self, action: str) -> list[Any]:
        """Entries of the audit log."""
        return [entry for entry in self.office.audit.entries() if entry.action == action]

    def records(self, *, of: str = "", but: str = "") -> set[str]:
        """Pseudonyms of the records of one laboratory, or of all but one."""
        with self.place.platform.warehouse.connect(read_only=True) as connection:
            rows = connection.execute(
                "SELECT sample_id FROM validated.lab WHERE ($1 = '' OR laboratory = $1) AND laboratory <> $2", [of, but]
            ).fetchall()
        return {str(record) for (record,) in rows}


def clinician(*values: str, column: str = "laboratory", name: str = "clara@example.org") -> User:
    return User(
        name,
        frozenset({Role.CLINICIAN}),
        tuple(Scope(column, v) for v in values),
        identity=f"test#{name}{values}{column}",
    )


def house_of(platform: Platform, folder: Path) -> House:
    """Everything made: loaded, computed, released twice (the second with a month more)."""
    contract = Contract.model_validate(CONTRACT)
    place = Place(Bench(platform, contract))
    for name, text in (("positives", POSITIVES), ("months", WEEKLY), ("mixing", MIXING), ("plain", PLAIN)):
        place.script(folder, text, name)
    place.bench.send("first.csv", "\n".join(["sample_id,test_date,result,viral_load,laboratory,clinic", *_rows(4), ""]))
    place.publish(TODAY)
    place.publish(TODAY + dt.timedelta(days=30))
    office = Office(
        {contract.name: contract},
        platform.warehouse,
        platform.store,
        platform.keys,
        platform.settings.home,
        engines.engine_of(platform, NEIGHBOURS),
    )
    return House(place, office, Scripts(folder / "r_scripts" / "indicators"))


def _rows(months: int) -> list[str]:
    draw = random.Random(3)
    lines: list[str] = []
    for month in range(1, months + 1):
        for n, lab in enumerate(LABS):
            for _ in range(draw.randint(3, 60)):
                result = draw.choices(["POS", "NEG", "N/A"], [4 if n == 0 else 2, 8, 1])[0]
                name = '"' + lab.replace('"', '""') + '"'
                lines.append(
                    f"S{len(lines):05d},2024-{month:02d}-{draw.randint(1, 28):02d},{result},,{name},{OWN if n % 2 else 'Clinic'}"
                )
    return lines


def links(page: str) -> list[str]:
    """Addresses of a page's links to pages."""
    return [html.unescape(found) for found in re.findall(r'<a [^>]*?href="(/[^"#]*)"', page)]


def crawl(client: TestClient, start: Sequence[str] = ("/",), most: int = 400) -> dict[str, str]:
    """Every page that can be reached by links."""
    waiting, found = list(start), dict[str, str]()
    while waiting and len(found) < most:
        address = waiting.pop(0)
        if address in found or address.startswith("/auth/"):
            continue
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        found[address] = answer.text
        if "text/html" in answer.headers["content-type"]:
            waiting += [link for link in links(answer.text) if link not in found]
    assert not waiting, "the crawl did not come to its end"
    return found
