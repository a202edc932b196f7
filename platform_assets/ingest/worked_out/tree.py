"""The tree that rows form, walked from above: from its roots, and from every other row above which there is none that could be reached.

No row is left out unseen: one that hangs below a row that is not there is an orphan, one below a beginning that is none of the roots is outside, and
what is never reached from above lies on a cycle, or below one. From above no cycle can be entered, so the walk ends.
"""

from __future__ import annotations

from platform_assets.contracts.model import Contract
from platform_assets.contracts.worked_out import Tree
from platform_assets.ingest.tables import Tables, duckdb_type
from platform_assets.ingest.worked_out.table import WorkedOut
from resources.lake.warehouse import literal, quoted

DEEPEST = 1000
"""Rows that hang deeper are told, not walked: paths would grow with the square of the depth."""
PLACED, OUTSIDE, ORPHAN, CYCLE, TOO_DEEP = "placed", "outside", "orphan", "cycle", "cycle or too deep"


def tree_of(contract: Contract, tree: Tree) -> WorkedOut:
    """``validated.<dataset>__tree``: a row for each row of the dataset that is part of the tree."""
    kind = duckdb_type(contract.columns[tree.node])
    levels = {name: found for level in tree.levels for name, found in ((f"{level}_id", kind), (level, "VARCHAR"))}
    return WorkedOut(
        f"{Tables(contract).validated}__tree",
        {tree.node: kind, "state": "VARCHAR", "depth": "BIGINT", "path": "VARCHAR", **levels},
        _walk(contract, tree),
        f"Where each row of {contract.name} stands in the tree: depth 1 is a root, path names the rows from there down, separated by /. "
        f"state: {PLACED}; {OUTSIDE}: below a beginning that is none of the roots; {ORPHAN}: below a row that is not there, or left out; {CYCLE}: above it "
        "there is no beginning.",
    )


def counts_of(contract: Contract, tree: Tree) -> str:
    """SELECT `state`, `rows` of the tree; beside the states ``left out`` and ``roots that are not there``, where there are any."""
    validated = Tables(contract).validated
    gone = f"SELECT count(*) FROM {validated} v WHERE NOT ({_stays(tree)})"
    listed = ", ".join(map(literal, tree.roots)) or "NULL"
    roots = (
        f"SELECT count(*) FROM (SELECT unnest([{listed}]) AS root) r WHERE r.root IS NOT NULL AND r.root NOT IN "
        f"(SELECT v.{quoted(tree.node)}::VARCHAR FROM {validated} v WHERE {_stays(tree)})"
    )
    return (
        f"SELECT state, count(*) AS rows FROM {validated}__tree GROUP BY state "
        f"UNION ALL SELECT 'left out', n FROM (SELECT ({gone}) AS n) WHERE n > 0 "
        f"UNION ALL SELECT 'roots that are not there', n FROM (SELECT ({roots}) AS n) WHERE n > 0"
    )


def _stays(tree: Tree) -> str:
    """Whether a row of the table (``v``) is part of the tree."""
    return (
        " AND ".join(
            f"coalesce(v.{quoted(c)} NOT IN ({', '.join(map(literal, values))}), TRUE)"
            for c, values in tree.leave_out.items()
            if values
        )
        or "TRUE"
    )


def _walk(contract: Contract, tree: Tree) -> str:
    node, parent, title = quoted(tree.node), quoted(tree.parent), quoted(tree.title or tree.node)
    roots = f"n.id::VARCHAR IN ({', '.join(map(literal, tree.roots))})" if tree.roots else "n.parent IS NULL"
    named = [(quoted(f"{level}_id"), quoted(level), depth) for depth, level in enumerate(tree.levels, start=1)]
    first = "".join(
        f", {'n.id' if depth == 1 else f'NULL::{duckdb_type(contract.columns[tree.node])}'} AS {i}, {'n.title' if depth == 1 else 'NULL::VARCHAR'} AS {t}"
        for i, t, depth in named
    )
    below = "".join(
        f", CASE WHEN w.depth = {depth - 1} THEN n.id ELSE w.{i} END, CASE WHEN w.depth = {depth - 1} THEN n.title ELSE w.{t} END"
        for i, t, depth in named
    )
    names = "".join(f", CASE WHEN w.state = '{PLACED}' THEN w.{c} END AS {c}" for i, t, _ in named for c in (i, t))
    none = "".join(", NULL, NULL" for _ in named)
    return f"""
    WITH RECURSIVE nodes AS MATERIALIZED (
      SELECT v.{node} AS id, v.{parent} AS parent, v.{title}::VARCHAR AS title FROM {Tables(contract).validated} v WHERE {_stays(tree)}
    ), started AS MATERIALIZED (
      SELECT n.*, CASE WHEN {roots} THEN '{PLACED}' WHEN n.parent IS NULL THEN '{OUTSIDE}'
        WHEN p.id IS NULL THEN '{ORPHAN}' END AS state
      FROM nodes n LEFT JOIN nodes p ON p.id = n.parent
    ), walked AS (
      SELECT n.id, n.state, 1::BIGINT AS depth, n.id::VARCHAR AS path{first} FROM started n WHERE n.state IS NOT NULL
      UNION ALL
      SELECT n.id, w.state, w.depth + 1, w.path || '/' || n.id::VARCHAR{below}
      FROM walked w JOIN started n ON n.parent = w.id WHERE n.state IS NULL AND w.depth < {DEEPEST}
    )
    SELECT w.id AS {node}, w.state, CASE WHEN w.state = '{PLACED}' THEN w.depth END AS depth,
      CASE WHEN w.state = '{PLACED}' THEN w.path END AS path{names} FROM walked w
    UNION ALL
    SELECT n.id, CASE WHEN (SELECT max(depth) FROM walked) = {DEEPEST} THEN '{TOO_DEEP}' ELSE '{CYCLE}' END, NULL, NULL{none}
    FROM nodes n ANTI JOIN walked w ON w.id = n.id
    """
