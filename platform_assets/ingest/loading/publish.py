"""One transaction in the lake: staged rows become raw, validated and quarantined rows, and ledger entries say so.

The caller opens the transaction; everything here runs inside it. What is decided is said in `rules`, and what of it is the load mode's in
`contracts.modes`; here stands in which order it is done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.compiling.queries import CompiledContract
from platform_assets.contracts.mode import Chosen, held
from platform_assets.contracts.model import Contract
from platform_assets.ingest.books import Books
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.loading import merge
from platform_assets.ingest.loading.batch import Batch, choose, count, hold, sweep_limit, tell_absent, weigh
from platform_assets.ingest.loading.merge import pseudonymised
from platform_assets.ingest.loading.relations import Relations
from platform_assets.ingest.loading.rules import Rules
from resources.lake.warehouse import Warehouse, literal, quoted, scalar

if TYPE_CHECKING:
    import duckdb

WHY = "_why"


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
    rules = Rules(contract, lacked=batch.lacked(contract.kept_where_absent))
    rules.tables.ensure(warehouse, connection)
    register(connection, batch, rules)
    erased = hide_erased()
    judge(connection, rules, compiled)
    count(batch, wrong_rows(connection, rules), erased)
    hold(batch, contract)
    tell_absent(batch, contract, lambda columns: _valued(connection, rules, columns))
    chosen = choose(batch, contract, lambda: newest_rows(connection, rules), books)
    by_arrival = _decide(connection, batch, rules, compiled, chosen)
    if weigh(batch, contract, by_arrival):
        _decide(connection, batch, rules, compiled, chosen)
    if chosen.swept and _hold_sweep(connection, batch, rules, chosen):
        chosen = Chosen()
        _decide(connection, batch, rules, compiled, chosen)
    _forget_earlier_attempt(connection, batch, rules)
    source = (
        f"(SELECT t.*, w._reasons AS {WHY} FROM ({compiled.raw}) t LEFT JOIN {rules.names.wrong} w USING (_file, _row))"
    )
    connection.execute(rules.write_raw(source, kept_texts(contract, rules.tables.texts, "r")))
    held = any(e.status == "held" for e in batch.entries.values())
    connection.execute(rules.write_quarantined(held=held))
    merge.into_table(connection, rules, batch.entries, chosen)
    retire(connection, rules, batch.entries)
    _summarise(connection, batch, rules)


def _hold_sweep(connection: duckdb.DuckDBPyConnection, batch: Batch, rules: Rules, chosen: Chosen) -> bool:
    """Whether more of the table would leave than may: then the delivery is held. After `merge.decide`."""
    assert chosen.swept is not None
    entry = batch.entries[chosen.swept]
    limit = sweep_limit(batch, rules.contract, chosen)
    rows = scalar(connection, f"SELECT count(*) FROM {rules.tables.validated}")
    leaving = merge.count_leaving(connection, rules, chosen)
    if entry.status != "published" or leaving <= limit * rows:
        return False
    held(
        entry,
        f"{leaving:,} of {rows:,} rows of the table ({leaving / rows:.1%}) are no longer at the source, the contract allows {limit:.1%} "
        "(source.sweep). Release it if they were deleted there",
    )
    return True


def _valued(connection: duckdb.DuckDBPyConnection, rules: Rules, columns: Sequence[str]) -> set[str]:
    """Those of `columns` that have a value in the table."""
    if not columns:
        return set()
    counts = ", ".join(f"count({quoted(c)})" for c in columns)
    found = connection.execute(f"SELECT {counts} FROM {rules.tables.validated}").fetchone() or ()
    return {c for c, n in zip(columns, found, strict=True) if n}


def _decide(
    connection: duckdb.DuckDBPyConnection, batch: Batch, rules: Rules, compiled: CompiledContract, chosen: Chosen
) -> dict[str, int]:
    """From what is known of deliveries to what becomes of their rows; see `merge.decide`."""
    mark(connection, batch, rules.names)
    adopt(connection, rules, compiled, batch.entries)
    _view_of_valid_rows(connection, rules)
    return merge.decide(connection, rules, chosen)


def register(connection: duckdb.DuckDBPyConnection, batch: Batch, rules: Rules) -> None:
    """Make the views `Relations.staged` and `broken`, and the table `files`."""
    names = rules.names
    nothing = ", ".join(f"NULL::VARCHAR AS {quoted(c)}" for c in rules.tables.texts)
    empty = f"SELECT {nothing}, 0::BIGINT AS _file, 0::BIGINT AS _row WHERE false"
    rows = " UNION ALL BY NAME ".join(f"({part.sql})" for part in batch.staged) or empty
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {names.staged} AS {rows}")
    broken = [literal(str(part.broken)) for part in batch.staged if part.broken]
    none = "SELECT 0::BIGINT AS _file, 0::BIGINT AS _row, ''::VARCHAR AS _text, ''::VARCHAR AS _reason WHERE false"
    source = f"SELECT * FROM read_parquet([{', '.join(broken)}])" if broken else none
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {names.broken} AS {source}")
    numbers = list(batch.members)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names.files} AS "
        "SELECT unnest(?::BIGINT[]) AS _file, unnest(?::VARCHAR[]) AS _delivery, unnest(?::VARCHAR[]) AS _label",
        [numbers, [batch.members[n][0] for n in numbers], [batch.members[n][1] for n in numbers]],
    )


def judge(connection: duckdb.DuckDBPyConnection, rules: Rules, compiled: CompiledContract) -> None:
    """Make the view `Relations.typed` and the table `wrong` of what is staged."""
    names = rules.names
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {names.typed} AS {rules.typed(f'({compiled.typed})')}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.wrong} AS {rules.wrong(f'({compiled.judged})')}")


def wrong_rows(connection: duckdb.DuckDBPyConnection, rules: Rules) -> dict[int, int]:
    """Member -> its wrong rows. After `judge`."""
    return dict(connection.execute(f"SELECT _file, count(*) FROM {rules.names.wrong} GROUP BY _file").fetchall())


def newest_rows(connection: duckdb.DuckDBPyConnection, rules: Rules) -> dict[str, dt.datetime | None]:
    """Delivery -> its newest right row, where rows have a place in time of their own. After `judge`."""
    asked = rules.newest_rows()
    return dict(connection.execute(asked).fetchall()) if asked else {}


def mark(connection: duckdb.DuckDBPyConnection, batch: Batch, names: Relations) -> None:
    """Make the table `Relations.members`: one small join gives all rows of a file what they share."""
    order = {d.id: n for n, d in enumerate(batch.deliveries)}
    rows = [(number, label, batch.entries[delivery]) for number, (delivery, label) in batch.members.items()]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names.members} AS SELECT unnest(?::BIGINT[]) AS _file, unnest(?::VARCHAR[]) AS _label, "
        "unnest(?::VARCHAR[]) AS _delivery, unnest(?::INTEGER[]) AS _seq, unnest(?::TIMESTAMP[]) AS _as_of, "
        "unnest(?::VARCHAR[]) AS _status, unnest(?::VARCHAR[]) AS _why, unnest(?::TIMESTAMP[]) AS _at",
        [
            [number for number, _, _ in rows],
            [label for _, label, _ in rows],
            [e.delivery for _, _, e in rows],
            [order[e.delivery] for _, _, e in rows],
            [e.as_of for _, _, e in rows],
            [e.status for _, _, e in rows],
            [e.reason for _, _, e in rows],
            [e.loaded_at for _, _, e in rows],
        ],
    )


def adopt(
    connection: duckdb.DuckDBPyConnection, rules: Rules, compiled: CompiledContract, entries: Mapping[str, Entry]
) -> None:
    """Rows without a key's value take that of a copy; see `Rules.adopted`. Makes the view `Relations.typed` anew."""
    if rules.derived_key is None:
        return
    names, column = rules.names, quoted(rules.derived_key)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.keyed} AS {rules.keyed()}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {names.adopted} AS {rules.adopted()}")
    found = connection.execute(f"SELECT _delivery, count(*) FROM {names.adopted} GROUP BY 1").fetchall()
    for delivery, rows in found:
        entries[delivery].merged += rows
    if found:
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {names.typed} AS SELECT t.* REPLACE (coalesce(a._own, t.{column}) AS {column}) "
            f"FROM ({rules.typed(f'({compiled.typed})')}) t LEFT JOIN {names.adopted} a USING (_file, _row)"
        )


