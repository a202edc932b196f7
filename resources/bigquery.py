"""BigQuery as a place to publish tables and as an engine for SQL that outgrows a machine.

Publishing never leaves a reader without a table: a load job fills a staging table of declared types, and one copy job puts it in the
place of the old table. The table itself stays, and with it its grants and the views on it; what it held before can be read
for a week (`as_of`). Every job is labelled; every query has a limit of bytes that it may bill.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.cloud import bigquery

STAGING = "staging"
STAGING_LIFE = dt.timedelta(days=1)
TERABYTE = 10**12
_SIMPLE = {
    "VARCHAR": "STRING",
    "BIGINT": "INT64",
    "INTEGER": "INT64",
    "DOUBLE": "FLOAT64",
    "BOOLEAN": "BOOL",
    "DATE": "DATE",
    "TIMESTAMP": "DATETIME",  # ours have no zone; BigQuery's TIMESTAMP is a point in time
    "BLOB": "BYTES",
}


class BigQueryError(RuntimeError):
    """BigQuery did not do what was asked; the message says what to do next."""


@dataclass(frozen=True)
class PublishedTable:
    """A table as it was published."""

    table: str
    rows: int
    version: str
    previous: dt.datetime | None
    """A moment at which the table still held what it held before (for `as_of`); None for a new table."""


def bigquery_type(kind: str) -> str:
    """The BigQuery type of a DuckDB type, e.g. VARCHAR[] -> ARRAY<STRING>. Raises BigQueryError for one that has none."""
    kind = kind.upper().replace(" ", "")
    if kind.endswith("[]"):
        return f"ARRAY<{bigquery_type(kind[:-2])}>"
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        # NUMERIC: 29 digits before the point, 9 after it (cloud.google.com/bigquery/docs/reference/standard-sql/data-types)
        fits = scale <= 9 and precision - scale <= 29
        return f"{'NUMERIC' if fits else 'BIGNUMERIC'}({precision}, {scale})"
    if kind not in _SIMPLE:
        raise BigQueryError(
            f"there is no BigQuery type for {kind}: give the column another type before it is published"
        )
    return _SIMPLE[kind]


def label(text: str) -> str:
    """`text` as BigQuery allows it in a label's value: lower-case letters, digits, - and _, at most 63."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


