"""BigQuery as a place to publish tables and as an engine for SQL that outgrows a machine.

Publishing never leaves a reader without a table: a load job fills a staging table of declared types, and one copy job puts it in the
place of the old table. The table itself stays, and with it its grants and the views on it; what it held before can be read
as long as its dataset's time travel goes (`as_of`). Every job is labelled; every query has a limit of bytes that it may bill.

Over 400 lines: one class, every job of which takes labels, limits and retries from the same place.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

from resources.gcp.bigquery_types import (
    BigQueryError,
    bigquery_type,
    json_value,
    label,
    lists,
    parameters,
    schema_field,
)
from resources.gcp.identity import identified

if TYPE_CHECKING:
    from google.cloud import bigquery

STAGING = "staging"
STAGING_LIFE = dt.timedelta(days=1)
TERABYTE = 10**12
BATCH = 50_000
"""Rows of a table that are read at once."""
TIME_TRAVEL_HOURS = 48
"""How long datasets made here let what was deleted be read again: the least that BigQuery allows."""
DEFAULT_TIME_TRAVEL_HOURS = 168
"""How long others do, if nothing else was asked for."""

CANCELLED = "due to concurrent update"
"""How BigQuery says that it has cancelled a transaction in favour of another."""
TRANSACTIONS = 5
"""How often a transaction is sent that is cancelled again and again."""


@dataclass(frozen=True)
class PublishedTable:
    """A table as it was published."""

    table: str
    rows: int
    version: str
    previous: dt.datetime | None
    """A moment at which the table still held what it held before (for `as_of`); None for a new table."""


@dataclass(frozen=True)
class Done:
    """A script that ran."""

    rows: list[dict[str, Any]]
    """Of its last statement."""
    bytes: int
    """What its statements have scanned."""


class BigQuery:
    """A project's BigQuery in one location. Nothing is contacted before the first call.

    `client` may be given; otherwise one is made with the machine's own identity.
    `maximum_bytes_billed` is what one query may scan; one that needs more fails before it costs anything.
    """

    def __init__(
        self,
        project: str,
        location: str,
        *,
        client: bigquery.Client | None = None,
        maximum_bytes_billed: int = TERABYTE,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self.location = location
        self.maximum_bytes_billed = maximum_bytes_billed
        self.labels = {"system": "health-data-platform", **{k: label(v) for k, v in (labels or {}).items()}}
        self._given = client

    @property
    def client(self) -> bigquery.Client:
        """The client, made on first use by dagster-gcp's resource."""
        if self._given is None:
            from dagster_gcp import BigQueryResource

            resource = BigQueryResource(project=self.project, location=self.location)
            with identified(), resource.get_client() as client:
                self._given = client
        return self._given

    # ------------------------------------------------------------------------------------------------ publishing

    def publish(
        self,
        table: str,
        parquet: Path,
        columns: Mapping[str, str],
        *,
        version: str,
        rows: int,
    ) -> PublishedTable:
        """Put the Parquet file in the place of ``dataset.table``; `columns` are its names and DuckDB types, `rows` how many come.

        `version` names the content (a snapshot of the warehouse). A table that has it already is left alone, so a run that is
        repeated changes nothing. Raises BigQueryError, with the old table in its place, where the load does not give `rows` rows.
        """
        before = self._found(table)
        if before is not None and (before.labels or {}).get("version") == label(version):
            return PublishedTable(table, int(before.num_rows or 0), version, None)
        staging = f"{STAGING}.{table.replace('.', '__')}__{uuid.uuid4().hex[:12]}"
        try:
            self.create_staging(staging, columns)
            self.load_files(staging, columns, [parquet])
            loaded = self.rows(staging)
            if loaded != rows:
                raise BigQueryError(
                    f"{table}: {loaded:,} rows were loaded, {rows:,} were expected. The old table is in its place; "
                    "was the file changed while it was loaded? Publish again"
                )
            moment = self.put_in_place(staging, table, version)
        finally:
            self.drop(staging)
        return PublishedTable(table, rows, version, moment if before is not None else None)

    def version(self, table: str) -> str | None:
        """The version that the published table bears; None where there is no such table."""
        found = self._found(table)
        return None if found is None else (found.labels or {}).get("version", "")

    def put_in_place(self, staging: str, table: str, version: str) -> dt.datetime:
        """Replace what `table` holds by what `staging` holds, in one job, and label it; returns a moment before it."""
        from google.cloud import bigquery

        moment = dt.datetime.now(dt.UTC)
        config = bigquery.CopyJobConfig(
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_IF_NEEDED,
            labels=self.labels,
        )
        self.client.copy_table(self._full(staging), self._full(table), job_config=config).result()
        published = self.client.get_table(self._full(table))
        published.expires = None  # the staging table's end must not become the published table's
        published.labels = {**(published.labels or {}), **self.labels, "version": label(version)}
        self.client.update_table(published, ["labels", "expires"])
        return moment

    # ------------------------------------------------------------------------------------------------ queries

    def query(self, sql: str, given: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run `sql` with the named parameters (``@name``) of `given`: values never stand in the text."""
        job = self.client.query(sql, job_config=self._config(given))
        return [dict(row.items()) for row in job.result()]

    def estimate(self, sql: str, given: Mapping[str, Any] | None = None) -> int:
        """Bytes that `sql` would scan; nothing is run or billed."""
        return self.describe(sql, given)[1]

    def describe(self, sql: str, given: Mapping[str, Any] | None = None) -> tuple[dict[str, str], int]:
        """What `sql` would give (name -> BigQuery type) and scan (bytes); nothing is run or billed."""
        config = self._config(given)
        config.dry_run = True
        config.use_query_cache = False
        job = self.client.query(sql, job_config=config)
        return {f.name: f.field_type for f in job.schema or []}, int(job.total_bytes_processed or 0)

    def query_into(self, staging: str, sql: str, given: Mapping[str, Any] | None = None) -> int:
        """Run `sql` into a new staging table; returns its rows."""
        days = STAGING_LIFE.days
        life = f"OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {days} DAY))"
        self.query(f"CREATE TABLE {self.name(staging)} {life} AS {sql}", given)
        return self.rows(staging)

    def script(self, sql: str, *, job: str = "") -> Done:
        """Run several statements as one job; `rows` are those of the last one.

        `job` names the job: sent twice, for instance because an answer was lost, it still runs once.
        """
        from google.api_core.exceptions import Conflict

        try:
            # a failed script is not run again by the client: only who sent it knows whether that is right
            running = self.client.query(sql, job_config=self._config(None), job_id=job or None, job_retry=None)
        except Conflict:
            if not job:
                raise
            running = self.client.get_job(job, project=self.project, location=self.location)
        rows = [dict(row.items()) for row in running.result()]
        return Done(rows, int(running.total_bytes_processed or 0))

    def transaction(self, statements: Sequence[str], *, job: str = "") -> Done:
        """Run DML `statements` as one: all of it is committed, or nothing. `job`: see `script`.

        BigQuery cancels one of two transactions that change the same table. One that was cancelled is sent again, a few times.
        """
        from google.api_core.exceptions import BadRequest

        listed = ";\n".join(s.strip().rstrip(";") for s in statements)
        sql = f"BEGIN TRANSACTION;\n{listed};\nCOMMIT TRANSACTION;"
        for attempt in range(1, TRANSACTIONS):
            try:
                return self.script(sql, job=f"{job}-{attempt}" if job else "")
            except BadRequest as error:
                if CANCELLED not in str(error):
                    raise
            sleep(2**attempt + random.random())
        return self.script(sql, job=f"{job}-{TRANSACTIONS}" if job else "")

    # ------------------------------------------------------------------------------------------------ loading

    def create_staging(self, table: str, columns: Mapping[str, str]) -> None:
        """An empty table that removes itself after a day, whatever becomes of who made it."""
        from google.cloud import bigquery

        target = bigquery.Table(self._full(table), schema=[schema_field(n, k) for n, k in columns.items()])
        target.expires = dt.datetime.now(dt.UTC) + STAGING_LIFE
        self.client.create_table(target)

    def load_files(self, table: str, columns: Mapping[str, str], sources: Sequence[Path | str]) -> None:
        """Add Parquet files to `table`: addresses (``gs://...``) by one load job, files of this machine by a job each.

        The files have the columns of `columns`, in that order.
        """
        from google.api_core.exceptions import Conflict
        from google.cloud import bigquery

        config = bigquery.LoadJobConfig(
            schema=[schema_field(n, k) for n, k in columns.items()],
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            labels=self.labels,
        )
        config.parquet_options = lists()
        addresses = [source for source in sources if isinstance(source, str)]
        if addresses:
            job = f"load-{uuid.uuid4().hex}"
            try:
                loading = self.client.load_table_from_uri(addresses, self._full(table), job_config=config, job_id=job)
            except Conflict:  # asked twice, because the first answer was lost
                loading = self.client.get_job(job, project=self.project, location=self.location)
            loading.result()
        for path in (source for source in sources if isinstance(source, Path)):
            with path.open("rb") as file:
                self.client.load_table_from_file(file, self._full(table), job_config=config, rewind=True).result()

    def load_rows(self, table: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
        """A new staging table that holds `rows`: values come by load job, and never stand in any SQL text."""
        from google.cloud import bigquery

        self.create_staging(table, columns)
        if not rows:
            return
        config = bigquery.LoadJobConfig(
            schema=[schema_field(n, k) for n, k in columns.items()],
            labels=self.labels,
            source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
        )
        lines = "\n".join(json.dumps({n: json_value(row[n]) for n in columns}) for row in rows)
        self.client.load_table_from_file(io.BytesIO(lines.encode()), self._full(table), job_config=config).result()

    def read(self, table: str, path: Path, columns: Sequence[str] = ()) -> int:
        """Write `table` (or some `columns` of it) to the Parquet file `path`, batch by batch; returns the rows.

        Memory holds one batch at a time, however long the table is.
        """
        import pyarrow.parquet as pq

        found = self.client.get_table(self._full(table))
        chosen = [f for f in found.schema if not columns or f.name in columns]
        read = self.client.list_rows(found, selected_fields=chosen, page_size=BATCH)
        rows, writer = 0, None
        try:
            for batch in read.to_arrow_iterable(max_queue_size=2):
                writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
                writer.write_batch(batch)
                rows += batch.num_rows
            if writer is None:
                writer = pq.ParquetWriter(path, read.to_arrow(create_bqstorage_client=False).schema)
        finally:
            if writer is not None:
                writer.close()
        return rows

    # ------------------------------------------------------------------------------------------------ tables

    def ensure_dataset(self, name: str) -> None:
        """Create the dataset where it is not there: what is deleted in it can be read again for 48 hours, not for a week."""
        from google.api_core.exceptions import NotFound
        from google.cloud import bigquery

        try:
            self.client.get_dataset(f"{self.project}.{name}")
        except NotFound:
            made = bigquery.Dataset(f"{self.project}.{name}")
            made.location = self.location
            made.labels = self.labels
            made.max_time_travel_hours = TIME_TRAVEL_HOURS
            self.client.create_dataset(made, exists_ok=True)

    def ensure_table(
        self,
        table: str,
        columns: Mapping[str, str],
        *,
        partitioned_by: str | None = None,
        clustered_by: Sequence[str] = (),
    ) -> None:
        """Create `table` with `columns` (name -> DuckDB type), or add those it lacks.

        `partitioned_by` is a DATE column, a partition per day that occurs in it. Raises BigQueryError where a column has another
        type than it is to have.
        """
        from google.cloud import bigquery

        found = self._found(table)
        if found is None:
            target = bigquery.Table(self._full(table), schema=[schema_field(n, k) for n, k in columns.items()])
            if partitioned_by:
                target.time_partitioning = bigquery.TimePartitioning(field=partitioned_by)
            if clustered_by:
                target.clustering_fields = list(clustered_by)
            target.labels = self.labels
            self.client.create_table(target, exists_ok=True)
            return
        present = {f.name: f for f in found.schema}
        wanted = [schema_field(n, k) for n, k in columns.items()]
        for field in wanted:
            there = present.get(field.name)
            if there is not None and there.field_type != field.field_type:
                raise BigQueryError(
                    f"{table}.{field.name} is {there.field_type}, the contract now says {field.field_type}. "
                    "Give the column another name, or rebuild the table"
                )
        for name, kind in columns.items():
            if name not in present:
                added = f"ALTER TABLE {self.name(table)} ADD COLUMN IF NOT EXISTS `{name}` {bigquery_type(kind)}"
                self.client.query(added, job_config=self._config(None)).result()

    def columns(self, table: str, kind: str = "") -> list[str]:
        """Names of the table's columns; none where there is no such table. `kind`: only columns of that type (``STRING``), no arrays."""
        found = self._found(table)
        return (
            [f.name for f in found.schema if not kind or (f.field_type, f.mode) == (kind, "NULLABLE")] if found else []
        )

    def tables(self, dataset: str) -> list[str]:
        """Names of the tables of `dataset`, without views; none where there is no such dataset."""
        from google.api_core.exceptions import NotFound

        try:
            return sorted(
                t.table_id for t in self.client.list_tables(f"{self.project}.{dataset}") if t.table_type == "TABLE"
            )
        except NotFound:
            return []

    def time_travel_hours(self, dataset: str) -> int | None:
        """How long what was deleted in `dataset` can be read; None where there is no such dataset."""
        from google.api_core.exceptions import NotFound

        try:
            return int(
                self.client.get_dataset(f"{self.project}.{dataset}").max_time_travel_hours or DEFAULT_TIME_TRAVEL_HOURS
            )
        except NotFound:
            return None

    def rows(self, table: str) -> int:
        """How many rows the table has."""
        # counting costs nothing; the number that the table's metadata tell lags behind
        return int(self.query(f"SELECT COUNT(*) AS n FROM {self.name(table)}")[0]["n"])

    def changed(self, table: str) -> int:
        """When the table was last changed, in milliseconds since 1970: its content is the same as long as this is."""
        modified = self.client.get_table(self._full(table)).modified
        return int(modified.timestamp() * 1000) if modified else 0

    def drop(self, table: str) -> None:
        """Remove the table where it is there."""
        self.client.delete_table(self._full(table), not_found_ok=True)

    def name(self, table: str) -> str:
        """The table as it stands in SQL."""
        return f"`{self._full(table)}`"

    def as_of(self, table: str, moment: dt.datetime) -> str:
        """SQL of what `table` held at `moment` (as long ago as the dataset's time travel goes), to stand behind FROM."""
        stamp = moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        return f"`{self._full(table)}` FOR SYSTEM_TIME AS OF TIMESTAMP '{stamp}+00:00'"

    def _config(self, given: Mapping[str, Any] | None) -> bigquery.QueryJobConfig:
        from google.cloud import bigquery

        return bigquery.QueryJobConfig(
            labels=self.labels,
            maximum_bytes_billed=self.maximum_bytes_billed,
            query_parameters=parameters(given or {}),
            use_legacy_sql=False,
        )

    def _found(self, table: str) -> bigquery.Table | None:
        from google.api_core.exceptions import NotFound

        try:
            return self.client.get_table(self._full(table))
        except NotFound:
            return None

    def _full(self, table: str) -> str:
        return f"{self.project}.{table}"
