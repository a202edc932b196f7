"""Publishing to BigQuery, with the real client against an emulator on loopback (what it cannot show: docs/cloud.md)."""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from resources.gcp.bigquery import TRANSACTIONS, BigQuery
from resources.gcp.bigquery_types import BigQueryError, bigquery_type, label
from resources.gcp.gcs_store import GCSStore
from resources.gcp.identity import NoIdentity
from tests.resources.gcp.bigquery_emulator import PROJECT, big_query

COLUMNS = {
    "province": "VARCHAR",
    "admissions": "BIGINT",
    "per_100k": "DOUBLE",
    "costs": "DECIMAL(10,2)",
    "report_date": "DATE",
    "loaded_at": "TIMESTAMP",
    "reasons": "VARCHAR[]",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client() -> Iterator[bigquery.Client]:
    with big_query() as running:
        for dataset in ("staging", "products", "platform"):
            running.create_dataset(dataset)
        yield running


@pytest.fixture
def engine(client: bigquery.Client) -> BigQuery:
    for dataset in ("staging", "products", "platform"):
        for table in client.list_tables(dataset):
            client.delete_table(table)
    return BigQuery(PROJECT, "europe-west4", client=client, labels={"run": "Weekly 1"})


def parquet(folder: Path, rows: int) -> Path:
    path = folder / f"{rows}.parquet"
    duckdb.sql(
        f"COPY (SELECT 'Zeeland' AS province, range AS admissions, range / 4 AS per_100k, (range * 1.25)::DECIMAL(10,2) AS costs, "
        "DATE '2024-05-13' + range::INT AS report_date, TIMESTAMP '2024-05-13 06:00:00' AS loaded_at, ['a', 'b'] AS reasons "
        f"FROM range({rows})) TO '{path}' (FORMAT parquet)"
    )
    return path


def test_a_table_arrives_with_its_declared_types_values_and_labels(
    engine: BigQuery, client: bigquery.Client, tmp_path: Path
) -> None:
    published = engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="41", rows=3)
    assert (published.rows, published.previous) == (3, None)
    table = client.get_table(f"{PROJECT}.products.admissions")
    assert [(f.name, f.field_type, f.mode) for f in table.schema] == [
        ("province", "STRING", "NULLABLE"),
        ("admissions", "INT64", "NULLABLE"),
        ("per_100k", "FLOAT64", "NULLABLE"),
        ("costs", "NUMERIC", "NULLABLE"),
        ("report_date", "DATE", "NULLABLE"),
        ("loaded_at", "DATETIME", "NULLABLE"),
        ("reasons", "STRING", "REPEATED"),
    ]
    assert table.labels == {"system": "health-data-platform", "run": "weekly-1", "version": "41"}
    assert table.expires is None
    assert engine.query("SELECT * FROM products.admissions WHERE admissions = @n", {"n": 2}) == [
        {
            "province": "Zeeland",
            "admissions": 2,
            "per_100k": 0.5,
            "costs": Decimal("2.5"),
            "report_date": dt.date(2024, 5, 15),
            "loaded_at": dt.datetime(2024, 5, 13, 6),
            "reasons": ["a", "b"],
        }
    ]
    assert list(client.list_tables("staging")) == []


def test_the_previous_version_can_still_be_read(engine: BigQuery, tmp_path: Path) -> None:
    engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="1", rows=3)
    time.sleep(0.2)
    second = engine.publish("products.admissions", parquet(tmp_path, 5), COLUMNS, version="2", rows=5)
    assert second.previous is not None
    assert engine.query("SELECT count(*) AS n FROM products.admissions") == [{"n": 5}]
    before = engine.as_of("products.admissions", second.previous)
    assert engine.query(f"SELECT count(*) AS n FROM {before}") == [{"n": 3}]


def test_publishing_the_same_version_again_changes_nothing(
    engine: BigQuery, client: bigquery.Client, tmp_path: Path
) -> None:
    engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="1", rows=3)
    before = client.get_table(f"{PROJECT}.products.admissions").modified
    jobs = len(list(client.list_jobs(all_users=True)))
    assert engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="1", rows=3).rows == 3
    assert client.get_table(f"{PROJECT}.products.admissions").modified == before
    assert len(list(client.list_jobs(all_users=True))) == jobs


