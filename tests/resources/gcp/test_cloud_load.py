"""The whole way of a delivery, from landing to published rows, on the parts that the cloud has: bucket and PostgreSQL catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest import ledger
from platform_assets.ingest.load import load_dataset
from resources.gcp.gcs_store import GCSStore
from resources.identity import EnvironmentKeys
from resources.lake.catalog import PostgresCatalog
from resources.lake.warehouse import Warehouse
from tests.resources.gcp.gcs_emulator import BUCKET, FAULTS, CloudStorage, FaultyProxy, client, cloud_storage
from tests.servers.postgres_server import PASSWORD, PostgresServer

CONTRACT = Contract.model_validate(
    {
        "name": "lab_results",
        "owner": "team:surveillance",
        "description": "One laboratory test per row.",
        "source": {"kind": "landing", "files": "*.csv"},
        "format": {"kind": "csv"},
        "load": {"mode": "upsert", "key": ["sample_id"], "order_by": "delivered"},
        "columns": {
            "sample_id": {"type": "string", "role": "identifier"},
            "result": {"type": "string", "in": ["POS", "NEG"]},
            "viral_load": {"type": "integer", "ge": 0},
        },
        "quality": {"max_quarantined": "60%"},
    }
)


@pytest.fixture
def cloud() -> Iterator[CloudStorage]:
    with cloud_storage() as running:
        yield running


@pytest.fixture
def warehouse(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return Warehouse(tmp_path, catalog=PostgresCatalog(postgres_server.create("lake")), threads=1)


def test_deliveries_in_a_bucket_are_loaded_once_on_a_bad_day(cloud: CloudStorage, warehouse: Warehouse) -> None:
    """Every fifth request fails, each time in another way."""
    proxy = FaultyProxy(cloud.port)
    store = GCSStore(BUCKET, client=client(proxy.port), timeout=0.9, patience=120, first_delay=0.01)
    direct = GCSStore(BUCKET, client=client(cloud.port))
    keys = EnvironmentKeys({"PLATFORM_IDENTITY_KEY_SAMPLE_ID": "ab" * 32})
    direct.write("landing/lab_results/1.csv", b"sample_id,result,viral_load\nS1,POS,100\nS2,NEG,0\nS3,maybe,5\n")
    direct.write("landing/lab_results/2.csv", b"sample_id,result,viral_load\nS1,POS,250\nS4,POS,1e3\n")
    direct.write("landing/lab_results/broken.csv", b"nothing,of,this\n1,2,3\n")
    proxy.plan = lambda number: FAULTS[number // 5 % len(FAULTS)] if number % 5 == 0 else None
    try:
        report = load_dataset(CONTRACT, warehouse, store, keys, settle_seconds=0.0)
        again = load_dataset(CONTRACT, warehouse, store, keys, settle_seconds=0.0)
    finally:
        proxy.close()
    assert proxy.faults >= 5
    assert not again.entries
    assert {e.file: (e.status, e.rows_in, e.valid, e.quarantined) for e in report.entries} == {
        "1.csv": ("published", 3, 2, 1),
        "2.csv": ("published", 2, 1, 1),
        "broken.csv": ("rejected", 0, 0, 0),
    }
    with warehouse.connect(read_only=True) as connection:
        rows = connection.execute("SELECT result, viral_load FROM validated.lab_results ORDER BY ALL").fetchall()
        assert len(ledger.read(connection, "lab_results")) == 3
    assert rows == [("NEG", 0), ("POS", 250)]
    assert sorted(name.split("/")[0] for name in cloud.contents()) == ["archive", "archive", "rejected", "rejected"]
