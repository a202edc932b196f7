"""From the warehouse's drugs, publications and trials to mentions, graph and answers; nothing is done twice.

The one module of this package that knows datasets. Mentions are a validated table of which only what a delivery changed is searched
again; the graph is files in the object store; the questions are indicators.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from platform_assets.indicators import receipts
from platform_assets.indicators.derived_tables import Made, Make, Recipe, at, last_receipt, make_table, used_tables
from platform_assets.indicators.receipts import Receipt, UsedTable, file_hash
from platform_assets.literature import questions
from platform_assets.literature.explorer import write_explorer
from platform_assets.literature.graph import build_graph
from platform_assets.literature.graph_files import write_graph
from platform_assets.literature.mentions import DrugMatcher, find_mentions
from platform_assets.literature.tables import CLINICAL_TRIAL, DRUGS, MENTIONS, PUBLICATIONS, PUBMED
from resources.lake.warehouse import LAKE, Warehouse, literal, scalar
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import duckdb

HERE = Path(__file__).parent
DRUG_LIST = "validated.drugs"
SOURCES = {PUBMED: "validated.pubmed", CLINICAL_TRIAL: "validated.clinical_trials"}
TABLE = "validated.mentions"
PRODUCT = "products/drug_graph"
EXPLORER = f"{PRODUCT}/explorer.html"
SEARCHED_AGAIN = 1_000
"""Titles that every audit searches again, others each time."""
BATCH = 20_000

Used = Mapping[str, UsedTable]


# ---------------------------------------------------------------------------------------------------------- mentions


class MentionsInconsistent(RuntimeError):
    """The audit failed: nothing was published, the last good table stays."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        super().__init__(audit.text)


@dataclass(frozen=True)
class Audit:
    """What the table of mentions holds, and what is wrong with it. Counts only."""

    mentions: int
    publications: int
    naming_a_drug: int
    repeated: int
    """Rows beyond the first of a drug and publication."""
    stray: int
    """Rows of a drug that is not on the list, or of a publication that is not there with this title, journal and date."""
    searched_again: int
    differences: int
    """Mentions that searching these titles again finds and the table lacks, or the other way round."""

    @property
    def passed(self) -> bool:
        """Whether the table may be published."""
        return self.repeated == self.stray == self.differences == 0

    @property
    def text(self) -> str:
        """One sentence for people."""
        silent = self.publications - self.naming_a_drug
        return (
            f"{self.publications:,} publications = {self.naming_a_drug:,} that name a drug + {silent:,} that name none; "
            f"{self.mentions:,} mentions, {self.repeated:,} repeated, {self.stray:,} of unknown drugs or publications, "
            f"{self.differences:,} differences when {self.searched_again:,} titles were searched again"
        )


@dataclass(frozen=True)
class Mentions:
    """The table of mentions as it stands after `update_mentions`."""

    receipt: Receipt
    audit: Audit
    searched: int = 0
    """Titles searched now."""
    gone: int = 0
    """Publications that are no longer there, whose mentions left."""
    full: bool = False
    """Every title was searched: for the first time, or as the drug list or the rules have changed."""
    unusable: list[str] = field(default_factory=list)
    """Codes of drugs whose name has no letter or digit, so that no title can name them."""


def update_mentions(warehouse: Warehouse, *, run_id: str = "") -> Mentions:
    """Bring ``validated.mentions`` up to date by searching the titles that are new or corrected.

    The result is that of a full search. Raises TableMissing where a dataset was never loaded, MentionsInconsistent where the audit
    fails; the last good table stays in either case.
    """
    with warehouse.lock("make-mentions"), warehouse.connect() as connection:
        plain = Recipe(TABLE, (HERE / "mentions.py", HERE / "names.py"), (DRUG_LIST, *SOURCES.values()))
        used = used_tables(plain, warehouse, connection)
        matcher = DrugMatcher(_drugs(connection, used))
        recipe = Recipe(plain.name, plain.code, plain.inputs, {"drug_list": matcher.fingerprint})
        before = last_receipt(recipe, warehouse, connection)
        if before and before.same_work(recipe.code_version, used, recipe.params):
            return Mentions(before, _audit(connection, matcher, used), unusable=matcher.unusable)
        folder = warehouse.wait_for_scratch()
        try:
            return _search(connection, warehouse, recipe, matcher, used, before, folder, run_id)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _search(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    recipe: Recipe,
    matcher: DrugMatcher,
    used: Used,
    before: Receipt | None,
    folder: Path,
    run_id: str,
) -> Mentions:
    full = before is None or not _continues(connection, before, recipe)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW present AS {_publications(used)}")
    gone = 0
    if full:
        connection.execute("CREATE OR REPLACE TEMP VIEW changed AS FROM present")
    else:
        assert before is not None
        connection.execute(f"CREATE OR REPLACE TEMP VIEW earlier AS {_publications(before.inputs)}")
        connection.execute("CREATE OR REPLACE TEMP TABLE changed AS FROM present EXCEPT FROM earlier")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE gone AS SELECT kind, id FROM earlier ANTI JOIN present USING (kind, id)"
        )
        gone = scalar(connection, "SELECT count(*) FROM gone")
    searched = scalar(connection, "SELECT count(*) FROM changed")
    path = folder / "mentions.parquet"
    with pq.ParquetWriter(path, MENTIONS) as writer:
        for batch in find_mentions(matcher, connection.sql("FROM changed").to_arrow_reader(BATCH)):
            writer.write_batch(batch)
    found = f"FROM read_parquet({literal(str(path))}) ORDER BY kind, publication_id, drug_code"
    with warehouse.write(connection):
        if full:
            connection.execute(f"CREATE OR REPLACE TABLE {TABLE} AS {found}")
        elif searched or gone:
            connection.execute(
                f"DELETE FROM {TABLE} WHERE (kind, publication_id) IN "
                "(SELECT (kind, id) FROM changed UNION ALL SELECT (kind, id) FROM gone)"
            )
            connection.execute(f"INSERT INTO {TABLE} BY NAME {found}")
        audit = _audit(connection, matcher, used)
        if not audit.passed:
            raise MentionsInconsistent(audit)
        receipt = recipe.receipt(used, audit.mentions, _content_hash(connection), run_id)
        receipts.write(connection, receipt)
    return Mentions(receipt, audit, searched, gone, full, matcher.unusable)


