"""A steward's erasure where BigQuery is the engine: one request, BigQuery and the lake's copies, one certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import ServiceUnavailable
from google.cloud.bigquery import Dataset

from platform_assets.engines.bigquery.loading.lending import lend
from platform_assets.engines.bigquery.tables import DATASETS
from platform_assets.erasure import certificate
from platform_assets.erasure.eraser import Eraser, ErasureIncomplete
from platform_assets.erasure.holders.bigquery.rows import BigErasureFailed, keeps
from platform_assets.erasure.targets import Target
from platform_assets.office import Office
from resources.gcp.bigquery import STAGING, BigQuery
from resources.identity import EnvironmentKeys, pseudonym
from tests.engines.bigquery.place import SMALL, BigBench, Both
from tests.erasure import erasing as lake_erasing
from tests.erasure.erasing import places_of
from tests.places import KEYS, SECOND, STEWARD, Place
from tests.resources.gcp.bigquery_emulator import PROJECT

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
KEYRING = EnvironmentKeys(KEYS)
PERSON = {"type": "string", "role": "identifier", "purpose": "patient", "matches": "^PATIENT-[0-9]+$"}


class Stopped(Exception):
    """The process ends here."""


def stop() -> None:
    raise Stopped


def eraser(lab: BigBench, at: str = "", what: Callable[[], object] = stop) -> Eraser:
    """Does `what` before the step `at`."""

    def on_step(step: str) -> None:
        if step == at:
            what()

    contracts = {lab.contract.name: lab.contract}
    return Office(contracts, lab.warehouse, lab.store, lab.keys, lab.home, lab.asked, lab.engine).eraser(on_step)


def approved(lab: BigBench, target: Target) -> str:
    number = eraser(lab).submit([target], "letter 17", STEWARD).id
    eraser(lab).requests.approve(number, SECOND)
    return number


def called(patient: str) -> str:
    return pseudonym(KEYRING.key("patient"), patient)


def test_a_person_leaves_bigquery_the_lakes_copy_and_the_files_also_when_the_erasure_is_cut_off(pair: Pair) -> None:
    lab = pair(columns={**SMALL, "patient_id": PERSON}).big
    lab.keys = KEYRING
    name, engine = lab.contract.name, lab.engine
    head = "sample_id,viral_load,patient_id\n"
    lab.send("of PATIENT-77.csv", head + "A,1,PATIENT-77\nB,1,PATIENT-78\nC,x,PATIENT-77\n")
    lend(lab.contract, engine, lab.warehouse, lab.store, lab.keys, most=1000)
    # a computed table that names people, and what a load that was killed left behind
    engine.query(
        f"CREATE TABLE {engine.name(f'indicators.of_{name}')} AS SELECT sample_id, patient_id FROM {engine.name(f'validated.{name}')}"
    )
    engine.create_staging(f"{STAGING}.{name}__0123456789ab__rows", {"patient_id": "VARCHAR"})
    lab.store.write(f"staging/{name}/0123456789ab-rows.parquet", b"PATIENT-77")
    number = approved(lab, Target(name, {"patient_id": "PATIENT-77"}, subject=True))
    with pytest.raises(Stopped):
        eraser(lab, "clean files").execute(number, SECOND)
    document = eraser(lab).execute(number, SECOND)
    found = document["found_and_removed"]
    assert [found[f"bigquery_{place}"] for place in ("raw", "quarantine", "validated", "tables")] == [2, 1, 1, 1]
    assert (found["validated"], found["archive"]) == (1, 2)
    assert certificate.deletion_log(lab.store)["bigquery"].tolist() == [5]
    for table in ("{raw}", "{validated}", f"indicators.of_{name}"):
        assert lab.sql(f"SELECT sample_id FROM {table}") == [("B",)]
    assert lab.sql("SELECT * FROM {quarantine}") == []
    assert lab.sql("SELECT DISTINCT _file FROM {raw}") == [("of erased.csv",)]
    assert lab.sql(f"SELECT file FROM platform.ledger WHERE dataset = '{name}'") == [("of erased.csv",)]
    assert [t for t in engine.tables(STAGING) if t.startswith(f"{name}__")] == []
    assert places_of(lab.home, ["PATIENT-77", called("PATIENT-77")]) == {}
    text = certificate.as_text(document)
    assert "1  rows of computed tables, in BigQuery" in text
    assert "held against the marks again, and no row was left" in text
    assert "hours more (time travel)" in text


def test_a_record_goes_and_those_of_other_dates_stay_and_are_told(pair: Pair) -> None:
    date = {"type": "date", "format": "%Y-%m-%d"}
    lab = pair(columns={**SMALL, "test_date": date}, load={"mode": "upsert", "key": ["sample_id", "test_date"]}).big
    lab.keys = KEYRING
    lab.send("a.csv", "sample_id,viral_load,test_date\nA-100,1,2024-01-01\nA-100,1,2024-01-02\nB-100,1,2024-01-01\n")
    target = Target(lab.contract.name, {"sample_id": "A-100", "test_date": "2024-01-01"})
    assert {k: v for k, v in eraser(lab).preview([target], STEWARD).items() if v} == {
        "archive": 1,
        "bigquery_raw": 1,
        "bigquery_validated": 1,
    }
    number = approved(lab, target)
    row = "'A-100', '1', '2024-01-01', 'a.csv', 'elsewhere', 1"
    back = (
        f"INSERT INTO raw.{lab.contract.name} (sample_id, viral_load, test_date, _file, _delivery, _row) VALUES ({row})"
    )
    with pytest.raises(ErasureIncomplete, match=r"1 row\(s\) in tables"):
        eraser(lab, "search", lambda: lab.sql(back)).execute(number, SECOND)
    document = eraser(lab).execute(number, SECOND)
    assert document["other_records_of_the_same_key"] == 1
    assert lab.sql("SELECT sample_id, viral_load FROM {raw} ORDER BY 1") == [("A-100", "1"), ("B-100", "1")]


def test_a_failure_of_bigquery_is_told_without_its_words(engine: BigQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(dataset: str) -> Any:
        raise ServiceUnavailable("cannot read PATIENT-77")

    monkeypatch.setattr(engine.client, "get_dataset", fails)
    with pytest.raises(BigErasureFailed, match="ServiceUnavailable") as error:
        keeps(engine)
    assert "PATIENT" not in str(error.value)


def test_the_certificate_tells_the_time_travel_that_was_set(engine: BigQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator forgets this setting, so what BigQuery would answer is put in its place."""
    hours = dict.fromkeys((*DATASETS, "products"), "48") | {"indicators": "96"}
    answers = {
        d: Dataset.from_api_repr(
            {"id": d, "datasetReference": {"datasetId": d, "projectId": PROJECT}, "maxTimeTravelHours": h}
        )
        for d, h in hours.items()
    }
    monkeypatch.setattr(engine.client, "get_dataset", lambda name: answers[name.split(".")[1]])
    assert "for 96 hours more" in keeps(engine)
    del answers["indicators"]._properties["maxTimeTravelHours"]  # nobody has set it
    assert "for 168 hours more" in keeps(engine)


