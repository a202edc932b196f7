"""Values that a contract derives where a file gives none (`derived_from`), and the merging of rows that came with and without one.

A missing value becomes a stable hash of other columns. In a key that alone would leave two rows of what is one thing, delivered
once with and once without its id; so a row without takes the value of a row whose other columns are the same, and a row in the
table that still bears a hash leaves when one with a value of its own comes. Everything is counted in `Entry.merged`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_assets.contracts.model import Contract
from platform_assets.ingest.ledger import Entry
from platform_assets.ingest.tables import Tables
from resources.warehouse import quoted

if TYPE_CHECKING:
    import duckdb

HEX_DIGITS = 16


def filled(contract: Contract, typed: str) -> str:
    """The query `typed` with derived values where there are none."""
    if not contract.derived:
        return typed
    values = ", ".join(
        f"coalesce({quoted(name)}, {hash_of(column.derived_from)}) AS {quoted(name)}"
        for name, column in contract.derived.items()
    )
    return f"SELECT * REPLACE ({values}) FROM ({typed})"


def hash_of(sources: Sequence[str]) -> str:
    """SQL of the derived value: the first 16 hex digits of the SHA-256 of the values as text, separated by the unit separator."""
    texts = ", ".join(f"{quoted(s)}::VARCHAR" for s in sources)
    return f"left(sha256(concat_ws(chr(31), {texts})), {HEX_DIGITS})"


def adopt(
    connection: duckdb.DuckDBPyConnection, contract: Contract, typed: str, tables: Tables, entries: dict[str, Entry]
) -> None:
    """Rows without a key's value take that of a copy in the table, in an earlier delivery or in their own.

    Makes the view `typed_rows` anew. Of several copies with different values the smallest counts.
    """
    for name in _derived_keys(contract):
        column, sources = quoted(name), contract.columns[name].derived_from
        listed = ", ".join(map(quoted, sources))
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE keyed AS
            SELECT t._file, t._row, b._delivery, b._seq, {listed}, {column} AS _value, {hash_of(sources)} AS _derived
            FROM typed_rows t ANTI JOIN wrong USING (_file, _row) JOIN members b USING (_file)
            WHERE b._status = 'published'
            """
        )
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE adopted AS
            SELECT _file, _row, any_value(_delivery) AS _delivery, min(_own) AS _own FROM (
              SELECT m._file, m._row, m._delivery, c._value AS _own FROM keyed m JOIN keyed c USING ({listed})
              WHERE m._value = m._derived AND c._value <> c._derived AND c._seq <= m._seq
              UNION ALL
              SELECT m._file, m._row, m._delivery, v.{column} FROM keyed m JOIN {tables.validated} v USING ({listed})
              WHERE m._value = m._derived AND v.{column} <> m._derived
            ) GROUP BY _file, _row
            """
        )
        found = connection.execute("SELECT _delivery, count(*) FROM adopted GROUP BY 1").fetchall()
        for delivery, count in found:
            entries[delivery].merged += count
        if found:
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW typed_rows AS SELECT t.* REPLACE (coalesce(a._own, t.{column}) AS {column}) "
                f"FROM ({filled(contract, typed)}) t LEFT JOIN adopted a USING (_file, _row)"
            )


def retire(
    connection: duckdb.DuckDBPyConnection, contract: Contract, tables: Tables, entries: dict[str, Entry]
) -> None:
    """Rows of the table that bear a hash leave where this load brought the same with a value of its own."""
    for name in _derived_keys(contract):
        own = "SELECT _derived, arg_min(_delivery, _seq) AS _delivery FROM keyed WHERE _value <> _derived GROUP BY 1"
        stale = f"FROM {tables.validated} v JOIN ({own}) k ON v.{quoted(name)} = k._derived"
        for delivery, count in connection.execute(f"SELECT k._delivery, count(*) {stale} GROUP BY 1").fetchall():
            entries[delivery].removed += count
            entries[delivery].merged += count
        connection.execute(f"DELETE FROM {tables.validated} WHERE rowid IN (SELECT v.rowid {stale})")


def _derived_keys(contract: Contract) -> list[str]:
    """Of several derived columns in one key only the first is matched: the others' copies differ in it anyway."""
    return [name for name in contract.load.key if name in contract.derived][:1]