class BigQuery:
    """A project's BigQuery in one location. Nothing is contacted before the first call.

    `client` may be given (dagster-gcp's ``BigQueryResource``, a test's); otherwise one is made with the machine's own identity.
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
        """The client, made on first use."""
        if self._given is None:
            from google.cloud import bigquery

            self._given = bigquery.Client(project=self.project, location=self.location)
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
        partitioned_by: str | None = None,
        clustered_by: Sequence[str] = (),
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
            loaded = self._load(staging, parquet, columns, partitioned_by, clustered_by)
            if loaded != rows:
                raise BigQueryError(
                    f"{table}: {loaded:,} rows were loaded, {rows:,} were expected. The old table is in its place; "
                    "was the file changed while it was loaded? Publish again"
                )
            moment = self._copy(staging, table)
        finally:
            self.client.delete_table(self._full(staging), not_found_ok=True)
        published = self.client.get_table(self._full(table))
        published.labels = {**(published.labels or {}), **self.labels, "version": label(version)}
        self.client.update_table(published, ["labels"])
        return PublishedTable(table, rows, version, moment if before is not None else None)

    def _load(
        self,
        staging: str,
        parquet: Path,
        columns: Mapping[str, str],
        partitioned_by: str | None,
        clustered_by: Sequence[str],
    ) -> int:
        from google.cloud import bigquery

        target = bigquery.Table(self._full(staging), schema=[_field(n, k) for n, k in columns.items()])
        if partitioned_by:
            target.time_partitioning = bigquery.TimePartitioning(field=partitioned_by)
        if clustered_by:
            target.clustering_fields = list(clustered_by)
        # what a crash leaves behind removes itself
        target.expires = dt.datetime.now(dt.UTC) + STAGING_LIFE
        self.client.create_table(target)
        config = bigquery.LoadJobConfig(
            schema=target.schema,
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            labels=self.labels,
        )
        config.parquet_options = _lists()
        with parquet.open("rb") as source:
            job = self.client.load_table_from_file(source, self._full(staging), job_config=config, rewind=True)
        job.result()
        return int(job.output_rows or 0)

    def _copy(self, staging: str, table: str) -> dt.datetime:
        """Replace `table` in one job; returns a moment before it."""
        from google.cloud import bigquery

        moment = dt.datetime.now(dt.UTC)
        config = bigquery.CopyJobConfig(
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_IF_NEEDED,
            labels=self.labels,
        )
        self.client.copy_table(self._full(staging), self._full(table), job_config=config).result()
        # the staging table's end must not become the published table's
        copied = self.client.get_table(self._full(table))
        if copied.expires is not None:
            copied.expires = None
            self.client.update_table(copied, ["expires"])
        return moment

    # ------------------------------------------------------------------------------------------------ queries

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run `sql` with named parameters (``@name``): values never stand in the text."""
        job = self.client.query(sql, job_config=self._config(parameters))
        return [dict(row.items()) for row in job.result()]

    def estimate(self, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Bytes that `sql` would scan; nothing is run or billed."""
        config = self._config(parameters)
        config.dry_run = True
        config.use_query_cache = False
        return int(self.client.query(sql, job_config=config).total_bytes_processed or 0)

    def transaction(self, statements: Sequence[str], parameters: Mapping[str, Any] | None = None) -> None:
        """Run DML `statements` as one: all of it is committed, or nothing."""
        script = (
            "BEGIN TRANSACTION;\n" + ";\n".join(s.strip().rstrip(";") for s in statements) + ";\nCOMMIT TRANSACTION;"
        )
        self.client.query(script, job_config=self._config(parameters)).result()

    def replace_rows(
        self, table: str, columns: Mapping[str, str], key: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write `rows` into `table`, each in the place of those with the same `key`: the ledger's way of writing.

        The rows come by a staging table, so no value stands in any SQL text; deleting and inserting is one transaction.
        """
        if not rows:
            return
        from google.cloud import bigquery

        staging = f"{STAGING}.{table.replace('.', '__')}__{uuid.uuid4().hex[:12]}"
        target = bigquery.Table(self._full(staging), schema=[_field(n, k) for n, k in columns.items()])
        target.expires = dt.datetime.now(dt.UTC) + STAGING_LIFE
        self.client.create_table(target)
        try:
            config = bigquery.LoadJobConfig(
                schema=target.schema,
                labels=self.labels,
                source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
            )
            lines = "\n".join(json.dumps({n: _json(v) for n, v in row.items()}) for row in rows)
            file = io.BytesIO(lines.encode())
            self.client.load_table_from_file(file, self._full(staging), job_config=config).result()
            same = " AND ".join(f"t.`{k}` = s.`{k}`" for k in key)
            listed = ", ".join(f"`{n}`" for n in columns)
            full, source = f"`{self._full(table)}`", f"`{self._full(staging)}`"
            self.transaction(
                [
                    f"DELETE FROM {full} t WHERE EXISTS (SELECT 1 FROM {source} s WHERE {same})",
                    f"INSERT INTO {full} ({listed}) SELECT {listed} FROM {source}",
                ]
            )
        finally:
            self.client.delete_table(self._full(staging), not_found_ok=True)

    def ensure_table(self, table: str, columns: Mapping[str, str], *, clustered_by: Sequence[str] = ()) -> None:
        """Create `table` with `columns` (name -> DuckDB type), or add those it lacks."""
        from google.cloud import bigquery

        found = self._found(table)
        if found is None:
            target = bigquery.Table(self._full(table), schema=[_field(n, k) for n, k in columns.items()])
            if clustered_by:
                target.clustering_fields = list(clustered_by)
            target.labels = self.labels
            self.client.create_table(target, exists_ok=True)
            return
        present = {f.name for f in found.schema}
        added = [_field(n, k) for n, k in columns.items() if n not in present]
        if added:
            found.schema = [*found.schema, *added]
            self.client.update_table(found, ["schema"])

    def as_of(self, table: str, moment: dt.datetime) -> str:
        """SQL of what `table` held at `moment` (at most a week ago), to stand behind FROM."""
        stamp = moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        return f"`{self._full(table)}` FOR SYSTEM_TIME AS OF TIMESTAMP '{stamp}+00:00'"

    def _config(self, parameters: Mapping[str, Any] | None) -> bigquery.QueryJobConfig:
        from google.cloud import bigquery

        given = [_parameter(name, value) for name, value in (parameters or {}).items()]
        return bigquery.QueryJobConfig(
            labels=self.labels,
            maximum_bytes_billed=self.maximum_bytes_billed,
            query_parameters=given,
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


def _field(name: str, kind: str) -> bigquery.SchemaField:
    from google.cloud import bigquery

    declared = bigquery_type(kind)
    mode = "NULLABLE"
    if declared.startswith("ARRAY<"):
        declared, mode = declared[6:-1], "REPEATED"
    exact = re.fullmatch(r"((?:BIG)?NUMERIC)\((\d+), (\d+)\)", declared)
    if exact:
        return bigquery.SchemaField(name, exact[1], mode=mode, precision=int(exact[2]), scale=int(exact[3]))
    return bigquery.SchemaField(name, declared, mode=mode)


def _json(value: Any) -> Any:
    """`value` as a JSON load reads it."""
    return value.isoformat(sep=" ") if isinstance(value, dt.datetime) else value


def _lists() -> bigquery.ParquetOptions:
    from google.cloud import bigquery

    options = bigquery.ParquetOptions()
    options.enable_list_inference = True  # a list of text is ARRAY<STRING>, not a record of records
    return options


def _parameter(name: str, value: Any) -> Any:
    from google.cloud import bigquery

    if isinstance(value, list):
        kind = _parameter_type(next((v for v in value if v is not None), ""))
        return bigquery.ArrayQueryParameter(name, kind, value)
    return bigquery.ScalarQueryParameter(name, _parameter_type(value), value)


def _parameter_type(value: Any) -> str:
    for kind, declared in (
        (bool, "BOOL"),
        (int, "INT64"),
        (float, "FLOAT64"),
        (dt.datetime, "DATETIME"),
        (dt.date, "DATE"),
        (bytes, "BYTES"),
    ):
        if isinstance(value, kind):
            return declared
    return "STRING"
