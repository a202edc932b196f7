"""Erasure where the cloud's stores are: files in a bucket that keeps what was replaced, a catalog in PostgreSQL, a lake in a bucket."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import psycopg2
import pytest
import requests

from platform_assets.erasure.eraser import ErasureIncomplete
from platform_assets.office import Office
from resources.gcp.gcs_store import GCSStore
from resources.lake.catalog import PostgresCatalog
from resources.lake.warehouse import Warehouse
from tests.console.conftest import free_port
from tests.erasure.bucket_versions import Kept, refused, versioned
from tests.erasure.erasing import eraser, subject
from tests.exports.exporting import Shop
from tests.places import SECOND, STEWARD, Place, lab_contract
from tests.programs import needed_module
from tests.resources.gcp.gcs_emulator import BUCKET, CloudStorage, client, cloud_storage
from tests.servers.postgres_server import PASSWORD, PostgresServer, postgres

ROWS = ("A-1,PATIENT-77,north,2024-01-01,NEG,", "A-2,PATIENT-78,north,2024-01-02,NEG,")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as running:
        yield running


@pytest.fixture
def cloud() -> Iterator[CloudStorage]:
    with cloud_storage() as running:
        yield running


@pytest.fixture
def kept(cloud: CloudStorage) -> Iterator[Kept]:
    with versioned(cloud) as found:
        yield found


@pytest.fixture(scope="module")
def lake_bucket() -> Iterator[str]:
    """Where a bucket `lake-test` is, behind the S3-compatible interface."""
    needed_module("moto", "moto[s3,server]")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 30
        while True:
            try:
                requests.put(f"http://127.0.0.1:{port}/lake-test", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                if time.monotonic() > deadline or running.poll() is not None:
                    raise
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        running.terminate()


@pytest.fixture
def place(
    tmp_path: Path,
    server: PostgresServer,
    cloud: CloudStorage,
    kept: Kept,
    lake_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("GCS_S3_ENDPOINT", lake_bucket)
    monkeypatch.setenv("GCS_HMAC_KEY_ID", "GOOG1EXAMPLE")
    monkeypatch.setenv("GCS_HMAC_SECRET", "secret-of-the-test")
    catalog = PostgresCatalog(server.create("lake"))
    # the lake's bucket is another product's here (S3): Google's interface for earlier versions is tested with the files' bucket
    monkeypatch.setattr(Office, "_lake", lambda _: None)
    made = Place(tmp_path, lab_contract())
    made.store = GCSStore(BUCKET, client=client(cloud.port))
    made.warehouse = Warehouse(tmp_path / "lake", catalog=catalog, data=f"gs://lake-test/{tmp_path.name}", threads=1)
    return made


def approved(place: Place, patient: str) -> str:
    number = eraser(place).submit([subject(patient)], "letter 17", STEWARD).id
    eraser(place).requests.approve(number, SECOND)
    return number


def in_bucket(cloud: CloudStorage, kept: Kept, texts: Collection[str]) -> list[str]:
    """Objects, current and earlier, in whose bytes one of `texts` stands."""
    contents = [*cloud.contents().items(), *((name, data) for (name, _), (_, data) in kept.items())]
    return [name for name, data in contents for text in texts if text.encode() in data or text in name]


def in_database(server: PostgresServer, texts: Collection[str]) -> list[str]:
    """The server's own data files in whose bytes one of `texts` stands; its write-ahead log is not looked at."""
    connection = psycopg2.connect(server.dsn("lake"), password=PASSWORD)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
    connection.close()
    files = [path for path in (server.data / "base").rglob("*") if path.is_file()]
    return [str(path) for path in files for text in texts if text.encode() in path.read_bytes()]


def in_lake(place: Place, texts: Collection[str]) -> list[str]:
    """Files of the lake's bucket in whose bytes, or values, one of `texts` stands."""
    found = []
    with place.warehouse.connect() as connection:
        for name, address in place.warehouse.data_files(connection).items():
            row = connection.execute(f"SELECT content FROM read_blob('{address}')").fetchone()
            values = str(connection.execute(f"SELECT * FROM read_parquet('{address}')").fetchall())
            found += [name for text in texts if (row and text.encode() in row[0]) or text in values]
    return found


