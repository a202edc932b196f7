"""The same looks on the parts that the cloud has: what was told lies in a bucket, behind a lock of PostgreSQL."""

import dagster as dg
import pytest

from resources.catalog import PostgresCatalog
from resources.environment import Platform
from resources.gcs_store import GCSStore
from resources.identity import EnvironmentKeys
from resources.warehouse import Warehouse
from tests.monitoring.conftest import Watch
from tests.resources.gcs_emulator import BUCKET, client, cloud_storage
from tests.resources.postgres_server import PASSWORD, postgres


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
