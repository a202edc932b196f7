"""The temporary tables that a load passes through: their names, who makes each, and who reads it. They are handed on, never spelled.

The lake has them as temporary tables and views of the load's connection, BigQuery as staging tables of the load's own
(`engines.bigquery.tables.StagingTables`). `_file` is the number of a member through the whole batch, `_row` the row in it; together they
know a row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relations:
    """Names, in the order in which the relations are made."""

    staged: str = "staged"
    """Rows as text: the file's columns, `_file`, `_row`. Made by `publish.register` from what the readers found; an erasure takes rows
    out. Read by the compiled contract, which knows it by this name, and by what writes raw and rejected rows."""
    broken: str = "broken"
    """Lines that are no rows: `_file`, `_row`, `_text`, `_reason`. Made and read as `staged`, but for the contract."""
    files: str = "files"
    """`_file`, `_delivery`, `_label`. Made by `publish.register`; read where it is not known yet what becomes of a delivery."""
    typed: str = "typed_rows"
    """Typed rows, derived values filled in: the contract's columns, `_file`, `_row`. Made by `publish.judge`, made anew by `publish.adopt`;
    read by all that follows."""
    wrong: str = "wrong"
    """`_file`, `_row`, `_reasons` of the rows that break a rule. Made by `publish.judge`; read by all that follows."""
    members: str = "members"
    """`_file`, and what all rows of the file share: `_label`, `_delivery`, `_seq` (place in the batch), `_as_of`, `_status`, `_why`, `_at`.
    Made by `publish.mark` once it is known what becomes of each delivery; read by all that follows."""
    keyed: str = "keyed"
    """Right rows with the sources of the derived key, its `_value`, and the hash `_derived` that stands in where a file gives none. Made
    by `publish.adopt`; read there, and by `publish.retire`."""
    adopted: str = "adopted"
    """`_file`, `_row`, `_delivery`, and the value `_own` that a row without takes from a copy. Made and read by `publish.adopt`."""
    valid: str = "valid"
    """Rows of published deliveries as the table holds them, with `_k` (stands for the key), `_member` (its `_file`), `_seq`. Made by
    `publish.publish`; read by `merge`."""
    existing: str = "existing"
    """The table's rows whose key came again: the key, `_k`, `_as_of`, `_content`, `_rid` (the row's place). Made and read by `merge`."""
    keys: str = "keys"
    """The keys that came, with `_k`. Made and read by `merge`."""
    touched: str = "touched"
    """`_k` of keys that need thought. Made and read by `merge`."""
    decided: str = "decided"
    """What becomes of rows whose key needs thought: `_action`, `_written` (see `rules.Rules.decided`). Made and read by `merge`."""
