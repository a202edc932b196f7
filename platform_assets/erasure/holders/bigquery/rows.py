"""Erasure in BigQuery: tombstoned rows leave raw, quarantine and validated in one transaction, and are accounted for.

BigQuery cannot compute the keyed hashes of tombstones, so the columns that tell who is meant are read onto this machine, held against
the tombstones there, and the rows that match are named to BigQuery by file, delivery and row number. The functions are those of
`holders.tables`, which does the same in the lake.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.contracts.model import Contract
from platform_assets.engines.bigquery.books import BigBooks
from platform_assets.engines.bigquery.loading import rejected
from platform_assets.engines.bigquery.loading.load import WRITING
from platform_assets.engines.bigquery.loading.sending import sending_folder
from platform_assets.engines.bigquery.tables import DATASETS, LINEAGE, BigTables
from platform_assets.erasure.holders.tables.rows import COMPUTED, LAYERS
from platform_assets.erasure.requests import RequestError
from platform_assets.erasure.search import whole
from platform_assets.erasure.targets import Tombstone
from platform_assets.erasure.tombstones import Marks
from platform_assets.ingest import accounts, ledger
from platform_assets.ingest.books import origins
from platform_assets.ingest.judging import view_staged
from platform_assets.quarantine.tables import BOOKKEEPERS
from resources.gcp.bigquery import DEFAULT_TIME_TRAVEL_HOURS, STAGING, BigQuery
from resources.identity import IdentityKeys
from resources.lake.warehouse import Warehouse, literal, quoted, scalar
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

PLACES = (*LAYERS, "tables")
GONE = {"dataset": "VARCHAR", "request": "VARCHAR", "layer": "VARCHAR", **LINEAGE}


class BigErasureFailed(RequestError):
    """BigQuery gave up. What it said is not repeated, as it may quote a value."""

    def __init__(self, error: Exception) -> None:
        reasons = ", ".join(sorted({e.get("reason", "") for e in getattr(error, "errors", [])} - {""}))
        super().__init__(
            f"BigQuery gave up ({type(error).__name__}{': ' if reasons else ''}{reasons}). The request stays open, run it again; if it "
            "happens again, look the job up in BigQuery's console (label system: health-data-platform)"
        )


def count(
    engine: BigQuery, warehouse: Warehouse, contract: Contract, keys: IdentityKeys, stones: Sequence[Tombstone]
) -> tuple[dict[str, int], list[str]]:
    """Rows that `stones` mean, by place of PLACES, and the deliveries that hold some. `warehouse` lends scratch.

    This reads the columns that tell who is meant, of all rows. Raises BigErasureFailed, as all functions here do.
    """
    with _search(engine, warehouse, contract, keys, stones) as search:
        if search is None:
            return dict.fromkeys(PLACES, 0), []
        found = {layer: search.find(layer) for layer in LAYERS}
        return {**found, "tables": search.find_computed()}, search.deliveries()


def erase_rows(
    engine: BigQuery,
    warehouse: Warehouse,
    contract: Contract,
    keys: IdentityKeys,
    stones: Sequence[Tombstone],
    request: str,
) -> dict[str, int]:
    """Remove the rows that `stones` mean. Returns the rows removed by place of PLACES; a second time there are none.

    The caller holds the dataset's lock (``load-<name>``): a load that is under way would bring rows back. `warehouse` lends locks and
    scratch. Computed tables lose their rows at once; they are computed again, because the tables that they read have changed.
    """
    with _search(engine, warehouse, contract, keys, stones) as search:
        if search is None:
            return dict.fromkeys(PLACES, 0)
        found = {layer: search.find(layer) for layer in LAYERS}
        found["tables"] = search.find_computed()
        with warehouse.lock(WRITING):
            if any(found[layer] for layer in LAYERS):
                search.delete(request)
            search.delete_computed()
        return found


def kept_records(
    engine: BigQuery, warehouse: Warehouse, contract: Contract, keys: IdentityKeys, stones: Sequence[Tombstone]
) -> dict[str, int]:
    """Records of an erased key that a request does not cover (another date): mark of the key -> rows in raw and quarantine."""
    kept: dict[str, int] = {}
    for stone in stones:
        if stone.identifying and set(stone.columns) - set(stone.identifying):
            with _search(engine, warehouse, contract, keys, [stone]) as search:
                rows = sum(search.find(layer, whole=False) for layer in ("raw", "quarantine")) if search else 0
            if rows:
                kept["+".join(stone.columns[c] for c in stone.identifying)] = rows
    return kept


def rename_files(engine: BigQuery, contracts: Sequence[Contract], texts: Sequence[str]) -> None:
    """Take `texts` out of the file names that the tables of `contracts` and the ledger remember."""
    if not texts:
        return
    places = [(getattr(BigTables(c), layer), "_file") for c in contracts for layer in LAYERS]
    places += [(ledger.TABLE, "file"), (ledger.TABLE, "first_rows")]
    with told():
        for table, column in places:
            if column in engine.columns(table):
                found = engine.query(f"SELECT DISTINCT `{column}` AS name FROM {engine.name(table)}")
                names = {r["name"]: whole.without(r["name"] or "", texts, "erased") for r in found}
                replace_cells(engine, table, column, {was: now for was, now in names.items() if now != (was or "")})


def settle_loads(engine: BigQuery, warehouse: Warehouse, store: ObjectStore, contract: Contract) -> None:
    """Bring into the lake, or drop, the rejected rows of a load that was cut off. The caller holds ``load-<name>``."""
    with told():
        rejected.settle(contract, engine, warehouse, store)


def clear_leftovers(engine: BigQuery, store: ObjectStore, contract: Contract) -> list[str]:
    """Remove what loads that were cut off have left: staging tables, and files in the bucket. The caller holds ``load-<name>``.

    Returns the folders of the bucket whose earlier versions have to go too.
    """
    ours = re.compile(rf"{re.escape(contract.name)}__[0-9a-f]{{12}}__\w+")
    with told():
        for table in engine.tables(STAGING):
            if ours.fullmatch(table):
                engine.drop(f"{STAGING}.{table}")
    folder = sending_folder(contract)
    for found in list(store.list(folder)):
        store.delete(found.name)
    return [folder, rejected.rejected_folder(contract)]


def keeps(engine: BigQuery) -> str:
    """What a certificate has to say of an erasure in BigQuery: what is kept where no erasure reaches."""
    with told():
        known = [engine.time_travel_hours(dataset) for dataset in (*DATASETS, "products")]
    hours = max((h for h in known if h is not None), default=DEFAULT_TIME_TRAVEL_HOURS)
    return (
        f"BigQuery can show what was deleted for {hours} hours more (time travel), and keeps it for seven days after that where "
        "only its makers can reach it (fail-safe storage). For a day it keeps answers to queries where only who asked can read them, and "
        "tables of indicators' runs that were cut off. Nobody can shorten any of this now."
    )


# ------------------------------------------------------------------ finding


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Errors of BigQuery as BigErasureFailed."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError

    try:
        yield
    except (GoogleAPICallError, requests.RequestException) as error:
        raise BigErasureFailed(error) from None


@contextlib.contextmanager
def _search(
    engine: BigQuery, warehouse: Warehouse, contract: Contract, keys: IdentityKeys, stones: Sequence[Tombstone]
) -> Iterator[_Search | None]:
    """A search with room to work in; None where `stones` do not concern the dataset."""
    import duckdb

    folder = warehouse.wait_for_scratch()
    # what is read may be more than memory holds
    config: dict[str, Any] = {"memory_limit": warehouse.memory_limit, "temp_directory": str(folder / "spill")}
    try:
        with told(), duckdb.connect(config=config) as connection:
            known = (
                origins(BigBooks(engine, contract.name, warehouse, BOOKKEEPERS)) if engine.columns(ledger.TABLE) else []
            )
            chosen = keys.for_files(known) if known else keys
            marks = Marks(warehouse, connection, contract, chosen, stones)
            yield _Search(engine, connection, contract, marks, folder) if marks else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Search:
    """Marked rows, collected in the table `gone` on this machine."""

    def __init__(
        self, engine: BigQuery, connection: duckdb.DuckDBPyConnection, contract: Contract, marks: Marks, folder: Path
    ) -> None:
        self._engine, self._connection, self._contract, self._marks = engine, connection, contract, marks
        self._tables, self._folder = BigTables(contract), folder
        self._computed: list[tuple[str, str, list[str]]] = []
        connection.execute("CREATE TABLE gone (layer VARCHAR, _file VARCHAR, _delivery VARCHAR, _row BIGINT)")

    def find(self, layer: str, *, whole: bool = True) -> int:
        """Add the marked rows of `layer`; returns how many there are. Not `whole`: only who counts, not when."""
        table = getattr(self._tables, layer)
        asked = {c for match in self._marks.matches for c in (match.hashes if whole else match.identifying)}
        columns = [c for c in self._engine.columns(table) if c in asked or c in LINEAGE or c == "_text"]
        if not asked & set(columns):
            return 0
        self._fetch(table, columns)
        if layer == "validated":
            marked = self._marks.in_table("here", columns)
        else:
            lines = (
                self._in_lines() if "_text" in columns and whole else ""
            )  # first: it needs the name `staged` as well
            marked = self._in_text(columns, whole) + lines
        found = self._connection.execute(
            f"INSERT INTO gone SELECT {literal(layer)}, _file, _delivery, _row FROM here WHERE rowid IN (SELECT * FROM ({marked}))"
        ).fetchall()
        return int(found[0][0])

    def deliveries(self) -> list[str]:
        """Deliveries of the rows found."""
        return [r[0] for r in self._connection.execute("SELECT DISTINCT _delivery FROM gone ORDER BY 1").fetchall()]

    def find_computed(self) -> int:
        """Note the values of computed tables that are an erased pseudonym, identifier or key; returns how many rows hold one."""
        rows = 0
        for dataset in COMPUTED:
            for name in self._engine.tables(dataset):
                table = f"{dataset}.{name}"
                texts = self._engine.columns(table, kind="STRING")
                if not texts:
                    continue
                self._fetch(table, texts)
                meant: list[str] = []
                for column in texts:
                    listed = f"SELECT DISTINCT {quoted(column)} FROM here WHERE {quoted(column)} <> ''"
                    values = [r[0] for r in self._connection.execute(listed).fetchall()]
                    marked = self._marks.matching_values(values) if values else []
                    if marked:
                        self._computed.append((table, column, marked))
                        meant.append(f"{quoted(column)} IN (SELECT unnest(${len(meant) + 1}::VARCHAR[]))")
                if meant:
                    given = [values for _, _, values in self._computed[-len(meant) :]]
                    rows += scalar(self._connection, f"SELECT count(*) FROM here WHERE {' OR '.join(meant)}", given)
        return rows

    def _fetch(self, table: str, columns: Sequence[str]) -> None:
        """`columns` of `table` as `here`."""
        path = self._folder / "here.parquet"
        self._engine.read(table, path, columns)
        self._connection.execute(f"CREATE OR REPLACE TABLE here AS FROM read_parquet({literal(str(path))})")
        path.unlink()

    def _in_text(self, columns: Collection[str], whole: bool) -> str:
        texts = ", ".join(
            quoted(c) if c in columns else f"NULL::VARCHAR AS {quoted(c)}" for c in self._contract.file_columns
        )
        rows = "_text IS NULL" if "_text" in columns else "true"
        view_staged(self._connection, f"SELECT {texts}, 0::BIGINT AS _file, rowid AS _row FROM here WHERE {rows}")
        return f"SELECT _row FROM ({self._marks.in_text(pseudonymised=True, whole=whole)})"

    def _in_lines(self) -> str:
        """Lines that could not be split; where a contract has identifiers their text was withheld, and nothing is found."""
        lines = self._connection.execute("SELECT rowid, _text FROM here WHERE _text IS NOT NULL").fetchall()
        bad = [
            row for (row, _), hit in zip(lines, self._marks.in_lines([words for _, words in lines]), strict=True) if hit
        ]
        self._connection.execute("CREATE OR REPLACE TABLE bad_lines AS SELECT unnest(?::BIGINT[]) AS _row", [bad])
        return " UNION SELECT _row FROM bad_lines" if bad else ""

    # -------------------------------------------------------------- removing

    def delete(self, request: str) -> None:
        """Remove the rows found and account for them, in one transaction."""
        engine = self._engine
        path = self._folder / "gone.parquet"
        self._connection.execute(
            f"COPY (SELECT $dataset AS dataset, $request AS request, layer, _file, _delivery, _row FROM gone) "
            f"TO {literal(str(path))} (FORMAT parquet)",
            {"dataset": self._contract.name, "request": request},
        )
        staging = f"{STAGING}.{self._contract.name}__{uuid.uuid4().hex[:12]}__gone"
        gone = engine.name(staging)
        engine.create_staging(staging, GONE)
        try:
            engine.load_files(staging, GONE, [path])
            engine.transaction(removal(engine, self._contract, gone))
        finally:
            engine.drop(staging)

    def delete_computed(self) -> None:
        """Remove rows of computed tables that hold one of the values found."""
        for table, column, values in self._computed:
            with lent(self._engine, {"value": "VARCHAR"}, [{"value": v} for v in values]) as given:
                self._engine.transaction([clearing(self._engine.name(table), column, given)])


def replace_cells(engine: BigQuery, table: str, column: str, names: Mapping[str, str]) -> None:
    """Replace what `column` holds, cell by cell: was -> now."""
    if names:
        rows = [{"was": was, "now": now} for was, now in names.items()]
        with lent(engine, {"was": "VARCHAR", "now": "VARCHAR"}, rows) as values:
            engine.transaction([renaming(engine.name(table), column, values)])


@contextlib.contextmanager
def lent(engine: BigQuery, columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """A staging table of `rows`, as it stands in SQL: no value stands in a statement, nor among its parameters."""
    engine.ensure_dataset(STAGING)
    staging = f"{STAGING}.erasure__{uuid.uuid4().hex[:12]}__values"
    try:
        engine.load_rows(staging, columns, rows)
        yield engine.name(staging)
    finally:
        engine.drop(staging)


# ------------------------------------------------------------------ statements; tables as they stand in SQL


def removal(engine: BigQuery, contract: Contract, gone: str) -> list[str]:
    """Remove the rows that the table `gone` names, and account for them."""
    tables = BigTables(contract)
    same = " AND ".join(f"g.{c} = t.{c}" for c in LINEAGE)
    sums = ", ".join(f"COUNTIF(layer = '{layer}')" for layer in LAYERS)
    return [
        *(
            f"DELETE FROM {engine.name(getattr(tables, layer))} t "
            f"WHERE EXISTS (SELECT 1 FROM {gone} g WHERE g.layer = '{layer}' AND {same})"
            for layer in LAYERS
        ),
        f"INSERT INTO {engine.name(accounts.TABLE)} (dataset, delivery, request, {', '.join(LAYERS)}) "
        f"SELECT dataset, _delivery, request, {sums} FROM {gone} GROUP BY dataset, _delivery, request",
    ]


def clearing(table: str, column: str, values: str) -> str:
    """Remove the rows of `table` whose `column` is one of the table `values`."""
    return f"DELETE FROM {table} WHERE `{column}` IN (SELECT value FROM {values})"


def renaming(table: str, column: str, names: str) -> str:
    """Replace what `column` holds by what the table `names` (was, now) says."""
    return f"UPDATE {table} t SET `{column}` = n.now FROM {names} n WHERE n.was = t.`{column}`"


def containing(engine: BigQuery, table: str, column: str, texts: Collection[str]) -> list[str]:
    """Cells of `column` in which one of `texts` stands as a whole value. The texts go to BigQuery in a table, not in the statement."""
    wanted = [{"value": text} for text in sorted(texts) if len(text) >= whole.SHORTEST]
    if not wanted:
        return []
    with lent(engine, {"value": "VARCHAR"}, wanted) as values:
        found = engine.query(
            f"SELECT DISTINCT t.`{column}` AS cell FROM {engine.name(table)} t JOIN {values} w ON STRPOS(t.`{column}`, w.value) > 0"
        )
    return sorted(r["cell"] for r in found if whole.standing(r["cell"], texts))