def _continues(connection: duckdb.DuckDBPyConnection, before: Receipt, recipe: Recipe) -> bool:
    """Whether what was found before still counts: same drugs, same rules, and the tables of then can still be compared with."""
    then = [before.inputs[table].snapshot for table in SOURCES.values()]
    kept = scalar(
        connection,
        f"SELECT count(*) FROM __ducklake_metadata_{LAKE}.ducklake_snapshot WHERE snapshot_id IN (SELECT unnest(?::BIGINT[]))",
        [then],
    )
    same = before.code_version == recipe.code_version and before.params == recipe.params
    return bool(same and kept == len(set(then)))


def _audit(connection: duckdb.DuckDBPyConnection, matcher: DrugMatcher, used: Used) -> Audit:
    """Look at the table as it stands (inside a transaction: as it would stand)."""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW present AS {_publications(used)}")
    mentions, naming, distinct = connection.execute(
        f"SELECT count(*), count(DISTINCT (kind, publication_id)), count(DISTINCT (kind, publication_id, drug_code)) FROM {TABLE}"
    ).fetchall()[0]
    stray = scalar(
        connection,
        f"""
        SELECT count(*) FROM {TABLE} m
        WHERE NOT EXISTS (FROM {at(used[DRUG_LIST])} d WHERE d.atccode = m.drug_code)
          OR NOT EXISTS (FROM present p WHERE p.kind = m.kind AND p.id = m.publication_id AND p.title = m.title
                         AND p.journal = m.journal AND p.date = m.date)
        """,
    )
    chosen = "hash(kind, id, $1)"
    order = max(table.snapshot for table in used.values())
    sample = connection.execute(
        f"SELECT kind, id, title, journal, date FROM present ORDER BY {chosen} LIMIT {SEARCHED_AGAIN}", [order]
    ).to_arrow_table()
    again = pa.Table.from_batches(find_mentions(matcher, sample), schema=MENTIONS)
    connection.register("sampled", sample)
    connection.register("again", again)
    try:
        differences = scalar(
            connection,
            f"""
            WITH kept AS (SELECT kind, publication_id, drug_code FROM {TABLE}
                          SEMI JOIN sampled s ON s.kind = {TABLE}.kind AND s.id = {TABLE}.publication_id),
                 found AS (SELECT kind, publication_id, drug_code FROM again)
            SELECT count(*) FROM ((FROM kept EXCEPT FROM found) UNION ALL (FROM found EXCEPT FROM kept))
            """,
        )
    finally:
        connection.unregister("sampled")
        connection.unregister("again")
    return Audit(
        mentions=mentions,
        publications=sum(used[table].rows for table in SOURCES.values()),
        naming_a_drug=naming,
        repeated=mentions - distinct,
        stray=stray,
        searched_again=sample.num_rows,
        differences=differences,
    )


def _content_hash(connection: duckdb.DuckDBPyConnection) -> str:
    """The same for the same rows in whatever order they lie."""
    texts = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in MENTIONS.names)
    summed = scalar(connection, f"SELECT bit_xor(md5_number(concat_ws(chr(31), {texts}))) FROM {TABLE}")
    rows = scalar(connection, f"SELECT count(*) FROM {TABLE}")
    return hashlib.sha256(f"{rows} {summed}".encode()).hexdigest()