def test_a_load_that_is_short_or_of_another_type_leaves_the_old_table(
    engine: BigQuery, client: bigquery.Client, tmp_path: Path
) -> None:
    engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="1", rows=3)
    with pytest.raises(BigQueryError, match="5 rows were loaded, 6 were expected"):
        engine.publish("products.admissions", parquet(tmp_path, 5), COLUMNS, version="2", rows=6)
    with pytest.raises(Exception, match=r"(?i)province|schema|convert|cast"):
        engine.publish(
            "products.admissions", parquet(tmp_path, 5), {**COLUMNS, "province": "DATE"}, version="3", rows=5
        )
    assert engine.query("SELECT count(*) AS n FROM products.admissions") == [{"n": 3}]
    assert list(client.list_tables("staging")) == []


def test_readers_see_the_old_table_or_the_new_one(engine: BigQuery, tmp_path: Path) -> None:
    engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="0", rows=3)
    seen: set[int] = set()
    failed: list[str] = []
    stop = threading.Event()

    def reads() -> None:
        while not stop.is_set():
            try:
                seen.add(engine.query("SELECT count(*) AS n FROM products.admissions")[0]["n"])
            except Exception as error:  # noqa: BLE001 - whatever it is, a reader should not have seen it
                failed.append(str(error))

    reader = threading.Thread(target=reads)
    reader.start()
    for number, rows in enumerate((5, 3, 5), start=1):
        engine.publish("products.admissions", parquet(tmp_path, rows), COLUMNS, version=str(number), rows=rows)
    stop.set()
    reader.join()
    assert failed == []
    assert seen <= {3, 5}


def test_a_view_on_the_table_survives(engine: BigQuery, client: bigquery.Client, tmp_path: Path) -> None:
    engine.publish("products.admissions", parquet(tmp_path, 3), COLUMNS, version="1", rows=3)
    view = bigquery.Table(f"{PROJECT}.products.total")
    view.view_query = f"SELECT sum(admissions) AS n FROM `{PROJECT}.products.admissions`"
    client.create_table(view)
    engine.publish("products.admissions", parquet(tmp_path, 5), COLUMNS, version="2", rows=5)
    assert engine.query("SELECT n FROM products.total") == [{"n": 10}]


def test_a_transaction_that_fails_leaves_nothing(engine: BigQuery) -> None:
    engine.ensure_table("platform.notes", {"n": "BIGINT"})
    with pytest.raises(Exception, match="out of stock"):
        engine.transaction(
            ["INSERT INTO platform.notes (n) VALUES (1)", "INSERT INTO platform.notes (n) SELECT ERROR('out of stock')"]
        )
    assert engine.query("SELECT count(*) AS n FROM platform.notes") == [{"n": 0}]


