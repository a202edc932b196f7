"""What is asked of BigQuery that its stand-in does not heed: limits, labels, partitions. Read off the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from resources.gcp.bigquery import BigQuery
from resources.identity import EnvironmentKeys
from resources.lake.warehouse import Warehouse
from tests.conftest import lab_contract
from tests.engines.bigquery.place import BigBench
from tests.engines.bigquery.wire import Wire, client_of, wire_to
from tests.resources.gcp.bigquery_emulator import PROJECT

pytestmark = pytest.mark.slow
HEAD = "sample_id,test_date,result,viral_load\n"


@pytest.fixture(scope="module")
def told(client: bigquery.Client, buckets: Path) -> Iterator[tuple[BigBench, Wire]]:
    """A load of one file, and what was said of it."""
    contract = lab_contract(name="told", partition={"by": "test_date", "unit": "iso_week"})
    home = buckets / "bucket-told"
    with wire_to(int(client._connection.API_BASE_URL.rpartition(":")[2])) as wire:
        engine = BigQuery(
            PROJECT, "europe-west4", client=client_of(wire.port), labels={"run": "Weekly 1"}, maximum_bytes_billed=10**9
        )
        lab = BigBench(engine, contract, Warehouse(home / "lake"), home, EnvironmentKeys({}), "bucket-told")
        lab.send("CANARY.csv", HEAD + "CANARY-1,2024-01-01,POS,4711\nCANARY-1,2024-01-01,CANARY,4711\n")
        yield lab, wire


def bodies(wire: Wire, end: str) -> list[dict[str, Any]]:
    """The JSON of requests whose path ends so; of an upload, what it says before its data."""
    found = []
    for (method, path), body in zip(wire.seen, wire.bodies, strict=True):
        if method == "POST" and path.split("?")[0].endswith(end) and b"{" in body:
            found.append(json.JSONDecoder().raw_decode(body[body.index(b"{") :].decode())[0])
    return found


def test_every_job_is_labelled_and_every_query_has_a_limit(told: tuple[BigBench, Wire]) -> None:
    _, wire = told
    jobs = [b["configuration"] for b in bodies(wire, "/jobs")]
    queries = [*bodies(wire, "/queries")] + [{**j["query"], "labels": j["labels"]} for j in jobs if "query" in j]
    assert len(queries) > 5
    assert len([j for j in jobs if "load" in j]) >= 5
    assert {job["labels"]["run"] for job in [*jobs, *queries]} == {"weekly-1"}
    assert {query["maximumBytesBilled"] for query in queries} == {str(10**9)}


def test_rows_come_by_load_jobs_from_the_bucket(told: tuple[BigBench, Wire]) -> None:
    lab, wire = told
    loads = [b["configuration"]["load"] for b in bodies(wire, "/jobs") if "load" in b["configuration"]]
    (rows,) = (
        load for load in loads if "sourceUris" in load and load["destinationTable"]["tableId"].endswith("__staged")
    )
    assert all(uri.startswith(f"gs://{lab.bucket}/staging/{lab.contract.name}/") for uri in rows["sourceUris"])
    assert rows["sourceFormat"] == "PARQUET"
    assert rows["createDisposition"] == "CREATE_NEVER"
    assert rows["parquetOptions"] == {"enableListInference": True}


def test_all_that_counts_is_one_transaction(told: tuple[BigBench, Wire]) -> None:
    lab, wire = told
    scripts = [b["configuration"]["query"]["query"] for b in bodies(wire, "/jobs") if "query" in b["configuration"]]
    (transaction,) = (s for s in scripts if "BEGIN TRANSACTION" in s)
    tables = [f"{layer}.{lab.contract.name}`" for layer in ("raw", "validated", "quarantine")] + ["platform.ledger`"]
    for table in tables:
        assert f"INSERT INTO `{PROJECT}.{table}" in transaction
        assert not any(f"INSERT INTO `{PROJECT}.{table}" in s for s in scripts if s != transaction)
    assert transaction.count("BEGIN TRANSACTION") == transaction.count("COMMIT TRANSACTION") == 1


def test_no_value_of_a_row_stands_in_sql(told: tuple[BigBench, Wire]) -> None:
    lab, wire = told
    sent = [b["configuration"]["query"] for b in bodies(wire, "/jobs") if "query" in b["configuration"]]
    sent += bodies(wire, "/queries")
    texts = "\n".join(query["query"] for query in sent)
    assert lab.contract.name in texts
    assert "CANARY" not in texts
    assert "4711" not in texts


def test_tables_are_partitioned_by_week_clustered_by_key_and_forgotten_after_two_days(
    told: tuple[BigBench, Wire],
) -> None:
    lab, wire = told
    made = {
        b["tableReference"]["tableId"]: b
        for b in bodies(wire, "/tables")
        if b["tableReference"]["datasetId"] == "validated"
    }
    table = made[lab.contract.name]
    assert table["timePartitioning"] == {"type": "DAY", "field": "_period_start"}
    assert table["clustering"] == {"fields": ["sample_id"]}
    assert lab.sql("SELECT _period_start, _period FROM {validated}")[0][1] == "2024-W01"
    staging = [b for b in bodies(wire, "/tables") if b["tableReference"]["datasetId"] == "staging"]
    assert len(staging) > 5
    assert all("expirationTime" in b for b in staging)
    lab.engine.ensure_dataset("fresh")
    dataset = bodies(wire, "/datasets")[-1]
    assert (str(dataset["maxTimeTravelHours"]), dataset["location"]) == ("48", "europe-west4")