def retire(connection: duckdb.DuckDBPyConnection, rules: Rules, entries: Mapping[str, Entry]) -> None:
    """Rows of the table that bear a hash leave where this load brought the same with a value of its own."""
    if rules.derived_key is None:
        return
    found = connection.execute(
        f"SELECT k._delivery, count(*) FROM {rules.tables.validated} v JOIN ({rules.come_with_id()}) k "
        f"ON v.{quoted(rules.derived_key)} = k._derived GROUP BY 1"
    ).fetchall()
    for delivery, rows in found:
        entries[delivery].removed += rows
        entries[delivery].merged += rows
    if found:
        connection.execute(rules.retire())


def kept_texts(contract: Contract, columns: Sequence[str], alias: str) -> list[str]:
    """The text columns of `alias` as raw may hold them; its column `WHY` has what is wrong with the row (NULL: nothing).

    An identifier may stand anywhere in a row that is wrong (a cell too many, and all shift), so where the contract has identifiers such a
    row keeps their pseudonyms and what is right of its key; its text is in quarantine, for stewards.
    """
    why = f"{alias}.{WHY}"

    def kept(column: str, text: str) -> str:
        if not contract.identifiers or column in contract.identifiers:
            return text
        if column not in contract.load.key:
            return f"CASE WHEN {why} IS NULL THEN {text} END"
        wrong = f"contains(chr(10) || array_to_string({why}, chr(10)), {literal(chr(10) + column + ': ')})"
        return f"CASE WHEN {why} IS NULL OR NOT {wrong} THEN {text} END"

    return [kept(c, text) for c, text in zip(columns, pseudonymised(contract, columns, alias), strict=True)]


