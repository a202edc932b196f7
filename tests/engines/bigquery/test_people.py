"""What BigQuery is never told, and what it forgets: identifiers in clear, and people who were erased."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery import quality as big_quality
from platform_assets.engines.bigquery.loading.lending import lend
from platform_assets.engines.bigquery.loading.sending import WITHHELD
from platform_assets.erasure import tombstones
from platform_assets.erasure.holders.bigquery.rows import erase_rows
from platform_assets.erasure.targets import Target, Tombstone, resolve
from platform_assets.ingest.load import LoadReport
from platform_assets.office import NEIGHBOURS
from resources.gcp.bigquery import BigQuery
from resources.identity import EnvironmentKeys, pseudonym
from resources.lake.warehouse import Warehouse
from resources.object_store import LocalStore
from tests.conftest import LAB
from tests.engines.bigquery.place import BigBench, Both
from tests.engines.bigquery.wire import client_of, wire_to
from tests.ingest.test_respelling import before  # noqa: F401  (fixture)
from tests.places import KEYS
from tests.resources.gcp.bigquery_emulator import PROJECT

pytestmark = pytest.mark.slow
Pair = Callable[..., Both]
KEYRING = EnvironmentKeys(KEYS)
PEOPLE: dict[str, Any] = {
    **LAB,
    "columns": {
        **LAB["columns"],
        "patient_id": {"type": "string", "role": "identifier", "purpose": "patient", "matches": "^P-[0-9]+$"},
    },
    "rules": [{"name": "load_known", "check": "tests.engines.bigquery.rules:load_is_known", "severity": "error"}],
}
HEAD = "sample_id,test_date,result,viral_load,patient_id\n"


@pytest.fixture
def people(pair: Pair) -> BigBench:
    lab = pair(PEOPLE).big
    lab.keys = KEYRING
    return lab


def called(patient: str) -> str:
    return pseudonym(KEYRING.key("patient"), patient)


def test_identifiers_are_judged_and_replaced_before_bigquery_sees_them(people: BigBench) -> None:
    (entry,) = people.send(
        "a.csv",
        HEAD
        + "A,2024-01-01,POS,1, P-77 \nB,2024-01-01,what,1,nobody\nC,2024-01-01,NEG,1,\nD,2024-01-01,POS,,P-77\nE,P-78,x\n",
    ).entries
    assert (entry.valid, entry.quarantined, entry.malformed) == (1, 4, 1)
    assert people.sql("SELECT sample_id, patient_id FROM {validated}") == [("A", called("P-77"))]
    assert people.sql("SELECT patient_id FROM {raw} ORDER BY sample_id") == [
        (called("P-77"),),
        (called("nobody"),),
        (None,),
        (called("P-77"),),
    ]
    wrong = people.sql("SELECT sample_id, patient_id, _text, _reasons FROM {quarantine} ORDER BY _row")
    assert wrong == [
        (
            "B",
            called("nobody"),
            None,
            [
                "result: is not one of POS, NEG, N/A, found a value like aaaa",
                "patient_id: is not written as: P-, then 1 or more digits, found a value like aaaaaa",
            ],
        ),
        ("C", None, None, ["patient_id: value is missing"]),
        ("D", called("P-77"), None, ["row: breaks the rule load_known"]),
        (None, None, WITHHELD, ["row: has 3 fields, the header has 5"]),
    ]


def test_nothing_that_leaves_the_machine_holds_an_identifier(people: BigBench, tmp_path: Path) -> None:
    """Every Parquet file in the bucket, opened as BigQuery opens it; and every byte that goes over the wire."""
    port = int(people.engine.client._connection.API_BASE_URL.rpartition(":")[2])
    sent: list[str] = []
    with wire_to(port) as wire:

        def look(number: int, method: str, path: str) -> bool:
            for file in (people.home / "staging").rglob("*.parquet"):
                sent.append(str(duckdb.sql(f"FROM '{file}'").fetchall()))
            return False

        wire.before = look
        people.engine = BigQuery(PROJECT, "europe-west4", client=client_of(wire.port))
        people.send(
            "a.csv",
            HEAD + "A,2024-01-01,POS,1,P-77123\nB,2024-01-01,what,1,P-77123\nE,P-77123,x\nF,P-77123,POS,1,P-5\n",
        )
        everything = "\n".join(sent) + "\n".join(body.decode("latin-1") for body in wire.bodies)
    assert called("P-77123") in everything
    assert "77123" not in everything


def test_without_the_key_nothing_is_sent(people: BigBench) -> None:
    people.keys = EnvironmentKeys({})
    people.drop("a.csv", HEAD + "A,2024-01-01,POS,1,P-77\n")
    with pytest.raises(RuntimeError, match="PLATFORM_IDENTITY_KEY_PATIENT"):
        people.load()
    assert people.files("landing") == ["a.csv"]


# ------------------------------------------------------------------ erasure


def stones(contract: Contract, warehouse: Warehouse, *targets: Target) -> list[Tombstone]:
    with duckdb.connect() as connection:
        return resolve(warehouse, connection, contract, KEYRING, targets, "request-1", "2024-01-01")[0]


def subject(lab: BigBench, patient: str) -> Tombstone:
    (stone,) = stones(lab.contract, lab.warehouse, Target(lab.contract.name, {"patient_id": patient}, subject=True))
    return stone


def conserved(lab: BigBench) -> bool:
    now = dt.datetime.now(dt.UTC)
    found = big_quality.evaluate(lab.engine, lab.contract, lab.warehouse, now)
    return next(o.passed for o in found if o.check == "row_conservation")


def erase(lab: BigBench, stone: Tombstone) -> dict[str, int]:
    return erase_rows(lab.engine, lab.warehouse, lab.contract, lab.keys, [stone], "request-1")


def test_a_subject_leaves_all_tables_and_the_others_stay(people: BigBench) -> None:
    people.send("1.csv", HEAD + "A,2024-01-01,POS,1,P-77\nB,2024-01-01,POS,1,P-78\nC,2024-01-01,what,1,P-77\n")
    people.send("2.csv", HEAD + "A,2024-01-02,NEG,1,P-77\nD,2024-01-01,what,1,P-78\n")
    stone = subject(people, "P-77")
    assert erase(people, stone) == {"raw": 3, "quarantine": 1, "validated": 1, "tables": 0}
    assert people.sql("SELECT sample_id FROM {validated}") == [("B",)]
    assert people.sql("SELECT sample_id FROM {raw} ORDER BY 1") == [("B",), ("D",)]
    assert people.sql("SELECT sample_id FROM {quarantine}") == [("D",)]
    assert conserved(people)
    assert erase(people, stone) == {"raw": 0, "quarantine": 0, "validated": 0, "tables": 0}
    assert conserved(people)


def test_who_was_erased_does_not_come_in_again(people: BigBench) -> None:
    people.send("1.csv", HEAD + "A,2024-01-01,POS,1,P-77\nB,2024-01-01,POS,1,P-78\n")
    stone = subject(people, "P-77")
    tombstones.add(LocalStore(people.home), [stone])
    erase(people, stone)
    report: LoadReport = people.send("2.csv", HEAD + "A,2024-01-02,NEG,1,P-77\nE,2024-01-01,POS,1,P-79\nx,P-77\n")
    (entry,) = report.entries
    assert (entry.rows_in, entry.valid, entry.superseded, entry.quarantined) == (3, 1, 2, 0)
    assert people.sql("SELECT sample_id FROM {validated} ORDER BY 1") == [("B",), ("E",)]
    assert conserved(people)
    (archived,) = (f for f in people.home.rglob("2.csv"))
    assert "P-77" not in archived.read_text()


def test_the_lake_is_not_lent_who_was_erased_there(people: BigBench) -> None:
    people.send("1.csv", HEAD + "A,2024-01-01,POS,1,P-77\nB,2024-01-01,POS,1,P-78\n")
    tombstones.add(people.store, [subject(people, "P-77")])
    assert (
        lend(
            people.contract,
            people.engine,
            people.warehouse,
            people.store,
            people.keys,
            most=1000,
            neighbours=NEIGHBOURS,
        )
        == "1 rows copied to the lake"
    )
    with people.warehouse.connect(read_only=True) as connection:
        found = connection.execute(f"SELECT sample_id, patient_id FROM validated.{people.contract.name}").fetchall()
    assert found == [("B", called("P-78"))]


def test_a_record_and_a_broken_line_are_erased_where_nobody_is_pseudonymised(pair: Pair) -> None:
    lab = pair().big
    lab.keys = KEYRING
    head = "sample_id,test_date,result,viral_load\n"
    lab.send("1.csv", head + "A-1,2024-01-01,POS,1\nA-2,2024-01-01,POS,1\nA-1,2024-01-01,what,1\nA-1,2024-01-01\n")
    lab.send("2.csv", head + "A-1,2024-01-02,NEG,1\n")
    (stone,) = stones(lab.contract, lab.warehouse, Target(lab.contract.name, {"sample_id": "A-1"}))
    assert erase(lab, stone) == {"raw": 3, "quarantine": 2, "validated": 1, "tables": 0}
    assert [lab.sql(f"SELECT COUNT(*) FROM {t}")[0][0] for t in ("{raw}", "{quarantine}", "{validated}")] == [1, 0, 1]
    assert conserved(lab)


@pytest.mark.soak
def test_people_of_another_spelling_become_one(pair: Pair, before: Callable[[], None]) -> None:  # noqa: F811
    plain = {"type": "string", "role": "identifier", "purpose": "patient"}
    lab = pair(
        {
            **PEOPLE,
            "columns": {**LAB["columns"], "patient_id": plain},
            "load": {"mode": "upsert", "key": ["patient_id"]},
            "rules": [],
        }
    ).big
    lab.keys = KEYRING
    lab.send("a.csv", HEAD + "A,2024-01-01,POS,1,Zoe\u0308\nB,2024-01-01,POS,1,\u00a0P-1\n")
    lab.send("b.csv", HEAD + "C,2024-01-02,NEG,1,Zoë\nD,what,NEG,1,P-2\n")
    before()
    said = lab.asked.respell(lab.contract, lambda _: None)
    assert said.startswith("2 pseudonym(s) of another spelling replaced, 1 row(s) of the same person merged")
    assert sorted(lab.sql("SELECT sample_id, patient_id FROM {validated}")) == [
        ("B", called("P-1")),
        ("C", called("Zoë")),
    ]
    assert {p for (p,) in lab.sql("SELECT patient_id FROM {raw}")} == {called("Zoë"), called("P-1"), called("P-2")}
    assert "0 pseudonym" not in lab.asked.respell(lab.contract, lambda _: None)