def test_a_subject_leaves_bucket_database_and_lake_and_the_certificate_says_what_is_kept(
    place: Place, cloud: CloudStorage, kept: Kept, server: PostgresServer
) -> None:
    place.deliver("week1.csv", *ROWS)
    place.deliver("week2.csv", "A-3,PATIENT-77,north,2024-01-03,Positive,", "A-4,PATIENT-78,north,2024-01-03,POS,7")
    place.drop(
        "waits.csv", "\n".join([",".join(place.contract.file_columns), *ROWS, "A-9,PATIENT-79,x,2024-01-01,NEG,"])
    )
    texts = ["PATIENT-77", place.pseudonym("PATIENT-77")]
    # without the erasure these would find it everywhere
    assert in_bucket(cloud, kept, texts)
    assert in_database(server, texts)
    assert in_lake(place, texts)
    document = eraser(place).execute(approved(place, "PATIENT-77"), SECOND)
    assert in_bucket(cloud, kept, texts) == []
    assert in_database(server, texts) == []
    assert in_lake(place, texts) == []
    assert place.samples() == ["A-2", "A-4"]
    found = document["found_and_removed"]
    assert [found[p] for p in ("raw", "validated", "quarantine", "archive", "landing")] == [2, 1, 1, 2, 1]
    assert document["earlier_versions_removed"] >= 3
    assert document["searched"]["files"] > 10
    text = place.store.open(f"erasure/certificates/{document['request']}.txt").read().decode()
    assert "write-ahead log and backups" in text
    assert "keeps removed objects for 7 day(s) more" in text
    assert "earlier version(s) of files and tables were removed for good" in text
    place.load()
    assert place.samples() == ["A-2", "A-4", "A-9"]


def test_every_state_of_a_request_goes_with_it_also_when_it_is_withdrawn(
    place: Place, cloud: CloudStorage, kept: Kept
) -> None:
    number = approved(place, "PATIENT-77")
    assert [name for name, _ in kept if name.startswith("erasure/requests")]
    eraser(place).requests.withdraw(number, STEWARD)
    assert in_bucket(cloud, kept, ["PATIENT-77"]) == []


def test_a_stray_object_and_its_earlier_version_keep_the_request_open(place: Place, kept: Kept) -> None:
    place.deliver("week1.csv", *ROWS)
    place.store.write("notes/private.txt", b"call PATIENT-77")
    place.store.write("notes/private.txt", b"call nobody")
    number = approved(place, "PATIENT-77")
    with pytest.raises(ErasureIncomplete, match=r"notes/private\.txt \(version \d+\)"):
        eraser(place).execute(number, SECOND)
    for earlier in list(place.store.earlier("notes")):
        place.store.forget(earlier)
    assert eraser(place).execute(number, SECOND)["found_and_removed"]["validated"] == 1


def test_a_reader_of_the_database_is_waited_for_and_then_named(
    place: Place, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.lake.catalog.PATIENCE", 1)
    place.deliver("week1.csv", *ROWS)
    number = approved(place, "PATIENT-77")
    other = psycopg2.connect(server.dsn("lake"), password=PASSWORD)
    with other.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ducklake_table_column_stats")
        with pytest.raises(ErasureIncomplete, match="PostgreSQL catalog"):
            eraser(place).execute(number, SECOND)
    other.close()
    assert json.dumps(eraser(place).execute(number, SECOND)["found_and_removed"]).count(":") >= 5


def test_a_bucket_whose_settings_may_not_be_read_is_named_as_such(cloud: CloudStorage) -> None:
    store = GCSStore(BUCKET, client=client(cloud.port), patience=1)
    assert "for 7 day(s)" in store.keeps()
    cloud.server._storage.buckets[BUCKET]["softDeletePolicy"]["retentionDurationSeconds"] = "0"
    assert store.keeps() == ""
    with refused(r"/storage/v1/b/[^/]+"):
        assert "may not read its settings" in store.keeps()


def test_exports_live_in_bucket_and_lake_are_sent_from_there_and_go(
    place: Place,
    cloud: CloudStorage,
    kept: Kept,
    server: PostgresServer,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shop = Shop(tmp_path_factory.mktemp("partner"), table="validated.lab_results")
    shop.place = place
    place.deliver("w1.csv", "A-1,PATIENT-77,north,2026-01-01,NEG,", "A-2,PATIENT-78,north,2026-01-02,NEG,")
    made = shop.make()
    assert made is not None
    # nothing is left on the machine that made it: the next run is in another pod
    assert made.object in cloud.contents()
    assert [p for p in tmp_path.rglob("*") if p.is_file() and b"A-1" in p.read_bytes()] == []
    assert shop.deliver().sent == ["results_202601.csv"]
    assert shop.lying()["results_202601.csv"] == cloud.contents()[made.object]
    assert shop.make() is None
    assert shop.deliver().sent == []
    assert shop.actions() == ["export.send"]
    document = eraser(place).execute(approved(place, "PATIENT-77"), SECOND)
    assert [(r["file"], r["certain"]) for r in document["recipients_to_tell"]] == [("results_202601.csv", True)]
    assert in_bucket(cloud, kept, [place.pseudonym("PATIENT-77")]) == []
    assert in_database(server, [place.pseudonym("PATIENT-77")]) == []
    (entry,) = shop.entries()
    assert (entry.object, entry.state) == ("", "sent")
