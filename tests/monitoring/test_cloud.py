"""The same looks on the parts that the cloud has: what was told lies in a bucket, behind a lock of PostgreSQL."""

from dataclasses import replace

import dagster as dg
import pytest
from gcp_storage_emulator.handlers import buckets

from resources.environment import Platform
from resources.gcp.gcs_store import GCSStore
from resources.identity import EnvironmentKeys
from resources.lake.catalog import PostgresCatalog
from resources.lake.warehouse import Warehouse
from tests.monitoring.conftest import Watch
from tests.resources.gcp.gcs_emulator import BUCKET, client, cloud_storage
from tests.servers.postgres_server import PASSWORD, postgres


@dg.asset
def fails() -> None:
    raise KeyError("x")


@pytest.mark.slow
def test_alerts_are_told_once_without_any_key_to_the_data(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GCS_HMAC_KEY_ID", "GCS_HMAC_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with postgres() as server, cloud_storage() as bucket:
        address = server.create("lake")

        def another_pod() -> Platform:
            home = watch.platform.settings.home
            warehouse = Warehouse(home / "lake", catalog=PostgresCatalog(address), data="gs://no-such-bucket/lake")
            store = GCSStore(BUCKET, client=client(bucket.port))
            return Platform(watch.platform.settings, warehouse, store, EnvironmentKeys({}))

        watch.run(fails)
        for _ in range(3):
            watch.platform = another_pod()
            watch.look()
        assert watch.mails() == ["[ERROR] fails failed: KeyError"]
        assert sorted(bucket.contents()) == ["state/alerts.json", "state/monitoring.json"]


@pytest.mark.slow
def test_what_was_told_lies_in_a_bucket_of_its_own_and_that_of_deliveries_is_not_touched(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud_storage() as there:
        buckets.create_bucket("state", there.server._storage)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{there.port}")
        watch.environment["PLATFORM_STATE_BUCKET"] = "state"
        forbidden = GCSStore(BUCKET, client=client(1), patience=0.1)  # nobody listens there
        watch.platform = replace(watch.platform, store=forbidden, bucket=BUCKET)
        watch.run(fails)
        watch.look()
        watch.look()
        assert watch.mails() == ["[ERROR] fails failed: KeyError"]
        assert sorted(there.server._storage.objects["state"]) == ["state/alerts.json", "state/monitoring.json"]
        assert there.contents() == {}
