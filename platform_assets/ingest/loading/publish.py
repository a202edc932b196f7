"""One transaction: staged rows become raw, validated and quarantined rows, and ledger entries say so.

The caller opens the transaction; everything here runs inside it. Each delivery's figures are those that it would have had if the
batch had been loaded one delivery after the other, whatever came together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.contracts.compiled import CompiledContract
from platform_assets.contracts.model import Contract, Order
from platform_assets.ingest.books import Books
from platform_assets.ingest.deliveries import Delivery
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading import derived, merge, snapshots
from platform_assets.ingest.readers.staged import StagedFile
from platform_assets.ingest.tables import Tables
from resources.identity import pseudonym_sql
from resources.warehouse import Warehouse, literal, quoted, scalar

if TYPE_CHECKING:
    import duckdb

TOP_REASONS = 20


@dataclass
class Batch:
    """Deliveries that were staged together. Members are numbered through the whole batch (`_file`)."""

    deliveries: Sequence[Delivery]
    """In the order in which they are loaded."""
    entries: dict[str, Entry]
    """Delivery -> its ledger entry, filled in here."""
    members: dict[int, tuple[str, str]]
    """Number of the member -> (delivery, label)."""
    staged: Sequence[StagedFile]


def publish(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    compiled: CompiledContract,
    batch: Batch,
    books: Books,
    hide_erased: Callable[[], Mapping[int, tuple[int, int]]] = dict,
) -> None:
    """Write the batch. `books` are those of the contract's dataset.

    `hide_erased` takes rows of erased subjects out of what is staged; it returns, per member, the rows and lines it took.
    """
    tables = Tables(contract)
    tables.ensure(warehouse, connection)
    register(connection, batch, tables.texts)
    erased = hide_erased()
    connection.execute(f"CREATE OR REPLACE TEMP TABLE wrong AS {compiled.judged}")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW typed_rows AS {derived.filled(contract, compiled.typed)}")
    if contract.load.duplicates == "quarantine":
        _quarantine_duplicates(connection, contract)
    count(batch, dict(connection.execute("SELECT _file, count(*) FROM wrong GROUP BY _file").fetchall()), erased)
    hold(batch, contract)
    base = None
    if contract.load.mode == "snapshot":
        dates = snapshots.newest_rows(connection, contract)
        base = snapshots.choose(batch.deliveries, batch.entries, dates, snapshots.present(books))
    mark(connection, batch)
    derived.adopt(connection, contract, compiled.typed, tables, batch.entries)
    _forget_earlier_attempt(connection, batch, tables)
    _write_raw(connection, contract, compiled, tables)
    for rows in quarantined(batch, tables.texts):
        connection.execute(f"INSERT INTO {tables.quarantine} BY NAME {rows}")
    _view_of_valid_rows(connection, contract)
    merge.into_table(connection, contract, tables, batch.entries, base)
    derived.retire(connection, contract, tables, batch.entries)
    _summarise(connection, batch, tables)


def register(connection: duckdb.DuckDBPyConnection, batch: Batch, texts: Sequence[str]) -> None:
    """Views `staged` (rows) and `broken` (lines that are no rows), table `files`."""
    nothing = ", ".join(f"NULL::VARCHAR AS {quoted(c)}" for c in texts)
    empty = f"SELECT {nothing}, 0::BIGINT AS _file, 0::BIGINT AS _row WHERE false"
    rows = " UNION ALL BY NAME ".join(f"({part.sql})" for part in batch.staged) or empty
    connection.execute(f"CREATE OR REPLACE TEMP VIEW staged AS {rows}")
    broken = [literal(str(part.broken)) for part in batch.staged if part.broken]
    none = "SELECT 0::BIGINT AS _file, 0::BIGINT AS _row, ''::VARCHAR AS _text, ''::VARCHAR AS _reason WHERE false"
    source = f"SELECT * FROM read_parquet([{', '.join(broken)}])" if broken else none
    connection.execute(f"CREATE OR REPLACE TEMP VIEW broken AS {source}")
    numbers = list(batch.members)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE files AS "
        "SELECT unnest(?::BIGINT[]) AS _file, unnest(?::VARCHAR[]) AS _delivery, unnest(?::VARCHAR[]) AS _label",
        [numbers, [batch.members[n][0] for n in numbers], [batch.members[n][1] for n in numbers]],
    )


def _quarantine_duplicates(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """All rows that share a key within a delivery are wrong: nobody can tell which one is meant."""
    key = ", ".join(quoted(k) for k in contract.load.key)
    reason = repeated_key(contract)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wrong AS
        SELECT _file, _row, flatten(list(_reasons)) AS _reasons FROM (
          SELECT _file, _row, _reasons FROM wrong
          UNION ALL
          SELECT _file, _row, [{literal(reason)}] FROM typed_rows JOIN files USING (_file)
          QUALIFY count(*) OVER (PARTITION BY _delivery, {key}) > 1
        ) GROUP BY _file, _row
        """
    )