def _forget_earlier_attempt(connection: duckdb.DuckDBPyConnection, batch: Batch, rules: Rules) -> None:
    """A held delivery that is judged again leaves raw and quarantine first."""
    again = [d.id for d in batch.deliveries if d.held_before]
    for table in (rules.tables.raw, rules.tables.quarantine):
        if again:
            connection.execute(f"DELETE FROM {table} WHERE _delivery IN (SELECT unnest(?::VARCHAR[]))", [again])


def _view_of_valid_rows(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """View `Relations.valid`."""
    contract, names = rules.contract, rules.names
    columns = list(contract.columns)
    values = zip(pseudonymised(contract, columns, "t"), columns, strict=True)
    listed = [f"{value} AS {quoted(column)}" for value, column in values]
    if contract.partition:
        listed.append(f"{rules.period('t')} AS _partition")
    if contract.load.key:
        # the hash is of the plain key: it serves within this batch only, and saves pseudonymising every row twice
        listed.append(f"hash({rules.key('t')}) AS _k")
    some_wrong = bool(scalar(connection, f"SELECT count(*) FROM {names.wrong}"))
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {names.valid} AS SELECT {', '.join(listed)}, "
        f"m._delivery, t._file AS _member, t._row, m._seq, {rules.moment('t')} AS _as_of {rules.of_published('t', some_wrong=some_wrong)}"
    )


def _summarise(connection: duckdb.DuckDBPyConnection, batch: Batch, rules: Rules) -> None:
    """The most frequent reasons of each delivery, from the rows that were written."""
    ids = [d.id for d in batch.deliveries if batch.entries[d.id].quarantined]
    if not ids:
        return
    written = f"(SELECT * FROM {rules.tables.quarantine} WHERE _delivery IN (SELECT unnest(?::VARCHAR[])))"
    for delivery, reason, rows, file, row in connection.execute(rules.reasons(written), [ids]).fetchall():
        batch.entries[delivery].add_reason(reason, int(rows), file, row)
