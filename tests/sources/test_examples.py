"""The examples are contracts that load what they say: from their sample files, and from a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from platform_assets.contracts.model import Contract
from platform_assets.sources.collect import collect
from tests.conftest import Bench
from tests.servers import postgres_server
from tests.servers.postgres_server import postgres

Make = Callable[..., Bench]
EXAMPLES = Path(__file__).parents[2] / "examples"


def contract(name: str) -> Contract:
    said = yaml.safe_load((EXAMPLES / name / "defs.yaml").read_text(encoding="utf-8"))
    assert said["type"] == "platform_assets.components.Dataset"
    return Contract.model_validate(said["attributes"])


def sent(bench: Make, name: str) -> tuple[Bench, list[Any]]:
    lab = bench(contract(name))
    for file in (EXAMPLES / name / "sample").iterdir():
        lab.drop(file.name, file.read_bytes())
    return lab, lab.load().entries


def test_every_example_is_in_the_list_and_is_a_contract() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for file in EXAMPLES.rglob("defs.yaml"):
        name = contract(str(file.parent.relative_to(EXAMPLES))).name
        assert f"| `{name}` |" in listed
        assert name == file.parent.name


@pytest.mark.parametrize("name", ["web/access_log", "web/pages", "web/searches", "web/places"])
def test_sample_files_are_published_without_a_wrong_row(bench: Make, name: str) -> None:
    lab, entries = sent(bench, name)
    assert [(e.status, e.quarantined, e.drift) for e in entries] == [("published", 0, {})]
    if name == "web/access_log":
        assert lab.sql("SELECT is_bot, count(*) FROM {validated} GROUP BY 1 ORDER BY 1") == [
            (False, 3),
            (True, 1),
            (None, 1),
        ]
    if name == "web/pages":
        assert lab.sql("SELECT path, theme, topic FROM validated.pages__tree WHERE page_id = 'A4'") == [
            ("HOME/A1/A2/A3/A4", "Home", "Influenza")
        ]
        assert lab.sql("SELECT page_id FROM validated.pages__tree WHERE state = 'orphan'") == [("OLD",)]
    lab.assert_nothing_lost()


def test_stays_come_from_a_real_database_with_their_history(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres() as server:
        address = f"postgresql://platform@127.0.0.1:{server.port}/postgres"
        monkeypatch.setenv("PLATFORM_DATABASE_EHR", address)
        monkeypatch.setenv("PLATFORM_DATABASE_EHR_PASSWORD", postgres_server.PASSWORD)

        def run(sql: str) -> None:
            with psycopg2.connect(address, password=postgres_server.PASSWORD) as connection:
                connection.cursor().execute(sql)

        run(
            "CREATE SCHEMA reporting; CREATE TABLE reporting.stays (stay_id int, patient_id int, ward text, admitted_at timestamptz, "
            "discharged_at timestamptz, cancelled boolean, updated_at timestamptz); INSERT INTO reporting.stays VALUES "
            "(1, 77, 'north', '2026-01-01', NULL, false, '2026-01-01'), (2, 78, 'north', '2026-01-02 10:00:00.5', '2026-01-03', false, '2026-01-03')"
        )
        lab = bench(contract("ehr/stays"))
        lab.platform = replace(lab.platform, settings=replace(lab.platform.settings, sources=True))
        assert collect(lab.contract.source, "stays", lab.platform, lambda _: None).failed == []
        assert [e.status for e in lab.load().entries] == [
            "published",
            "published",
        ]  # what has changed, and the first sweep
        run("UPDATE reporting.stays SET ward = 'south', updated_at = '2026-02-01' WHERE stay_id = 1")
        assert len(collect(lab.contract.source, "stays", lab.platform, lambda _: None).landed) == 1
        lab.load()
        found = "SELECT ward, valid_from::DATE::VARCHAR, valid_to::DATE::VARCHAR FROM history.stays WHERE stay_id = '1' ORDER BY 2"
        assert lab.sql(found) == [("north", "2026-01-01", "2026-02-01"), ("south", "2026-02-01", None)]
        assert lab.table("stay_id", "ward") == [("1", "south"), ("2", "north")]
        lab.assert_nothing_lost()
