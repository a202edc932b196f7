"""The execution log and the deletion log: tables, files and assets of what happened, naming nobody."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.components import stewardship as jobs
from platform_assets.reports import logs
from resources.environment import Platform, Settings, resources_for
from tests.erasure.erasing import erase, places_of, subject
from tests.places import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.deliver("=week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,Positive,")
    made.deliver("week2.csv", "A-1,PATIENT-77,north,2024-01-01,POS,", "A-3,PATIENT-79,north,2024-01-09,NEG,")
    return made


def published(place: Place, log: logs.Log) -> list[dict[str, str]]:
    """The lines of a log's file."""
    logs.publish(log, place.warehouse, place.store)
    text = place.store.open(log.file).read().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_execution_log_tells_every_delivery_and_its_rows(place: Place) -> None:
    newest, oldest = published(place, logs.EXECUTION_LOG)
    assert (newest["file"], oldest["file"]) == ("week2.csv", "'=week1.csv")
    counts = ("rows_in", "valid", "quarantined", "inserted", "updated", "superseded", "partitions_touched")
    assert [oldest[c] for c in counts] == ["2", "1", "1", "1", "0", "0", "1"]
    assert [newest[c] for c in counts] == ["2", "2", "0", "1", "1", "0", "2"]
    assert float(newest["seconds"]) > 0
    assert place.query("SELECT file, rows_in, valid FROM platform.execution_log ORDER BY file") == [
        ("=week1.csv", 2, 1),
        ("week2.csv", 2, 2),
    ]


def test_a_log_is_the_same_however_often_it_is_made(place: Place) -> None:
    assert published(place, logs.EXECUTION_LOG) == published(place, logs.EXECUTION_LOG)
    assert place.query("SELECT count(*) FROM platform.execution_log") == [(2,)]


def test_the_deletion_log_counts_what_was_removed_and_names_nobody(place: Place) -> None:
    assert published(place, logs.DELETION_LOG) == []
    document = erase(place, subject("PATIENT-77"))
    (line,) = published(place, logs.DELETION_LOG)
    assert (line["request"], line["datasets"], line["subjects"]) == (document["request"], "lab_results", "1")
    assert (line["raw"], line["validated"], line["archive"], line["rejected"]) == ("2", "1", "2", "0")
    assert line["ground"] == "right to erasure, letter 17"
    assert place.query("SELECT raw, approved_by FROM platform.deletion_log") == [(2, "second@example.org")]
    assert places_of(place.home, ["PATIENT-77"]) == {}


def test_an_erasure_takes_a_name_out_of_the_log_s_table_and_file_too(place: Place) -> None:
    place.deliver("PATIENT-77.csv", "A-9,PATIENT-77,north,2024-01-01,NEG,")
    published(place, logs.EXECUTION_LOG)
    erase(place, subject("PATIENT-77"))
    assert places_of(place.home, ["PATIENT-77"]) == {}
    assert "erased.csv" in [line["file"] for line in published(place, logs.EXECUTION_LOG)]


def test_dagster_shows_a_preview_a_schema_and_the_size_of_a_log_but_not_who_asked(place: Place) -> None:
    erase(place, subject("PATIENT-77"))
    definitions = jobs.definitions({place.contract.name: place.contract})
    made = [a for a in definitions.assets or [] if isinstance(a, dg.AssetsDefinition)]
    assets = [a for a in made if a.key.path[0] == "stewardship"]
    platform = resources_for("laptop", Settings(place.home, settle_seconds=0))
    assert isinstance(platform, Platform)
    result = dg.materialize(assets, resources={"platform": platform})
    shown = {
        e.asset_key.path[-1]: e.materialization.metadata
        for e in result.get_asset_materialization_events()
        if e.asset_key
    }
    assert shown["execution_log"]["dagster/row_count"].value == 2
    assert "week2.csv" in str(shown["execution_log"]["first rows"].value)
    assert shown["deletion_log"]["dagster/row_count"].value == 1
    assert "second@example.org" not in str(shown["deletion_log"]["first rows"].value)
    for asset in assets:
        schema = asset.metadata_by_key[asset.key]["dagster/column_schema"]
        assert all(column.description for column in schema.columns)
