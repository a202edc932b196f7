"""From when to when each row was valid, told from the rows as they came (raw), which keeps every delivery: there is no second store.

A row is valid from its place in time (as the contract orders rows) until the next one of its key, until a row that deletes the key, or
until a delivery that is the whole of what it is about (a snapshot, or `load.replaces`) no longer has it. Rows that are wrong, held or erased
are in no history. What comes late takes its place in between. Rows that follow each other and say the same are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.model import Contract, Order
from platform_assets.ingest.books import Books
from platform_assets.ingest.loading.rules import Rules
from platform_assets.ingest.tables import Tables, duckdb_type
from platform_assets.ingest.worked_out.table import WorkedOut
from resources.lake.warehouse import quoted

if TYPE_CHECKING:
    import duckdb

CAME, ROWS = "history_came", "history_rows"


def history_of(contract: Contract) -> WorkedOut:
    """``history.<dataset>``: the contract's columns, `valid_from`, `valid_to` (no value: valid now), and where a row came first."""

    def prepare(connection: duckdb.DuckDBPyConnection, books: Books, compiled: CompiledContract | None) -> None:
        assert compiled is not None
        _came(connection, books)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {ROWS} AS {_rows(contract, compiled)}")

    typed = {name: duckdb_type(column) for name, column in contract.columns.items()}
    return WorkedOut(
        f"history.{contract.name}",
        {**typed, "valid_from": "TIMESTAMP", "valid_to": "TIMESTAMP", "_delivery": "VARCHAR", "_row": "BIGINT"},
        _spans(contract),
        f"Every row that {contract.name} had, from when to when: valid_to without a value is valid now.",
        prepare,
    )


def _came(connection: duckdb.DuckDBPyConnection, books: Books) -> None:
    """Table of published deliveries: `_delivery`, `_at` (its place in time), `_seq` (its place in the order of loading), `_whole` (what it is
    a part of: rows that a steward mended belong to the delivery in which they first came)."""
    published = sorted(books.entries(status="published"), key=lambda e: (e.loaded_at, e.as_of or e.loaded_at))
    origins = {m.delivery: m.origin for m in books.mendings().values()}
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {CAME} AS SELECT unnest(?::VARCHAR[]) AS _delivery, unnest(?::TIMESTAMP[]) AS _at, "
        "unnest(?::BIGINT[]) AS _seq, unnest(?::VARCHAR[]) AS _whole",
        [
            [e.delivery for e in published],
            [e.as_of or e.loaded_at for e in published],
            list(range(len(published))),
            [origins.get(e.delivery, e.delivery) for e in published],
        ],
    )


def _rows(contract: Contract, compiled: CompiledContract) -> str:
    """The right rows of raw, typed as in the table, with `_at`, `_seq` and `_whole`."""
    rules, tables = Rules(contract), Tables(contract)
    texts = ", ".join(f"r.{quoted(c)}" for c in contract.file_columns)
    # pseudonyms are no text to be cleaned: they stay as raw has them
    kept = ", ".join(f"s.{quoted(c)} AS {quoted(c)}" for c in contract.identifiers)
    order = contract.load.order_by
    at = f"t.{quoted(order.column)}::TIMESTAMP" if isinstance(order, Order) and order.column else "c._at"
    return f"""
    WITH staged AS (
      SELECT {texts}, r._delivery || chr(31) || r._file AS _file, r._row FROM {tables.raw} r
      ANTI JOIN {tables.quarantine} q ON q._delivery = r._delivery AND q._file = r._file AND q._row = r._row AND q._text IS NULL
    ), typed AS ({rules.typed(f"({compiled.typed})")})
    SELECT t.* EXCLUDE (_file) {f"REPLACE ({kept})" if kept else ""}, t._file AS _member, c._delivery, {at} AS _at, c._seq, c._whole
    FROM typed t JOIN {CAME} c ON c._delivery = split_part(t._file, chr(31), 1)
    {"JOIN staged s ON s._file = t._file AND s._row = t._row" if kept else ""}
    """


def _spans(contract: Contract) -> str:
    rules, load = Rules(contract), contract.load
    key = ", ".join(f"r.{quoted(k)}" for k in load.key)
    columns = ", ".join(f"r.{quoted(c)}" for c in contract.columns)
    content = f"hash({columns})"
    about = "1" if load.changes.whole else rules.about("r") if load.replaces else ""
    ends, joined = "NULL::TIMESTAMP", ""
    if about:
        # the next delivery about the same ends what it does not have; that of a mended row is the one in which it first came
        ends = "CASE WHEN h.key_there THEN NULL ELSE w.next_at END"
        joined = f"""
        LEFT JOIN wholes w ON w._whole = r._whole AND w.about = {about}
        LEFT JOIN (SELECT DISTINCT hash({key}) AS _k, r._whole, TRUE AS key_there FROM {ROWS} r) h ON h._whole = w.next_whole AND h._k = hash({key})
        """
    wholes = f"""
    wholes AS (
      SELECT about, _whole, lead(_whole) OVER (PARTITION BY about ORDER BY moment, seq) AS next_whole,
        lead(moment) OVER (PARTITION BY about ORDER BY moment, seq) AS next_at
      FROM (SELECT {about} AS about, r._whole, min(c._at) AS moment, min(c._seq) AS seq FROM {ROWS} r JOIN {CAME} c ON c._delivery = r._delivery GROUP BY ALL)
    ),"""
    listed = ", ".join(quoted(c) for c in contract.columns)
    return f"""
    WITH {wholes if about else ""} last AS (
      SELECT r.* FROM {ROWS} r QUALIFY row_number() OVER (PARTITION BY {key}, r._at ORDER BY r._seq DESC, r._member DESC, r._row DESC) = 1
    ), ended AS (
      SELECT r.*, hash({key}) AS _key, {content} AS _content, {ends} AS _gone FROM last r {joined}
    ), spans AS (
      SELECT r.*, least(lead(r._at) OVER (PARTITION BY r._key, {key} ORDER BY r._at), r._gone) AS _until FROM ended r
    ), living AS (
      SELECT r.*, lag(r._content) OVER k = r._content AND lag(r._until) OVER k = r._at AS _goes_on
      FROM spans r WHERE NOT {rules.deletes("r")} WINDOW k AS (PARTITION BY r._key, {key} ORDER BY r._at)
    ), numbered AS (
      SELECT r.*, sum(CASE WHEN r._goes_on THEN 0 ELSE 1 END) OVER (PARTITION BY r._key, {key} ORDER BY r._at ROWS UNBOUNDED PRECEDING) AS _span FROM living r
    ), chained AS (
      SELECT r.*, last_value(r._until) OVER w AS _end, row_number() OVER w AS _n FROM numbered r
      WINDOW w AS (PARTITION BY r._key, {key}, r._span ORDER BY r._at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    )
    SELECT {listed}, _at AS valid_from, _end AS valid_to, _delivery, _row FROM chained WHERE _n = 1
    """
