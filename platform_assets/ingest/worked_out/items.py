"""A column that holds lists becomes two tables: which row has which item at which place, and the items with their ids.

An item's id is the first digits of the SHA-256 of its text: the same in every run and on every machine, with nothing to be kept for it. Of an
item that stands twice in a list the first place counts; items are trimmed, and empty ones are none.
"""

from __future__ import annotations

from platform_assets.contracts.model import Contract
from platform_assets.ingest.loading.rules import HEX_DIGITS
from platform_assets.ingest.tables import Tables, duckdb_type
from platform_assets.ingest.worked_out.table import WorkedOut
from resources.lake.warehouse import literal, quoted


def tables_of_list(contract: Contract, name: str) -> list[WorkedOut]:
    """``validated.<dataset>__<list>`` and ``validated.<dataset>__<list>_values``."""
    table, column, key = Tables(contract).validated, quoted(name), contract.load.key
    mark = contract.columns[name].delimiter or ""
    keys = ", ".join(map(quoted, key))
    split = f"list_filter(list_transform(string_split({column}, {literal(mark)}), x -> trim(x, {literal(chr(32) + chr(9))})), x -> x <> '')"
    # by item first, as there are fewer items than places: the hash is taken of each once
    entries = (
        f"SELECT {keys}, item, min(place) AS place FROM (SELECT {keys}, unnest(items) AS item, unnest(range(1, len(items) + 1)) AS place "
        f"FROM (SELECT {keys}, {split} AS items FROM {table} WHERE {column} IS NOT NULL)) GROUP BY {keys}, item"
    )
    ids = f"SELECT item, left(sha256(item), {HEX_DIGITS}) AS value_id FROM (SELECT DISTINCT item FROM ({entries}))"
    placed = (
        f"WITH entries AS MATERIALIZED ({entries}), ids AS ({ids.replace(f'({entries})', 'entries')}) "
        f"SELECT {keys}, row_number() OVER (PARTITION BY {keys} ORDER BY e.place)::BIGINT AS place, i.value_id "
        "FROM entries e JOIN ids i ON i.item = e.item"
    )
    types = {k: duckdb_type(contract.columns[k]) for k in key}
    return [
        WorkedOut(
            f"{table}__{name}",
            {**types, "place": "BIGINT", "value_id": "VARCHAR"},
            placed,
            f"Which row of {contract.name} has which item of {name}, in the order of the list (place 1 is the first).",
        ),
        WorkedOut(
            f"{table}__{name}_values",
            {"value_id": "VARCHAR", "value": "VARCHAR"},
            f"SELECT value_id, item AS value FROM ({ids})",
            f"The items of {name} in {contract.name}; the id of an item is the same in every delivery.",
        ),
    ]