def repeated_key(contract: Contract) -> str:
    """The reason of rows that share their key with others of their delivery."""
    return f"row: the key ({', '.join(contract.load.key)}) stands more than once in the delivery"


def count(batch: Batch, wrong: Mapping[int, int], erased: Mapping[int, tuple[int, int]]) -> None:
    """Rows in, malformed and quarantined of every delivery. Rows in come from the readers, not from what is found afterwards.

    `wrong` is member -> rows. Rows of erased subjects count as superseded.
    """
    for part in batch.staged:
        for number, rows in part.rows.items():
            entry = batch.entries[batch.members[number][0]]
            erased_rows, erased_lines = erased.get(number, (0, 0))
            malformed = part.broken_rows.get(number, 0) - erased_lines
            entry.rows_in += rows + malformed + erased_lines
            entry.superseded += erased_rows + erased_lines
            entry.malformed += malformed
            entry.quarantined += wrong.get(number, 0) + malformed


def hold(batch: Batch, contract: Contract) -> None:
    """A delivery that breaks a limit of `quality` is held: all its rows go to quarantine, nothing of it is published."""
    quality = contract.quality
    fixes = {d.id for d in batch.deliveries if d.mending}
    for entry in batch.entries.values():
        share = entry.quarantined / entry.rows_in if entry.rows_in else 0.0
        if entry.rows_in < quality.min_rows and entry.delivery not in fixes:
            entry.reason = f"{entry.rows_in} rows, the contract asks for at least {quality.min_rows}"
        elif share > quality.max_quarantined:
            entry.reason = (
                f"{entry.quarantined:,} of {entry.rows_in:,} rows ({share:.1%}) are wrong, "
                f"the contract allows {quality.max_quarantined:.1%}"
            )
        else:
            continue
        entry.status, entry.quarantined = "held", entry.rows_in - entry.superseded