def _drugs(connection: duckdb.DuckDBPyConnection, used: Used) -> pa.Table:
    return connection.execute(f"SELECT {', '.join(DRUGS.names)} FROM {at(used[DRUG_LIST])}").to_arrow_table()


def _publications(used: Used) -> str:
    """SQL of PUBLICATIONS at the snapshots of `used`."""
    columns = ", ".join(PUBLICATIONS.names[1:])
    return " UNION ALL ".join(
        f"SELECT {literal(kind)} AS kind, {columns} FROM {at(used[table])}" for kind, table in SOURCES.items()
    )


# ------------------------------------------------------------------------------------------------------------- graph


@dataclass(frozen=True)
class Product:
    """The published graph."""

    about: Mapping[str, Any]
    """What ``about.json`` says: version, counts, files with their hashes, what it was made from."""
    written: bool
    """False where the files were up to date already."""


def publish_graph(warehouse: Warehouse, store: ObjectStore) -> Product:
    """Write the graph's files and the explorer where something has changed. Each file appears whole; ``about.json`` comes last."""
    code = tuple(HERE / f"{name}.py" for name in ("graph", "graph_files", "explorer", "tables"))
    assets = tuple(sorted((HERE / "explorer_assets").iterdir()))
    recipe = Recipe("products.drug_graph", code + assets, (DRUG_LIST, *SOURCES.values(), TABLE))
    with warehouse.lock("make-drug_graph"), warehouse.connect(read_only=True) as connection:
        used = used_tables(recipe, warehouse, connection)
        made_from = {name: vars(table) for name, table in used.items()}
        version = hashlib.sha256(json.dumps([recipe.code_version, made_from]).encode()).hexdigest()[:16]
        published = _published(store)
        if published.get("version") == version:
            return Product(published, written=False)
        publications = connection.execute(_publications(used)).to_arrow_table()
        mentions = connection.execute(f"SELECT {', '.join(MENTIONS.names)} FROM {at(used[TABLE])}").to_arrow_table()
        graph = build_graph(_drugs(connection, used), publications, mentions)
        folder = warehouse.wait_for_scratch()
        try:
            files = {**write_graph(graph, folder), "explorer.html": write_explorer(graph, folder / "explorer.html")}
            for name, path in files.items():
                store.write(f"{PRODUCT}/{name}", path)
            about = {
                "version": version,
                "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "counts": graph.counts(),
                "files": {n: {"bytes": p.stat().st_size, "sha256": file_hash(p)} for n, p in files.items()},
                "made_from": made_from,
            }
            store.write(f"{PRODUCT}/about.json", json.dumps(about, indent=2).encode())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Product(about, written=True)


def _published(store: ObjectStore) -> Mapping[str, Any]:
    """What is published; nothing where a file is missing."""
    if not store.stat(f"{PRODUCT}/about.json"):
        return {}
    with store.open(f"{PRODUCT}/about.json") as file:
        about: dict[str, Any] = json.loads(file.read())
    whole = all((o := store.stat(f"{PRODUCT}/{n}")) and o.size == f["bytes"] for n, f in about["files"].items())
    return about if whole else {}


# --------------------------------------------------------------------------------------------------------- questions


def answer(name: str, warehouse: Warehouse, params: Mapping[str, Any] | None = None, *, run_id: str = "") -> Made:
    """Bring ``indicators.<name>`` up to date: journals_with_most_drugs (`ranks`), related_drugs or drugs_over_time (`unit`)."""
    recipe, make = question(name, params or {})
    return make_table(recipe, warehouse, make, run_id=run_id)


def question(name: str, params: Mapping[str, Any]) -> tuple[Recipe, Make]:
    """How the table of a question is made; `params` as values, or as text from a receipt."""
    given: dict[str, Any] = {key: int(value) if str(value).isdigit() else value for key, value in params.items()}
    ask = {
        "journals_with_most_drugs": lambda mentions: [questions.top_journals(mentions, **given)],
        "related_drugs": lambda mentions: questions.related_drug_pairs(mentions, **given),
        "drugs_over_time": lambda mentions: [questions.drugs_over_time(mentions, **given)],
    }[name]
    schema = SCHEMAS[name]

    def make(connection: duckdb.DuckDBPyConnection, used: Used, path: Path) -> None:
        columns = ", ".join(MENTIONS.names)
        mentions = connection.execute(f"SELECT {columns} FROM {at(used[TABLE])}").to_arrow_table()
        with pq.ParquetWriter(path, schema) as writer:
            for part in ask(mentions):
                writer.write(part)

    kept = {key: str(value) for key, value in given.items()}
    return Recipe(f"indicators.{name}", (HERE / "questions.py",), (TABLE,), kept), make


SCHEMAS = {
    "journals_with_most_drugs": questions.TOP_JOURNALS,
    "related_drugs": questions.RELATED_DRUG_PAIRS,
    "drugs_over_time": questions.DRUGS_OVER_TIME,
}
