"""A patient whom nobody should find: in no byte of another role, no name, size or hash of a file, no word that Dagster keeps."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from console import pages
from platform_assets.access.roles import Permission, Role, Scope, User
from platform_assets.components.indicators import indicator_asset
from platform_assets.components.releases import drawing_asset, release_asset
from platform_assets.disclosure.policy import read_policies
from platform_assets.indicators.script.header import read_indicator
from platform_assets.indicators.sensitivity import organisation_columns
from platform_assets.releases.making import make
from platform_assets.releases.sealing import seal
from resources.environment import Platform, Settings, resources_for
from resources.identity import EnvironmentKeys
from tests.console.test_pages import drawn, everything
from tests.disclosure.test_attackers import office_of
from tests.releases.place import SCRIPT, Place, place_of

DAY = dt.date(2024, 3, 1)
LABORATORIES = ("north", "south", "east", "west", "centre", "coast")
EXACT = {"north": 137, "south": 149, "east": 163, "west": 173, "centre": 181, "coast": 193}
"""Laboratory -> its exact negative tests; no multiple of 5."""


def canary(laboratory: str) -> str:
    return f"CANARY-{laboratory.upper()}-4711"


@pytest.fixture
def place(platform: Platform, tmp_path: Path) -> Place:
    made = place_of(platform, tmp_path)
    lines = [f"{canary(lab)},2024-01-05,POS,73,{lab}" for lab in LABORATORIES]
    lines += [f"{lab}-{n},2024-01-0{n % 9 + 1},NEG,31,{lab}" for lab, many in EXACT.items() for n in range(many)]
    made.deliver("first.csv", lines)
    return made


def told_of(text: str) -> list[str]:
    """What `text` tells of the patients: canaries, and exact counts as numbers of their own."""
    numbers = {str(n + more) for n in EXACT.values() for more in (0, 1)} | {str(sum(EXACT.values()))}
    found = [c for c in map(canary, LABORATORIES) if c in text]
    return found + [n for n in numbers if re.search(rf"(?<![\w.:-]){n}(?![\w.:-])", text)]


def test_what_dagster_keeps_of_computing_drawing_and_publishing_tells_nothing(place: Place) -> None:
    """Everybody who can open Dagster sees its events: messages, metadata, previews, receipts, data versions."""
    indicator = place.indicators["positives"]
    columns = organisation_columns(indicator, {"lab": place.bench.contract}, {})
    published = {"positives": indicator}
    assets = [
        indicator_asset(indicator, published),
        drawing_asset(published, {"positives": columns}),
        release_asset(published),
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(assets, resources={"platform": place.platform}, instance=instance)
        assert done.success
        entries = instance.all_logs(done.run_id)
    said = [entry.user_message for entry in entries]
    shown: dict[str, str] = {}
    for event in done.get_asset_materialization_events():
        assert event.asset_key is not None
        for name, value in event.materialization.metadata.items():
            if name not in ("seconds", "R memory (MB)"):  # of the machine
                shown[f"{event.asset_key.to_user_string()}: {name}"] = repr(value)
    assert "products/releases: indicators" in shown
    assert told_of("137 tests of CANARY-NORTH-4711") == ["CANARY-NORTH-4711", "137"]
    assert {name: told_of(text) for name, text in shown.items() if told_of(text)} == {}
    assert [text for text in said if told_of(text)] == []


@pytest.mark.parametrize("role", [Role.ANALYST, Role.AUDITOR, Role.ENGINEER, Role.CLINICIAN])
def test_no_page_shows_a_patient_of_another_organisation(place: Place, role: Role) -> None:
    place.publish(DAY)
    scopes = (Scope("laboratory", "south"),) if role is Role.CLINICIAN else ()
    user = User(f"{role}@example.org", frozenset({role}), scopes)
    office = office_of(place.platform, place.bench.contract)
    own = {canary("south")} if role is Role.CLINICIAN else set()
    for page in pages.PAGES:
        if page.takes and not any(user.may(p) for p in page.takes):
            continue
        text = everything(drawn(page.title.lower(), office, user))
        found = {c for c in map(canary, LABORATORIES) if c in text}
        assert found <= own, page.title
        if page.title == "Reports" and user.may(Permission.SEE_REPORTS):
            assert found == own
            assert "north" in text, "the published counts of all are there"
            exact = {str(n) for lab, n in EXACT.items() if lab != "south" or not own}
            assert not [n for n in exact if re.search(rf"(?<![\w.:-]){n}(?![\w.:-])", text)]


CASES = """
SELECT lab || '-' || i AS record, lab AS organisation, DATE '2024-01-02' + (i % 25)::INTEGER AS date,
  CASE WHEN i < few + (CASE WHEN lab = 'north' THEN {more} ELSE 0 END) THEN 'positive' ELSE 'negative' END AS outcome, 0.31 AS weight
FROM (VALUES ('north', 3, 87), ('south', 5, 61), ('east', 12, 93), ('west', 2, 72), ('centre', 6, 55), ('coast', 31, 99)) t(lab, few, many), range(99) r(i)
WHERE i < many
"""


def test_two_worlds_that_are_drawn_alike_are_published_alike_to_the_byte(tmp_path: Path) -> None:
    """In one world a patient of `north` is positive, in the other not. Where the drawn counts agree nothing else differs: no byte, name, size, hash or number
    of files, and not the number of the release."""
    path = tmp_path / "r_scripts" / "indicators" / "positives.R"
    path.parent.mkdir(parents=True)
    path.write_text(SCRIPT, encoding="utf-8")
    indicator = read_indicator(path)
    for number in range(40):
        keys = EnvironmentKeys({"PLATFORM_IDENTITY_KEY_RELEASE": f"{number:02x}" * 32})
        worlds = [resources_for("laptop", Settings(home=tmp_path / f"{number}-{more}")) for more in (0, 1)]
        atoms = []
        for more, world in enumerate(worlds):
            with world.warehouse.connect() as connection, world.warehouse.write(connection):
                connection.execute(f"CREATE TABLE indicators.positives AS {CASES.format(more=more)}")
                connection.execute(
                    "CREATE TABLE validated.lab AS SELECT DISTINCT organisation AS laboratory FROM indicators.positives"
                )
            seal(
                indicator,
                [("validated.lab", "laboratory")],
                world.warehouse,
                keys,
                read_policies().of("positives"),
                DAY,
            )
            with world.warehouse.connect(read_only=True) as connection:
                atoms.append(
                    connection.execute(
                        "SELECT part, organisation, value, hidden, controlled FROM platform.seals ORDER BY ALL"
                    ).fetchall()
                )
        if atoms[0] == atoms[1]:
            break
    else:
        raise AssertionError("no key draws both worlds alike, so the stand-ins tell them apart")
    with worlds[0].warehouse.connect() as one, worlds[1].warehouse.connect() as other:
        counted = [
            c.execute("SELECT count(*) FROM indicators.positives WHERE outcome = 'positive'").fetchall()[0][0]
            for c in (one, other)
        ]
    assert counted[1] == counted[0] + 1
    trees = []
    for world in worlds:
        assert make({"positives": indicator}, world, read_policies()).problems == {}
        trees.append(tree(world))
    assert trees[0] == trees[1]
    assert len(trees[0]) > 8


def tree(platform: Platform) -> Mapping[str, bytes]:
    root = platform.settings.home / "products"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