def mark(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Table `members`: for the number of every file in the batch, what all its rows share. One small join gives it to them."""
    order = {d.id: n for n, d in enumerate(batch.deliveries)}
    rows = [(number, label, batch.entries[delivery]) for number, (delivery, label) in batch.members.items()]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE members AS SELECT unnest(?::BIGINT[]) AS _file, unnest(?::VARCHAR[]) AS _label, "
        "unnest(?::VARCHAR[]) AS _delivery, unnest(?::INTEGER[]) AS _seq, unnest(?::TIMESTAMP[]) AS _as_of, "
        "unnest(?::VARCHAR[]) AS _status, unnest(?::VARCHAR[]) AS _why",
        [
            [number for number, _, _ in rows],
            [label for _, label, _ in rows],
            [e.delivery for _, _, e in rows],
            [order[e.delivery] for _, _, e in rows],
            [e.as_of for _, _, e in rows],
            [e.status for _, _, e in rows],
            [e.reason for _, _, e in rows],
        ],
    )


def _forget_earlier_attempt(connection: duckdb.DuckDBPyConnection, batch: Batch, tables: Tables) -> None:
    """A held delivery that is judged again leaves raw and quarantine first."""
    again = [d.id for d in batch.deliveries if d.held_before]
    for table in (tables.raw, tables.quarantine):
        if again:
            connection.execute(f"DELETE FROM {table} WHERE _delivery IN (SELECT unnest(?::VARCHAR[]))", [again])


def _write_raw(
    connection: duckdb.DuckDBPyConnection, contract: Contract, compiled: CompiledContract, tables: Tables
) -> None:
    connection.execute(
        f"INSERT INTO {tables.raw} BY NAME SELECT {_pseudonymised(contract, tables.texts, 'r')}, "
        f"m._label AS _file, r._row, m._delivery FROM ({compiled.raw}) r JOIN members m USING (_file)"
    )


def quarantined(batch: Batch, texts: Sequence[str]) -> list[str]:
    """SELECTs, for INSERT BY NAME: wrong rows of every delivery but superseded ones, all rows of a held delivery; broken lines.

    They read the views `staged` and `broken` and the tables `wrong` and `members`. `texts` are the columns of the file.
    """
    common = "m._label AS _file, s._row, m._delivery, now()::TIMESTAMP AS _quarantined_at"
    held = any(e.status == "held" for e in batch.entries.values())
    join = "LEFT JOIN" if held else "JOIN"
    rows = f"""
        SELECT {", ".join(f"s.{quoted(c)}" for c in texts)}, {common},
          list_concat(coalesce(w._reasons, []::VARCHAR[]),
                      CASE WHEN m._status = 'held' THEN ['delivery: held, ' || m._why] ELSE []::VARCHAR[] END) AS _reasons
        FROM staged s {join} wrong w USING (_file, _row) JOIN members m USING (_file)
        WHERE m._status = 'held' OR (m._status = 'published' AND w._reasons IS NOT NULL)
        """
    if not any(e.malformed for e in batch.entries.values()):
        return [rows]
    lines = f"SELECT {common}, s._text, ['row: ' || s._reason] AS _reasons FROM broken s JOIN members m USING (_file)"
    return [rows, lines]


def _view_of_valid_rows(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """View `valid`: typed rows of published deliveries, pseudonymised, as the table holds them."""
    order = contract.load.order_by
    moment = f"t.{quoted(order.column)}::TIMESTAMP" if isinstance(order, Order) and order.column else "m._as_of"
    partition = ""
    if contract.partition:
        pattern = "%G-W%V" if contract.partition.unit == "iso_week" else "%Y-%m"
        partition = f"strftime(t.{quoted(contract.partition.by)}, '{pattern}') AS _partition, "
    anti = "ANTI JOIN wrong w USING (_file, _row)" if scalar(connection, "SELECT count(*) FROM wrong") else ""
    # the hash is of the plain key: it serves within this batch only, and saves pseudonymising every row twice
    key = ", ".join(f"t.{quoted(k)}" for k in contract.load.key)
    hashed = f"hash({key}) AS _k, " if key else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW valid AS SELECT {_pseudonymised(contract, list(contract.columns), 't')}, {partition}{hashed}"
        f"m._delivery, t._file AS _member, t._row, m._seq, {moment} AS _as_of "
        f"FROM typed_rows t {anti} JOIN members m USING (_file) WHERE m._status = 'published'"
    )


def _summarise(connection: duckdb.DuckDBPyConnection, batch: Batch, tables: Tables) -> None:
    """The most frequent reasons of each delivery, as the ledger keeps them: rule and shape, never a value."""
    ids = [d.id for d in batch.deliveries if batch.entries[d.id].quarantined]
    if not ids:
        return
    found = connection.execute(
        f"""
        SELECT _delivery, reason, count(*) AS n, min_by(_file, (_file, _row)) AS file, min_by(_row, (_file, _row)) AS row FROM (
          SELECT _delivery, _file, _row, unnest(_reasons) AS reason FROM {tables.quarantine}
          WHERE _delivery IN (SELECT unnest(?::VARCHAR[]))
        ) GROUP BY _delivery, reason
        QUALIFY row_number() OVER (PARTITION BY _delivery ORDER BY n DESC, reason) <= {TOP_REASONS}
        ORDER BY _delivery, n DESC, reason
        """,
        [ids],
    ).fetchall()
    for delivery, reason, number, file, row in found:
        batch.entries[delivery].add_reason(reason, number, file, row)


def _pseudonymised(contract: Contract, columns: Sequence[str], alias: str) -> str:
    purposes = contract.identifiers
    return ", ".join(
        f"{pseudonym_sql(f'{alias}.{quoted(c)}', purposes[c])} AS {quoted(c)}"
        if c in purposes
        else f"{alias}.{quoted(c)}"
        for c in columns
    )