def test_a_transaction_that_bigquery_cancels_for_another_is_sent_again(
    engine: BigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator has no concurrent transactions: here a table says whether another one is under way, and when we wait, it ends."""
    engine.load_rows("staging.busy", {"n": "BIGINT"}, [{"n": 1}])
    engine.load_rows("staging.written", {"n": "BIGINT"}, [{"n": 0}])
    busy, written = engine.name("staging.busy"), engine.name("staging.written")
    cancelled = "Transaction is aborted due to concurrent update against table written"
    statements = [
        f"INSERT INTO {written} (n) SELECT 1",
        f"SELECT IF(n > 0, ERROR('{cancelled}'), 0) FROM {busy}",
    ]
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            engine.query(f"UPDATE {busy} SET n = 0 WHERE true")

    monkeypatch.setattr("resources.gcp.bigquery.sleep", wait)
    engine.transaction(statements, job=f"named-{uuid.uuid4().hex}")
    assert waited[0] < waited[1]
    assert engine.rows("staging.written") == 2
    engine.query(f"UPDATE {busy} SET n = 1 WHERE true")
    with pytest.raises(BadRequest, match="due to concurrent update"):
        engine.transaction(statements)
    assert len(waited) == 2 + TRANSACTIONS - 1
    with pytest.raises(BadRequest, match="something else"):
        engine.transaction(["SELECT ERROR('something else')"])
    assert len(waited) == 2 + TRANSACTIONS - 1
    assert engine.rows("staging.written") == 2


def test_a_table_gains_columns(engine: BigQuery) -> None:
    engine.ensure_table("platform.notes", {"n": "BIGINT"})
    engine.ensure_table("platform.notes", {"n": "BIGINT", "day": "DATE", "words": "VARCHAR[]"})
    engine.ensure_table("platform.notes", {"n": "BIGINT", "day": "DATE", "words": "VARCHAR[]"})
    engine.transaction(["INSERT INTO platform.notes (n, day, words) VALUES (1, DATE '2024-05-13', ['a'])"])
    assert engine.query("SELECT * FROM platform.notes") == [{"n": 1, "day": dt.date(2024, 5, 13), "words": ["a"]}]


def test_a_column_that_changes_its_type_is_refused(engine: BigQuery) -> None:
    engine.ensure_table("platform.notes", {"n": "BIGINT"})
    with pytest.raises(BigQueryError, match=r"platform\.notes\.n is INT64, the contract now says STRING"):
        engine.ensure_table("platform.notes", {"n": "VARCHAR"})


def test_a_name_that_bigquery_keeps_for_itself_is_refused(engine: BigQuery) -> None:
    with pytest.raises(BigQueryError, match="_partition"):
        engine.ensure_table("platform.notes", {"_partition": "VARCHAR"})


@pytest.mark.parametrize("rows", [0, 7])
def test_a_table_is_read_as_parquet(
    engine: BigQuery, tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.gcp.bigquery.BATCH", 3)
    engine.publish("products.admissions", parquet(tmp_path, rows), COLUMNS, version="1", rows=rows)
    assert engine.read("products.admissions", tmp_path / "all.parquet") == rows
    assert engine.read("products.admissions", tmp_path / "some.parquet", ["province", "admissions"]) == rows
    everything = duckdb.sql(f"DESCRIBE FROM '{tmp_path}/all.parquet'").fetchall()
    assert [c[0] for c in everything] == list(COLUMNS)
    some = duckdb.sql(f"FROM '{tmp_path}/some.parquet' ORDER BY ALL").fetchall()
    assert some == [("Zeeland", n) for n in range(rows)]


def test_without_a_client_one_is_made_with_the_machines_identity(
    client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", client._connection.API_BASE_URL)
    monkeypatch.setattr("google.auth.default", lambda *_, **__: (AnonymousCredentials(), PROJECT))
    engine = BigQuery(PROJECT, "europe-west4")
    assert engine.query("SELECT 6 * 7 AS n") == [{"n": 42}]
    assert engine.client.location == "europe-west4"


def test_without_credentials_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise DefaultCredentialsError("no credentials")

    monkeypatch.setattr("google.auth.default", nobody)
    for ask in (
        lambda: BigQuery(PROJECT, "europe-west4").tables("raw"),
        lambda: GCSStore("bucket").stat("landing/a.csv"),
    ):
        with pytest.raises(NoIdentity, match="gcloud auth application-default login"):
            ask()


def test_every_query_has_a_limit_and_labels(engine: BigQuery, client: bigquery.Client) -> None:
    sent: list[dict[str, Any]] = []

    class Listening(BigQuery):
        def _config(self, given: Mapping[str, Any] | None) -> bigquery.QueryJobConfig:
            config = super()._config(given)
            sent.append(config.to_api_repr())  # the emulator does not give labels back
            return config

    listening = Listening(
        PROJECT, "europe-west4", client=client, labels={"run": "Weekly 1"}, maximum_bytes_billed=10**9
    )
    listening.query("SELECT 1 AS n")
    listening.estimate("SELECT 1 AS n")
    listening.transaction(["SELECT 1"])
    assert [c["query"]["maximumBytesBilled"] for c in sent] == [str(10**9)] * 3
    assert [c["labels"]["run"] for c in sent] == ["weekly-1"] * 3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("VARCHAR", "STRING"),
        ("BIGINT", "INT64"),
        ("DECIMAL(10,2)", "NUMERIC(10, 2)"),
        ("DECIMAL(38,9)", "NUMERIC(38, 9)"),
        ("DECIMAL(38,10)", "BIGNUMERIC(38, 10)"),
        ("VARCHAR[]", "ARRAY<STRING>"),
        ("TIMESTAMP", "DATETIME"),
    ],
)
def test_types_are_those_of_bigquery(ours: str, theirs: str) -> None:
    assert bigquery_type(ours) == theirs


def test_a_type_that_bigquery_has_not_is_named() -> None:
    with pytest.raises(BigQueryError, match="HUGEINT"):
        bigquery_type("HUGEINT")


def test_labels_are_as_bigquery_allows() -> None:
    assert label("Weekly Run #12 " + "x" * 80) == ("weekly-run--12-" + "x" * 80)[:63]
