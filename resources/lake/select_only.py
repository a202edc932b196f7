"""What DuckDB's own parser says of a statement: one SELECT, of which tables, by which functions. Nothing is run or opened.

Everything is an allow-list: a kind of table, a table or a function that is not known to be harmless is refused. Files of analysts are
read by sqlglot besides; a spelling that the two take differently is stopped by the one that the engine really uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
"""Functions that may stand where a table stands: they make rows of their arguments."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names of tables, of WITH, and after AS. With others something else than a table may be meant, e.g. a file."""
_TELLING = frozenset(
    {
        *("current_setting", "getvariable", "getenv", "version", "current_localtime", "current_localtimestamp"),
        *("json_serialize_sql", "json_serialize_plan", "json_deserialize_sql", "parse_duckdb_log_message"),
        *("can_cast_implicitly", "vector_type", "constant_or_null", "create_sort_key"),
    }
)
"""DuckDB counts these among its pure functions, but they tell of the engine, the session or the clock."""
_MACROS = frozenset(
    {
        *("array_append", "array_pop_back", "array_pop_front", "array_prepend", "array_push_back", "array_push_front"),
        *("array_reverse", "array_to_string", "date_add", "days_in_month", "fdiv", "fmod", "geomean", "geometric_mean"),
        *("json", "json_group_array", "json_group_object", "list_any_value", "list_append", "list_avg", "list_count"),
        *(
            "list_first",
            "list_last",
            "list_max",
            "list_median",
            "list_min",
            "list_mode",
            "list_prepend",
            "list_product",
        ),
        *("list_reverse", "list_string_agg", "list_sum", "list_var_pop", "list_var_samp", "list_stddev_pop"),
        *("list_stddev_samp", "list_approx_count_distinct", "list_bool_and", "list_bool_or", "list_histogram"),
        *("map_contains_entry", "map_contains_value", "nullif", "round_even", "roundbankers", "split_part", "wavg"),
        "weighted_avg",
    }
)
"""DuckDB's own macros over pure functions; it does not say of a macro whether it is pure."""
_CLOCK = re.compile(r"current_\w+|local(time|timestamp)|session_user", re.IGNORECASE)
"""What looks like a column and is a function."""
_TABLES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"})
"""What may stand after FROM, as DuckDB's parser calls it."""


class Refused(RuntimeError):
    """The statement may not run; the message says what is to be written instead. Nothing was read."""


def demand_select(query: str, tables: Collection[str]) -> None:
    """Raises Refused unless `query` is one SELECT of `tables` (``layer.name``) and of names of its own WITH, by pure functions."""
    (answer,) = _parser().cursor().execute("SELECT json_serialize_sql($1::VARCHAR)", [query]).fetchall()
    tree = json.loads(answer[0])
    if tree["error"] or len(tree["statements"]) != 1:
        raise Refused(
            "a query is one SELECT (WITH ... SELECT is one; a PIVOT names its values: ON x IN ('a', 'b')), nothing else"
        )
    known = frozenset(table.lower() for table in tables)
    own = {str(entry["key"]).lower() for node in nodes(tree) for entry in node.get("cte_map", {}).get("map", ())}
    for name in own:
        _demand_plain(name)
    for node in nodes(tree):
        if "sample" in node and "alias" in node:
            _demand_source(node, known, own)
        elif node.get("class") in ("FUNCTION", "WINDOW"):
            name, schema = str(node["function_name"]).lower(), str(node.get("schema") or "").lower()
            if node.get("catalog") or schema not in ("", "main") or name not in pure_functions() | TABLE_FUNCTIONS:
                raise Refused(
                    f"the function {name} may not be used: only functions whose result depends on nothing but their arguments"
                )
        elif node.get("class") == "COLUMN_REF" and _CLOCK.fullmatch(str(node["column_names"][-1])):
            name = node["column_names"][-1]
            raise Refused(
                f"{name} is another one tomorrow, and the table could not be made again: give it as a parameter"
            )


def _demand_source(node: dict[str, Any], known: Collection[str], own: Collection[str]) -> None:
    """Raises Refused unless `node`, which stands where a table stands, is one that may."""
    kind = str(node["type"])
    if kind not in _TABLES:
        raise Refused(f"{kind.lower().replace('_', ' ')} is no table: write SELECT ... FROM a table with its layer")
    if node["alias"]:
        _demand_plain(str(node["alias"]))
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "this")).lower()
        if node["function"].get("class") != "FUNCTION" or name not in TABLE_FUNCTIONS:
            raise Refused(f"{name} is no table; of functions only {', '.join(sorted(TABLE_FUNCTIONS))} make rows")
    elif kind == "BASE_TABLE":
        parts = [str(node.get(part) or "") for part in ("catalog_name", "schema_name", "table_name")]
        catalog, schema, name = parts
        for part in filter(None, parts):
            _demand_plain(part)
        found = f"{schema}.{name}".lower() in known if schema else name.lower() in own
        if catalog or not found or node.get("at_clause"):
            words = ".".join(filter(None, parts))
            raise Refused(f"{words} is not among the tables that the query may read ({', '.join(sorted(known))})")


def _demand_plain(name: str) -> None:
    if not PLAIN.fullmatch(name):
        raise Refused(f'"{name}" is no plain name: tables, names of WITH and names after AS have letters, digits and _')


@cache
def pure_functions() -> frozenset[str]:
    """Names of DuckDB's functions whose result depends on their arguments alone."""
    found = (
        _parser()
        .cursor()
        .execute(
            "SELECT lower(function_name) FROM duckdb_functions() WHERE internal AND function_type IN ('scalar', 'aggregate') "
            "GROUP BY ALL HAVING bool_and(stability = 'CONSISTENT')"
        )
        .fetchall()
    )
    inner = ("__internal", "icu_", "pg_", "duckdb_", "pragma_")
    return frozenset({name for (name,) in found if not name.startswith(inner)} - _TELLING | _MACROS)


@cache
def _parser() -> Any:
    """An engine that holds nothing and may open nothing: it only parses."""
    import duckdb

    return duckdb.connect(config={"enable_external_access": "false", "threads": "1", "lock_configuration": "true"})


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