def test_copies_lose_an_erased_person_where_duckdb_is_the_engine(engine: BigQuery, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.deliver("week1.csv", "A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")
    engine.ensure_dataset("indicators")
    people = [{"patient": place.pseudonym(p)} for p in ("PATIENT-77", "PATIENT-78")]
    engine.load_rows("indicators.copied", {"patient": "VARCHAR"}, people)
    number = lake_erasing.approved(place, lake_erasing.subject("PATIENT-77"))
    document = replace(lake_erasing.office(place), published=engine).eraser().execute(number, SECOND)
    assert document["found_and_removed"]["bigquery_tables"] == 1
    assert engine.query("SELECT patient FROM indicators.copied") == people[1:]
    assert place.samples() == ["A-2"]


@pytest.mark.parametrize(
    ("of_rows", "of_tables"),
    [("mend", "drop"), ("else", "mend")],
)
def test_what_a_steward_decides_of_others_texts_is_done_in_bigquery(pair: Pair, of_rows: str, of_tables: str) -> None:
    text = {"type": "string", "required": False}
    lab = pair(columns={**SMALL, "patient_id": PERSON, "note": text}).big
    lab.keys = KEYRING
    name, engine = lab.contract.name, lab.engine
    lab.send(
        "a.csv",
        "sample_id,viral_load,patient_id,note\n"
        "A,1,PATIENT-77,self\nB,1,PATIENT-78,see PATIENT-77.\nC,1,PATIENT-78,see PATIENT-770\nD,x,PATIENT-79,of PATIENT-77 too\n",
    )
    engine.query(
        f"CREATE TABLE {engine.name(f'indicators.of_{name}')} AS SELECT sample_id, note AS said FROM {engine.name(f'validated.{name}')} "
        "WHERE sample_id <> 'A'"
    )
    number = approved(lab, Target(name, {"patient_id": "PATIENT-77"}, subject=True))
    with pytest.raises(ErasureIncomplete) as waits:
        eraser(lab).execute(number, SECOND)
    ways = {spot.key: (set(spot.ways), spot.words) for spot in waits.value.spots}
    table = f"bigquery:indicators.of_{name}/said"
    assert {f"{name}/note", table} <= set(ways)
    assert "drop" not in ways[f"{name}/note"][0]  # a row would have to be accounted for
    decided = {}
    for spot in waits.value.spots:
        wanted = of_tables if spot.key == table else of_rows
        decided[spot.key] = (wanted if wanted in spot.ways else "else", "a shelf of that name")
    eraser(lab).requests.decide(number, decided, SECOND)
    document = eraser(lab).execute(number, SECOND)
    mended = "see [erased]." if of_rows == "mend" else "see PATIENT-77."
    assert lab.sql("SELECT sample_id, note FROM {validated} ORDER BY 1") == [("B", mended), ("C", "see PATIENT-770")]
    assert lab.sql("SELECT sample_id, note FROM {raw} ORDER BY 1")[:2] == [("B", mended), ("C", "see PATIENT-770")]
    rejected = "of [erased] too" if of_rows == "mend" else "of PATIENT-77 too"
    assert lab.sql("SELECT sample_id, note FROM {quarantine}") == [("D", None)]  # texts of wrong rows stay in the lake
    with lab.warehouse.connect(read_only=True) as lake:
        assert lake.execute(f"SELECT sample_id, note FROM quarantine.{name}").fetchall() == [("D", rejected)]
    left = {
        "mend": [("B", "see [erased]."), ("C", "see PATIENT-770")],
        "else": [("B", "see PATIENT-77."), ("C", "see PATIENT-770")],
    }
    expected = left.get(of_tables, [("C", "see PATIENT-770")])
    assert lab.sql(f"SELECT sample_id, said FROM indicators.of_{name} ORDER BY 1") == expected
    assert {d["spot"]: d["way"] for d in document["decisions"]} == {key: way for key, (way, _) in decided.items()}
    assert "a shelf of that name" in certificate.as_text(document) or of_rows != "else"
